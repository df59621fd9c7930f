"""Parquet: row groups are the ranges, and rows are read a bounded batch at a time. Rows are known by their number in the file, from 0."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from newsfilter.dumps.documents import Document, Item
from newsfilter.dumps.failures import MissingLibraryError, ReadError
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.columns import Columns, Kind, Place, choose, failed, read_row
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.errors import InputError

BATCH_BYTES = 16_000_000  # of rows that are decoded at once, by the sizes that the file states
BATCH_ROWS = 256  # at most
REPEATED_BYTES = 160_000_000  # of a batch whose rows each repeat all that their group stores: a value may be stored once for many rows
BUFFER_BYTES = 1 << 20  # read of a column at once; without, and with pre-buffering, Arrow takes whole columns of a row group into memory
DETAIL_CHARACTERS = 120  # of what Arrow says of damage


class ArrowRow(Mapping[str, Any]):
    """One row of a record batch, whose values become Python's only when asked for.

    Python's values lose some of Arrow's: nanoseconds of a time, a timestamp beyond the year 9999 (which raises), the width of a number, whether a
    string was stored as a category. `batch` and `number` lose nothing: ``row.batch.slice(row.number, 1)`` is the row as the file has it.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
        All columns; shared by its rows, and at most about `BATCH_BYTES`.
    number : int
        Of the row in the batch, from 0.
    """

    __slots__ = ("batch", "number")

    def __init__(self, batch: Any, number: int) -> None:
        self.batch, self.number = batch, number

    def __getitem__(self, name: str) -> Any:
        column = self.batch.schema.get_field_index(name)
        if column < 0:
            raise KeyError(name)
        return self.batch.column(column)[self.number].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self.batch.schema.names)

    def __len__(self) -> int:
        return len(self.batch.schema)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the row alone: a slice would take its whole batch along."""
        return _unpickled, (self.batch.take([self.number]),)


def _unpickled(batch: Any) -> ArrowRow:
    return ArrowRow(batch, 0)


@contextmanager
def _opened(path: str, uri: str) -> Iterator[Any]:
    """A ParquetFile, to be closed."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise MissingLibraryError(f"{uri}: the library for Parquet is missing; pip install 'newsfilter[parquet]'") from None
    with open_binary(path) as stream:
        try:
            file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=BUFFER_BYTES, page_checksum_verification=True)
            file.schema_arrow  # noqa: B018 - read now, where what it raises is known to be the file's fault
        except (pa.ArrowException, OSError) as error:
            if _of_storage(error):
                raise ReadError(uri, "unreadable", _said(error)) from None
            raise InputError(f"{uri}: is no whole Parquet file ({_said(error)}); copy it again, or take it out of the sources") from None
        yield file


def _of_storage(error: Exception) -> bool:
    """Whether it was the storage that failed: Arrow's own OSErrors, for what is damaged, have no number."""
    return isinstance(error, OSError) and error.errno is not None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:DETAIL_CHARACTERS]


def columns_of(path: str, uri: str, options: ReadOptions) -> Columns:
    """Choose a file's columns from its schema.

    Raises
    ------
    InputError
        When the file cannot be opened, is damaged or cut short, has two columns of one name, or none of its columns fits.
    """
    with _opened(path, uri) as file:
        return _columns(file, uri, options)


def _columns(file: Any, uri: str, options: ReadOptions) -> Columns:
    kinds: dict[str, Kind] = {}
    for field in file.schema_arrow:
        if field.name in kinds:
            raise InputError(f"{uri}: two of its columns are called {field.name!r}; rename one")
        kinds[field.name] = _kind(field.type)
    return choose(kinds, options, uri)


def _kind(kind: Any) -> Kind:
    from pyarrow import types  # noqa: PLC0415 - an extra

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary, types.is_binary_view)
    if types.is_null(kind) or any(test(kind) for test in tests):
        return "text"
    return "number" if types.is_integer(kind) else "other"


def split(path: str, uri: str, options: ReadOptions) -> Iterator[tuple[int, int | None]]:
    """Yield ranges of row groups, each of at most ``shard_bytes`` unpacked bytes, or of one group that has more.

    Raises
    ------
    InputError
        As `columns_of` does.
    """
    with _opened(path, uri) as file:
        _columns(file, uri, options)
        sizes = [file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)]
    start = held = 0
    for group, size in enumerate(sizes):
        if group > start and held + size > options.shard_bytes:
            yield start, group
            start, held = group, 0
        held += size
    yield start, None


def read(path: str, uri: str, start: int, stop: int | None, options: ReadOptions) -> Iterator[Item]:
    """Yield the documents of a range of row groups.

    Yields
    ------
    Document, Failed or Passed
        The reasons are ``damaged-parquet``, once for a row group, naming the rows that are lost, ``unreadable`` in its place if storage failed; ``not-utf-8`` for a row with a string, in any
        column, that is none; ``too-long``. A row whose document is null is Passed as ``null-text``. ``columns`` is an `ArrowRow`.

    Raises
    ------
    InputError
        As `columns_of` does.
    """
    with _opened(path, uri) as file:
        columns = _columns(file, uri, options)
        bounds = [0, *accumulate(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))]
        for group in range(file.num_row_groups)[start:stop]:
            at, end = bounds[group], bounds[group + 1]
            for batch in _batches(file, group):
                if isinstance(batch, tuple):
                    yield failed(Place(uri, at, f"rows {at} to {end - 1}, of row group {group}"), *batch)
                    continue
                fault = _fault(batch)
                for number in range(batch.num_rows):
                    place = Place(uri, at + number, f"row {at + number}")
                    if fault and (why := _fault(batch.slice(number, 1))):
                        yield failed(place, "not-utf-8" if "UTF8" in why else "damaged-parquet", why)
                    else:
                        yield _item(ArrowRow(batch, number), columns, place, options)
                at += batch.num_rows


def _batches(file: Any, group: int) -> Iterator[Any]:
    """The record batches of a row group and, last, what was wrong when they are not all of it: the reason and what exactly."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    about = file.metadata.row_group(group)
    missing = about.num_rows
    # What each column takes is not asked: in damaged metadata, Arrow ends the process for that question.
    held = max(1, about.total_byte_size)
    size = max(1, min(BATCH_ROWS, BATCH_BYTES * about.num_rows // held, REPEATED_BYTES // held))
    try:
        for batch in file.iter_batches(batch_size=size, row_groups=[group], use_threads=False):
            missing -= batch.num_rows
            yield batch
    except (pa.ArrowException, OSError) as error:
        yield "unreadable" if _of_storage(error) else "damaged-parquet", _said(error)
    else:
        if missing > 0:
            yield "damaged-parquet", "fewer rows than the file states"


def _fault(batch: Any) -> str:
    """What is wrong with a batch's values, such as a string, nested or not, that is not UTF-8; "" for nothing. Arrow does not look when it reads."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        return _said(error)
    return ""


def _item(row: ArrowRow, columns: Columns, place: Place, options: ReadOptions) -> Item:
    item = read_row(row, columns, place)
    if isinstance(item, Document) and options.max_bytes and _size(item.source.raw) > options.max_bytes:
        return failed(place, "too-long", identity=item.source.id)
    return item


def _size(raw: bytes | str) -> int:
    """Bytes of a document; those of ASCII need not be encoded to be counted."""
    return len(raw) if isinstance(raw, bytes) or raw.isascii() else len(raw.encode())
