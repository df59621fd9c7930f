"""JSONL: a JSON object a line. A plain file is read in ranges of bytes, a gzip or zstd one as one stream.

A plain file's lines are known by the byte at which they begin, a packed one's by their number from 0, blank lines counted: what finds them again with
``tail -c +N`` and ``zcat | sed -n Np``. Blank lines are nothing; every other line is a document, a failure, or null.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from newsfilter.dumps.documents import Failed, Item
from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.columns import Columns, Kind, Place, choose, failed, fault_of, read_row
from newsfilter.dumps.readers.opening import open_binary, size_of, unpacked
from newsfilter.errors import InputError, json_fault

HEAD_ROWS = 100  # objects whose keys are the file's columns
HEAD_BYTES = 1 << 20  # which are looked for in that much, unless the first object ends later
SEARCH_BYTES = 64 << 20  # in which the first object must end, and
SEARCH_LINES = 10_000  # bad lines that may stand before it; a file with more is no JSONL
PASSED_BYTES = 1 << 20  # of a line too long to be held, passed over at once

_SPACE = " \t\r\n"
_BOM = "\ufeff"


class Row(dict[str, Any]):
    """A decoded line that keeps its text, since decoding loses some of it.

    Lost to Python's numbers are the digits of ``1.10`` and ``0.30000000000000004000``, the size of ``1e999``, the sign of ``-0``; lost to its strings
    and dicts are the escapes, the white space between tokens and the first of two equal keys. `with_values` loses none of it.

    Attributes
    ----------
    line : str
        The object as it stood in the file, without white space or a byte order mark around it.
    """

    __slots__ = ("line",)

    def __init__(self, values: Mapping[str, Any], line: str) -> None:
        super().__init__(values)
        self.line = line

    def with_values(self, added: Mapping[str, Any]) -> str:
        """Return the line with more keys at its end, or other values in their place; every other character is as it was.

        >>> Row({"id": 1.1, "text": "a"}, '{"id":1.10, "text":"a"}').with_values({"text": "b", "words": 1})
        '{"id":1.10, "text":"b", "words": 1}'
        """
        line, rest = self.line, dict(added)
        for name, start, end in reversed(self.spans()) if any(name in self for name in added) else ():
            if name in added:
                line = line[:start] + json.dumps(added[name], ensure_ascii=False) + line[end:]
                rest.pop(name, None)
        if not rest:
            return line
        return line[:-1].rstrip(_SPACE) + (", " if self else "") + json.dumps(rest, ensure_ascii=False)[1:]

    def spans(self) -> list[tuple[str, int, int]]:
        """Return where the value of each key stands in the line: name, start, end, in order; of a key that comes twice, the last one counts."""
        spans, decoder, line = [], json.JSONDecoder(), self.line
        at = _past_space(line, 1)
        while line[at] != "}":
            name, at = decoder.raw_decode(line, at)
            start = _past_space(line, _past_space(line, at) + 1)
            _, end = decoder.raw_decode(line, start)
            spans.append((name, start, end))
            at = _past_space(line, end)
            if line[at] == ",":
                at = _past_space(line, at + 1)
        return spans


def _past_space(line: str, at: int) -> int:
    while line[at] in _SPACE:
        at += 1
    return at


class _Line(NamedTuple):
    """A line, or what came in its stead."""

    place: Place
    data: bytes | None = b""  # as it stands; None: longer than the limit
    cut: bool = False  # it has no end, and a fault follows
    fault: ReadError | OSError | None = None  # why there are no more lines


def columns_of(path: str, uri: str, options: ReadOptions) -> Columns:
    """Choose a file's columns from the keys of its first objects, so that every range of it is read alike.

    Returns
    -------
    Columns
        With no document column when the file is empty, or none of its lines is an object: each of them will fail by itself.

    Raises
    ------
    InputError
        When the file is no JSONL, cannot be opened, or none of its columns fits.
    """
    kinds: dict[str, set[Kind]] = {}
    rows, bad, first = 0, 0, b""
    with open_binary(path) as file:
        for line in _lines(unpacked(file, uri), uri, 0, None, options.max_bytes, numbered=False):
            if not first and line.data and (first := line.data.strip()):
                _check_first(first, uri)
            if isinstance(line.fault, OSError):  # another try may see other keys; damage is the same each time, and `read` says so
                raise ReadError(uri, "unreadable", line.fault.strerror or type(line.fault).__name__)
            row = _decoded(line)
            if isinstance(row, Row):
                rows += 1
                for name, value in row.items():
                    kinds.setdefault(name, set()).update(_kind(value))
            long = line.data is None and options.max_bytes >= HEAD_BYTES  # which is not read to its end, for a range each
            if rows and (rows >= HEAD_ROWS or line.place.offset >= HEAD_BYTES or long):
                break
            bad += isinstance(row, Failed)
            if not rows and (bad >= SEARCH_LINES or line.place.offset >= SEARCH_BYTES):
                raise InputError(f"{uri}: no line up to {line.place.where} is a JSON object; is it JSONL?")
    if rows:
        return choose({name: _common(found) for name, found in kinds.items()}, options, uri)
    if first.startswith(b"["):
        raise InputError(f"{uri}: holds JSON arrays, not an object a line; write it anew with: jq -c '.[]' FILE > NEW.jsonl")
    return Columns(())


def _check_first(first: bytes, uri: str) -> None:
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or (first[:2].count(0), first[2:4].count(0)) == (1, 1):
        raise InputError(f"{uri}: is UTF-16, not UTF-8; write it anew with: iconv -f UTF-16 -t UTF-8 FILE > NEW.jsonl")
    if first.removeprefix(b"\xef\xbb\xbf") in (b"[", b"{"):
        way = "'.[]'" if first.endswith(b"[") else "."
        raise InputError(f"{uri}: is JSON over many lines, not an object a line; write it anew with: jq -c {way} FILE > NEW.jsonl")


def _kind(value: object) -> set[Kind]:
    if value is None:
        return set()
    if isinstance(value, str):
        return {"text"}
    return {"number"} if isinstance(value, int | float) and not isinstance(value, bool) else {"other"}


def _common(found: set[Kind]) -> Kind:
    """The kind of a column whose values are of several: what it may be used as."""
    return "text" if "text" in found or not found else "number" if "number" in found else "other"


def split(path: str, uri: str, options: ReadOptions) -> Iterator[tuple[int, int | None]]:
    """Yield the byte ranges of a plain file, each of ``shard_bytes``; one range for a packed one.

    Raises
    ------
    InputError
        As `columns_of` does.
    """
    columns_of(path, uri, options)
    with open_binary(path) as file:
        packed = unpacked(file, uri) is not file
    size = 0 if packed else size_of(path)
    step = max(1, options.shard_bytes)
    for start in range(0, max(1, size), step):
        yield start, start + step if start + step < size else None


def read(path: str, uri: str, start: int, stop: int | None, options: ReadOptions) -> Iterator[Item]:
    """Yield the documents whose lines begin in a range.

    Yields
    ------
    Document, Failed or Passed
        The reasons are ``not-utf-8``, ``not-json``, ``not-object``, ``too-long``, those of `read_row`, and of a file that ends in damage what its
        reader says, such as ``truncated-gzip``, once, where the last line would have been. ``columns`` is a `Row`.

    Raises
    ------
    InputError
        As `columns_of` does.
    """
    columns = columns_of(path, uri, options)
    with open_binary(path) as file:
        stream = unpacked(file, uri)
        for line in _lines(stream, uri, start, stop, options.max_bytes, numbered=stream is not file):
            row = _decoded(line)
            if isinstance(row, Row):
                yield read_row(row, columns, line.place)
            elif row is not None and not line.cut:  # of a line that was cut off, what cut it is told, once
                yield row


def _lines(stream: BinaryIO, uri: str, start: int, stop: int | None, limit: int, *, numbered: bool) -> Iterator[_Line]:
    """The lines that begin in a range; behind them, when there is one, the fault that ended the file."""
    number, at = 0, start
    try:
        if start:  # the line in which the byte before stands is not this range's
            stream.seek(start - 1)
            at += _pass_line(stream, None if stop is None else stop - start + 1) - 1
        while stop is None or at < stop:
            data, size, whole = _begun_line(stream, limit)
            if not size:
                return
            place = _place(uri, number, at, numbered=numbered)
            if not whole and not numbered:
                # Told first and passed later: who looks at the first lines only, or where the range ends in this line, need not read all of it.
                yield _Line(place, None)
            size += 0 if whole else _pass_line(stream, None if stop is None else stop - at - size)
            number, at = number + 1, at + size
            if not whole and not numbered:
                continue
            fault = _fault_behind(stream) if data is not None and not data.endswith(b"\n") else None
            yield _Line(place, data, cut=fault is not None)
            if fault is not None:
                raise fault
    except (ReadError, OSError) as fault:
        yield _Line(_place(uri, number, at, numbered=numbered), fault=fault)


def _place(uri: str, number: int, at: int, *, numbered: bool) -> Place:
    return Place(uri, number, f"line {number + 1}") if numbered else Place(uri, at, f"byte {at}")


def _begun_line(stream: BinaryIO, limit: int) -> tuple[bytes | None, int, bool]:
    """One line with its end, None where it has more than `limit` bytes before that (0: no limit); the bytes read of it, and whether that is all of it."""
    most = limit + len(b"\r\n")
    data = stream.readline(most) if limit else stream.readline()
    if limit and len(data) == most and not data.endswith(b"\n"):
        return None, most, False
    return (None if limit and len(data.removesuffix(b"\n").removesuffix(b"\r")) > limit else data), len(data), True


def _pass_line(stream: BinaryIO, most: int | None = None) -> int:
    """Go to the end of a line, or some way behind `most` bytes: where no line can begin in a range, its end need not be looked for."""
    size = 0
    while (most is None or size <= most) and (piece := stream.readline(PASSED_BYTES)):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def _fault_behind(stream: BinaryIO) -> ReadError | OSError | None:
    """What cut a line that has no end, if it was not the file's last."""
    try:
        stream.read(1)
    except (ReadError, OSError) as error:
        return error
    return None


def _decoded(line: _Line) -> Row | Failed | None:
    """A line's object, or why it has none; None for a blank line."""
    if line.fault is not None:
        return fault_of(line.fault, line.place)
    if line.data is None:
        return failed(line.place, "too-long")
    try:
        text = line.data.decode("utf-8")
    except UnicodeDecodeError as error:
        return failed(line.place, "not-utf-8", f"byte {error.start} of the line is 0x{line.data[error.start]:02X}")
    text = text.strip(_SPACE).removeprefix(_BOM).strip(_SPACE)
    if not text:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return failed(line.place, "not-json", f"{json_fault(error)}, column {error.colno}")
    except RecursionError:
        return failed(line.place, "not-json", "nested too deeply")
    except ValueError:  # what else Python refuses: integers whose reading would take minutes
        return failed(line.place, "not-json", "a number of more than 4,300 digits")
    return Row(value, text) if isinstance(value, dict) else failed(line.place, "not-object")
