"""Users' labels: what is read, every fault that is found, and the split into training and validation part."""

import csv
import json
import pickle
import re
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import make_tree
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.errors import InputError
from newsfilter.training import labels
from newsfilter.training.labels import (
    LabelledDocument,
    LabelsError,
    check_classes,
    duplicates,
    read_labelled,
    read_training,
    split_of,
)
from newsfilter.training.splits import in_validation

LABELLED = Path(__file__).parents[1] / "fixtures/labelled"
LONG_TEXT = "The council of Harrow Bridge voted to keep the old ferry for two more winters."
TRAINING_SITE, VALIDATION_SITE = "one.example", "site-7.example"  # on these sides of the split, see test_the_split_is_that_of_the_corpus


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def row(text: str, label: str | None = "spam-adult", **keys: object) -> dict[str, object]:
    return {"text": text, "label": label, **keys}


def document(name: str, *blocks: tuple[str, str | None], **keys: object) -> dict[str, object]:
    return {"id": name, "blocks": [{"text": text, "label": label} for text, label in blocks], **keys}


def read(folder: Path, content: bytes | str, name: str = "l.jsonl", mapping: dict[str, str] | None = None) -> list[LabelledDocument]:
    make_tree(folder, {name: content})
    return read_training([folder / name], mapping or {})


def faults(folder: Path, content: bytes | str, name: str = "l.jsonl", mapping: dict[str, str] | None = None) -> list[str]:
    """What is wrong with one file, without the folder's name."""
    with pytest.raises(LabelsError) as caught:
        read(folder, content, name, mapping)
    return [fault.replace(f"{folder}/", "") for fault in caught.value.faults]


def labelled(site: str, *blocks: tuple[str, str], name: str = "d", where: str = "l.jsonl:1") -> LabelledDocument:
    return LabelledDocument(name, "en", site, "article", blocks, where=where)


def test_a_document_is_read_with_all_it_has(tmp_path: Path) -> None:
    # Spans, hard and the place come along; a block without a label keeps its text as context.
    spam = {"text": "Bonus here, said the mayor.", "label": "body", "spans": [{"start": 0, "end": 10, "label": "spam-gambling"}]}
    content = lines({"id": "a", "lang": "en", "site": "s.example", "kind": "listing", "hard": True, "blocks": [spam, {"text": "Home"}]})
    [found] = read(tmp_path, content)
    blocks = (("Bonus here, said the mayor.", "body"), ("Home", ""))
    assert found == LabelledDocument("a", "en", "s.example", "listing", blocks, {0: ((0, 10, "spam-gambling"),)}, hard=True)
    assert found.where == f"{tmp_path}/l.jsonl:1"


def test_what_is_optional_may_be_missing_or_null(tmp_path: Path) -> None:
    # And it then is what the fixtures' reader took it for.
    [found] = read(
        tmp_path, lines({"id": 7, "lang": None, "hard": None, "blocks": [{"text": "Home", "label": "navigation", "spans": None}]})
    )
    assert found == LabelledDocument("7", "", "", "article", (("Home", "navigation"),))


