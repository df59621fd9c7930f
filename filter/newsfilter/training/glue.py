"""Honest paragraphs with spam glued to them, for the trees that judge the pieces of a block."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from newsfilter.cuts import MIN_CHARACTERS, sentence_spans
from newsfilter.records import Block, Inline, Page
from newsfilter.training.corpus import Example
from newsfilter.training.labels import LabelledDocument
from newsfilter.training.wardrobe import Wardrobe

BODY_BLOCKS = 40  # of a page that are looked into; more of one page teach nothing new


@dataclass(frozen=True, slots=True)
class GluedPage:
    """What stays of a page, with the stretches that should not have."""

    page: Page
    spam: tuple[tuple[int, int], ...]  # code points into page.text, start inclusive, end exclusive
    site: str
    weight: float


def glued_pages(
    examples: Sequence[Example], documents: Sequence[LabelledDocument], wardrobe: Wardrobe | None, rng: random.Random
) -> Iterator[GluedPage]:
    """Yield the body of pages, half of them with spam glued to some paragraphs; and of labelled documents, with the spam that stands in them."""
    for example in examples:
        blocks = [(example.page.text_of(b), b) for b, label in zip(example.page.blocks, example.labels, strict=True) if label == "body"]
        if wardrobe is not None and any(len(text) >= MIN_CHARACTERS for text, _ in blocks):
            yield _glued(blocks[:BODY_BLOCKS], example, wardrobe, rng)
    for document in documents:
        parts = [(text, document.spans.get(number, ())) for number, (text, label) in enumerate(document.blocks) if label == "body"]
        if parts:
            builder = _Builder()
            for text, spans in parts:
                builder.add(text, Block(0, 0), [(start, end) for start, end, _ in spans])
            yield builder.page(document.site, html=False, weight=4.0)


def _glued(blocks: Sequence[tuple[str, Block]], example: Example, wardrobe: Wardrobe, rng: random.Random) -> GluedPage:
    builder = _Builder()
    long = [number for number, (text, _) in enumerate(blocks) if len(text) >= MIN_CHARACTERS]
    chosen = set(rng.sample(long, min(len(long), rng.choice((1, 1, 2, 3))))) if rng.random() < 0.5 else set()
    for number, (text, block) in enumerate(blocks):
        if number not in chosen:
            builder.add(text, block, [])
            continue
        phrases = [line for line, _ in wardrobe.spam_lines(example.lang, example.site, rng.choice((1, 1, 2)), rng) if len(line) >= 5]
        spam = rng.choice((" ", " ", ", ", " | ")).join(phrases)
        if not spam:
            builder.add(text, block, [])
            continue
        place = _place(text, rng)
        left, right = text[:place].rstrip(), text[place:].lstrip()
        gap = "" if left.endswith((".", "!", "?")) and rng.random() < 0.1 else " "
        before = f"{left}{gap}" if left else ""
        marks: list[Inline] = []
        if example.page.html and rng.random() < 0.7:
            linked = rng.random() < 0.85
            marks = [Inline(len(before), len(before) + len(spam), linked, linked, not linked or rng.random() < 0.15)]
        kept = [_moved(mark, block, place, len(text) - len(right), len(before) + len(spam) + 1) for mark in block.inline]
        builder.add(
            f"{before}{spam}{' ' + right if right else ''}",
            replace(block, inline=()),
            [(len(before), len(before) + len(spam))],
            sorted([*marks, *(mark for mark in kept if mark is not None)]),
        )
    return builder.page(example.site, html=example.page.html, weight=example.weight)


def _place(text: str, rng: random.Random) -> int:
    """Choose where spam is glued: behind the paragraph, between two sentences, before it, or in the middle of a sentence."""
    shape = rng.random()
    if shape < 0.55:
        return len(text)
    if shape < 0.6:
        return 0
    if shape < 0.85:
        return rng.choice([end for _, end in sentence_spans(text)] or [len(text)])
    blanks = [number for number, character in enumerate(text) if character == " "]
    return rng.choice(blanks or [len(text)])


def _moved(mark: Inline, block: Block, place: int, behind: int, right_at: int) -> Inline | None:
    """Return an inline stretch of the old paragraph where it stands in the new one; None when the spam tore it apart."""
    start, end = mark.start - block.start, mark.end - block.start
    if end <= place:
        return mark._replace(start=start, end=end)
    if start >= behind:
        return mark._replace(start=start - behind + right_at, end=end - behind + right_at)
    return None


class _Builder:
    """Puts paragraphs into a page, one below the other."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.blocks: list[Block] = []
        self.spam: list[tuple[int, int]] = []
        self.position = 0

    def add(self, text: str, block: Block, spam: Sequence[tuple[int, int]], marks: Sequence[Inline] | None = None) -> None:
        at = self.position
        inline = (
            [mark._replace(start=mark.start - block.start, end=mark.end - block.start) for mark in block.inline] if marks is None else marks
        )
        placed = tuple(mark._replace(start=mark.start + at, end=mark.end + at) for mark in inline)
        self.texts.append(text)
        self.blocks.append(replace(block, start=at, end=at + len(text), inline=placed))
        self.spam += [(at + start, at + end) for start, end in spam]
        self.position += len(text) + 1

    def page(self, site: str, *, html: bool, weight: float) -> GluedPage:
        return GluedPage(Page("\n".join(self.texts), tuple(self.blocks), html=html), tuple(self.spam), site, weight)


def is_spam(start: int, end: int, spam: Sequence[tuple[int, int]]) -> bool:
    """Whether most of a piece is spam."""
    return sum(max(0, min(end, b) - max(start, a)) for a, b in spam) > (end - start) / 2
