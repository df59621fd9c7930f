"""The second pass over a ledger: exact repeats of a body, and ids of the input that stand for several documents."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from newsfilter.dumps.ledger import Line
from newsfilter.dumps.ledger_lines import ledger_lines
from newsfilter.dumps.outputs_marker import WORK
from newsfilter.dumps.outputs_store import Store, open_store
from newsfilter.dumps.plan import TABLES, format_of
from newsfilter.dumps.repeats import Repeats
from newsfilter.dumps.writing import stopped_by
from newsfilter.records import Source, document_id

NAME = "duplicates.jsonl"
NAMED = 10  # repeated ids that are named; more would hide what else a run says
_PLACE = ("id", "uri", "member", "offset")
_HEX = 64  # digits of a sha256


@dataclass(frozen=True, slots=True)
class Found:
    """What the pass came to."""

    documents: int = 0  # with a body
    repeats: int = 0  # of them, those whose body an earlier one has
    repeated_ids: int = 0  # documents whose id an earlier one has
    notes: tuple[str, ...] = ()  # the first repeated ids, with file and position
    bodies: bool = False  # whether these were looked at

    def content(self) -> dict[str, Any]:
        """Return the part of ``run.json`` that counts repeats."""
        duplicates = {"documents": self.documents, "repeats": self.repeats} if self.bodies else None
        return {"duplicates": duplicates, "repeated_ids": self.repeated_ids}


def look_back(out: str, documents: int, uris: Iterable[str], *, dedup: bool) -> Found:
    """Look for what a run has to tell besides: repeated ids where its inputs may have ids, repeated bodies if they are asked for.

    Raises as `find_repeats` does, whose parameters `out` and `documents` are. Ids of all but tables (`uris` are the inputs') are sha256 of where a
    document stands, and need no look.
    """
    ids = any(format_of(uri) in TABLES for uri in uris)
    return find_repeats(out, documents, bodies=dedup, ids=ids) if dedup or ids else Found()


def find_repeats(out: str, documents: int, *, bodies: bool, ids: bool) -> Found:
    """Read the ledger of OUT once more, and write ``duplicates.jsonl`` if `bodies` are asked for. Memory does not grow with the ledger.

    Parameters
    ----------
    documents
        How many lines the ledger has, roughly.
    bodies, ids
        What to look for.

    Raises
    ------
    OutputError
        When the ledger cannot be read.
    StoppedError
        When a file cannot be written.
    """
    store = open_store(out)
    try:
        with ExitStack() as stack:
            by_body, by_id = (
                stack.enter_context(Repeats(lambda: store.scratch(f"{WORK}/repeats"), documents if asked else 0)) for asked in (bodies, ids)
            )
            with_body = 0
            for line in ledger_lines(out):
                place = json.dumps({key: line[key] for key in _PLACE}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
                if bodies and line["characters"]:
                    with_body += 1
                    by_body.add(bytes.fromhex(line["body_sha256"]), place + line["body_sha256"].encode())
                if ids and _is_of_the_input(line):
                    by_id.add(hashlib.sha256(line["id"].encode("utf-8", "surrogatepass")).digest(), place)
            repeats = _write(store, by_body.found()) if bodies else 0
            repeated = by_id.found()
            notes = [_note(json.loads(place), json.loads(first)) for place, first in islice(repeated, NAMED)]
            more = sum(1 for _ in repeated)
    finally:
        store.close()
    count = len(notes) + more
    if more:
        notes.append(f"{count:,} documents repeat an id in all; each keeps the one it has, so ids alone do not tell them apart")
    return Found(with_body, repeats, count, tuple(notes), bodies)


def _is_of_the_input(line: Line) -> bool:
    return bool(line["id"] != document_id(Source(b"", uri=line["uri"], member=line["member"], offset=line["offset"])))


def _write(store: Store, found: Iterator[tuple[bytes, bytes]]) -> int:
    """Write the list, whole or not at all, and return how many lines it has."""
    path, count = store.scratch(NAME), 0
    try:
        with path.open("xb") as stream:
            for count, (text, first) in enumerate(found, start=1):  # noqa: B007 - the last one's number is asked for
                place, digest = text[:-_HEX], text[-_HEX:]
                stream.write(place[:-1] + b',"first":' + first[:-_HEX] + b',"body_sha256":"' + digest + b'"}\n')
        store.put(path, NAME)
    except OSError as error:
        raise stopped_by(error, Path(store.name(NAME))) from error
    finally:
        with suppress(OSError):
            path.unlink()
    return count


def _note(place: Line, first: Line) -> str:
    return f"{_named(place)}: has the id {place['id']!r}, which {_named(first)} has too; give --id-field a column whose values differ"


def _named(place: Line) -> str:
    parts = (place["uri"], place["member"], None if place["offset"] is None else f"offset {place['offset']}")
    return " ".join(part for part in parts if part)
