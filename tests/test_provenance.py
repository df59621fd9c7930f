import copy
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsfilter.errors import RecordError
from newsfilter.extract import extract
from newsfilter.provenance import CERTAIN, JOINER, assemble, digest, edit_rows, encode_record, merged, restore
from newsfilter.records import EDIT_KINDS, LABELS, Block, Decision, Page
from newsfilter.segment import segment

FOLDER = Path(__file__).parents[1] / "fixtures/cases"
REPAIRS = json.loads((FOLDER / "repair.json").read_text(encoding="utf-8"))
LAYOUTS = json.loads((FOLDER / "segment.json").read_text(encoding="utf-8"))
HTML = json.loads((FOLDER / "extract.json").read_text(encoding="utf-8"))

WORDS = st.sampled_from(
    [
        "Köprü",
        "açıldı.",
        "Halk sevindi ve bunu kutladı.",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\n\n",
        "\f",
        "\u2028",
        "\u200b",
        "\u00ad",
        "\0",
        "Ä±",
        "ÅŸ",
        "o\u0308",
        "AA",
        "橋",
        "“",
        '"',
        "'",
    ]
)
TEXTS = st.text(max_size=100) | st.lists(WORDS, max_size=40).map("".join)
TAGS = st.sampled_from(
    ["p", "div", "li", "span", "h1", "td", "b", "a href='https://bahis.example/'", "div hidden", "script", "article class='haber'"]
)
MARKUP = st.recursive(
    TEXTS | st.sampled_from(["<br>", "<br><br>", "<!-- x -->", "&shy;", "&#0;", "</html>", "<p>"]),
    lambda inner: st.builds(lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag.split()[0]}>", TAGS, st.lists(inner, max_size=4)),
    max_leaves=20,
)
PAGES = TEXTS.map(segment) | MARKUP.map(extract)


def decide(page: Page, labels: list[str], kept: list[bool], cuts: list[int], p: list[float]) -> list[Decision]:
    """Made-up decisions for a page: each list is used in turn; a cut other than 0 parts a block in two."""
    decisions: list[Decision] = []
    for number, block in enumerate(page.blocks):
        cut = block.start + cuts[number % len(cuts)]
        spans = [(block.start, cut), (cut, block.end)] if block.start < cut < block.end else [(block.start, block.end)]
        for start, end in spans:
            turn = len(decisions)
            label = labels[turn % len(labels)]
            decisions.append(Decision(start, end, number, label, {label: p[turn % len(p)]}, kept[turn % len(kept)], "model"))
    return decisions


DECIDED = st.builds(
    lambda page, *lists: (page, decide(page, *lists)),
    PAGES,
    st.lists(st.sampled_from(["body", "headline", *LABELS]), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=1, max_size=6),
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.lists(st.sampled_from([0.0004, 0.5, 0.99, 1.0]), min_size=1, max_size=3),
)


def recorded(page: Page, decisions: list[Decision], *, repair: bool = True, written: bool = True) -> tuple[str, dict[str, Any]]:
    """The body, and what of a record the way back needs, as it is read from disk."""
    body, entries, edits = assemble(page, decisions, repair=repair, written=written)
    record = {
        "page": {"sha256": digest(page.text), "characters": len(page.text)},
        "body": {"sha256": digest(body), "characters": len(body)},
        "blocks": entries,
        "edits": edit_rows(edits),
    }
    read: dict[str, Any] = json.loads(encode_record(record))
    return body, read


def kept_whole(text: str) -> tuple[Page, list[Decision]]:
    """A text that is one block, kept."""
    page = Page(text, (Block(0, len(text)),) if text else (), html=False)
    return page, decide(page, ["body"], [True], [0], [1.0])


@settings(deadline=None)
@given(DECIDED, st.booleans())
def test_body_and_record_are_the_page(decided: tuple[Page, list[Decision]], repair: bool) -> None:
    # Whatever was kept, cut and mended, the page's text comes back to the last character.
    page, decisions = decided
    body, record = recorded(page, decisions, repair=repair)
    assert restore(record, body) == page.text


