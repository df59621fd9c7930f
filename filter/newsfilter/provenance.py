"""The provenance record, and the way back from body and record to the page.

Entries tile the page: each runs from its block's start to the next one's, so that the white space between two belongs to the first. What a
kept entry became in the body is its stretch of the page with the edits made that lie in it; the joiner behind it is one of them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from newsfilter.errors import RecordError
from newsfilter.records import Decision, Edit, Page
from newsfilter.repair import apply, find_edits, undo

SCHEMA = "newsfilter/provenance/1"
CERTAIN = 0.99  # neighbouring furniture of one label merges into one entry when every probability is at least this
JOINER = "\n\n"  # between two paragraphs of a body
MIN_PROBABILITY = 0.001  # smaller ones are left out of the record


def digest(text: str) -> str:
    """Return the sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def assemble(
    page: Page, decisions: Sequence[Decision], *, repair: bool, written: bool = True
) -> tuple[str, list[dict[str, Any]], list[Edit]]:
    """Put the body together.

    Parameters
    ----------
    page
        The page.
    decisions
        In page order, one or more a block, none overlapping.
    repair
        Whether mojibake is mended and letters composed.
    written
        Whether the body will be written. If not, every entry holds its text.

    Returns
    -------
    body : str
        Kept paragraphs, a blank line between two; a kept headline comes first.
    entries : list of dict
        The record's ``blocks``: they tile the page.
    edits : list of Edit
        Every difference between a kept entry's stretch of page and of body, in page order.
    """
    tiles = list(_tiles(page, decisions))
    kept = [number for number, (decision, _, _) in enumerate(tiles) if decision.kept]
    kept.sort(key=lambda number: (tiles[number][0].label != "headline", number))
    parts: list[str] = []
    edits: list[Edit] = []
    at: dict[int, tuple[int, int]] = {}
    length = 0
    for place, number in enumerate(kept):
        decision, start, end = tiles[number]
        following = tiles[kept[place + 1]][0] if place + 1 < len(kept) else None
        joiner = "" if following is None else JOINER if following.block != decision.block else _inner_joiner(page.text, decision, following)
        own = list(_tile_edits(page.text, decision, start, end, joiner, repair=repair))
        piece = apply(page.text[start:end], start, own)
        parts.append(piece)
        at[number] = (length, length + len(piece))
        length += len(piece)
        edits += own
    edits.sort(key=lambda edit: (edit.start, edit.end))
    entries = [_entry(page, tile, at.get(number) if written else None) for number, tile in enumerate(tiles)]
    if not tiles and page.text:
        entries = [
            {
                "start": 0,
                "end": len(page.text),
                "block": 0,
                "label": "navigation",
                "probabilities": {},
                "kept": False,
                "by": "no-text/1",
                "text": page.text,
            }
        ]
    return "".join(parts), merged(entries), edits if written else []


def _inner_joiner(text: str, left: Decision, right: Decision) -> str:
    """What stands between two stretches of one block: a space, where the page has one on either side of what was cut out."""
    return " " if text[left.end : left.end + 1].isspace() or text[right.start - 1 : right.start].isspace() else ""


def _tiles(page: Page, decisions: Sequence[Decision]) -> Iterator[tuple[Decision, int, int]]:
    for number, decision in enumerate(decisions):
        end = decisions[number + 1].start if number + 1 < len(decisions) else len(page.text)
        yield decision, decision.start if number else 0, end


def _tile_edits(text: str, decision: Decision, start: int, end: int, joiner: str, *, repair: bool) -> Iterator[Edit]:
    if decision.start > start:
        yield Edit(start, decision.start, text[start : decision.start], "", "white-space")
    yield from find_edits(text[decision.start : decision.end], decision.start, repair=repair)
    gap = text[decision.end : end]
    if gap != joiner:
        yield Edit(decision.end, end, gap, joiner, "paragraph-break" if joiner == JOINER else "white-space")


def _entry(page: Page, tile: tuple[Decision, int, int], at: tuple[int, int] | None) -> dict[str, Any]:
    decision, start, end = tile
    entry: dict[str, Any] = {
        "start": start,
        "end": end,
        "block": decision.block,
        "label": decision.label,
        "probabilities": {label: p for label, p in decision.probabilities.items() if p >= MIN_PROBABILITY},
        "kept": decision.kept,
        "by": decision.by,
    }
    if at is not None:
        entry["at"] = list(at)
    block = page.blocks[decision.block]
    if block.xpath is not None:
        entry["xpath"] = block.xpath
    if block.run:
        entry["run"] = block.run
    if block.kept_share:
        entry["trafilatura"] = block.kept_share
    if at is None:
        entry["text"] = page.text[start:end]
    if decision.evidence:
        entry["evidence"] = list(decision.evidence)
    return entry


