"""CSV with a header, in UTF-8, separated by commas, semicolons or tabs; one stream, since only the first quote of a file says what is quoted.

A row that Python would mend by guessing (a quote inside a quoted cell that is not doubled, a quote that never closes) fails instead: a cell that lost
a quote sign is not the one that was scraped. Rows are known by their number from 0, the header and blank lines not counted.
"""

import codecs
import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from newsfilter.decode import NEARLY
from newsfilter.dumps.documents import Failed, Item
from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.columns import Columns, Place, choose, failed, fault_of, read_row
from newsfilter.dumps.readers.opening import open_binary, unpacked
from newsfilter.errors import InputError

HEAD_BYTES = 1 << 20  # from which the encoding is judged
PIECE_BYTES = 1 << 20  # of a line too long to be held, passed over at once
PASSED_BYTES = 64 << 20  # of a row that fails, from where it does; more is a quote that opened by mistake
DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class Header:
    """What the first row says."""

    names: tuple[str, ...]  # as written; () for an empty file
    delimiter: str
    skip_space: bool  # a space follows each delimiter and is not part of the cell
    columns: Columns


class _TooLongError(Exception):
    """A row of more bytes than one document may have."""


class _Lines:
    """Hands a file's lines to the csv module, which asks for as many as a row has, and bounds a row."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self.number = 0  # of the line that was last handed out, from 1
        self.undecodable = False  # a line of this row was not UTF-8
        self._stream, self._limit = stream, limit
        self._row = self._quotes = 0  # bytes of this row so far, and quote signs
        self._rest = b""  # the part of a line above the limit that has been read

    def begin(self) -> None:
        """Say that a new row begins."""
        self.undecodable, self._row, self._quotes = False, 0, 0

    def pass_row(self) -> None:
        """Pass over the rest of a row that fails: up to where a line ends and the quote signs are even, or up to `PASSED_BYTES`.

        Any other line may be the middle of a cell, and would be read as rows that nobody wrote. The bound is for quotes that open by mistake.
        """
        passed, piece = 0, self._rest
        self._rest, ended = b"", True
        while piece or (self._quotes % 2 and passed < PASSED_BYTES and (piece := self._stream.readline(PIECE_BYTES))):
            self.number += ended
            passed, self._quotes = passed + len(piece), self._quotes + piece.count(b'"')
            ended = piece.endswith(b"\n")
            piece = b"" if ended else self._stream.readline(PIECE_BYTES)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        most = max(1, self._limit - self._row + len(b"\r\n"))
        data = self._stream.readline(most) if self._limit else self._stream.readline()
        if not data:
            raise StopIteration
        if self._limit and self._row + len(data.removesuffix(b"\n").removesuffix(b"\r")) > self._limit:
            self._rest = data
            raise _TooLongError
        self._row += len(data)
        self._quotes += data.count(b'"')
        self.number += 1
        if not data.endswith(b"\n"):
            self._stream.read(1)  # the end; or the damage that cut this line, whose rest must not pass for a row
        if self.number == 1:
            data = data.removeprefix(codecs.BOM_UTF8)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.undecodable = True
            return data.decode("utf-8", "replace")


def header_of(path: str, uri: str, options: ReadOptions) -> Header:
    """Read a file's header and choose its columns.

    Raises
    ------
    InputError
        When the file cannot be opened, is not UTF-8, has no header or two columns of one name, or none of its columns fits.
    """
    with open_binary(path) as file:
        stream = unpacked(file, uri)
        try:
            head = stream.read(HEAD_BYTES)
        except ReadError:
            head = b""  # packed, and damaged from its first byte: its one row is what `read` will say of that
        except OSError as error:
            raise ReadError(uri, "unreadable", error.strerror or type(error).__name__) from None
    _check_encoding(head, uri)
    lines = head.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    delimiter, skip_space = _dialect(lines.lstrip("\r\n").partition("\n")[0].rstrip("\r"))
    try:
        names = next((row for row in _reader(io.StringIO(lines, newline=""), delimiter, skip_space=skip_space) if row), [])
    except csv.Error as error:
        raise InputError(f"{uri}: its first row is no header ({error}); the first row must name the columns") from None
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{uri}: two of its columns are called {twice[0]!r}; rename one")
    if not names:
        return Header((), delimiter, skip_space, Columns(()))
    try:
        columns = choose(dict.fromkeys(names, "text"), options, uri)
    except InputError as error:
        raise InputError(f"{error} (taken from the first row, which must be a header)") from None
    return Header(tuple(names), delimiter, skip_space, columns)


def columns_of(path: str, uri: str, options: ReadOptions) -> Columns:
    """Choose a file's columns. Raises what `header_of` raises; of an empty file, no column holds the document."""
    return header_of(path, uri, options).columns


