"""Which documents a dump holds, in source order.

Source order is the order of the URIs by code point, and of the SRCs as given where two hold one URI. It decides the ledger's order and, of two
documents that would share an output name, which one keeps it.
"""

import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from newsfilter.dumps.remote import is_url, list_remote
from newsfilter.errors import InputError

STDIN = "-"
STDIN_URI = "stdin"
HOUSEKEEPING_FOLDERS = frozenset({"__macosx", ".git", ".hg", ".svn", "@eadir"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of a dump, not read yet."""

    uri: str  # relative to its SRC, with forward slashes
    path: str  # where to open it: a local path, or a URL that fsspec opens; "-" for standard input
    place: int = 0  # the number of its SRC, from 0
    size: int | None = None  # bytes, as stored; None: not known
    id: str | None = None  # None: the usual sha256 of URI, member and offset
    raw: bytes | None = None  # already read, from standard input, as it came
    fault: str | None = None  # why it cannot be read, when that is known already
    copy: int = 1  # of the entries with this URI, the number of this one, in source order


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found below the SRCs."""

    entries: tuple[Entry, ...]  # in source order
    skipped: Counter[str]  # what is no document, by kind: symlink, special, housekeeping, repeated


def list_sources(sources: Sequence[str], *, out: Path | None = None) -> Listing:
    """List the documents of all SRCs; standard input is listed, not read.

    Two SRCs may hold one URI (``crawl1/a.html`` and ``crawl2/a.html`` are both ``a.html``). The first in source order has the usual id; the n-th has
    the sha256 of the JSON list ``["newsfilter/copy", uri, n]`` instead, n counted from 2, or, of a file that holds many documents, the URI with
    ``#n`` behind it for these. So an id changes only when an SRC that holds the same URI is put before. A path that two SRCs lead to is listed once, under the first; the others count as ``repeated``.

    A link is followed when it points to a regular file inside its SRC; every other link counts as ``symlink``, so that neither a loop nor a file from
    outside the dump comes in. Pipes, sockets and devices count as ``special``.

    Raises
    ------
    InputError
        When a SRC does not exist, or `out` is a SRC, in one, or holds one; or when remote storage cannot be reached.
    """
    skipped: Counter[str] = Counter()
    sources = [source.removeprefix("file://") for source in sources]
    for source in sources:
        if source != STDIN and not is_url(source):
            _check_source(source, out)
    found: list[Entry] = []
    seen: set[str] = set()
    for place, source in enumerate(sources):
        for entry in _entries(source, place, skipped):
            here = entry.path if entry.path == STDIN or is_url(entry.path) else os.path.abspath(entry.path)  # noqa: PTH100 - Path is four times slower on a million names
            if here in seen:
                skipped["repeated"] += 1
            else:
                seen.add(here)
                found.append(entry)
    found.sort(key=lambda entry: (entry.uri, entry.place, entry.path))
    return Listing(tuple(_with_ids(found)), skipped)


def _check_source(source: str, out: Path | None) -> None:
    try:
        here = Path(source).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        why = (
            "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be reached ({getattr(error, 'strerror', None) or error})"
        )
        raise InputError(f"{source}: {why}; give files, folders, URLs, or - for standard input") from None
    if out is None:
        return
    there = out.resolve()
    if there == here:
        raise InputError(f"{source}: SRC and OUT are the same place; give -o a folder of its own, outside SRC")
    if there.is_relative_to(here):
        raise InputError(
            f"{out}: OUT lies inside SRC {source}, so that a second run would read what the first wrote; give -o a folder outside SRC"
        )
    if here.is_relative_to(there):
        raise InputError(f"{source}: SRC lies inside OUT {out}, where it could be written over; give -o a folder of its own, outside SRC")


def _with_ids(entries: Iterable[Entry]) -> Iterator[Entry]:
    before, copies = None, 1
    for entry in entries:
        copies = copies + 1 if entry.uri == before else 1
        before = entry.uri
        digest = hashlib.sha256(json.dumps(["newsfilter/copy", entry.uri, copies]).encode()).hexdigest() if copies > 1 else None
        yield entry if digest is None else replace(entry, id=digest, copy=copies)


def as_uri(name: str) -> str:
    r"""Make a name from the file system printable as UTF-8: bytes that are none are written as ``%XX``.

    >>> as_uri("haber\udcfd.html")
    'haber%FD.html'
    """
    return "".join(f"%{ord(letter) - 0xDC00:02X}" if 0xDC80 <= ord(letter) <= 0xDCFF else letter for letter in name)


def _entries(source: str, place: int, skipped: Counter[str]) -> Iterator[Entry]:
    if source == STDIN:
        yield Entry(STDIN_URI, STDIN, place)
        return
    if is_url(source):
        yield from _remote(source, place, skipped)
        return
    try:
        about = Path(source).stat()
    except OSError:
        yield Entry(as_uri(Path(source).name), source, place, fault="unreadable")
        return
    if stat.S_ISDIR(about.st_mode):
        yield from _walk(source, place, skipped)
    elif stat.S_ISREG(about.st_mode):
        yield Entry(as_uri(Path(source).name), source, place, about.st_size)
    else:
        skipped["special"] += 1


def _walk(source: str, place: int, skipped: Counter[str]) -> Iterator[Entry]:
    root = Path(source).resolve()
    folders = [("", False)]
    while folders:
        folder, housekeeping = folders.pop()
        try:
            with os.scandir(os.path.join(source, folder)) as items:  # noqa: PTH118 - as above
                for item in items:
                    name = f"{folder}/{item.name}" if folder else item.name
                    if item.is_symlink():
                        if housekeeping or not _leads_inside(item.path, root):
                            skipped["symlink"] += 1
                        else:
                            yield Entry(as_uri(name), item.path, place, _size(item))
                    elif item.is_dir(follow_symlinks=False):
                        folders.append((name, housekeeping or item.name.lower() in HOUSEKEEPING_FOLDERS))
                    elif not item.is_file(follow_symlinks=False):
                        skipped["special"] += 1
                    elif housekeeping:
                        skipped["housekeeping"] += 1
                    else:
                        yield Entry(as_uri(name), item.path, place, _size(item))
        except OSError:
            # What a closed folder holds cannot be counted; it is one document that failed, so that the run says so.
            yield Entry(as_uri(folder) + "/", os.path.join(source, folder), place, fault="unreadable-folder")  # noqa: PTH118 - as above


def _size(item: "os.DirEntry[str]") -> int | None:
    try:
        return item.stat().st_size
    except OSError:  # gone since; reading it will say so
        return None


def _remote(source: str, place: int, skipped: Counter[str]) -> Iterator[Entry]:
    """What stands at a URL: a file, or all files below it."""
    for url, name, size in list_remote(source):
        if any(part.lower() in HOUSEKEEPING_FOLDERS for part in name.split("/")[:-1]):
            skipped["housekeeping"] += 1
        else:
            yield Entry(name, url, place, size)


def _leads_inside(path: str, root: Path) -> bool:
    try:
        target = Path(path).resolve(strict=True)
    except (OSError, RuntimeError):
        return False  # broken, or a loop
    return target.is_file() and target.is_relative_to(root)


def with_stdin(listing: Listing, stream: BinaryIO, max_bytes: int) -> Listing:
    """Read standard input, if it is listed, up to one byte more than `max_bytes` (0: all of it)."""
    entries = tuple(
        replace(entry, raw=stream.read(max_bytes + 1 if max_bytes else -1)) if entry.path == STDIN and entry.raw is None else entry
        for entry in listing.entries
    )
    return Listing(entries, listing.skipped)


def file_name(uri: str) -> str:
    """Return a URI's last part.

    >>> file_name("a/b.html")
    'b.html'
    """
    return PurePosixPath(uri).name
