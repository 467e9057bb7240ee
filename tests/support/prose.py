"""Prose check of pages, comments, docstrings and messages: sentence length and words that the glossary replaces.

Run by ``make lint`` as ``python -m tests.support.prose``; ``docs/decisions/prose.md`` says why it is not Vale.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.source_tree import modules, parsed, shown, tracked

MAX_WORDS: Final = 30
ISE_STEMS: Final = (
    "anonym|apolog|author|binar|canonical|capital|categor|central|character|critic|custom|digit|discret|emphas|equal"
    "|factor|final|formal|general|harmon|initial|item|linear|local|material|maxim|memor|minim|modern|neutral|normal"
    "|optim|organ|parameter|parametr|penal|priorit|quant|random|raster|real|recogn|regular|sanit|scrutin|serial"
    "|special|stabil|standard|summar|symbol|synchron|token|util|vector|visual"
)
"""Stems of verbs in "-ise"; "optimistic" and "emphasis" are not forms of them."""
BRITISH: Final = {
    rf"[a-z]*({ISE_STEMS})is(e[ds]?|ers?|ing|ations?|abl[ey])": "-ize, -ization",
    r"(re|un)?analys(e|ed|er|ers|ing)|(cat|par)alys(e|ed|ing)": "analyze",
    r"[a-z]*colour[a-z]*": "color",
    r"grey(?!hound)[a-z]*": "gray",
    r"(dis|un)?(behavi|endeav|fav|flav|harb|hon|hum|lab|neighb|rig|rum|sav|vap)our[a-z]*": "-or",
    r"(mis|re|un)?label(led|ling)": "labeled, labeling",
    r"(re|un)?(cancel|channel|counsel|dial|fuel|level|marvel|model|panel|signal|total|travel|tunnel)(led|lers?|ling)": (
        "one l: -eled, -eling"
    ),
    r"(calib|cent|fib|lit|lust|[a-z]*met|spect|theat)res?|(re)?centred|(re)?centring": "-er",
    r"(un)?licence[ds]?": "license",
    r"(def|off|pret)ences?": "-ense",
    r"practis(e[ds]?|ing)": "practice",
    r"catalogue[ds]?": "catalog",
    r"artefacts?": "artifact",
    r"programmes?": "program",
    r"(acknowledge|judge)ments?": "-dgment",
    r"(enrol|fulfil)(s|ments?)?|instalments?|skilful(ly)?": "-ll-",
    r"ageing|cheques?|mould[a-z]*|sceptic[a-z]*|tyres?": "aging, check, mold, skeptic, tire",
    r"amongst|whilst": "among, while",
    r"burnt|learnt|(mis)?spelt": "burned, learned, spelled",
}
"""Patterns of British forms, each with the American one: the project's spelling is American."""
REPLACED: Final = BRITISH | {
    r"spoil(s|t|ed|ing)?": "corrupt, block",
    r"straddl\w+": "group leakage",
    r"mend(s|ed|ing)?": "repair, drop leaking rows",
    r"tellers?": "run logger",
    r"crews?": "workers",
    r"(a|the|whole|this|every|per) walk|walk as": "pipeline",
    r"doors?": "middleware, step",
    r"(this|that|whose|other|heavy|each) rooms?": "package",
    r"house metaphor|law of the house": "rule",
    r"kin": "near-duplicates, related photos",
    r"(?<![./])famil(y|ies)(?!\.)": "group",
    r"moods?": "label, class",
    r"sure_from": "confidence_threshold",
    r"set_(quantile|coverage)": "conformal_quantile, target_coverage",
    r"(?<!not )(?<!make )sure(?! that)|surely|unsure": "confident, significantly",
    r"knows": "name the fact: stores, reads, is defined in",
    r"speaks?": "use (a protocol)",
    r"wants": "requires",
    r"asks(?! for)|(is|are|was|were) asked(?! for)": "queries, requests",
    r"obey\w*": "accept, apply",
    r"forgets|remembers": "discards, stores",
    r"believ(e|es|ed)": "trust, verify",
    r"(told|tell|tells|telling) (\w+ ){0,2}apart": "distinguish",
    r"tells? of": "list, describe",
    r"tell(s|ing)?|told": "report, return",
    r"teach(es)? any": "suffice for",
    r"judg(e|es|ed|ing)": "evaluate",
    r"luck": "chance",
    r"litter": "stale files",
    r"intake": "scanner",
    r"data ?sets? banks?|image bank|photo bank": "image cache",
    r"data sets?": "dataset",
    r"pictures?": "photo (file), image (pixels)",
    r"novel": "long text",
    r"stranger(s|'s)?": "untrusted client",
    r"patient(ly)?|patience": "with retries, timeout",
    r"aloud": "explicitly",
    r"dawdl\w+|linger\w*": "wait",
    r"speaks? HTTP": "use HTTP",
    r"(?<!sign )(?<!the )(?<!random )signs": "characters",
    r"nobody|somebody|someone|whoever|whom": "name the role",
    r"(goes|go|going|went) on": "continue, resume",
    r"anew|afresh": "again",
    r"astray|countless|cut off": "invalid, too many, truncated",
    r"seal(s|ed|ing)?": "hash, manifest digest",
    r"carr(y|ies|ied|ying) out": "apply, run",
    r"slips?": "typo, misspelling",
    r"gave": "returned, reached",
    r"look(s|ed|ing)? at": "inspect, view",
    r"(?<!there )(is|are|was|were) no (?!longer|more|less|\w+er\b)\w+": "is not a",
    r"inside of": "inside",
    r"gate\.(json|md|html)": "promotion.json, .md, .html",
    r"the gate's": "of the promotion checks",
    r"for ever": "without end, always",
    r"were it": "even if",
}
"""Patterns of words that are not the field's terms, each with what to write instead."""
BANNED: Final = re.compile("|".join(rf"(?P<w{at}>\b(?:{word})\b)" for at, word in enumerate(REPLACED)), re.IGNORECASE)
INSTEAD: Final = tuple(REPLACED.values())