def test_a_plain_row_is_a_document_of_one_block(tmp_path: Path) -> None:
    # Its id is its place, unless it has its own.
    first, second = read(tmp_path, lines(row("kuşadası escort"), row("onwin", "spam-gambling", id="x", lang="tr", site="s.example")))
    assert first == LabelledDocument(f"{tmp_path}/l.jsonl:1", "", "", "article", (("kuşadası escort", "spam-adult"),), alone=True)
    assert second == LabelledDocument("x", "tr", "s.example", "article", (("onwin", "spam-gambling"),), alone=True)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_by_its_delimiter(tmp_path: Path, delimiter: str) -> None:
    # Also where texts hold delimiters, quotes and line breaks; LINE is the one where the row begins.
    texts = ["a, b; c\td", 'he said "bet"', "two\nlines", "last"]
    with (tmp_path / "l.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerows([["site", "label", "blocks", "text"], *(["s.example", "spam-other", "read by nobody", text] for text in texts)])
    found = read_training([tmp_path / "l.csv"])
    assert [one.blocks for one in found] == [((text, "spam-other"),) for text in texts]
    assert {(one.site, one.alone) for one in found} == {("s.example", True)}
    assert [one.where.rpartition(":")[2] for one in found] == ["2", "3", "4", "6"]


def test_a_long_csv_field_is_read_and_the_limit_put_back(tmp_path: Path) -> None:
    # Python's own limit of 131,072 characters is less than a long page, and belongs to the whole process.
    before = csv.field_size_limit(131_072)  # whatever the tests before this one have left
    try:
        [found] = read(tmp_path, f"text,label\n{'x' * 200_000},body\n", "l.csv")
        assert len(found.blocks[0][0]) == 200_000
        assert csv.field_size_limit() == 131_072
    finally:
        csv.field_size_limit(before)


def test_a_folder_is_read_in_order_of_name(tmp_path: Path) -> None:
    # Both kinds of file, whatever the case of their suffix; nothing else.
    make_tree(tmp_path, {"b.jsonl": lines(row("two")), "a.csv": "text,label\none,body\n", "c.CSV": "text,label\nthree,body\n", "d.md": "#"})
    assert [one.blocks[0][0] for one in read_training([tmp_path])] == ["one", "two", "three"]


def test_paths_are_read_in_the_order_given(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.jsonl": lines(row("one")), "b.jsonl": lines(row("two"))})
    assert [one.blocks[0][0] for one in read_training([tmp_path / "b.jsonl", tmp_path / "a.jsonl"])] == ["two", "one"]


@pytest.mark.parametrize("name", ["l.jsonl", "l.csv"])
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(tmp_path: Path, name: str) -> None:
    content = lines(row("Köprü açıldı", "body"), row("two")) if name == "l.jsonl" else "text,label\nKöprü açıldı,body\ntwo,spam-adult\n"
    crlf = b"\xef\xbb\xbf" + content.replace("\n", "\r\n\r\n").encode()
    assert [one.blocks for one in read(tmp_path, crlf, name)] == [one.blocks for one in read(tmp_path, content, name)]


def test_labels_of_ones_own_are_spam(tmp_path: Path) -> None:
    [found] = read(tmp_path, lines(row("replika saat", "spam-watches-2")))
    assert found.blocks == (("replika saat", "spam-watches-2"),)


def test_a_mapping_renames_before_labels_are_checked(tmp_path: Path) -> None:
    # In rows, in blocks and in spans; what it does not name stays.
    span = {"text": "Bonus here", "label": "ok", "spans": [{"start": 0, "end": 5, "label": "spam"}]}
    content = lines(row("casino", "spam"), row("Home", "navigation"), {"id": "d", "blocks": [span]})
    one, two, three = read(tmp_path, content, mapping={"spam": "spam-other", "ok": "body"})
    assert [one.blocks[0][1], two.blocks[0][1], three.blocks[0][1]] == ["spam-other", "navigation", "body"]
    assert three.spans == {0: ((0, 5, "spam-other"),)}


MAPPINGS = [
    ({"spam": "sapm-other"}, "--map spam=sapm-other: unknown label 'sapm-other'; did you mean 'spam-other'?"),
    ({"spam": "spam-other", "sapm": "body"}, "--map sapm=body: no row that could be read has the label 'sapm'; did you mean 'spam'?"),
]


@pytest.mark.parametrize(("mapping", "wanted"), MAPPINGS)
def test_a_wrong_mapping_is_one_fault(tmp_path: Path, mapping: dict[str, str], wanted: str) -> None:
    # Named once, not at every row that it maps.
    [fault] = faults(tmp_path, lines(row("casino", "spam"), row("bonus", "spam")), mapping=mapping)
    assert fault.startswith(wanted)


FAULTS: list[tuple[str, bytes | str, str]] = [
    # One fault each: what the file holds, and how the fault begins or goes on.
    ("l.jsonl", "", "l.jsonl: holds no rows;"),
    ("l.jsonl", "\n \n", "l.jsonl: holds no rows;"),
    ("l.csv", "text,label\n", "l.csv: holds no rows;"),
    ("l.txt", lines(row("x")), "l.txt: is no .jsonl and no .csv; convert"),
    ("l", lines(row("x")), "l: is no .jsonl and no .csv; convert"),
    ("l.jsonl", lines(row("x")).encode("utf-16"), "l.jsonl:1: is UTF-16, not UTF-8; save it as UTF-8, or: iconv -f UTF-16"),
    ("l.csv", "text,label\nx,body\n".encode("utf-32"), "l.csv:1: is UTF-32, not UTF-8; save it as UTF-8, or: iconv -f UTF-32"),
    (
        "l.jsonl",
        lines(row("x"), row("ş")).encode("cp1254"),
        "l.jsonl:2: not UTF-8: byte 0xfe at offset 47; save the file as UTF-8, or: iconv",
    ),
    (
        "l.csv",
        "text,label\nş,body\nü,body\n".encode("cp1254"),
        "l.csv:2: not UTF-8: byte 0xfe at offset 11;.*iconv.*(2 lines of it are so)",
    ),
    ("l.csv", "text;label;şu\nx;body;y\n".encode("cp1254"), "l.csv:1: not UTF-8: byte 0xfe at offset 11;"),
    ("l.jsonl", lines(row("x")) + '{"text": "y"\n', "l.jsonl:2: not JSON (Expecting ',' delimiter, column 13); write one"),
    ("l.jsonl", "[" * 100_000, "l.jsonl:1: JSON that cannot be read (maximum recursion depth"),
    ("l.jsonl", '{"text": "x", "label": ' + "1" * 5000 + "}", "l.jsonl:1: JSON that cannot be read (Exceeds the limit"),
    ("l.jsonl", lines([row("x")]), "l.jsonl:1: a list is no object; write"),
    ("l.jsonl", lines("x"), "l.jsonl:1: 'x' is no object; write"),
    ("l.jsonl", lines({"txt": "x", "label": "body"}), "l.jsonl:1: no 'text' among the keys 'txt, label'; write"),
    ("l.jsonl", lines(row("x", 3)), "l.jsonl:1: 'label' is 3, no string; write"),  # type: ignore[arg-type]
    ("l.jsonl", lines({"text": ["x"], "label": "body"}), "l.jsonl:1: 'text' is a list, no string; write"),
    ("l.jsonl", lines(row("x", site=False)), "l.jsonl:1: 'site' is false, no string; write"),
    ("l.jsonl", '{"text": "\\ud800", "label": "body"}', "l.jsonl:1: 'text' holds half a surrogate pair"),
    ("l.jsonl", lines({"id": "a", "blocks": {}}), "l.jsonl:1: 'blocks' is no list of blocks"),
    ("l.jsonl", lines({"id": "a", "blocks": []}), "l.jsonl:1: 'blocks' is no list of blocks"),
    (
        "l.jsonl",
        lines({"id": "a", "blocks": [row("x")], "label": "body"}),
        "l.jsonl:1: 'blocks' is no list of blocks, or has a 'label' beside",
    ),
    ("l.jsonl", lines({"id": "a", "blocks": [row("x"), "y"]}), "l.jsonl:1: blocks[1]: 'y' is no block; write"),
    ("l.jsonl", lines({"blocks": [row("x")]}), "l.jsonl:1: a document without 'id'; give"),
    ("l.jsonl", lines(document("a", ("x", "body"), hard="yes")), "l.jsonl:1: 'hard' is 'yes'; write true or false"),
    ("l.jsonl", lines(row("x", "bodi")), "l.jsonl:1: unknown label 'bodi'; did you mean 'body'?.*--map bodi=LABEL"),
    ("l.jsonl", lines(row("x", "spam_adult")), "l.jsonl:1: unknown label 'spam_adult'; did you mean 'spam-adult'?"),
    ("l.jsonl", lines(row("x", "spam-Watches")), "l.jsonl:1: unknown label 'spam-Watches';.*lower-case letters"),
    ("l.jsonl", lines(row("x", "spam-")), "l.jsonl:1: unknown label 'spam-';"),
    ("l.jsonl", lines(document("a", ("x", "body"), ("y", "qqq"))), "l.jsonl:1: blocks[1]: unknown label 'qqq'; known are body, headline"),
    ("l.jsonl", lines(row(" \t")), "l.jsonl:1: an empty text; remove it"),
    ("l.jsonl", lines(document("a", ("x", "body"), ("\u00a0", "body"))), "l.jsonl:1: blocks[1]: an empty text; remove it"),
    ("l.csv", "text,label\n,body\n", "l.csv:2: an empty text; remove it"),
    ("l.jsonl", lines(row("x", None)), "l.jsonl:1: no label; fill it in"),
    ("l.jsonl", lines(row("x", " ")), "l.jsonl:1: no label; fill it in"),
    ("l.jsonl", lines({"text": "x"}), "l.jsonl:1: no label; fill it in"),
    ("l.csv", "text,label\nx,\n", "l.csv:2: no label; fill it in"),
    ("l.jsonl", lines(document("a", ("x", None), ("y", ""))), "l.jsonl:1: no block has a label; fill in"),
    ("l.csv", "x,body\n", "l.csv:1: no header with 'text' and 'label'"),
    ("l.csv", "text,label,text\nx,body,y\n", "l.csv:1: no header with 'text' and 'label', and each column once"),
    ("l.csv", "text,label\nOne, two,body\n", "l.csv:2: 3 cells, the header has 2; put"),
    ("l.csv", 'text,label\n"One" two,body\n', "l.csv:2: no CSV row ("),
    ("l.csv", 'text,label\nx,body\n"One\ntwo,body\n', "l.csv:3: no CSV row (unexpected end of data); put each text in quotes"),
]


@pytest.mark.parametrize(("name", "content", "wanted"), FAULTS, ids=[wanted[:50] for _, _, wanted in FAULTS])
def test_a_fault_names_place_and_way_out(tmp_path: Path, name: str, content: bytes | str, wanted: str) -> None:
    # Each is the only one: no fault is said twice.
    [fault] = faults(tmp_path, content, name)
    start, *rest = wanted.split(".*")
    assert fault.startswith(start)
    assert all(part in fault for part in rest)
    assert re.search(r"; \w", fault), "ends with what to do"


def span(start: object, end: object, label: str = "spam-adult") -> dict[str, object]:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ([span(0, 5)], "the span [0, 5) is not inside the text of 4 characters"),
        ([span(-1, 2)], "the span [-1, 2) is not inside the text"),
        ([span(2, 2)], "the span [2, 2) is not inside the text"),
        ([span(0, 4), span(2, 3)], "the span at 0 reaches over the one at 2"),
        ([span(0, True)], "an object is no span; write"),
        ([span(0, 1.5)], "an object is no span; write"),
        ([{"start": 0, "label": "spam-adult"}], "an object is no span; write"),
        ([[0, 2]], "a list is no span; write"),
        ("0-2", "'0-2' is no span; write"),
        ([span(0, 2, "body")], "the span [0, 2) is 'body'; only spam is marked inside a block"),
        ([span(0, 2, "spam-Adult")], "unknown label 'spam-Adult'; did you mean 'spam-adult'?"),
    ],
)
def test_a_span_must_fit_its_text(tmp_path: Path, spans: object, wanted: str) -> None:
    # Offsets count code points, not bytes: the text has four.
    [fault] = faults(tmp_path, lines({"id": "a", "blocks": [row("Home"), row("şüğı", "body", spans=spans)]}))
    assert fault.startswith(f"l.jsonl:1: blocks[1]: {wanted}")


