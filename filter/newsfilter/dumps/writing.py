"""Writing to OUT: each file whole or not at all, and away with what an earlier run left."""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from newsfilter.dumps.names import BODY_SUFFIX, RECORD_SUFFIX
from newsfilter.errors import OutputError
from newsfilter.records import Article

FOLDERS = {"accepted": "", "review": "review/", "rejected": "rejected/"}  # status -> where its files stand below OUT
STATUSES = {"accept": "accepted", "review": "review", "reject": "rejected"}  # decision -> status
_TEMPORARY = re.compile(r"\.newsfilter-[0-9a-f]{16}\.tmp")
_RECORD_START = re.compile(rb'\s*\{\s*"schema"\s*:\s*"newsfilter/provenance/')
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)


class StoppedError(OutputError):
    """The run cannot go on; what it wrote until here is whole."""


def stopped_by(error: OSError, path: Path) -> StoppedError:
    """Say why a file could not be written, and what to do."""
    advice = "make OUT writable"
    if error.errno in _NO_ROOM:
        advice = "make room"
    elif error.errno in _IN_THE_WAY:
        advice = "move away what newsfilter did not write there"
    return StoppedError(f"{path}: cannot be written ({error.strerror or error}); {advice} and run the same command again with --resume")


def write_whole(path: Path, data: bytes | Iterable[bytes], *, durable: bool = False) -> None:
    """Write a file under a temporary name beside `path`, then rename it, so that `path` is never half a file.

    Parameters
    ----------
    data
        All of it, or piece by piece.
    durable
        Return only when storage says that it has the file, name and all: for what something else is given up for.

    Raises
    ------
    StoppedError
        When it cannot be written. Nothing is left under either name.
    """
    temporary = path.parent / f".newsfilter-{secrets.token_hex(8)}.tmp"
    try:
        try:
            with _created(temporary) as stream:
                stream.writelines([data] if isinstance(data, bytes) else data)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            temporary.replace(path)
            if durable:
                _sync_folder(path.parent)
        except BaseException:  # an interrupt too must leave nothing behind
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise stopped_by(error, path) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _created(path: Path) -> BinaryIO:
    """Open a new file, and make its folder only where there is none: a run writes many files to each."""
    try:
        return path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")


def write_article(out: Path, stem: str, article: Article, record: bytes) -> str:
    """Write what a verdict asks for and return the path, relative to `out`, that the ledger names: the body, or a rejected document's record.

    The record goes first: wherever a body stands, its record does.
    """
    place = FOLDERS[STATUSES[article.verdict.decision]] + stem
    write_whole(out / (place + RECORD_SUFFIX), record)
    if article.verdict.decision == "reject":
        return place + RECORD_SUFFIX
    write_whole(out / (place + BODY_SUFFIX), article.body.encode())
    return place + BODY_SUFFIX


def write_result(out: Path, stem: str, status: str, body: str, record: bytes) -> str:
    """Do what `write_article` does, of a document that another process cleaned."""
    place = FOLDERS[status] + stem
    write_whole(out / (place + RECORD_SUFFIX), record)
    if status == "rejected":
        return place + RECORD_SUFFIX
    write_whole(out / (place + BODY_SUFFIX), body.encode())
    return place + BODY_SUFFIX


def remove_temporaries(out: Path) -> None:
    """Remove the temporary files of processes that were killed."""
    for path in _files(out):
        if _TEMPORARY.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def remove_earlier(out: Path) -> None:
    """Remove what runs wrote to `out`, and nothing else: records, the bodies beside them, temporary files, and folders that are empty then.

    Raises
    ------
    StoppedError
        When a file cannot be removed.
    """
    folders: set[Path] = set()
    for path in _files(out):
        if _TEMPORARY.fullmatch(path.name):
            targets = [path]
        elif path.name.endswith(RECORD_SUFFIX) and _is_record(path):
            # The record last: it is what names the body ours. A rejected document has no body.
            body = path.with_name(path.name.removesuffix(RECORD_SUFFIX) + BODY_SUFFIX)
            targets = [path] if path.is_relative_to(out / "rejected") else [body, path]
        else:
            continue
        for target in targets:
            try:
                target.unlink(missing_ok=True)
            except OSError as error:
                raise stopped_by(error, target) from error
        folders.update(folder for folder in path.parents if folder.is_relative_to(out) and folder != out)
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _files(out: Path) -> Iterator[Path]:
    """Regular files below a folder. Links are not followed: what lies behind them is not ours."""
    for folder, _, names in os.walk(out):
        for name in names:
            path = Path(folder) / name
            if not path.is_symlink():
                yield path


def _is_record(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return bool(_RECORD_START.match(stream.read(200)))
    except OSError:
        return False