ROWS: Final = ("|", "├", "│", "└")
"""How the lines of tables and trees begin."""
PAGES: Final = (".md",)
COMMENTED: Final = (".yaml", ".yml", "Makefile")
TEMPLATES: Final = (".j2", ".html")
SCRIPTS: Final = (".js", ".css")

_SENTENCE = re.compile(r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bal\.)(?<!\bvs\.)(?<=[.!?])[)\"'*]*\s+")
_WORD = re.compile(r"\w")
_ITEM = re.compile(r"([-*]|\d+\.) ")
_SCRIPT_TEXT = re.compile(r"""(?s)"[^"\n]*"|'[^'\n]*'|`[^`]*`|/\*.*?\*/|//[^\n]*""")
_ENTRY = re.compile(rf"{_ITEM.pattern}|[A-Z][a-z]+:$|\w+: ")


class Finding(NamedTuple):
    """One sentence or word to rewrite."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        """Return the finding as compilers show theirs."""
        return f"{self.path}:{self.line}: {self.text}"


def plain(text: str) -> str:
    """Replace code by one placeholder, and links by their text."""
    text = re.sub(r"``[^`]+``|`[^`]+`", "CODE", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"https?://\S+", "URL", text)


def sentences(text: str) -> Iterator[str]:
    """Split a paragraph into sentences."""
    yield from (sentence for sentence in _SENTENCE.split(" ".join(text.split())) if sentence)


def too_long(text: str) -> Iterator[str]:
    """Yield what to report of each sentence of a paragraph that is too long."""
    for sentence in sentences(plain(text)):
        words = sum(bool(_WORD.search(word)) for word in sentence.split())
        if words > MAX_WORDS:
            yield f"{words} words in one sentence, at most {MAX_WORDS}: {' '.join(sentence.split()[:8])} ..."


def replaced_words(text: str) -> Iterator[str]:
    """Yield what to report of each word that the glossary replaces."""
    for match in BANNED.finditer(plain(text)):
        yield f"{match[0]!r}: write {INSTEAD[int(str(match.lastgroup)[1:])]}"


def paragraphs(text: str, *, item: re.Pattern[str] = _ITEM) -> Iterator[tuple[int, str, bool]]:
    """Yield line number, text and whether it is a table's row for each paragraph, list item and row of a page."""
    lines: list[str] = []
    start, fenced = 1, False
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        stripped = line.strip()
        fence = stripped.startswith("```")
        apart = fence or fenced or not stripped or stripped.startswith(("#", "<!--", *ROWS))
        if (apart or item.match(stripped)) and lines:
            yield start, " ".join(lines), False
            lines = []
        if fence:
            fenced = not fenced
        elif stripped.startswith(("#", *ROWS)) and not fenced:
            yield number, stripped, stripped.startswith(ROWS)
        elif not apart:
            start = start if lines else number
            lines.append(stripped)


