import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from newsfilter.records import Block, Inline, Page
from newsfilter.training.corpus import Example
from newsfilter.training.generator import read_templates
from newsfilter.training.glue import BODY_BLOCKS, GluedPage, glued_pages, is_spam
from newsfilter.training.labels import LabelledDocument
from newsfilter.training.wardrobe import Wardrobe

TEMPLATES = read_templates(Path(__file__).parents[1] / "fixtures/spam")
SPAM = "casino bonus giriş"
PARAGRAPHS = (
    ("Köprü açıldı", "headline"),
    ("Başkan M. Kaya yeni köprünün gelecek yıl açılacağını söyledi. Halk sevindi!", "body"),
    ("Kısa bir ara.", "body"),
    ("Paylaş", "reaction"),
    ("Köprünün yapımı üç yıl sürdü ve 214 milyon liraya mal oldu, ilk gün on bin araç geçti.", "body"),
    ("市政府昨天宣布新桥将于明年春季正式通车。届时东西两岸之间的交通状况将大为改善，请市民耐心等待。", "body"),
)
LINKED = ("Başkan M. Kaya", "köprünün", "Halk", "214 milyon", "geçti.", "新桥将于明年春季")
SEEDS = range(150)


@dataclass(frozen=True, slots=True)
class OneKind(Wardrobe):
    """A wardrobe whose spam is known when it is seen again."""

    def spam_lines(self, lang: str, site: str, size: int, rng: random.Random) -> list[tuple[str, str]]:  # noqa: ARG002 - as a wardrobe's
        return [(SPAM, "spam-gambling")] * size


def page_of(lines: tuple[tuple[str, str], ...], *, html: bool) -> Example:
    """An example whose paragraphs hold links and hidden stretches, where it is HTML."""
    blocks: list[Block] = []
    position = 0
    for text, _ in lines:
        marks = [(position + text.index(words), words) for words in LINKED if html and words in text]
        inline = tuple(
            sorted(Inline(at, at + len(words), linked=True, outward=words == "Halk", hidden=words == "geçti.") for at, words in marks)
        )
        blocks.append(Block(position, position + len(text), xpath=f"/html/p[{len(blocks) + 1}]" if html else None, inline=inline))
        position += len(text) + 1
    page = Page("\n".join(text for text, _ in lines), tuple(blocks), html=html)
    return Example(page, tuple(label for _, label in lines), "haber.example", "made-up", "tr", weight=0.5)


class Short(OneKind):
    """A wardrobe whose spam is too short to be told from a word of the paragraph."""

    def spam_lines(self, lang: str, site: str, size: int, rng: random.Random) -> list[tuple[str, str]]:  # noqa: ARG002 - as a wardrobe's
        return [("slot", "spam-gambling")] * size


def drawn(*, html: bool, wardrobe: Wardrobe | None = None) -> Iterator[GluedPage]:
    """One page for each seed."""
    example = page_of(PARAGRAPHS, html=html)
    for seed in SEEDS:
        yield from glued_pages([example], [], wardrobe or OneKind({}, {}, {}, {}, TEMPLATES), random.Random(seed))


def bare(text: str) -> str:
    """A text without white space."""
    return "".join(text.split())


@pytest.mark.parametrize("html", [False, True])
def test_the_spans_are_the_spam(*, html: bool) -> None:
    # Each holds phrases of spam from end to end, and outside of them there is none.
    seen = 0
    for glued in drawn(html=html):
        position, outside = 0, ""
        for start, end in glued.spam:
            assert glued.page.text[start:end] in {SPAM, *(f"{SPAM}{sign}{SPAM}" for sign in (" ", ", ", " | "))}
            outside += glued.page.text[position:start]
            position = end
            seen += 1
        assert SPAM not in outside + glued.page.text[position:]
    assert seen > len(SEEDS) / 3


@pytest.mark.parametrize("html", [False, True])
def test_the_honest_text_is_that_of_the_body(*, html: bool) -> None:
    # Without its spam a page has every word of the body, in order and in its own block, and nothing else.
    body = [text for text, label in PARAGRAPHS if label == "body"]
    for glued in drawn(html=html):
        assert len(glued.page.blocks) == len(body)
        for block, text in zip(glued.page.blocks, body, strict=True):
            own = [span for span in glued.spam if block.start <= span[0] < block.end]
            assert all(end <= block.end for _, end in own)
            left = glued.page.text_of(block)
            for start, end in reversed(own):
                left = left[: start - block.start] + left[end - block.start :]
            assert left == text if not own else bare(left) == bare(text)


def test_blocks_tile_the_page() -> None:
    # A line break between two, as in a page that was extracted; what is known of a block stays with it.
    for glued in drawn(html=True):
        assert glued.page.blocks[0].start == 0
        assert glued.page.blocks[-1].end == len(glued.page.text)
        for one, other in pairwise(glued.page.blocks):
            assert glued.page.text[one.end : other.start] == "\n"
        assert [block.xpath for block in glued.page.blocks] == [f"/html/p[{number}]" for number in (2, 3, 5, 6)]
        assert (glued.page.html, glued.site, glued.weight) == (True, "haber.example", 0.5)