def test_files_that_are_not_there_or_no_files(tmp_path: Path) -> None:
    # All of them are named, and a good file among them hides none.
    make_tree(tmp_path, {"good.jsonl": lines(row("x")), "none/readme.md": "#", "folder.jsonl/a.txt": "x"})
    paths = [tmp_path / name for name in ("missing.jsonl", "good.jsonl", "none", "folder.jsonl")]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/l.jsonl").mkdir()  # opening a folder fails even for root
    with pytest.raises(LabelsError) as caught:
        read_training([*paths, tmp_path / "deep"])
    missing, none, folder, unreadable = caught.value.faults
    assert (
        missing == f"{tmp_path}/missing.jsonl: cannot be read (No such file or directory); correct the path, or see whether you may read it"
    )
    assert none.startswith(f"{tmp_path}/none: the folder holds no *.jsonl and no *.csv; ")
    assert folder.startswith(f"{tmp_path}/folder.jsonl: the folder holds no")
    assert unreadable.startswith(f"{tmp_path}/deep/l.jsonl: cannot be read (Is a directory); ")


@pytest.mark.parametrize(("name", "bad"), [("l.jsonl", b'{"text": "\xfe", "label": "body"}\n'), ("l.csv", b"\xfe,body\n")])
def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bad: bytes) -> None:
    # And what follows is read, with its right line and byte offset.
    monkeypatch.setattr(labels, "LONGEST_LINE", 1000)
    content = (lines(row("x")) if name == "l.jsonl" else "text,label\n").encode() + b"y" * 5000 + b"\n" + bad
    too_long, undecodable = faults(tmp_path, content, name)
    assert too_long == f"{name}:2: longer than 1,000 bytes; write each document or row on a line of its own"
    assert undecodable.startswith(f"{name}:3: not UTF-8: byte 0xfe at offset {content.index(0xFE):,};")


