"""What a run left in OUT, document by document in source order, whatever the format: files, JSONL, Parquet; here or on remote storage."""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Self

from newsfilter.dumps.ledger import Line
from newsfilter.dumps.ledger_lines import ledger_lines, read_line
from newsfilter.dumps.names import BODY_SUFFIX, RECORD_SUFFIX
from newsfilter.dumps.outputs_marker import ARTICLES, DONE, RECORDS, ledger_name
from newsfilter.dumps.outputs_rows import OURS, stem
from newsfilter.dumps.outputs_store import Store, open_store
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.dumps.runfile import read_run
from newsfilter.dumps.writing import FOLDERS
from newsfilter.errors import InputError, NewsfilterError, OutputError, RecordError

_MARKER = re.compile(r"part-(\d{6,})\.json")
_LEDGER = re.compile(r"part-(\d{6,})\.ledger\.jsonl")
PIECE_BYTES = 1 << 20  # unpacked at once
ROWS = 64  # of Parquet that are made Python values at once
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one document."""

    line: Line  # the ledger's
    name: str  # where its record stands, for messages
    record: bytes | None = None  # as it was encoded; None: the document failed, or see `trouble`
    body: bytes | None = None  # None: it has none, or see `trouble`
    row: Row | None = None  # of a shard: the article's; of Parquet without the input's columns
    trouble: str | None = None  # why record or body are not here, though they should be


@dataclass(frozen=True, slots=True)
class Run:
    """An OUT, open for reading."""

    out: str
    store: Store
    content: dict[str, Any]  # of run.json

    @property
    def format(self) -> str:
        """``files``, ``jsonl``, ``jsonl.zst`` or ``parquet``."""
        return str(self.content["settings"]["to"])

    def numbers(self) -> list[int]:
        """Return the numbers of the complete shards, in source order."""
        return part_numbers(self.store, _MARKER)


def part_numbers(store: Store, pattern: re.Pattern[str] = _LEDGER) -> list[int]:
    """Return the numbers of the parts that stand below ``_done``: of ledgers, or of what `pattern` finds."""
    return sorted(int(match.group(1)) for name in store.names(DONE) if (match := pattern.fullmatch(name)))


def open_run(out: str) -> Run:
    """Open what a run left.

    Raises
    ------
    InputError
        When there is none.
    """
    store = open_store(out)
    try:
        content = read_run(store)
    except OutputError:
        raise InputError(
            f"{store.name('run.json')}: not as this version of newsfilter writes it; give the OUT of newsfilter clean"
        ) from None
    if content is None:
        raise InputError(f"{out}: holds no run (no run.json); give the OUT that newsfilter clean wrote to")
    try:
        content["settings"]["to"]
    except (KeyError, TypeError):
        raise InputError(f"{store.name('run.json')}: says nothing of its settings; newsfilter verify tells what was changed") from None
    return Run(out, store, content)


def part_lines(store: Store, number: int) -> Iterator[Line]:
    """Yield the ledger lines that a shard left, in source order.

    Raises
    ------
    OutputError
        When a line of it is none.
    """
    name = store.name(ledger_name(number))
    for place, raw in enumerate((store.read(ledger_name(number)) or b"").splitlines(), start=1):
        yield read_line(name, place, raw)


def stored(run: Run) -> Iterator[Stored]:
    """Yield every document of the ledger, in source order, the failed ones too.

    Raises
    ------
    OutputError
        When a ledger cannot be read.
    """
    if run.format == "files":
        yield from (stored_files(run.store, line) for line in ledger_lines(run.out))
        return
    for number in run.numbers():
        yield from stored_rows(run, number, part_lines(run.store, number))


def stored_files(store: Store, line: Line) -> Stored:
    """Return a document's record and body from their files."""
    if line["status"] == "failed":
        return Stored(line, line["uri"])
    try:
        place = stem_of(line)
    except RecordError as error:
        return Stored(line, line["uri"], trouble=str(error))
    folder = FOLDERS[line["status"]]
    name = f"{folder}{place}{RECORD_SUFFIX}"
    record = store.read(name)
    if record is None:
        return Stored(line, store.name(name), trouble="the record is missing")
    if line["status"] == "rejected":
        return Stored(line, store.name(name), record)
    body = store.read(f"{folder}{place}{BODY_SUFFIX}")
    trouble = "the body is missing" if body is None else None
    return Stored(line, store.name(name), record, body, trouble=trouble)


def stem_of(line: Line) -> str:
    """Return a document's output name below OUT, without folder of its status and suffix.

    Raises
    ------
    RecordError
        When the ledger names none, or one that leads out of OUT.
    """
    output, status = line.get("output"), line["status"]
    folder = FOLDERS.get(status)
    suffix = RECORD_SUFFIX if status == "rejected" else BODY_SUFFIX
    if not isinstance(output, str) or folder is None or not output.startswith(folder) or not output.endswith(suffix):
        raise RecordError(f"the ledger names {output!r} as the output of a document with status {status!r}; the ledger was changed")
    place = output.removeprefix(folder).removesuffix(suffix)
    if not place or PurePosixPath(output).is_absolute() or ".." in PurePosixPath(output).parts or "\0" in output:
        raise RecordError(f"the ledger names {output!r}, which leads out of OUT; the ledger was changed")
    return place