def test_inline_marks_lie_where_their_text_is() -> None:
    # A link that stood in a paragraph covers the same words in the new one, with the same facts; one that the spam tore apart is gone.
    facts = {words: (True, words == "Halk", words == "geçti.") for words in LINKED}
    on_spam = lost = 0
    for glued in drawn(html=True):
        found = []
        for block in glued.page.blocks:
            assert list(block.inline) == sorted(block.inline)
            for mark in block.inline:
                assert block.start <= mark.start < mark.end <= block.end
                words = glued.page.text[mark.start : mark.end]
                if (mark.start, mark.end) in glued.spam:
                    on_spam += 1
                    assert mark.linked == mark.outward
                    assert mark.linked or mark.hidden
                else:
                    assert (mark.linked, mark.outward, mark.hidden) == facts[words]
                    found.append(words)
        assert len(set(found)) == len(found)
        lost += len(LINKED) - len(found)
    assert on_spam > len(SEEDS) / 5
    assert lost < len(SEEDS) / 5


def test_plain_text_gets_no_marks() -> None:
    # A text has neither links nor hidden stretches.
    assert not any(block.inline for glued in drawn(html=False) for block in glued.page.blocks)


def test_half_of_the_pages_are_left_alone() -> None:
    # What an honest paragraph looks like is learned too.
    untouched = sum(not glued.spam for glued in drawn(html=True))
    assert 0.3 < untouched / len(SEEDS) < 0.7


def test_spam_stands_everywhere() -> None:
    # Before a paragraph, behind it, between sentences and inside of one; with a gap and without.
    behind = before = between = without = 0
    for glued in drawn(html=False):
        for start, end in glued.spam:
            text = glued.page.text
            first, last = text[start - 1 : start] in ("", "\n"), text[end : end + 1] in ("", "\n")
            before += first
            behind += last
            between += not first and not last
            without += not first and not text[start - 1].isspace()
            assert last or text[end].isspace()
    assert min(behind, before, between, without) > 0
    assert behind > between > before


def test_short_paragraphs_get_no_spam() -> None:
    # They are not looked into either.
    short = PARAGRAPHS[2][0]
    for glued in drawn(html=True):
        block = glued.page.blocks[1]
        assert glued.page.text_of(block) == short
        assert not any(block.start <= start < block.end for start, _ in glued.spam)


def test_short_spam_is_not_glued() -> None:
    # The page then stays as it was.
    body = "\n".join(text for text, label in PARAGRAPHS if label == "body")
    for glued in drawn(html=True, wardrobe=Short({}, {}, {}, {}, TEMPLATES)):
        assert (glued.page.text, glued.spam) == (body, ())


def test_the_generators_spam_is_found_again() -> None:
    # With spam as it is made up, evasions and all, the rest of the page is its body.
    body = bare("".join(text for text, label in PARAGRAPHS if label == "body"))
    for glued in drawn(html=True, wardrobe=Wardrobe({}, {}, {}, {}, TEMPLATES)):
        left = glued.page.text
        for start, end in reversed(glued.spam):
            assert end - start >= 5
            left = left[:start] + left[end:]
        assert bare(left) == body


def test_the_same_seed_gives_the_same_pages() -> None:
    # And pages without a paragraph to look into give none; nor does a training without a wardrobe.
    example, wardrobe = page_of(PARAGRAPHS, html=True), OneKind({}, {}, {}, {}, TEMPLATES)
    first, second = (list(glued_pages([example] * 5, [], wardrobe, random.Random(7))) for _ in range(2))
    assert first == second
    short = page_of((("Kısa bir ara.", "body"), (PARAGRAPHS[4][0], "teaser")), html=True)
    assert list(glued_pages([short], [], wardrobe, random.Random(1))) == []
    assert list(glued_pages([example], [], None, random.Random(1))) == []


def test_a_long_page_is_cut_short() -> None:
    # More of one page teaches nothing new.
    long = page_of((PARAGRAPHS[4],) * (BODY_BLOCKS + 20), html=False)
    (glued,) = glued_pages([long], [], OneKind({}, {}, {}, {}, TEMPLATES), random.Random(1))
    assert len(glued.page.blocks) == BODY_BLOCKS


def test_labelled_spans_are_spam_where_they_stand() -> None:
    # The body of a labelled document, with the spam that somebody marked in it.
    text = f"Halk sevindi. {SPAM} Sonra gitti."
    where = text.index(SPAM)
    document = LabelledDocument(
        "x", "tr", "haber.example", "article", (("Ana Sayfa", "navigation"), ("Köprü açıldı.", "body"), (text, "body")),
        {2: ((where, where + len(SPAM), "spam-gambling"),)},
    )  # fmt: skip
    (glued,) = glued_pages(
        [], [document, LabelledDocument("y", "tr", "y", "listing", (("Ana Sayfa", "navigation"),))], None, random.Random(1)
    )
    assert glued.page.text == f"Köprü açıldı.\n{text}"
    assert [glued.page.text[start:end] for start, end in glued.spam] == [SPAM]
    assert [glued.page.text_of(block) for block in glued.page.blocks] == ["Köprü açıldı.", text]


@pytest.mark.parametrize(
    ("start", "end", "spam", "expected"),
    [
        (0, 10, [], False),
        (0, 10, [(0, 10)], True),
        (0, 10, [(0, 5)], False),
        (0, 10, [(0, 6)], True),
        (0, 10, [(0, 3), (7, 10)], True),
        (0, 10, [(10, 20)], False),
        (12, 15, [(10, 20)], True),
        (0, 30, [(10, 20)], False),
    ],
)
def test_is_spam(start: int, end: int, spam: list[tuple[int, int]], *, expected: bool) -> None:
    # A piece is spam when more than half of it is.
    assert is_spam(start, end, spam) is expected
