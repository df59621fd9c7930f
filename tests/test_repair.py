import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.records import EDIT_KINDS, Edit
from newsfilter.repair import _FAULT, _SUSPECT, apply, find_edits, undo

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/repair.json").read_text(encoding="utf-8"))
TABLE = [pytest.param(case, id=case["label"]) for case in CASES]
PIECES = st.sampled_from(
    [
        "Köprü",
        "açıldı",
        "a",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\f",
        "\t",
        "\x85",
        "\u2028",
        "\u200b",
        "\u00ad",
        "\ufeff",
        "\0",
        "\x1b",
        "Ä±",
        "ÅŸ",
        "Ã¶",
        "â€™",
        "Â\xa0",
        "o\u0308",
        "\u0308",
        "’",
        "橋",
        "の",
        "می\u200c",
        "한",
        "Ã",
        "Â\x85",
    ]
)
ANY_TEXT = st.text() | st.lists(PIECES, max_size=40).map("".join)


@pytest.mark.parametrize("case", TABLE)
def test_cases(case: dict[str, Any]) -> None:
    # Each text is mended as the table says, by edits of the kinds that it names and no others.
    edits = find_edits(case["text"])
    assert apply(case["text"], 0, edits) == case["fixed"]
    assert sorted({edit.kind for edit in edits}) == case["kinds"]


@pytest.mark.parametrize("case", TABLE)
def test_mended_text_is_left_alone(case: dict[str, Any]) -> None:
    # What was mended once needs nothing more.
    assert find_edits(case["fixed"]) == []


@pytest.mark.parametrize("case", TABLE)
def test_offsets_count_from_the_page(case: dict[str, Any]) -> None:
    # A block further down has the same edits, further down.
    here, there = find_edits(case["text"]), find_edits(case["text"], 1000)
    assert [(edit.start + 1000, edit.end + 1000, edit.new) for edit in here] == [(edit.start, edit.end, edit.new) for edit in there]
    assert apply(case["text"], 1000, there) == case["fixed"]
    assert undo(case["fixed"], 1000, there) == case["text"]


def test_repair_off() -> None:
    # With the setting off, mojibake and decomposed letters stay; white space and invisible characters do not.
    text = "KÃ¶prÃ¼  ac\u0327\u0131ldı\u200b"
    edits = find_edits(text, repair=False)
    assert {edit.kind for edit in edits} == {"white-space", "invisible-character"}
    assert apply(text, 0, edits) == "KÃ¶prÃ¼ ac\u0327\u0131ldı"


@given(ANY_TEXT, st.booleans(), st.integers(0, 10_000))
def test_undo_inverts_apply(text: str, repair: bool, start: int) -> None:
    # Whatever was mended, the page's own text comes back.
    edits = find_edits(text, start, repair=repair)
    assert undo(apply(text, start, edits), start, edits) == text


@given(ANY_TEXT, st.booleans())
def test_edits_of_any_text(text: str, repair: bool) -> None:
    # Edits are in order, inside the text, do not overlap, change something, and are of a kind from the table.
    position = 0
    for edit in find_edits(text, repair=repair):
        assert position <= edit.start < edit.end <= len(text)
        assert edit.old == text[edit.start : edit.end] != edit.new
        assert edit.kind in EDIT_KINDS
        position = edit.end


@given(ANY_TEXT)
def test_a_paragraph_is_one_line(text: str) -> None:
    # No mended paragraph holds a line break of any kind, so that a body has one paragraph a line.
    mended = apply(text, 0, find_edits(text))
    assert len(mended.splitlines()) <= 1


@given(ANY_TEXT)
def test_a_paragraph_has_single_blanks(text: str) -> None:
    # No mended paragraph holds two blanks in a row, or a character that nobody sees.
    mended = apply(text.strip(), 0, find_edits(text.strip()))
    assert "  " not in mended
    assert not set(mended) & set("\0\x1b\u00ad\u200b\u2060\ufeff\x7f\x80")


def test_undo_refuses_a_changed_body() -> None:
    # Where the body does not hold what an edit wrote, the way back is closed.
    edits = [Edit(5, 6, "\n", " ", "joined-lines")]
    assert undo("Köprü açıldı", 0, edits) == "Köprü\naçıldı"
    with pytest.raises(ValueError, match="joined-lines"):
        undo("Köprü-açıldı", 0, edits)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "size"),
    [(" ", 4_000), ("Köprü  açıldı\n", 500), ("Ä±", 10_000), ("\u200b", 20_000), ("a\u0308 ", 10_000)],
    ids=["blanks", "wrapped lines", "mojibake", "invisible characters", "decomposed letters"],
)
def test_linear_time(text: str, size: int) -> None:
    # Eight times the text takes about eight times as long, not sixty: a scrape may hold a megabyte of blanks.
    def seconds(times: int) -> float:
        long = f"Köprü{text * times}açıldı"
        started = time.process_time()
        find_edits(long)
        return time.process_time() - started

    find_edits("Ä±ÅŸ")  # imports ftfy
    # The best of several pairs, each timed together: another process on the machine slows one of a pair, not all.
    assert min(seconds(8 * size) / max(seconds(size), 0.005) for _ in range(4)) < 25


def test_no_fault_is_passed_over() -> None:
    # Paragraphs without a suspect character are looked at no closer: every character of a fault must be one.
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    gaps = [character for character in characters if character != " " and (character.isspace() or _FAULT.fullmatch(character))]
    marks = [character for character in characters if _FAULT.fullmatch(f"a{character}") or _FAULT.fullmatch(f"\u1100{character}")]
    assert len(gaps) > 80
    assert len(marks) > 100
    assert [character for character in (*gaps, *marks) if not _SUSPECT.fullmatch(character)] == []