def merged(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge neighbouring furniture of one label that leaves no doubt; the entry keeps the lowest probability and a count."""
    result: list[dict[str, Any]] = []
    texts: list[str] = []  # of the last entry, put together once, since a page may be one long menu
    was_certain = False
    for entry in entries:
        certain = _certain(entry)
        if certain and was_certain and result[-1]["label"] == entry["label"]:
            last, label = result[-1], entry["label"]
            last["end"] = entry["end"]
            texts.append(entry["text"])
            last["probabilities"] = _least(label, last["probabilities"], entry["probabilities"])
            last["merged"] = last.get("merged", 1) + 1
        else:
            if len(texts) > 1:
                result[-1]["text"] = "".join(texts)
            result.append(entry)
            texts = [entry["text"]] if certain else []
        was_certain = certain
    if len(texts) > 1:
        result[-1]["text"] = "".join(texts)
    return result


def _least(label: str, one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """What holds for both of two blocks: the lower probability of their label, the higher one of body."""
    body = max(one.get("body", 0.0), other.get("body", 0.0))
    return ({"body": body} if body else {}) | {label: min(one[label], other[label])}


def _certain(entry: dict[str, Any]) -> bool:
    label, probabilities = entry["label"], entry["probabilities"]
    furniture = (
        not entry["kept"]
        and entry["by"] == "model"
        and not label.startswith("spam-")
        and not entry.keys() & {"evidence", "trafilatura"}
        and "text" in entry
    )
    return furniture and label in probabilities and probabilities.get("body", 0) <= 1 - CERTAIN


def restore(record: dict[str, Any], body: str | None) -> str:
    """Return the page's text from its record and, unless the document was rejected, its body.

    Raises
    ------
    RecordError
        When the two do not fit: the body was changed, or belongs to another record.
    """
    try:
        return _restored(record, body)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RecordError(f"no provenance record, or one that was changed: {error!r}; give the record as newsfilter wrote it") from error


def _restored(record: dict[str, Any], body: str | None) -> str:
    if body is not None and digest(body) != record["body"]["sha256"]:
        raise RecordError("the body has another sha256 than the record says; it was changed, or belongs to another record")
    edits = iter([Edit(edit["start"], edit["end"], edit["old"], edit["new"], edit["kind"]) for edit in record["edits"]])
    pending = next(edits, None)
    parts, position = [], 0
    for number, entry in enumerate(record["blocks"]):
        if entry["start"] != position:
            raise RecordError(
                f"entry {number} begins at {entry['start']}, not at {position} where the one before it ends; the record was changed"
            )
        own: list[Edit] = []
        while entry["kept"] and pending is not None and pending.end <= entry["end"]:
            own.append(pending)
            pending = next(edits, None)
        if "text" in entry:
            piece = entry["text"]
        elif body is None:
            raise RecordError(f"entry {number} stands in the body, which is missing; give the body file that lies beside the record")
        else:
            start, end = entry["at"]
            try:
                piece = undo(body[start:end], entry["start"], own)
            except ValueError as error:
                raise RecordError(f"entry {number}: {error}; the body was changed, or belongs to another record") from error
        if len(piece) != entry["end"] - entry["start"]:
            raise RecordError(
                f"entry {number} holds {len(piece)} characters, not {entry['end'] - entry['start']}; body or record was changed"
            )
        parts.append(piece)
        position = entry["end"]
    if pending is not None:
        raise RecordError(f"an edit at {pending.start} lies in no kept entry; the record was changed")
    text = "".join(parts)
    if digest(text) != record["page"]["sha256"]:
        raise RecordError("the restored page has another sha256 than the record says; body or record was changed")
    return text


def encode_record(record: dict[str, Any]) -> bytes:
    """Return a record as it is written: UTF-8 JSON on one line, keys in the order of the schema, a line break at the end."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def edit_rows(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    """Return edits as a record holds them."""
    return [{"start": edit.start, "end": edit.end, "old": edit.old, "new": edit.new, "kind": edit.kind} for edit in edits]