@settings(deadline=None)
@given(DECIDED, st.booleans())
def test_a_rejected_document_needs_no_body(decided: tuple[Page, list[Decision]], repair: bool) -> None:
    # Where no body is written, the record alone holds the page.
    page, decisions = decided
    _, record = recorded(page, decisions, repair=repair, written=False)
    assert restore(record, None) == page.text
    assert record["edits"] == []
    assert all("at" not in entry for entry in record["blocks"])


@settings(deadline=None)
@given(DECIDED)
def test_entries_tile_the_page(decided: tuple[Page, list[Decision]]) -> None:
    # Entries run from the page's first character to its last without a gap, and hold their text exactly where no body does.
    page, decisions = decided
    body, record = recorded(page, decisions)
    entries = record["blocks"]
    assert [entry["start"] for entry in entries] == [0, *(entry["end"] for entry in entries)][: len(entries)]
    assert (entries[-1]["end"] if entries else 0) == len(page.text)
    for entry in entries:
        assert ("text" in entry) is ("at" not in entry)
        assert entry.get("text", page.text[entry["start"] : entry["end"]]) == page.text[entry["start"] : entry["end"]]
    assert sum(entry.get("merged", 1) for entry in entries) == max(len(decisions), bool(page.text))
    places = sorted(tuple(entry["at"]) for entry in entries if "at" in entry)
    assert all(one[1] == other[0] for one, other in pairwise(places))
    assert (places[-1][1] if places else 0) == len(body)


@settings(deadline=None)
@given(DECIDED)
def test_edits_are_in_page_order(decided: tuple[Page, list[Decision]]) -> None:
    # Edits lie in order, do not overlap, stand in kept entries, say what the page holds there, and are of a kind from the table.
    page, decisions = decided
    _, _, edits = assemble(page, decisions, repair=True)
    for one, other in pairwise(edits):
        assert one.end <= other.start
    for edit in edits:
        assert edit.old == page.text[edit.start : edit.end] != edit.new
        assert edit.kind in EDIT_KINDS


@settings(deadline=None)
@given(PAGES)
def test_body_has_one_paragraph_a_line(page: Page) -> None:
    # With every block kept whole, the body has a line for each and a blank line between two.
    body, _ = recorded(page, decide(page, ["body"], [True], [0], [1.0]))
    assert body.count("\n") == 2 * max(len(page.blocks) - 1, 0)
    assert len(body.split(JOINER)) == max(len(page.blocks), 1)


def test_every_kind_is_produced_and_replayed() -> None:
    # The cases produce every kind of edit that the table names, each is undone, and no kind is produced that the table lacks.
    kinds: set[str] = set()
    pages = [kept_whole(case["text"]) for case in REPAIRS]
    pages += [(page, decide(page, ["body"], [True], [0], [1.0])) for page in (segment(case["text"]) for case in LAYOUTS)]
    for page, decisions in pages:
        body, record = recorded(page, decisions)
        assert restore(record, body) == page.text
        kinds |= {edit["kind"] for edit in record["edits"]}
    assert kinds == set(EDIT_KINDS)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in HTML])
def test_html_cases_come_back(case: dict[str, Any]) -> None:
    # Every HTML case comes back with every second block kept.
    page = extract(case["html"])
    body, record = recorded(page, decide(page, ["body", "teaser"], [True, False], [0], [1.0]))
    assert restore(record, body) == page.text


def test_kept_headline_comes_first() -> None:
    # A kept headline stands above the body, wherever the page has it, and the page still comes back.
    page = segment("Köprü  bugün törenle trafiğe açıldı.\n\nKöprü  açıldı\n\nHalk  bu habere çok sevindi.\n")
    body, record = recorded(page, decide(page, ["body", "headline", "body"], [True], [0], [1.0]))
    assert [edit["start"] for edit in record["edits"]] == [match.start() for match in re.finditer(r" {2}|\n$", page.text)]
    assert body == "Köprü açıldı\n\nKöprü bugün törenle trafiğe açıldı.\n\nHalk bu habere çok sevindi."
    assert restore(record, body) == page.text


