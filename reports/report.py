"""Check and show the project report: 31 questions, each with limits in words and images.

    python reports/report.py check   # one line for each fault; exit code 1 if there is one
    python reports/report.py html    # writes report.html beside README.md, complete in one file

Both read README.md beside this file, or the file given. An answer is the text below ``## N. Subject`` and below the
question, which is a quotation (``>``). It needs typer and markdown alone.
"""

import base64
import mimetypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Annotated, Final

import typer
from markdown import markdown

__all__ = ["QUESTIONS", "Answer", "Question", "faults", "html_page", "read_answers"]

REPORT: Final = Path(__file__).with_name("README.md")
PAGE: Final = "report.html"


@dataclass(frozen=True, slots=True)
class Question:
    """Subject of a question, with the least and most words and images of its answer; None is no limit."""

    number: int
    subject: str
    words: tuple[int, int] | None
    images: tuple[int, int] | None = None

    @property
    def limits(self) -> str:
        """The limits as a reader sees them, such as "200 to 300 words, 1 to 3 images"."""
        parts = [
            f"{self._range(bounds)} {unit if bounds[1] != 1 else unit.removesuffix('s')}"
            for bounds, unit in ((self.words, "words"), (self.images, "images"))
            if bounds is not None
        ]
        return ", ".join(parts) or "no limit"

    @staticmethod
    def _range(bounds: tuple[int, int]) -> str:
        return f"{bounds[0]} to {bounds[1]}" if bounds[0] != bounds[1] else str(bounds[0])


QUESTIONS: Final = (
    Question(1, "Group", None),
    Question(2, "Members", None),
    Question(3, "Third-party package", (100, 200)),
    Question(4, "Dependencies", (100, 200)),
    Question(5, "Code structure", (100, 200)),
    Question(6, "Code quality", (100, 200)),
    Question(7, "Tests", (50, 100)),
    Question(8, "Coverage", (100, 200)),
    Question(9, "Branches and reviews", (100, 200)),
    Question(10, "Data versions", (100, 200)),
    Question(11, "Continuous integration", (200, 300)),
    Question(12, "Configuration", (50, 100)),
    Question(13, "Reproducibility", (100, 200)),
    Question(14, "Experiment tracking", (200, 300), (1, 3)),
    Question(15, "Containers", (100, 200)),
    Question(16, "Debugging and profiling", (100, 200)),
    Question(17, "Cloud services", (50, 200)),
    Question(18, "Compute engine", (100, 200)),
    Question(19, "Bucket", None, (1, 2)),
    Question(20, "Artifact registry", None, (1, 2)),
    Question(21, "Build history", None, (1, 2)),
    Question(22, "Training in the cloud", (100, 200)),
    Question(23, "API", (100, 200)),
    Question(24, "Deployment", (100, 200)),
    Question(25, "Unit and load tests of the API", (100, 200)),
    Question(26, "Monitoring", (100, 200)),
    Question(27, "Credits and cost", (100, 200)),
    Question(28, "Extras", (0, 200)),
    Question(29, "Architecture", (200, 400), (1, 1)),
    Question(30, "Struggles", (200, 400)),
    Question(31, "Contributions", (50, 300)),
)