def test_a_line_of_the_greatest_length_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # And one of a byte more is not.
    monkeypatch.setattr(labels, "LONGEST_LINE", 100)
    content = lines(row("x"))
    assert len(read(tmp_path, lines(row("x" * (101 - len(content)))))) == 1
    assert faults(tmp_path, lines(row("x" * (102 - len(content)))))[0].startswith("l.jsonl:1: longer than 100 bytes;")


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its field ends at the limit, and rows after it are checked again.
    monkeypatch.setattr(labels, "LONGEST_LINE", 1000)
    found = faults(tmp_path, 'text,label\n"open,body\n' + "filler,body\n" * 100 + "x,bodi\n", "l.csv")
    assert found[0].startswith("l.csv:2: no CSV row (field larger than field limit (1000))")
    assert found[-1].startswith("l.csv:103: unknown label 'bodi'")


def test_no_fault_hides_another(tmp_path: Path) -> None:
    # Neither in one line, nor in one file, nor in the next one.
    make_tree(
        tmp_path,
        {
            "a.jsonl": "{\n" + lines({"blocks": [row(" ", "bodi"), 3]}) + "{\n" + lines(row("x"), row("X", "body")),
            "b.csv": "text,label\n,body\nx,\n",
        },
    )
    with pytest.raises(LabelsError) as caught:
        read_training([tmp_path / "a.jsonl", tmp_path / "gone.csv", tmp_path / "b.csv"], {"q": "body"})
    found = [fault.replace(f"{tmp_path}/", "").partition("; ")[0] for fault in caught.value.faults]
    assert found == [
        "--map q=body: no row that could be read has the label 'q'",
        "a.jsonl:1: not JSON (Expecting property name enclosed in double quotes, column 2)",
        "a.jsonl:2: blocks[0]: an empty text",
        "a.jsonl:2: blocks[0]: unknown label 'bodi'",
        "a.jsonl:2: blocks[1]: 3 is no block",
        "a.jsonl:2: a document without 'id'",
        "a.jsonl:3: not JSON (Expecting property name enclosed in double quotes, column 2)",
        "gone.csv: cannot be read (No such file or directory)",
        "b.csv:2: an empty text",
        "b.csv:3: no label",
        "a.jsonl:5: 'X' is 'body' here and 'spam-adult' at a.jsonl:4",
    ]