def stored_rows(
    run: Run, number: int, lines: Iterator[Line], stray: Callable[[str, str], None] = lambda _file, _id: None
) -> Iterator[Stored]:
    """Yield the documents of one shard. `stray` is told of rows that the ledger does not know: the file's name, and the row's id."""
    files = [f"{folder}/{stem(number)}.{run.format}" for folder in (ARTICLES, RECORDS)]
    articles, records = (_Rows(run, file, stray) for file in files)
    with articles, records:
        for line in lines:
            if line["status"] == "failed":
                yield Stored(line, run.store.name(files[1]))
                continue
            name = f"{run.store.name(files[1])}#{line['id']}"
            row, record = articles.of(line["id"]), records.of(line["id"])
            encoded = _encoded(record)
            body = None if row is None else ours(row).get("text")
            trouble = articles.trouble if row is None else records.trouble if encoded is None else None
            if trouble is None and line["status"] != "rejected" and not isinstance(body, str):
                trouble = "the article's row has no text"
            yield Stored(line, name, encoded, body.encode("utf-8", "surrogatepass") if isinstance(body, str) else None, row, trouble)
        for rows in (articles, records):
            rows.rest()


def _encoded(row: Row | None) -> bytes | None:
    record = None if row is None else row.get("record")
    return record.encode("utf-8", "surrogatepass") + b"\n" if isinstance(record, str) else None


def ours(row: Row) -> Row:
    """Return our columns of an article's row, which come first and in our order, by our own names for them."""
    return dict(zip(OURS, row.values(), strict=False))


class _Rows:
    """The rows of one file of a shard, asked for by id in the file's order."""

    def __init__(self, run: Run, file: str, stray: Callable[[str, str], None]) -> None:
        self._run, self._file, self._stray = run, file, stray
        self._held: dict[str, Row] = {}  # rows that were read on the way to another
        self.trouble: str | None = "the shard's file has no row of it"
        self._files = ExitStack()
        self._left: Iterator[Row] = iter(())

    def __enter__(self) -> Self:
        self._left = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def _read(self) -> Iterator[Row]:
        try:
            yield from rows_of(self._run, self._file, self._files)
        except RecordError as error:
            self.trouble = str(error)

    def of(self, identity: str) -> Row | None:
        """Return the row of a document; None where there is none. Rows on the way to it are held for those that may ask for them."""
        if identity in self._held:
            return self._held.pop(identity)
        for row in self._left:
            found = _id(row)
            if found == identity:
                return row
            self._held.setdefault(found, row)
        return None

    def rest(self) -> None:
        """Tell of the rows that nobody asked for."""
        for row in (*self._held.values(), *self._left):
            self._stray(self._run.store.name(self._file), _id(row))


def _id(row: Row) -> str:
    return str(next(iter(row.values()), None))  # the first column of both files, whatever it is called


def rows_of(run: Run, file: str, files: ExitStack) -> Iterator[Row]:
    """Yield the rows of a shard's file, JSON objects or Parquet's as Python values; `files` closes what is opened.

    Raises
    ------
    RecordError
        When the file is missing, or cannot be read to its end.
    """
    path = run.store.name(file)
    try:
        yield from _read_rows(run.format, files.enter_context(open_binary(path)), files)
    except ImportError as error:
        raise OutputError(f"{path}: a library for it is missing ({error}); pip install 'newsfilter[dumps]'") from None
    except NewsfilterError as error:
        raise RecordError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - each library has errors of its own for damaged files
        raise RecordError(f"{path}: cannot be read ({' '.join(str(error).split())[:200] or type(error).__name__})") from None


def _read_rows(form: str, stream: BinaryIO, files: ExitStack) -> Iterator[Row]:
    if form == "parquet":
        import pyarrow.parquet as pq  # noqa: PLC0415 - an extra, and 100 ms

        parquet = pq.ParquetFile(stream)
        wanted = parquet.schema_arrow.names[: len(OURS)]  # the input's columns can be of any size, and nobody asks for them
        for batch in parquet.iter_batches(batch_size=ROWS, columns=wanted):
            yield from batch.to_pylist()
        return
    lines: Iterable[bytes] = stream
    if form == "jsonl.zst":
        import zstandard  # noqa: PLC0415 - an extra

        unpacked = files.enter_context(zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True))
        lines = io.BufferedReader(unpacked, PIECE_BYTES)
    for raw in lines:
        row = json.loads(raw)
        if not isinstance(row, dict):
            raise RecordError("a line is no JSON object")
        yield row