def _check_encoding(head: bytes, uri: str) -> None:
    """UTF-8 with a stray byte passes, and the row that holds it fails; the bound is that of whole pages."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (head[:2].count(0), head[2:4].count(0)) == (1, 1):
        raise InputError(f"{uri}: is UTF-16, not UTF-8; write it anew with: iconv -f UTF-16 -t UTF-8 FILE > NEW.csv")
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    strays = re.findall("[\udc80-\udcff]", text)
    good = sum(1 for byte in head if byte >= 0xC2) - len(strays) if strays else 0
    if strays and len(strays) > NEARLY * good:
        at = len(text[: text.index(strays[0])].encode())
        raise InputError(
            f"{uri}: is not UTF-8 (byte {at} is 0x{head[at]:02X}); write it anew with: iconv -f CHARSET -t UTF-8 FILE > NEW.csv, "
            "where CHARSET is what the scraper wrote, such as WINDOWS-1254 for Turkish"
        )
    if b"\r" in head and b"\n" not in head:
        raise InputError(f"{uri}: its lines end in CR alone; write it anew with: tr '\\r' '\\n' < FILE > NEW.csv")


def _dialect(line: str) -> tuple[str, bool]:
    """The delimiter, and whether a space follows it, from the header alone: prose has more commas than any table has columns."""
    try:
        dialect = csv.Sniffer().sniff(line, delimiters=DELIMITERS)
    except csv.Error:
        return ",", False  # one column
    return dialect.delimiter, dialect.skipinitialspace


def _reader(lines: Iterator[str], delimiter: str, *, skip_space: bool) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=skip_space, strict=True)


def split(path: str, uri: str, options: ReadOptions) -> Iterator[tuple[int, int | None]]:
    """Yield the one range of a file.

    Raises
    ------
    InputError
        As `header_of` does.
    """
    header_of(path, uri, options)
    yield 0, None


def read(path: str, uri: str, start: int, stop: int | None, options: ReadOptions) -> Iterator[Item]:  # noqa: ARG001 - what every reader takes
    """Yield a file's documents.

    Yields
    ------
    Document or Failed
        The reasons are ``bad-row`` (too many or too few cells, or quotes that do not match), ``not-utf-8``, ``too-long``, and of a file that ends in
        damage what its reader says, such as ``truncated-gzip``. ``columns`` is a dict of str.

    Raises
    ------
    InputError
        As `header_of` does.
    """
    header = header_of(path, uri, options)
    # The limit is the process's, so it is only ever raised; what bounds a cell is the bound on its row.
    csv.field_size_limit(max(csv.field_size_limit(), options.max_bytes or sys.maxsize))
    with open_binary(path) as file:
        for place, row in _rows(_Lines(unpacked(file, uri), options.max_bytes), header, uri):
            if not isinstance(row, list):
                yield row
            elif len(row) != len(header.names):
                yield failed(place, "bad-row", f"{len(row)} cells where the header has {len(header.names)}")
            else:
                yield read_row(dict(zip(header.names, row, strict=True)), header.columns, place)


def _rows(lines: _Lines, header: Header, uri: str) -> Iterator[tuple[Place, list[str] | Failed]]:
    """The rows behind the header, and why there is none where one should be."""
    reader = _reader(lines, header.delimiter, skip_space=header.skip_space)
    number = -1 if header.names else 0
    while True:
        lines.begin()
        place = Place(uri, number, f"line {lines.number + 1}")
        try:
            row = _row(reader, lines, place)
        except StopIteration:
            return
        except (ReadError, OSError) as error:
            yield place, fault_of(error, place)
            return
        if isinstance(row, list) and (not row or (len(row) == 1 < len(header.names) and not row[0].strip())):
            continue  # a blank line
        if number >= 0:
            yield _over(place, lines), row
        number += 1


def _row(reader: Iterator[list[str]], lines: _Lines, place: Place) -> list[str] | Failed:
    try:
        row = next(reader)
    except _TooLongError:
        lines.pass_row()
        return failed(_over(place, lines), "too-long")
    except csv.Error as error:
        lines.pass_row()
        return failed(_over(place, lines), "bad-row", str(error))
    return failed(_over(place, lines), "not-utf-8") if lines.undecodable else row


def _over(place: Place, lines: _Lines) -> Place:
    """A row's place with its last line, where quotes have made it several."""
    last = f"line {lines.number}"
    return place if lines.number == 0 or place.where == last else Place(place.uri, place.offset, f"{place.where} to {last}")