def test_the_message_lists_twenty_faults_and_counts_the_rest() -> None:
    # One fault alone is the whole message.
    many = LabelsError([f"l.jsonl:{number}: wrong; mend it" for number in range(1, 1026)])
    first, *listed, last = str(many).splitlines()
    assert first == "1,025 faults in the labels:"
    assert [line.strip() for line in listed] == list(many.faults[:20])
    assert last.strip() == "and 1,005 more"
    assert str(LabelsError(["l.jsonl:1: wrong; mend it"])) == "l.jsonl:1: wrong; mend it"
    assert "more" not in str(LabelsError(many.faults[:20]))


def test_the_error_survives_pickling() -> None:
    # It may cross processes; without care its faults would come back as letters.
    error = pickle.loads(pickle.dumps(LabelsError(["a", "b"])))
    assert (error.faults, str(error)) == (("a", "b"), "2 faults in the labels:\n  a\n  b")


def test_one_id_for_two_documents(tmp_path: Path) -> None:
    # The same content twice is a duplicate, no fault; default ids never meet.
    same, other = document("a", ("x", "body")), document("a", ("y", "body"))
    [fault] = faults(tmp_path, lines(same, same, other))
    assert fault == f"l.jsonl:3: the id 'a' stands at {tmp_path}/l.jsonl:1 with other content; give each an id of its own".replace(
        f"{tmp_path}/", ""
    )
    assert faults(tmp_path, lines(row("x", id="a"), row("y", id="a")))[0].startswith("l.jsonl:2: the id 'a' stands at l.jsonl:1")
    assert len(read(tmp_path, lines(row("x"), row("y")))) == 2


