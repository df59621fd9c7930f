"""Markers: which shards are complete, and with what they were made."""

import hashlib
import json
import re
from typing import Any

from newsfilter.dumps.outputs_rows import Target, stem
from newsfilter.dumps.outputs_store import Store, open_store
from newsfilter.dumps.runfile import differences, read_json
from newsfilter.errors import OutputError

MARKER = "newsfilter/shard/1"
ARTICLES, RECORDS, DONE, WORK = "articles", "records", "_done", "_work"  # folders below OUT

_OURS = re.compile(
    r"part-(\d{6,})\.(?:jsonl|jsonl\.zst|parquet|json|ledger\.jsonl|[0-9a-f]{16}\.spool)|inputs\.jsonl|unread\.json|\.newsfilter-[0-9a-f]{16}\.tmp"
)

Line = dict[str, Any]


def marker_name(number: int) -> str:
    """Return the name of a shard's marker below OUT."""
    return f"{DONE}/{stem(number)}.json"


def ledger_name(number: int) -> str:
    """Return the name, below OUT, of the file that keeps a shard's ledger lines."""
    return f"{DONE}/{stem(number)}.ledger.jsonl"


def is_done(target: Target, number: int, source: str = "", *, thorough: bool = False) -> bool:
    """Say whether a shard is complete: its marker is there, and the files that it names have the sizes, and if `thorough` the digests, that it says.

    Raises
    ------
    OutputError
        When it was written from another source, with other settings or by another model, which the message names.
    StoppedError
        When OUT cannot be read.
    """
    marker = read_marker(target, number)
    if marker is None:
        return False
    found = differences({**marker, "sources": [marker["source"]]}, {**target.content(), "sources": [source]})
    if found:
        raise OutputError(
            f"{target.out}/{marker_name(number)}: cannot be kept, for this differs: {'; '.join(found)}; ask for the same as then, or use --overwrite"
        )
    store = open_store(target.out)
    for name, output in marker["outputs"].items():
        if store.size(name) != output["bytes"]:
            return False
        if thorough and hashlib.sha256(store.read(name) or b"").hexdigest() != output["sha256"]:
            return False
    return True


def remove_marker(target: Target, number: int) -> None:
    """Have a shard count as not complete. Raises StoppedError when its marker cannot be removed."""
    open_store(target.out).remove(marker_name(number))


def read_marker(target: Target, number: int) -> dict[str, Any] | None:
    """Return what a shard's marker holds; None where it is missing or damaged."""
    return read_json(open_store(target.out), marker_name(number), MARKER)


def read_lines(target: Target, number: int) -> list[Line]:
    """Return the ledger lines that a complete shard's documents were given with, in source order."""
    data = open_store(target.out).read(ledger_name(number))
    return [json.loads(line) for line in (data or b"").splitlines()]


def remove_shards(out: str) -> None:
    """Remove all that runs wrote to `out` in shards, markers first, and nothing else.

    Raises
    ------
    StoppedError
        When a file cannot be removed.
    """
    for folder in (DONE, ARTICLES, RECORDS, WORK):
        _remove(open_store(out), folder)


def remove_shards_from(out: str, number: int) -> None:
    """Remove the shards of that number and above, markers first, and what was done of them. Raises as `remove_shards` does."""
    for folder in (DONE, ARTICLES, RECORDS, WORK):
        _remove(open_store(out), folder, number)


def remove_work(out: str) -> None:
    """Remove spools that are left when a run has ended: those of workers that a cluster had given up."""
    _remove(open_store(out), WORK)


def _remove(store: Store, folder: str, first: int | None = None) -> None:
    for name in store.names(folder):
        ours = _OURS.fullmatch(name)
        if ours and (first is None or (ours[1] and int(ours[1]) >= first)):
            store.remove(f"{folder}/{name}")
    store.remove_folder(folder)