_HEADING: Final = re.compile(r"^##\s+(\d+)\.\s+(.*?)\s*$", re.MULTILINE)
_ANY_HEADING: Final = re.compile(r"^#{1,2}\s", re.MULTILINE)
_IMAGE: Final = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_FENCE: Final = re.compile(r"^```.*?^```\s*$", re.MULTILINE | re.DOTALL)
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_QUOTATION: Final = re.compile(r"^>.*$", re.MULTILINE)
_WORD: Final = re.compile(r"\w[\w'./:=-]*")
_PLACEHOLDER: Final = re.compile(
    r"\b(?:TODO|TBD|FIXME|XXX|lorem ipsum|fill (?:this )?(?:in|here)|your answer|insert here)\b|\?\?\?|^\s*\.\.\.\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_BOX_LINE: Final = re.compile(r"^(\s*[-*]\s+)\[(.)\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """The text below the heading of a question, without the question itself."""

    number: int
    subject: str
    text: str

    @property
    def images(self) -> list[str]:
        """The images that it shows, as paths relative to the report."""
        return [path for _, path in _IMAGE.findall(_FENCE.sub("", self.text))]

    @property
    def words(self) -> int:
        """The words of its prose: no code blocks, no images, no addresses of links."""
        prose = _LINK.sub(r"\1", _IMAGE.sub("", _COMMENT.sub("", _FENCE.sub("", self.text))))
        return len(_WORD.findall(prose))


def read_answers(text: str) -> list[Answer]:
    """Return the answers of a report, in its order."""
    answers = []
    for heading in _HEADING.finditer(text):
        following = _ANY_HEADING.search(text, heading.end())
        body = text[heading.end() : following.start() if following else len(text)]
        answers.append(Answer(int(heading[1]), heading[2], _QUOTATION.sub("", body).strip()))
    return answers


def faults(text: str, *, folder: Path) -> list[str]:
    """Return what is wrong with a report, a line each; images are looked up below ``folder``."""
    return [*_checklist(text), *_numbers(read_answers(text)), *_answers(read_answers(text), folder=folder)]


def _checklist(text: str) -> Iterator[str]:
    boxes = [box for _, box in _BOX_LINE.findall(text.partition("\n## 1.")[0])]
    if not boxes:
        yield "Checklist: expected lines such as '- [x] data versions' before question 1, got none."
    for box in sorted(set(boxes) - {"x", " "}):
        yield f"Checklist: expected [x] or [ ], got [{box}]."


def _numbers(answers: Sequence[Answer]) -> Iterator[str]:
    found = [answer.number for answer in answers]
    for question in QUESTIONS:
        count = found.count(question.number)
        if count != 1:
            yield f"{question.number}. {question.subject}: expected one answer, got {count}."
    for surplus in sorted(set(found) - {question.number for question in QUESTIONS}):
        yield f"{surplus}: expected questions 1 to {len(QUESTIONS)}, got another number."


def _answers(answers: Sequence[Answer], *, folder: Path) -> Iterator[str]:
    questions = {question.number: question for question in QUESTIONS}
    for answer in answers:
        question = questions.get(answer.number)
        if question is None:
            continue
        for fault in _answer(question, answer, folder=folder):
            yield f"{question.number}. {question.subject}: {fault}"


def _answer(question: Question, answer: Answer, *, folder: Path) -> Iterator[str]:
    if answer.subject != question.subject:
        yield f"expected this heading, got '{answer.subject}'."
    is_optional = question.words is not None and question.words[0] == 0
    if not answer.text and not is_optional:
        yield "expected an answer, got none."
        return
    if question.words is not None and not question.words[0] <= answer.words <= question.words[1]:
        yield f"expected {question.limits}, got {answer.words} words."
    least, most = question.images or (0, len(answer.images))
    if not least <= len(answer.images) <= most:
        yield f"expected {question.limits}, got {len(answer.images)} images."
    for path in answer.images:
        if "://" in path:
            yield f"expected an image beside the report, got the address {path}."
        elif not (folder / path).is_file():
            yield f"the image {path} doesn't exist."
    for placeholder in _PLACEHOLDER.finditer(_FENCE.sub("", answer.text)):
        yield f"the placeholder '{placeholder[0].strip()}' is left."


STYLE: Final = """
:root { color-scheme: light dark }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.55 system-ui, sans-serif }
h1, h2 { line-height: 1.25 } h2 { margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1.2rem }
blockquote { margin: 0; padding: .1rem 1rem; border-left: 4px solid #4a7; opacity: .85 }
img { max-width: 100%; border: 1px solid #8886; border-radius: 4px }
nav ul { columns: 2; list-style: none; padding: 0; font-size: .9rem }
pre { overflow-x: auto; background: #8882; padding: .8rem; border-radius: 4px } code { font-size: .9em }
table { border-collapse: collapse; display: block; overflow-x: auto }
td, th { border: 1px solid #8886; padding: .3rem .6rem }
.limits { font-size: .85rem; opacity: .75 }
@media (max-width: 30rem) { nav ul { columns: 1 } }
"""


def html_page(text: str, *, folder: Path) -> str:
    """Return a report as one HTML page that needs no other file; images are embedded.

    Raises:
        OSError: an image can't be read.
    """
    answers = {answer.number: answer for answer in read_answers(text)}
    questions = {question.number: question for question in QUESTIONS}

    def heading(found: re.Match[str]) -> str:
        number = int(found[1])
        title = f'<h2 id="q{number}">{number}. {escape(found[2])}</h2>'
        if number not in questions:
            return title
        images = len(answers[number].images)
        counts = f"{answers[number].words} words, {images} image{'' if images == 1 else 's'}"
        return f'{title}\n<p class="limits">Limits: {questions[number].limits}. This answer: {counts}.</p>\n'

    def image(found: re.Match[str]) -> str:
        return f"![{found[1]}]({_data_address(folder / found[2])})"

    body = markdown(
        _BOX_LINE.sub(_box, _HEADING.sub(heading, _IMAGE.sub(image, text))),
        extensions=["tables", "fenced_code", "sane_lists"],
    )
    contents = "".join(f'<li><a href="#q{one.number}">{one.number}. {one.subject}</a></li>' for one in QUESTIONS)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Project report</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><nav aria-label="Questions"><ul>{contents}</ul></nav><main>{body}</main></body></html>\n'
    )


def _box(found: re.Match[str]) -> str:
    return f"{found[1]}{'&#9745;' if found[2] == 'x' else '&#9744;'}"


def _data_address(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


app = typer.Typer(add_completion=False, no_args_is_help=True, help="Check and show the project report.")
ReportFile = Annotated[Path, typer.Argument(help="The report in Markdown.", exists=True, dir_okay=False)]


@app.command()
def check(report: ReportFile = REPORT) -> None:
    """Print each fault of the report; exit code 1 if there is one."""
    text = report.read_text(encoding="utf-8")
    found = faults(text, folder=report.parent)
    for fault in found:
        typer.echo(fault)
    faulty = {fault.partition(".")[0] for fault in found}
    fine = sum(str(question.number) not in faulty for question in QUESTIONS)
    typer.echo(f"{fine} of {len(QUESTIONS)} answers are within their limits.")
    raise typer.Exit(1 if found else 0)


@app.command()
def html(
    report: ReportFile = REPORT,
    output: Annotated[Path | None, typer.Option(help="The page; report.html beside the report by default.")] = None,
) -> None:
    """Write the report as one page."""
    place = output or report.with_name(PAGE)
    try:
        place.write_text(html_page(report.read_text(encoding="utf-8"), folder=report.parent), encoding="utf-8")
    except OSError as error:
        typer.echo(
            f"{error.filename}: {error.strerror}. Run 'python reports/report.py check' for all faults.", err=True
        )
        raise typer.Exit(1) from error
    typer.echo(str(place))


if __name__ == "__main__":
    app()
