"""Tests of tables of labels: encodings, delimiters, and columns by detected or given names."""

from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.sources.base import TableOptions
from petmood.data.sources.label_table import TableRow, read_label_table


def read(folder: Path, text: str | bytes, **options: str) -> tuple[list[tuple[str, str, str]], tuple[str, ...]]:
    """Return (photo, label, split) of each row, and the notices."""
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    table = read_label_table(path, TableOptions(**options))
    assert not any(row.problem for row in table.rows)
    return [(row.photo, row.label, row.split) for row in table.rows], table.notices


ROWS = [("a.jpg", "sad", ""), ("b.jpg", "happy", "")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_delimiters_line_ends_and_encodings_are_detected(
    tmp_path: Path, delimiter: str, end: str, encoding: str
) -> None:
    lines = ["photo,label", "a.jpg,sad", "b.jpg,happy", ""]
    text = end.join(lines).replace(",", delimiter)
    assert read(tmp_path, text.encode(encoding)) == (ROWS, ())


@pytest.mark.parametrize(
    "text",
    [
        'photo, label\n"a.jpg", "sad"\nb.jpg,  happy \n',
        '"photo","label"\n"a.jpg","sad"\n\n"b.jpg","happy"\n , \n',
        "\n\n Photo , LABEL \na.jpg\u00a0,\ufeffsad\nb.jpg,happy,,\n",
        "sep=;\nphoto;label\na.jpg;sad\nb.jpg;happy\n",
        "sep=|\r\nphoto|label\r\na.jpg|sad\r\nb.jpg|happy\r\n",
    ],
)
def test_spaces_quotes_empty_lines_and_the_line_of_spreadsheets_do_not_matter(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (ROWS, ())


def test_a_delimiter_in_quoted_cells_does_not_mislead_the_detection(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, 'photo|label|"notes, a, b, c"\n"a,b;c.jpg"|sad|x\n')
    assert rows == [("a,b;c.jpg", "sad", "")]


@pytest.mark.parametrize("delimiter", [":", "tab", "semicolon", "|"])
def test_a_given_delimiter_is_used(tmp_path: Path, delimiter: str) -> None:
    char = {"tab": "\t", "semicolon": ";"}.get(delimiter, delimiter)
    assert read(tmp_path, f"photo{char}label\na,.jpg{char}sad\n", delimiter=delimiter)[0] == [("a,.jpg", "sad", "")]


def test_cells_hold_line_separators_line_ends_and_nul(tmp_path: Path) -> None:
    text = 'photo,label\na\u2028b\u0085c.jpg,sad\n"x\ny.jpg",sad\nn\0.jpg,sad\nlast.jpg,sad,,,\n'
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode())
    assert [(row.line, row.photo) for row in read_label_table(path, TableOptions()).rows] == [
        (2, "a\u2028b\u0085c.jpg"),
        (3, "x\ny.jpg"),
        (5, "n\0.jpg"),
        (6, "last.jpg"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("image", "class"),
        ("Filename", "Emotion"),
        ("file", "category"),
        ("PATH", "Expression"),
        ("image_path", "class_name"),
        ("filepaths", "labels"),
        ("File Name", "mood"),
    ],
)
def test_common_names_of_columns_are_taken_and_that_is_said(tmp_path: Path, names: tuple[str, str]) -> None:
    text = f"{names[0]},{names[1]},subset\na.jpg,sad,Train\nb.jpg,happy,dev\n"
    rows, notices = read(tmp_path, text)
    assert rows == [("a.jpg", "sad", "Train"), ("b.jpg", "happy", "dev")]
    assert notices == (f"Columns: label from '{names[1]}', photo from '{names[0]}', split from 'subset'.",)


def test_a_column_named_set_that_holds_no_splits_is_ignored_and_that_is_said(tmp_path: Path) -> None:
    rows, notices = read(tmp_path, ",photo,label,set,age\n0,a.jpg,sad,A,3\n1,b.jpg,happy,B,4\n")
    assert rows == ROWS
    assert notices == ("Ignored 3 columns: (no name), set, age.",)


def test_given_columns_are_used_and_the_others_ignored(tmp_path: Path) -> None:
    text = "path,filename,class,label,fold\nx/a.jpg,a.jpg,1,sad,test\n"
    options = {"photo_column": "Path", "label_column": "label", "split_column": "fold"}
    rows, notices = read(tmp_path, text, **options)
    assert rows == [("x/a.jpg", "sad", "test")]
    assert notices == ("Columns: photo from 'path', split from 'fold'.", "Ignored 2 columns: filename, class.")
    rows, _ = read(tmp_path, "Bild|Name|Gefühl\n1|a,.jpg|sad\n", photo_column="name", label_column="GEFÜHL")
    assert rows == [("a,.jpg", "sad", "")]


COLUMNS = "Expected in line 1 of 'labels.csv' the columns photo, label and, if wanted, split, species; "


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("breed,label\na,b\n", {}, f"{COLUMNS}photo not found among: breed, label. Name it with --photo-column."),
        (
            "x;y,;z\na;b;c\n",
            {},
            f"{COLUMNS}photo and label not found among: x, y,, z. Name them with --photo-column and --label-column.",
        ),
        (
            "photo:label\na:b\n",
            {},
            f"{COLUMNS}photo and label not found among: photo:label. Name them with --photo-column and --label-column.",
        ),
        ("photo\na\n", {}, f"{COLUMNS}label not found among: photo. Name it with --label-column."),
        (
            ",".join(["photo", *(f"c{k}" for k in range(19))]),
            {},
            (
                f"{COLUMNS}label not found among: photo, {', '.join(f'c{k}' for k in range(19))}. "
                "Name it with --label-column."
            ),
        ),
        (
            ",".join(["photo", "", *(f"c{k}" for k in range(20))]),
            {},
            (
                f"{COLUMNS}label not found among: photo, (no name), {', '.join(f'c{k}' for k in range(18))} and 2 "
                "more. Name it with --label-column."
            ),
        ),
        (
            "image,path,label\na,b,c\n",
            {},
            (
                "Expected one column for the photo in line 1 of 'labels.csv', got 2: image, path. "
                "Choose one with --photo-column."
            ),
        ),
        (
            "photo,label,split,subset\na,b,train,test\n",
            {},
            (
                "Expected one column for the split in line 1 of 'labels.csv', got 2: split, subset. "
                "Choose one with --split-column."
            ),
        ),
        (
            "\nphoto,label,species,species\na,b,cat,dog\n",
            {},
            "Expected one column for the species in line 2 of 'labels.csv', got 2: species, species. Remove one.",
        ),
        (
            "photo,label,splti\na,b,c\n",
            {},
            (
                "The column 'splti' in line 1 of 'labels.csv' looks like 'split'. Rename it. "
                "Name it with --split-column, if it is."
            ),
        ),
        (
            "photo,label,age,Specie\na,b,c,d\n",
            {},
            "The column 'Specie' in line 1 of 'labels.csv' looks like 'species'. Rename it.",
        ),
        (
            "photo,label\na,b\n",
            {"label_column": "x"},
            (
                "Expected one column 'x' (--label-column) in line 1 of 'labels.csv', got no column; the table has: "
                "photo, label."
            ),
        ),
        (
            "photo,x,X\na,b,c\n",
            {"split_column": " X_"},
            (
                "Expected one column ' X_' (--split-column) in line 1 of 'labels.csv', got 2 columns; the table has: "
                "photo, x, X."
            ),
        ),
        (
            "photo,label\na,b\n",
            {"label_column": "photo", "photo_column": "photo"},
            (
                "Expected a column of its own for each option, got one of line 1 of 'labels.csv' twice. "
                "Correct the options."
            ),
        ),
        ("", {}, "Expected the columns photo, label in 'labels.csv', got an empty file."),
        ("\n\n", {}, "Expected the columns photo, label in 'labels.csv', got an empty file."),
        ("photo,label\n\n,\n", {}, "Expected lines below the header of 'labels.csv', got none."),
        (
            'photo,label\na,b\n"c,d\n',
            {},
            "'labels.csv' isn't a CSV table: unexpected end of data (line 3). Quote cells that contain a quote.",
        ),
        (
            'photo,label\n"a"b,c\n',
            {},
            "'labels.csv' isn't a CSV table: ',' expected after '\"' (line 2). Quote cells that contain a quote.",
        ),
        *(
            (
                "photo,label\na,b\n",
                {"delimiter": wrong},
                f"Expected a --delimiter of one character, such as ';', '|' or 'tab', got '{wrong}'.",
            )
            for wrong in ("::", '"', "\r", "\n", "\0")
        ),
    ],
)
def test_a_table_that_is_not_understood_is_one_line_with_the_next_step(
    tmp_path: Path, text: str, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, **options)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "options", "rows", "notices"),
    [
        ("SEP=;\nphoto;label\na.jpg;sad\n", {}, [("a.jpg", "sad", "")], ()),
        ("sep=;\nphoto,label\na.jpg,sad\n", {"delimiter": "COMMA"}, [("a.jpg", "sad", "")], ()),
        ("sep=a,photo,label\n0,a.jpg,sad\n", {}, [("a.jpg", "sad", "")], ("Ignored 1 column: sep=a.",)),
        ("photo\tlabel\na.jpg\tsad\n", {"delimiter": "\\T"}, [("a.jpg", "sad", "")], ()),
        (
            "image-path,class - name\na.jpg,sad\n",
            {},
            [("a.jpg", "sad", "")],
            ("Columns: label from 'class - name', photo from 'image-path'.",),
        ),
        ("photo,label,split\na.jpg,sad,fold 1\n", {}, [("a.jpg", "sad", "fold 1")], ()),
        (
            "photo,label,subset\na.jpg,sad,\nb.jpg,sad,dev\n",
            {},
            [("a.jpg", "sad", ""), ("b.jpg", "sad", "dev")],
            ("Columns: split from 'subset'.",),
        ),
        ("photo,label,subset\na.jpg,sad,\n", {}, [("a.jpg", "sad", "")], ("Ignored 1 column: subset.",)),
        (
            "photo,label,subset\na.jpg,sad,dev\nb.jpg,sad,A\n",
            {},
            [("a.jpg", "sad", ""), ("b.jpg", "sad", "")],
            ("Ignored 1 column: subset.",),
        ),
        (
            "photo,label,splti,fold\na.jpg,sad,x,test\n",
            {"split_column": " fold "},
            [("a.jpg", "sad", "test")],
            ("Columns: split from 'fold'.", "Ignored 1 column: splti."),
        ),
        (
            "photo,Label,label\na.jpg,x,sad\n",
            {"label_column": "label"},
            [("a.jpg", "sad", "")],
            ("Ignored 1 column: Label.",),
        ),
    ],
)
def test_a_table_is_read_by_its_header_and_the_options(
    tmp_path: Path, text: str, options: dict[str, str], rows: list[tuple[str, str, str]], notices: tuple[str, ...]
) -> None:
    assert read(tmp_path, text, **options) == (rows, notices)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"a\0b", "a\\x00b"),
        (b"a\0b\0", "ab"),
        (b"\0a\0b", "ab"),
        ("abcdefg\u0436\u0436\u0436".encode("utf-16-le"), "".join(f"{c}\\x00" for c in "abcdefg") + "6\\x04" * 3),
        ("abcdefgh\u0436\u0436".encode("utf-16-le"), "abcdefgh\u0436\u0436"),
    ],
    ids=["three bytes", "little-endian", "big-endian", "7 zeros of 10", "8 zeros of 10"],
)
def test_utf_16_without_a_mark_is_known_by_its_zero_bytes(tmp_path: Path, data: bytes, shown: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, data)
    assert f"photo and label not found among: {shown}. Name" in str(caught.value)


