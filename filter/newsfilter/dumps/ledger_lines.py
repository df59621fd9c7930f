"""Reading a run's ledger: one file, or, on remote storage, the parts that its shards left."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from newsfilter.dumps.ledger import NAME, Line
from newsfilter.dumps.outputs_marker import DONE
from newsfilter.dumps.outputs_store import LocalStore, open_store
from newsfilter.errors import OutputError

_PART = re.compile(r"part-\d{6,}\.ledger\.jsonl")


def ledger_lines(out: str, *, growing: bool = False) -> Iterator[Line]:
    """Yield a ledger's lines, in source order.

    Parameters
    ----------
    out
        What a run wrote to.
    growing
        Leave out a last line that has no end: the run is under way, or was killed.

    Raises
    ------
    OutputError
        When there is no ledger, or a line of it is none.
    """
    for name, number, raw in _raw_lines(out):
        if growing and not raw.endswith(b"\n"):
            return
        yield read_line(name, number, raw)


def read_line(name: str, number: int, raw: bytes) -> Line:
    """Read one line of a ledger. `name` and `number` say where it stands.

    Raises
    ------
    OutputError
        When it is none.
    """
    try:
        line: Line = json.loads(raw)
        line["id"], line["status"], line["uri"]  # without them it is no ledger line
    except (ValueError, KeyError, TypeError):
        raise OutputError(f"{name}:{number}: no ledger line; clean once more with --resume, which writes the ledger anew") from None
    return line


def _raw_lines(out: str) -> Iterator[tuple[str, int, bytes]]:
    store = open_store(out)
    if isinstance(store, LocalStore):
        path = Path(store.name(NAME))
        try:
            with path.open("rb") as stream:
                yield from ((str(path), number, raw) for number, raw in enumerate(stream, start=1))
        except OSError as error:
            raise OutputError(f"{path}: cannot be read ({error.strerror}); give the OUT of a run of newsfilter clean") from None
        return
    for part in sorted(filter(_PART.fullmatch, store.names(DONE)), key=lambda part: int(part[5:].split(".")[0])):
        data = store.read(f"{DONE}/{part}") or b""
        yield from ((store.name(f"{DONE}/{part}"), number, raw) for number, raw in enumerate(data.splitlines(keepends=True), start=1))
