"""`--fix`: a file rewritten in place without what was found in it. What it did not judge stays, byte for byte."""

import hashlib
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from newsfilter.dumps.readers.opening import open_binary
from newsfilter.dumps.writing import write_whole
from newsfilter.errors import InputError, OutputError
from newsfilter.gate.baseline import Key
from newsfilter.gate.drafts import Accepted, NotFixedError
from newsfilter.gate.fix_record import Digests, Removals, encode_fix, fix_record, record_name
from newsfilter.gate.plans import FixOrder, advice, plan_jsonl, plan_text
from newsfilter.gate.targets import Problem, Target

COPY_BYTES = 1 << 20  # copied at once
PACKED = (b"\x1f\x8b", b"(\xb5/\xfd")  # gzip, zstd


@dataclass(frozen=True, slots=True)
class Fixed:
    """What was done to a file."""

    removed: int  # stretches
    record: Path


def fix_file(target: Target, rows: Mapping[int | None, Counter[Key]], order: FixOrder, *, whole: bool) -> Fixed | Problem:
    """Rewrite one file without what was found in it, or say why it is left as it is.

    Parameters
    ----------
    target
        The file.
    rows
        Its documents with findings, by the offset of their row (None for a document of its own), and what the baseline accepts in each.
    order
        What to look for, and where the record goes.
    whole
        Whether something was found that is about a document as a whole.
    """
    try:
        _refuse(target, whole=whole)
        before = _state(target.path)
        accepted = {offset: _without_file(keys) for offset, keys in rows.items()}
        with Removals() as removals:
            judged = (plan_jsonl if target.kind == "jsonl" else plan_text)(target, accepted, order, removals)
            return _rewrite(target, removals, judged, order, before)
    except NotFixedError as error:
        return Problem(target.name, f"not fixed: {error}")
    except OutputError as error:
        return Problem(target.name, f"not fixed: {str(error).removesuffix(' and run the same command again with --resume')}")
    except InputError as error:
        return Problem(target.name, f"not fixed: {str(error).removeprefix(f'{target.name}: ')}")
    except OSError as error:
        return Problem(target.name, f"not fixed: {error.strerror or error}; make the file and its folder writable")


def _without_file(keys: Counter[Key]) -> Accepted:
    return Counter({(label, digest): count for (_, label, digest), count in keys.items()})


def _refuse(target: Target, *, whole: bool) -> None:
    """Raise what speaks against rewriting a file."""
    if whole:
        raise NotFixedError(f"a document as a whole was found, and --fix deletes none; {advice(target)}")
    with open_binary(target.path) as stream:
        packed = stream.read(4).startswith(PACKED)
    kind = "packed" if packed else {"csv": "CSV", "parquet": "Parquet"}.get(target.kind)
    if kind is not None:
        raise NotFixedError(f"it is {kind}, which --fix does not rewrite; {advice(target)}")
    if not os.access(target.path, os.W_OK):
        raise NotFixedError("it is read-only; make it writable")


def _state(path: str) -> tuple[int, int, int]:
    about = os.stat(path)  # noqa: PTH116 - paths are str from end to end
    return about.st_ino, about.st_size, about.st_mtime_ns


def _check_unchanged(path: str, before: tuple[int, int, int]) -> None:
    if _state(path) != before:
        raise NotFixedError("it was changed meanwhile; check again")


def _rewrite(target: Target, removals: Removals, judged: dict[str, Any], order: FixOrder, before: tuple[int, int, int]) -> Fixed:
    """Write the file anew beside itself, then the record, then put the new file in the old one's place."""
    path = Path(target.path)
    temporary = path.parent / f".newsfilter-{secrets.token_hex(8)}.tmp"
    record_path: Path | None = None
    try:
        with open_binary(target.path) as old, temporary.open("xb") as new:
            _keep_mode(old, new)
            was, now = _copy(old, new, removals.cuts())
            new.flush()
            os.fsync(new.fileno())
        record = fix_record(target.name, target.kind, was, now, judged, order.selection)
        place = _record_place(order.records, record)
        is_new = not place.exists()
        write_whole(place, encode_fix(record, removals), durable=True)
        record_path = place if is_new else None  # what an earlier fix left stays, whatever becomes of this one
        _check_unchanged(target.path, before)
        temporary.replace(path)
    except BaseException:  # an interrupt too must leave nothing behind
        if temporary.exists():  # else it has taken the file's place, and the record is what is left of the rest
            temporary.unlink()
            if record_path is not None:
                record_path.unlink(missing_ok=True)  # of a fix that was not made
        raise
    return Fixed(removals.count, place)


def _record_place(records: Path, record: dict[str, Any]) -> Path:
    """Return where a record goes; a symbolic link in the checked folder leads it nowhere else."""
    path, here = records / record_name(record), Path.cwd()
    root = Path(os.path.realpath(records))
    in_here = Path(os.path.abspath(records)).is_relative_to(here)  # noqa: PTH100 - as it was named, links and all
    if not Path(os.path.realpath(path.parent)).is_relative_to(root) or (in_here and not root.is_relative_to(here)):
        raise NotFixedError(f"{records} leads elsewhere by a symbolic link; give --records a folder that does not")
    return path


def _keep_mode(old: BinaryIO, new: BinaryIO) -> None:
    about = os.fstat(old.fileno())
    mine = os.fstat(new.fileno())
    if (about.st_uid, about.st_gid) != (mine.st_uid, mine.st_gid):
        with suppress(PermissionError):  # only root can give a file away; the file is then ours, as after any editor that renames
            os.fchown(new.fileno(), about.st_uid, about.st_gid)
    os.fchmod(new.fileno(), about.st_mode & 0o7777)


def _copy(old: BinaryIO, new: BinaryIO, cuts: Iterable[tuple[int, bytes]]) -> tuple[Digests, Digests]:
    """Copy a file without what is cut out, and return what both are known by."""
    was, now = hashlib.sha256(), hashlib.sha256()
    read = written = 0
    for start, data in chain(cuts, [(None, b"")]):
        left = None if start is None else start - read
        while left != 0 and (piece := old.read(COPY_BYTES if left is None else min(COPY_BYTES, left))):
            was.update(piece)
            now.update(piece)
            new.write(piece)
            read, written = read + len(piece), written + len(piece)
            left = None if left is None else left - len(piece)
        if start is not None:
            gone = old.read(len(data))
            if left or gone != data:
                raise NotFixedError("it was changed meanwhile; check again")
            was.update(gone)
            read += len(gone)
    return Digests(was.hexdigest(), read), Digests(now.hexdigest(), written)