CONTRADICTIONS: list[tuple[Iterable[dict[str, Any]], bool]] = [
    ([row("Casino bonus", "spam-other"), row("casino  BONUS\n", "spam-gambling")], True),
    ([row("More", "teaser"), row("more", "navigation")], True),
    ([row("More", "teaser"), row("more", "teaser")], False),
    ([document("a", (LONG_TEXT, "body")), document("b", (LONG_TEXT.upper(), "spam-other"))], True),
    ([document("a", (LONG_TEXT, "caption")), document("b", (LONG_TEXT, "body"))], True),
    ([document("a", (LONG_TEXT, "spam-adult")), document("b", (LONG_TEXT, "spam-other"))], True),
    ([document("a", (LONG_TEXT, "caption"), (LONG_TEXT, "body"))], True),
    ([document("a", (LONG_TEXT, "caption")), document("b", (LONG_TEXT, "teaser"))], False),
    ([document("a", (LONG_TEXT, "caption")), document("b", (LONG_TEXT, "teaser")), document("c", (LONG_TEXT, "body"))], True),
    ([document("a", (LONG_TEXT, "body"), ("Home", "navigation")), document("b", (LONG_TEXT, None), ("Home", "navigation"))], False),
    ([document("a", ("Casino bonus", "body")), document("b", ("Casino bonus", "spam-gambling"))], False),
    ([document("a", ("x" * 39, "body")), document("b", ("x" * 39, "spam-gambling"))], False),
    ([document("a", ("x" * 40, "body")), document("b", ("x" * 40, "spam-gambling"))], True),
    ([document("a", ("Casino bonus", "body")), row("Casino bonus", "spam-gambling")], False),
    ([document("a", (LONG_TEXT, "body")), row(LONG_TEXT, "spam-gambling")], True),
    ([document("a", (LONG_TEXT, "teaser")), row(LONG_TEXT, "teaser"), row(LONG_TEXT, "caption")], True),
]


@pytest.mark.parametrize(("rows", "wrong"), CONTRADICTIONS)
def test_contradictions(tmp_path: Path, rows: Iterable[dict[str, Any]], wrong: bool) -> None:
    # Rows have nothing but their text, so that one text has one label; in documents short texts and furniture may be either.
    if wrong:
        [fault] = faults(tmp_path, lines(*rows))
        assert re.fullmatch(r"l.jsonl:\d: '.+' is '[\w-]+' here and '[\w-]+' at l.jsonl:\d; give both the same label", fault)
    else:
        assert len(read(tmp_path, lines(*rows))) > 0


def test_every_place_of_a_contradiction_is_named(tmp_path: Path) -> None:
    # With the first place of the text, across files.
    make_tree(tmp_path, {"a.jsonl": lines(row("x")), "b.csv": "text,label\nx,body\nx,teaser\nx,spam-adult\n"})
    with pytest.raises(LabelsError) as caught:
        read_training([tmp_path])
    assert [fault.replace(f"{tmp_path}/", "") for fault in caught.value.faults] == [
        "b.csv:2: 'x' is 'body' here and 'spam-adult' at a.jsonl:1; give both the same label",
        "b.csv:3: 'x' is 'teaser' here and 'spam-adult' at a.jsonl:1; give both the same label",
        "b.csv:4: 'x' is 'spam-adult' here and 'body' at b.csv:2; give both the same label",
    ]


