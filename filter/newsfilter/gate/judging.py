"""Files to documents, and documents to what the model says of them; all judging happens in the child process that a `Keeper` keeps."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from newsfilter.dumps.documents import Document, Failed, Oversized, Passed
from newsfilter.dumps.failures import FAILURES
from newsfilter.dumps.keeper import BATCH_BYTES, BATCH_DOCUMENTS, Result
from newsfilter.dumps.readers import ReadOptions, reader_of
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.dumps.reading import Skipped, read
from newsfilter.errors import InputError
from newsfilter.gate.targets import Problem, Target
from newsfilter.records import Source

Clean = Callable[[Sequence[Source | Oversized]], list[Result]]
"""What judges: `Keeper.clean`."""

COUNT_BYTES = 1 << 20  # read at once to count lines
_WHERE = re.compile(r"(?:line (\d+)(?: to line \d+)?|byte \d+|row \d+)(?:: |$)")
_UNREADABLE_JSON = "is JSON, and check reads JSONL only; write one object a line with: jq -c '.[]' {name} > NEW.jsonl"


@dataclass(frozen=True, slots=True)
class Unit:
    """One document of a file."""

    target: Target
    source: Source | Oversized
    line: int | None = None  # of a table: where its row begins, from 1
    row: int | None = None  # of a table: its row, from 1
    field: str | None = None  # of a table: the column

    @property
    def offset(self) -> int | None:
        """Where a row begins, as its reader counts; None for a document of its own."""
        source = self.source.source if isinstance(self.source, Oversized) else self.source
        return source.offset


@dataclass(frozen=True, slots=True)
class TooLong:
    """A row of a table that is larger than the limit, and was not read."""

    target: Target
    line: int


def judged(targets: Iterable[Target], options: ReadOptions, clean: Clean) -> Iterator[tuple[Unit, Result] | TooLong | Problem]:
    """Judge every document of every file, in order. Some sixteen documents are held at a time, however large the files are.

    Raises
    ------
    StoppedError
        When nothing can be judged, such as for a broken model.
    """
    waiting: list[Unit | TooLong | Problem] = []
    documents = held = 0
    for unit in (unit for target in targets for unit in units_of(target, options)):
        waiting.append(unit)
        if isinstance(unit, Unit):
            documents += 1
            held += len(unit.source.raw) if isinstance(unit.source, Source) else 0
        if documents >= BATCH_DOCUMENTS or held >= BATCH_BYTES or len(waiting) >= 64 * BATCH_DOCUMENTS:
            yield from _answers(waiting, clean)
            waiting, documents, held = [], 0, 0
    yield from _answers(waiting, clean)


def _answers(waiting: list[Unit | TooLong | Problem], clean: Clean) -> Iterator[tuple[Unit, Result] | TooLong | Problem]:
    results = iter(clean([unit.source for unit in waiting if isinstance(unit, Unit)]))
    for unit in waiting:
        yield (unit, next(results)) if isinstance(unit, Unit) else unit


def units_of(target: Target, options: ReadOptions) -> Iterator[Unit | TooLong | Problem]:
    """Read the documents of a file; what cannot be read is a `Problem` with its line, and the rest goes on."""
    try:
        yield from _document(target, options) if target.kind == "text" else _rows(target, options)
    except (InputError, OSError) as error:
        message = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        yield Problem(target.name, message.removeprefix(f"{target.name}: ").removeprefix(f"{target.path}: "))


def _document(target: Target, options: ReadOptions) -> Iterator[Unit | Problem]:
    document = read(target.entry(), options.max_bytes)
    if isinstance(document, Skipped):
        if target.named:  # in a folder, what is no document is nobody's business
            yield Problem(target.name, f"is no document ({document.kind}); leave it out")
        return
    if target.name.lower().removesuffix(".gz").endswith(".json"):
        yield Problem(target.name, _UNREADABLE_JSON.format(name=shlex.quote(target.name)))
        return
    if isinstance(document, Source) and target.media_type is not None:
        document = Source(document.raw, document.uri, target.media_type)
    yield Unit(target, document)


def _rows(target: Target, options: ReadOptions) -> Iterator[Unit | TooLong | Problem]:
    with closing(Lines(target.path)) as lines:
        for item in reader_of(target.kind).read(target.path, target.name, 0, None, options):
            if isinstance(item, Document):
                offset = item.source.offset or 0
                line = _line(target, item.where, offset, lines)
                yield Unit(target, item.source, line, line if target.kind == "jsonl" else offset + 1, item.field)
            elif isinstance(item, Failed):
                where = _WHERE.match(item.detail)
                line = _line(target, where.group() if where else "", item.offset or 0, lines)
                if item.reason == "too-long":
                    yield TooLong(target, line)
                else:
                    detail = item.detail[where.end() :] if where else item.detail
                    yield Problem(target.name, f"{FAILURES[item.reason]}{f' ({detail})' if detail else ''}", line)
            elif isinstance(item, Oversized | Passed):  # members of archives, which check does not read; null
                continue


def _line(target: Target, where: str, offset: int, lines: "Lines") -> int:
    """A row's line: as its reader says it; of plain JSONL, counted up to its first byte; of Parquet, which has none, the row's number."""
    found = _WHERE.match(where)
    if found and found.group(1):
        return int(found.group(1))
    return lines.number(offset) if target.kind == "jsonl" else offset + 1


class Lines:
    """Counts a file's lines up to places that never go back, so that a file is read once for all of them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stream: BinaryIO | None = None
        self._at, self._number = 0, 1

    def number(self, offset: int) -> int:
        """Return the line in which a byte stands, from 1."""
        if self._stream is None:
            self._stream = open_binary(self._path)
        while self._at < offset and (piece := self._stream.read(min(COUNT_BYTES, offset - self._at))):
            self._at += len(piece)
            self._number += piece.count(b"\n")
        return self._number

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()


def failure_of(unit: Unit, result: Result) -> Problem:
    """Return the problem of a document that was not judged: it took too long or too much, or ended the child."""
    detail = f" ({result.detail})" if result.detail else ""
    return Problem(unit.target.name, f"{FAILURES[result.reason or 'error']}{detail}", unit.line)
