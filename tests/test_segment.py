import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.records import Page
from newsfilter.segment import segment, wrap_width

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/segment.json").read_text(encoding="utf-8"))
PIECES = st.sampled_from(
    [
        "Köprü açıldı",
        ".",
        "!",
        "“",
        "”",
        "'",
        '"',
        "\n",
        "\r\n",
        "\n\n",
        "\f",
        " ",
        "\t",
        "\u200b",
        "\u00ad",
        "AA",
        " İHA",
        "(AA)",
        "16.01.2024",
        "BM",
        "T.C.",
        "www.x.com",
        "bakan yolu üç ayda bitirecek",
        "橋",
        "م",
    ]
)


def texts(page: Page) -> list[str]:
    """The texts of a page's blocks."""
    return [page.text_of(block) for block in page.blocks]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    # Lines are joined, paragraphs taken apart and datelines cut off exactly where the table says.
    assert texts(segment(case["text"])) == case["blocks"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_nothing_is_changed(case: dict[str, Any]) -> None:
    # The page's text is the document's own, to the last carriage return.
    page = segment(case["text"])
    assert page.text == case["text"]
    assert not page.html


@given(st.text() | st.lists(PIECES, max_size=40).map("".join))
def test_blocks_of_any_text(text: str) -> None:
    # Blocks are ordered, inside the text, not empty, and do not overlap; between them stands nothing that can be read.
    page = segment(text)
    assert page.text == text
    position = 0
    for block in page.blocks:
        assert position <= block.start < block.end <= len(text)
        assert not text[position : block.start].strip(" \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u200b\ufeff\u3000\0")
        position = block.end
    assert not text[position:].strip(" \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u200b\ufeff\u3000\0")


@given(st.lists(PIECES, max_size=30).map("".join))
def test_blocks_have_no_outer_white_space(text: str) -> None:
    # A block begins and ends with a character that a reader sees, so that a body's paragraphs need no trimming.
    page = segment(text)
    assert all(piece == piece.strip() for piece in texts(page))


def test_plain_text_has_no_markup() -> None:
    # What only HTML can tell stays at its default.
    block = segment("Köprü açıldı.").blocks[0]
    assert (block.xpath, block.tags, block.hints, block.link_density, block.kept_share, block.hidden) == (None, (), (), 0.0, 0.0, False)


def test_sentence_words() -> None:
    # The measure of mostly-removed counts lines of five words and more that end a sentence, and no others.
    assert segment("Köprü bugün törenle trafiğe açıldı.\n\nGündem Spor Ekonomi Dünya Yaşam\n\nHalk sevindi.").sentence_words == 5


def test_no_width_in_unwrapped_text() -> None:
    # Without a sentence that runs over a line's end there is no width to find.
    assert wrap_width("", []) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("Bakan dün konuştu ve köprünün yakında açılacağını söyledi.", 200_000),
        ('Bakan dün konuştu ve "köprü yakında açılacak."Halk', 100_000),
        ("a.B", 25_000),
        ("kelime ", 100_000),
    ],
    ids=["glued sentences", "glued quotations", "no blanks", "words"],
)
def test_one_long_line_takes_linear_time(line: str, size: int) -> None:
    # A dump may hold a book on one line: eight times the text takes about eight times as long, not sixty.
    def seconds(characters: int) -> float:
        text = line * (characters // len(line))
        started = time.process_time()
        segment(text)
        return time.process_time() - started

    small = max(min(seconds(size) for _ in range(3)), 0.005)
    assert seconds(8 * size) < 20 * small