def test_duplicates_are_kept_and_counted(tmp_path: Path) -> None:
    # But for case, white space and id; a row is no duplicate of a document, nor one with spans of one without.
    spans: dict[str, object] = {"id": "c", "blocks": [row("Bonus here", "body", spans=[span(0, 5)])]}
    content = [row("Casino"), row("casino "), row("CASINO", id="x"), row("Bonus here", "body")]
    content += [document("a", ("Bonus here", "body")), document("b", ("Bonus  here", "body")), spans]
    found = read(tmp_path, lines(*content))
    assert len(found) == 7
    assert duplicates(found) == 3


def test_the_fixtures_are_good_labels() -> None:
    # Both readers take them, and see the same; spans and hard documents among them.
    found = list(read_labelled(LABELLED))
    assert read_training([LABELLED]) == found
    assert len(found) > 1000
    assert sum(one.hard for one in found) > 100
    assert sum(map(len, (one.spans for one in found))) > 200
    assert not any(one.alone for one in found)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("{", "l.jsonl:2: not JSON"),
        (lines(document("b", ("x", "bodi"))), "l.jsonl:2: blocks[0]: unknown label 'bodi'; did you mean 'body'?"),
        (lines(document("b", ("x", "body"), ("y", None))), "l.jsonl:2: no labelled document; each line"),
        (lines(row("x")), "l.jsonl:2: no labelled document; each line"),
        (b"\xfe", "l.jsonl:2: not UTF-8: byte 0xfe"),
    ],
)
def test_the_fixtures_reader_stops_at_the_first_fault(tmp_path: Path, content: bytes | str, wanted: str) -> None:
    # After what was good before it; it takes whole documents only.
    good = lines(document("a", ("x", "body"))).encode()
    make_tree(tmp_path, {"l.jsonl": good + (content if isinstance(content, bytes) else content.encode()) + b"\n" + good})
    found = read_labelled(tmp_path / "l.jsonl")
    assert next(found).id == "a"
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/{wanted}")):
        list(found)