def test_a_cut_block_stays_one_paragraph() -> None:
    # What is left of a block on both sides of a cut span is one paragraph; its entries share a block number.
    text = "Köprü açıldı. Bahis yapın. Halk sevindi."
    page = Page(text, (Block(0, len(text)),), html=False)
    spans = [(0, 13, True), (14, 26, False), (27, 40, True)]
    decisions = [Decision(start, end, 0, "body" if kept else "spam-gambling", {}, kept, "model") for start, end, kept in spans]
    body, record = recorded(page, decisions)
    assert body == "Köprü açıldı. Halk sevindi."
    assert [entry["block"] for entry in record["blocks"]] == [0, 0, 0]
    assert restore(record, body) == text


def test_a_page_without_blocks() -> None:
    # White space that no block holds is in the record; an empty page has an empty record.
    for text in ("\n \n", ""):
        body, record = recorded(Page(text, (), html=False), [])
        assert (body, restore(record, body)) == ("", text)


@pytest.mark.parametrize(
    ("entries", "count"),
    [
        ([("navigation", 1.0, "model"), ("navigation", 0.99, "model"), ("navigation", 0.995, "model")], 1),
        ([("navigation", 1.0, "model"), ("teaser", 1.0, "model")], 2),
        ([("navigation", 1.0, "model"), ("navigation", 0.98, "model")], 2),
        ([("spam-adult", 1.0, "model"), ("spam-adult", 1.0, "model")], 2),
        ([("byline", 1.0, "dateline/1"), ("byline", 1.0, "dateline/1")], 2),
        ([("body", 1.0, "model"), ("body", 1.0, "model")], 2),
    ],
    ids=["one label", "two labels", "doubt", "spam", "rules", "removed body"],
)
def test_merging(entries: list[tuple[str, float, str]], count: int) -> None:
    # Neighbouring furniture of one label merges where the model has no doubt that it is not body; spam, rules' decisions and removed body stand alone.
    rows = [
        {
            "start": n,
            "end": n + 1,
            "block": n,
            "label": label,
            "probabilities": {"body": round(1 - p, 4), label: p},
            "kept": False,
            "by": by,
            "text": "x",
        }
        for n, (label, p, by) in enumerate(entries)
    ]
    result = merged(copy.deepcopy(rows))
    assert len(result) == count
    assert "".join(entry["text"] for entry in result) == "x" * len(rows)
    if count == 1:
        assert (result[0]["merged"], result[0]["end"]) == (len(rows), len(rows))
        # What holds for all of them: the least probability of their label, the greatest of body.
        assert result[0]["probabilities"] == {"navigation": CERTAIN, "body": round(1 - CERTAIN, 4)}


def test_small_probabilities_are_left_out() -> None:
    # A probability below a thousandth is not in the record.
    page = segment("Köprü açıldı.")
    decision = Decision(0, 13, 0, "body", {"body": 0.99, "teaser": 0.001, "notice": 0.0009}, kept=True, by="model")
    (entry,) = assemble(page, [decision], repair=True)[1]
    assert entry["probabilities"] == {"body": 0.99, "teaser": 0.001}


TEXT = "Köprü bugün\ntörenle  açıldı.\n\nGündem\n\nHalk bu habere\u200b çok sevindi.\n\nSpor\n"


def example() -> tuple[Page, str, dict[str, Any]]:
    """A page with kept and removed blocks and edits, its body and its record."""
    blocks = [(0, 28), (30, 36), (38, 66), (68, 72)]
    page = Page(TEXT, tuple(Block(start, end) for start, end in blocks), html=False)
    body, record = recorded(page, decide(page, ["body", "navigation"], [True, False], [0], [0.9]))
    return page, body, record


def test_the_example_is_whole() -> None:
    # Untouched, body and record fit; what the next tests do to them is what breaks them.
    page, body, record = example()
    assert body == "Köprü bugün törenle açıldı.\n\nHalk bu habere çok sevindi."
    assert restore(record, body) == page.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("açıldı", "kapandı"),
        ("açıldı", "acıldı"),
        ("\n\n", "\n"),
        (" ", "  "),
        ("Köprü", ""),
        ("sevindi.", "sevindi"),
        ("sevindi.", "sevindi. Bahis yapın."),
        ("Köprü", "\nKöprü"),
    ],
    ids=["word", "letter", "blank line", "blank", "first word", "last character", "something behind", "something before"],
)
def test_changed_body(old: str, new: str) -> None:
    # A body that was changed anywhere, its end too, is not taken for the record's.
    _, body, record = example()
    with pytest.raises(RecordError):
        restore(record, body.replace(old, new, 1))