def test_the_species_of_a_row_is_kept_and_its_line_counts_line_ends_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('species,photo,label,split\n\nCat,"a\n.jpg",sad,dev\ndog,b.jpg,happy,\ndog,c.jpg\n,,x,y,,,\n')
    assert read_label_table(path, TableOptions()).rows == (
        TableRow(3, "a\n.jpg", "sad", "dev", "Cat"),
        TableRow(5, "b.jpg", "happy", "", "dog"),
        TableRow(6, "c.jpg", problem="expected 4 cells, got 2"),
        TableRow(7, "", "x", "y", ""),
    )


def test_a_row_with_another_number_of_cells_is_a_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("label,photo\n\nsad,a.jpg\nsad\nsad,b.jpg,c.jpg\n")
    assert read_label_table(path, TableOptions()).rows == (
        TableRow(3, "a.jpg", "sad"),
        TableRow(4, "sad", problem="expected 2 cells, got 1"),
        TableRow(5, "b.jpg", problem="expected 2 cells, got 3"),
    )


def test_another_encoding_is_refused_with_its_place_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "photo,label\nMüsli.jpg,sad\n".encode("latin-1"))
    assert str(caught.value) == ("Expected 'labels.csv' in UTF-8, got byte 0xfc at 13. Save the table as 'CSV UTF-8'.")


def test_a_column_of_roles_is_taken_if_it_holds_roles_of_photos(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    for cells, expected in ((("original", ""), ["original", ""]), (("original", "actor"), ["", ""])):
        table.write_text("photo,label,role\n" + "".join(f"{n}.jpg,sad,{cell}\n" for n, cell in enumerate(cells)))
        assert [row.role for row in read_label_table(table, TableOptions()).rows] == expected
