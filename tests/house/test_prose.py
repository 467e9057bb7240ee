"""The rules on prose: sentence length, and words that the glossary replaces."""

from pathlib import Path

import pytest

from tests.support import prose
from tests.support.prose import docstring_lines, findings, paragraphs, replaced_words, sentences, too_long


def test_pages_comments_and_messages_are_plain() -> None:
    assert [str(finding) for finding in findings()] == []


@pytest.mark.parametrize(
    "text",
    [
        "Two photos straddle a split.",
        "The whole walk ends here.",
        "Anything that would spoil a measurement.",
        "The judge is unsure, and knows it.",
        "A data set.",
        "What was mended by the crew?",
        "332 photos can't tell these two apart.",
        "Also write gate.json here.",
        "No mood is surely found more seldom.",
        "The run goes on.",
        "The folder is no bundle.",
        "The tracker is asked what it has.",
        "A recoloured, grey-scale image at the centre.",
        "Unlabelled photos are summarised and normalised.",
        "Behaviour under another licence, analysed.",
        "The cancelled request of a neighbour.",
        "A misspelt artefact of quantisation.",
    ],
)
def test_a_private_word_is_found_and_another_named(text: str) -> None:
    assert all(": write " in problem for problem in replaced_words(text))
    assert list(replaced_words(text))


@pytest.mark.parametrize(
    "text",
    [
        'The prediction is "not sure".',
        "Make sure that it is there.",
        "A dataset of photos, walked by os.walk.",
        "`mood` and ``data set`` are code, as is [a link](docs/families.md).",
        "An optimistic number; the optimizer flips the signs of differences.",
        "Headroom and indoors.",
        "A greyhound whose color is gray, with an emphasis on optimistic analyses of an organism.",
        "Cancellation of a labeled request; four hours, a fence, a realistic parameter and a programmed exercise.",
        "`--max-relabelled`, `grey16.png` and the name mean_grey are not prose.",
        "There is no bundle, and the task is no longer asked for; it is no slower.",
    ],
)
def test_the_field_s_words_and_code_pass(text: str) -> None:
    assert list(replaced_words(text)) == []


def test_a_sentence_of_31_words_is_too_long_and_one_of_30_is_not() -> None:
    assert list(too_long(" ".join(["word"] * 30) + ". " + " ".join(["word"] * 30) + ".")) == []
    (problem,) = too_long("A short one. " + " ".join(["word"] * 31) + ".")
    assert problem.startswith("31 words in one sentence, at most 30: word word")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three? four", 4),
        ("Versions 1.5 and e.g. 2.0 of Guo et al. (2017).", 1),
        ('He wrote "no." Then (yes.) Done.', 3),
        ("", 0),
    ],
)
def test_sentences_end_at_marks_before_a_space(text: str, count: int) -> None:
    assert len(list(sentences(text))) == count


def test_items_rows_and_headings_are_paragraphs_of_their_own_and_fenced_code_is_none() -> None:
    page = "# Title\n\nOne\ntwo\n- item\n  more\n- other\n\n```bash\nthe walk\n```\n| a | b |\nafter\n"
    assert list(paragraphs(page)) == [
        (1, "# Title", False),
        (3, "One two", False),
        (5, "- item more", False),
        (7, "- other", False),
        (12, "| a | b |", True),
        (13, "after", False),
    ]


def test_docstrings_end_at_their_example_and_google_sections_are_paragraphs() -> None:
    text = "First line.\n\nRaises:\n    OneError: when it fails\n    OtherError: else\n\n    >>> spoil()\n"
    assert [line for _, line, _ in docstring_lines(text)] == [
        "First line.",
        "Raises:",
        "OneError: when it fails",
        "OtherError: else",
    ]


def test_each_kind_of_file_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prose, "shown", lambda path: path.name)
    texts = {
        "page.md": "A mood.\n\n| a crew |\n",
        "group.yaml": "key: 1  # a mood\n",
        "Makefile": "run: ## the whole walk\n",
        "page.html.j2": "<style>.mood {}\n</style>\n<p class='mood'>{{ mood }}</p>\n<p>The crew {{ name }}</p>\n",
        "script.js": "// a mood\nconst mood = `The crew ${name}`;\nconst url = 'http://a/crew';\n",
        "style.css": ".mood { color: red; }\n/* one\n   mood */\n",
        "module.py": '"""A mood.\n\nArgs: a crew\n"""\nname = 1  # teller\ntext = f"{name} spoils it"\nword = "crew"\n',
    }
    paths = {}
    for name, text in texts.items():
        paths[name] = tmp_path / name
        paths[name].write_text(text, "utf-8")
    assert [finding.line for finding in prose.page(paths["page.md"])] == [1, 3]
    assert [finding.line for finding in prose.settings(paths["group.yaml"])] == [1]
    assert [finding.line for finding in prose.settings(paths["Makefile"])] == [1]
    assert [finding.line for finding in prose.template(paths["page.html.j2"])] == [4]
    assert [finding.line for finding in prose.script(paths["script.js"])] == [1, 2]
    assert [finding.line for finding in prose.script(paths["style.css"])] == [2]
    assert [finding.line for finding in prose.documentation(paths["module.py"])] == [1, 3, 5]
    assert [finding.line for finding in prose.messages(paths["module.py"])] == [6]
