"""From a record and its page's text back to what was decided: the page's blocks and the decisions, as far as a policy needs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from newsfilter.cuts import SPACES
from newsfilter.errors import RecordError
from newsfilter.records import Block, Damage, Decision, Page
from newsfilter.segment import EDGES

FROM_EXTRACTION = ("parse-truncated", "extraction-skipped")  # damage that is the page's own, whatever is kept
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decided:
    """What a record says was decided."""

    page: Page  # blocks without what only the model needs
    decisions: tuple[Decision, ...]
    kinds: tuple[tuple[str, float, float], ...]  # as `judge` takes them
    certain: frozenset[int]  # numbers of blocks that stood in merged entries, of which the record knows a bound each


def read_back(record: Mapping[str, Any], text: str) -> Decided:
    """Return what was decided about a page, given the text that `restore` gave.

    Block for block it is what the page was cut into: a page's blocks are its lines, so that merged ones can be told apart, and what white space
    stands at the edges of a block of plain text is known.

    Raises
    ------
    RecordError
        When the record lacks what a verdict rests on, as those of versions before ``kinds`` do, or was changed.
    """
    if "kinds" not in record:
        raise RecordError(
            "the record does not say what kind of document the page may be, so that nobody can judge it again without the model"
        )
    html = record["source"]["media_type"] == "text/html"
    entries: list[Entry] = record["blocks"]
    damage = tuple(Damage(row["start"], row["end"], row["code"]) for row in record["damage"] if row["code"] in FROM_EXTRACTION)
    kinds = tuple((row["kind"], row["probability"], row["limit"]) for row in record["kinds"])
    if not entries or entries[0]["by"] == "no-text/1":
        return Decided(Page(text, (), html=html, damage=damage), (), kinds, frozenset())
    blocks = _lines(text) if html else []
    decisions: list[Decision] = []
    certain: set[int] = set()
    for number, group in groupby(entries, key=itemgetter("block")):
        own = list(group)
        if "merged" in own[0]:
            numbers = range(number, number + own[0]["merged"])
            certain.update(numbers)
            _check(html and len(own) == 1 and numbers.stop <= len(blocks) and own[0]["start"] == blocks[number].start, number)
            blocks[number] = _block(own[0], blocks[number].start, blocks[number].end)
            decisions += [_decision(own[0], blocks[n].start, blocks[n].end, n) for n in numbers]
            continue
        pieces = _pieces(own, text, html=html)
        _check(number < len(blocks) if html else number == len(blocks), number)
        if html:
            block = _block(own[0], pieces[0].start, pieces[-1].end)
            _check((block.start, block.end) == (blocks[number].start, blocks[number].end), number)
            blocks[number] = block
        else:
            blocks.append(Block(pieces[0].start, pieces[-1].end))
        decisions += pieces
    return Decided(Page(text, tuple(blocks), html=html, damage=damage), tuple(decisions), kinds, frozenset(certain))


def _check(fits: bool, number: int) -> None:
    if not fits:
        raise RecordError(f"block {number} does not stand where the page's text has it; the record was changed")


def _lines(text: str) -> list[Block]:
    blocks, start = [], 0
    for line in text.split("\n"):
        blocks.append(Block(start, start + len(line)))
        start += len(line) + 1
    return blocks


def _block(entry: Entry, start: int, end: int) -> Block:
    return Block(start, end, entry.get("xpath"), entry.get("run", 0), kept_share=entry.get("trafilatura", 0.0))


def _pieces(entries: list[Entry], text: str, *, html: bool) -> list[Decision]:
    """The decisions of one block. White space at its outer edges is what segmenting strips, at the inner ones what cutting does."""
    outer, last = "\n" if html else EDGES, len(entries) - 1
    pieces = []
    for place, entry in enumerate(entries):
        start, end = entry["start"], entry["end"]
        before, behind = outer if place == 0 else SPACES, outer if place == last else SPACES
        while start < end and text[start] in before:  # mostly none, and two line breaks behind: quicker than to strip a copy
            start += 1
        while end > start and text[end - 1] in behind:
            end -= 1
        pieces.append(_decision(entry, start, end, entry["block"]))
    return pieces


def _decision(entry: Entry, start: int, end: int, number: int) -> Decision:
    evidence = tuple(entry.get("evidence", ()))
    return Decision(start, end, number, entry["label"], entry["probabilities"], entry["kept"], entry["by"], evidence)