def test_the_fixtures_reader_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jsonl: cannot be read \(No such file"):
        list(read_labelled(tmp_path / "gone.jsonl"))


def test_the_split_is_that_of_the_corpus() -> None:
    # One page of a site cannot be held out from one list and learned from in the other.
    sites = [f"site-{number}.example" for number in range(500)]
    assert [split_of(labelled(site, ("x", "body"))) for site in sites] == [in_validation(site) for site in sites]
    assert 70 < sum(map(in_validation, sites)) < 130
    assert (in_validation(TRAINING_SITE), in_validation(VALIDATION_SITE)) == (False, True)


def test_without_a_site_rows_go_by_text_and_documents_by_id() -> None:
    # Else one text could be learned and measured with; a document's blocks have no such order.
    def sides(alone: bool, texts: list[str], names: list[str]) -> set[bool]:
        pairs = zip(texts, names, strict=True)
        return {split_of(LabelledDocument(name, "", "", "article", ((text, "body"),), alone=alone)) for text, name in pairs}

    many, one = [f"Text {number}" for number in range(100)], ["Same text", " same  TEXT\n"] * 50
    assert len(sides(True, one, many)) == 1
    assert len(sides(True, many, ["id"] * 100)) == 2
    assert len(sides(False, many, ["id"] * 100)) == 1
    assert len(sides(False, one, many)) == 2


@given(st.text(st.sampled_from("aİß \t\n\r\x1c\u00a0\u2028\u3000x")))
def test_the_normal_form_is_case_and_white_space(text: str) -> None:
    # Written without splitting, for memory; it must be what splitting gives.
    assert labels._folded(text) == " ".join(text.casefold().split())


def classes_faults(documents: list[LabelledDocument], base: tuple[str, ...] = (), minimum: int = 3) -> list[str]:
    with pytest.raises(LabelsError) as caught:
        check_classes(documents, base, minimum)
    return list(caught.value.faults)


def test_a_label_with_too_few_blocks_is_named() -> None:
    # Counted outside the validation part; its first example counts wherever it stands. Labels with other examples, and context, need none.
    documents = [
        labelled(VALIDATION_SITE, ("w1", "spam-watches"), ("w2", "spam-watches"), where="l.jsonl:1"),
        labelled(TRAINING_SITE, ("w3", "spam-watches"), ("w4", "spam-watches"), ("b", "body"), ("c", ""), where="l.jsonl:2"),
        labelled(TRAINING_SITE, *[(f"e{number}", "spam-essays") for number in range(3)], where="l.jsonl:3"),
    ]
    [fault] = classes_faults(documents, ("body",))
    assert fault == (
        "l.jsonl:1: 'spam-watches', first seen here, has 2 blocks outside the validation part (and 2 in it), fewer than 3; "
        "label more of it, on other sites, or take it for another label: --map spam-watches=LABEL"
    )
    assert [fault.partition(",")[0] for fault in classes_faults(documents)] == ["l.jsonl:1: 'spam-watches'", "l.jsonl:2: 'body'"]
    check_classes(documents, ("body",), 2)


def test_a_label_of_spans_alone_is_named() -> None:
    # Nothing could be learned of it, and nobody would notice.
    one = LabelledDocument("a", "", TRAINING_SITE, "article", (("Bonus here", "body"),), {0: ((0, 5, "spam-bonus"),)}, where="l.jsonl:1")
    [fault] = classes_faults([one], ("body",), 1)
    assert fault.startswith("l.jsonl:1: 'spam-bonus', first seen here, has 0 blocks outside")


def test_a_text_on_both_sides_of_the_split_is_named() -> None:
    # With the same label, for whoever learned it by heart would be measured as if it knew.
    here = labelled(TRAINING_SITE, (LONG_TEXT, "notice"), where="l.jsonl:1")
    there = labelled(VALIDATION_SITE, (LONG_TEXT.upper(), "notice"), where="l.jsonl:2")
    [fault] = classes_faults([here, there], minimum=0)
    assert fault == (
        "l.jsonl:2: duplicate across splits: 'THE COUNCIL OF HARROW BRIDGE VOTED TO KE…' stands at l.jsonl:1 too, on the other side; "
        "give both the same site, or remove one"
    )


@pytest.mark.parametrize(
    ("site", "text", "label"),
    [
        (TRAINING_SITE, LONG_TEXT, "notice"),
        ("ferry.example", LONG_TEXT, "notice"),  # another site, the same side
        (VALIDATION_SITE, LONG_TEXT, "teaser"),
        (VALIDATION_SITE, LONG_TEXT, ""),
        (VALIDATION_SITE, f"Also: {LONG_TEXT}", "notice"),
    ],
)
def test_other_equal_texts_are_left_alone(site: str, text: str, label: str) -> None:
    assert split_of(labelled("ferry.example", ("x", "body"))) is False
    check_classes([labelled(TRAINING_SITE, (LONG_TEXT, "notice")), labelled(site, (text, label))], (), 0)


def test_short_texts_may_stand_on_both_sides() -> None:
    # Every site has a "Home".
    for length, wrong in ((39, False), (40, True)):
        documents = [labelled(site, ("x" * length, "navigation")) for site in (TRAINING_SITE, VALIDATION_SITE)]
        if wrong:
            assert len(classes_faults(documents, minimum=0)) == 1
        else:
            check_classes(documents, (), 0)


def test_a_large_file_is_read_line_by_line(tmp_path: Path) -> None:
    # 60 MB in lines of half a megabyte: beside what is returned, memory holds one line and its forms.
    path, text = tmp_path / "large.jsonl", "Kasaba meclisi feribotu tuttu. " * 17_000
    with path.open("w", encoding="utf-8") as stream:
        for number in range(115):
            stream.write(json.dumps(document(f"d{number}", (f"{number} {text}", "body"))) + "\n")
    assert path.stat().st_size > 60_000_000
    tracemalloc.start()
    try:
        found = read_training([path])
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 115
    assert held > 60_000_000
    assert peak - held < 20_000_000