@given(st.integers(0, 60), st.integers(0, 60), st.text(max_size=3))
def test_changed_body_anywhere(start: int, end: int, new: str) -> None:
    # No replacement of any stretch of the body goes unnoticed.
    _, body, record = example()
    changed = body[: min(start, end)] + new + body[max(start, end) :]
    if changed == body:
        assert restore(record, changed) == TEXT
    else:
        with pytest.raises(RecordError):
            restore(record, changed)


def test_missing_body() -> None:
    # A record with kept entries says that it needs the body file.
    _, _, record = example()
    with pytest.raises(RecordError, match="body file"):
        restore(record, None)


def _tampered(record: dict[str, Any], change: str) -> None:
    entries, edits = record["blocks"], record["edits"]
    changes: dict[str, Callable[[], object]] = {
        "removed text": lambda: entries[1].update(text="Magazi\n\n"),
        "removed text longer": lambda: entries[1].update(text="Gündemler\n\n"),
        "entry gone": lambda: entries.pop(1),
        "entries swapped": lambda: entries.insert(0, entries.pop(1)),
        "entry's start": lambda: entries[1].update(start=29),
        "entry's end": lambda: entries[3].update(end=90),
        "place in the body": lambda: entries[2].update(at=[0, 5]),
        "edit gone": lambda: edits.pop(0),
        "edit's old": lambda: edits[0].update(old="\r"),
        "edit's new": lambda: edits[0].update(new="-"),
        "edit's place": lambda: edits[0].update(start=3, end=4),
        "edit twice": lambda: edits.insert(0, dict(edits[0])),
        "edit more": lambda: edits.append({"start": 70, "end": 71, "old": "p", "new": "", "kind": "nfc"}),
        "page's digest": lambda: record["page"].update(sha256="0" * 64),
        "no blocks": lambda: record.pop("blocks"),
        "no edits": lambda: record.pop("edits"),
        "no page": lambda: record.pop("page"),
        "entry without a start": lambda: entries[0].pop("start"),
        "kept entry without a place": lambda: entries[0].pop("at"),
        "edit without an old": lambda: edits[0].pop("old"),
        "blocks a string": lambda: record.update(blocks="x"),
        "start a string": lambda: entries[0].update(start="x"),
    }
    changes[change]()


@pytest.mark.parametrize(
    "change",
    [
        "removed text", "removed text longer", "entry gone", "entries swapped", "entry's start", "entry's end", "place in the body", "edit gone", "edit's old",
        "edit's new", "edit's place", "edit twice", "edit more", "page's digest", "no blocks", "no edits", "no page", "entry without a start",
        "kept entry without a place", "edit without an old", "blocks a string", "start a string",
    ],
)  # fmt: skip
def test_changed_record(change: str) -> None:
    # A record that was changed, cut or is none at all is refused with a RecordError, never with another exception.
    _, body, record = example()
    _tampered(record, change)
    with pytest.raises(RecordError):
        restore(record, body)


def test_another_document_s_body() -> None:
    # A body that belongs to another record is refused.
    _, _, record = example()
    with pytest.raises(RecordError, match="body"):
        restore(record, "Yağmur bugün bütün gün yağdı.\n\nHava yarın düzelecek.")


def test_keys_may_be_added() -> None:
    # Within version 1 keys may be added: a reader of today passes over what a later version wrote.
    page, body, record = example()
    record["later"] = 1
    record["blocks"][0]["later"] = record["edits"][0]["later"] = 1
    assert restore(record, body) == page.text


def test_encoded_on_one_line() -> None:
    # A record is one line of UTF-8, whatever line separators its texts hold, and comes back as it was.
    record = {"title": "Köprü\n açıldı\u2028", "blocks": []}
    raw = encode_record(record)
    assert raw.endswith(b"}\n")
    assert raw.count(b"\n") == 1
    assert json.loads(raw) == record
    assert "Köprü".encode() in raw