def page(path: Path) -> Iterator[Finding]:
    """Check a page: the length of sentences outside of tables and code, and words in tables too."""
    for line, text, is_row in paragraphs(path.read_text("utf-8")):
        problems = [*replaced_words(text), *(() if is_row else too_long(text))]
        yield from (Finding(shown(path), line, problem) for problem in problems)


def template(path: Path) -> Iterator[Finding]:
    """Check the words of an HTML page or template, without its style, tags and expressions."""
    style = re.compile(r"(?s)<style>.*?</style>|{[%{#].*?[%}#]}|<[^>]*>")
    text = style.sub(lambda match: "\n" * match[0].count("\n"), path.read_text("utf-8"))
    for number, line in enumerate(text.splitlines(), start=1):
        yield from (Finding(shown(path), number, problem) for problem in replaced_words(line))


def script(path: Path) -> Iterator[Finding]:
    """Check the words of a script or a stylesheet, in its comments and strings."""
    text = path.read_text("utf-8")
    for match in _SCRIPT_TEXT.finditer(text):
        for problem in replaced_words(match[0].strip("`")):
            yield Finding(shown(path), text.count("\n", 0, match.start()) + 1, problem)


def comment_blocks(comments: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Join the comments of lines that follow one another; those of code do not make sentences and are joined too."""
    block: list[str] = []
    start = last = 0
    for line, comment in comments:
        if block and line != last + 1:
            yield start, " ".join(block)
            block = []
        start = start if block else line
        block.append(comment)
        last = line
    if block:
        yield start, " ".join(block)


def settings(path: Path) -> Iterator[Finding]:
    """Check the comments of a YAML file, a Makefile or a workflow."""
    found = [
        (number, match[1])
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if (match := re.search(r"(?:^|\s)#+ (.*)$", line))
    ]
    for line, text in comment_blocks(found):
        yield from (Finding(shown(path), line, problem) for problem in (*replaced_words(text), *too_long(text)))


def docstring_lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the paragraphs of a docstring up to its example; entries of a section such as Raises are their own."""
    yield from paragraphs(text.partition(">>>")[0], item=_ENTRY)


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the docstrings of a module, and the strings that document a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def documentation(path: Path) -> Iterator[Finding]:
    """Check docstrings and comments of a module."""
    for node in docstrings(parsed(path)):
        for line, text, is_row in docstring_lines(str(node.value)):
            problems = [*replaced_words(text), *(() if is_row else too_long(text))]
            yield from (Finding(shown(path), node.lineno + line - 1, problem) for problem in problems)
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    found = [(token.start[0], token.string.lstrip("# ")) for token in tokens if token.type == tokenize.COMMENT]
    for line, text in comment_blocks(found):
        yield from (Finding(shown(path), line, problem) for problem in (*replaced_words(text), *too_long(text)))


def messages(path: Path) -> Iterator[Finding]:
    """Check the words of a module's strings, as far as they are sentences: those with a space."""
    documented = {id(node) for node in docstrings(parsed(path))}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            problems = replaced_words(node.value) if " " in node.value.strip() else ()
            yield from (Finding(shown(path), node.lineno, problem) for problem in problems)


def findings() -> list[Finding]:
    """Check every page, settings file and module that the rules hold for."""
    found: list[Finding] = []
    for path in tracked():
        if path.suffix in PAGES:
            found += page(path)
        elif path.name.endswith(COMMENTED):
            found += settings(path)
        elif path.suffix in TEMPLATES:
            found += template(path)
        elif path.suffix in SCRIPTS:
            found += script(path)
    for path in modules("src/", "benchmarks/", "examples/"):
        found += documentation(path)
    for path in modules("src/"):
        found += messages(path)
    return found


def main() -> int:
    """Print every finding; return 1 if there is any."""
    found = findings()
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
