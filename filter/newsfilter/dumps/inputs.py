"""What a run's inputs were, kept below OUT, so that a run is not resumed on other ones."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from newsfilter.dumps.outputs_store import Store, write
from newsfilter.dumps.plan import container_uri, format_of
from newsfilter.dumps.runfile import differences
from newsfilter.dumps.sources import Entry
from newsfilter.errors import OutputError

NAME = "_done/inputs.jsonl"


def write_inputs(store: Store, entries: Iterable[Entry]) -> None:
    """Write which files a run reads, and how large they are, one JSON list ``[uri, copy, bytes or null]`` a line.

    Raises
    ------
    StoppedError
        When that cannot be written.
    """
    write(store, NAME, b"".join(_line(entry) for entry in entries))


def _line(entry: Entry) -> bytes:
    size = entry.size if entry.raw is None else len(entry.raw)
    return json.dumps([entry.uri, entry.copy, size], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def check_same(store: Store, earlier: Mapping[str, Any], content: Mapping[str, Any], entries: Iterable[Entry]) -> None:
    """Refuse to resume a run that was another one.

    Raises
    ------
    OutputError
        Names what differs between the two ``run.json``, or which input does.
    """
    found = differences(earlier, content)
    if not found and (changed := changed_input(store, entries)):
        found = [f"inputs: {changed}"]
    if found:
        raise OutputError(
            f"{store.name('').rstrip('/')}: cannot be resumed, for this differs: {'; '.join(found)}; ask for the same as then, or use --overwrite"
        )


def input_uris(store: Store) -> Iterator[tuple[str, str | None]]:
    """Yield the URI of each file that a run read, and again as the ledger has it if the file holds many documents, else None.

    Raises
    ------
    StoppedError
        When the list cannot be read.
    """
    for line in (store.read(NAME) or b"").splitlines():
        uri, copy, _ = json.loads(line)
        yield uri, None if format_of(uri) is None else container_uri(uri, copy)


def changed_input(store: Store, entries: Iterable[Entry]) -> str | None:
    """Name the first file that was not there when the run began, is gone since, or had another size; None where all is as it was.

    Raises
    ------
    StoppedError
        When what was written then cannot be read.
    """
    then = (store.read(NAME) or b"").splitlines(keepends=True)
    now = [_line(entry) for entry in entries]
    if then == now:
        return None
    before, after = set(then), set(now)
    gone = json.loads(next((line for line in then if line not in after), b"null"))
    came = json.loads(next((line for line in now if line not in before), b"null"))
    if gone and came and gone[:2] == came[:2]:
        return f"{gone[0]} ({_bytes(gone[2])} then, {_bytes(came[2])} now)"
    return f"{came[0]} (not there then)" if came else f"{gone[0]} (gone now)"


def _bytes(size: int | None) -> str:
    return "of unknown size" if size is None else f"{size:,} bytes"
