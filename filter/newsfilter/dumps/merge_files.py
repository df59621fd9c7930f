"""Bringing the files of a slice to where it is joined with others."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from newsfilter.dumps.names import BODY_SUFFIX, RECORD_SUFFIX
from newsfilter.dumps.outputs_store import RemoteStore, Store
from newsfilter.dumps.writing import stopped_by
from newsfilter.errors import OutputError


def bring(source: Store, target: Store, name: str) -> None:
    """Bring a file from one place to another, under the same name: linked where one file system holds both, copied by the storage where it can.

    Raises
    ------
    OutputError
        When the file is not there.
    StoppedError
        When it cannot be written.
    """
    try:
        if isinstance(source, RemoteStore) and isinstance(target, RemoteStore) and target.copy(source, name):
            return
        path = target.scratch(name)
        try:
            source.fetch(name, path)
            target.put(path, name)
        finally:
            path.unlink(missing_ok=True)  # renaming one link to a file over another leaves both
    except FileNotFoundError:
        raise OutputError(f"{source.name(name)}: is gone; clean that part of the dump once more with --overwrite") from None
    except OSError as error:
        raise stopped_by(error, Path(target.name(name))) from error


def files_of(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what ``--to files`` wrote for documents: the record, and of what was not rejected the body behind it, as the run does."""
    for line in lines:
        output = line["output"]
        if output is None:
            continue
        if not output.endswith(RECORD_SUFFIX):
            yield output.removesuffix(BODY_SUFFIX) + RECORD_SUFFIX
        yield output


def stays_inside(name: str) -> bool:
    """Say whether a name that a ledger or marker gives is one below its folder."""
    return not name.startswith("/") and ".." not in name.split("/")
