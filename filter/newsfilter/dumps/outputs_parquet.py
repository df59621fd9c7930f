"""Shards as Parquet: the Arrow schema, and how rows get their types back."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from newsfilter.decode import clean_surrogates
from newsfilter.dumps.outputs_rows import OURS, Facts, InputColumns, Kind, Target, encode_json, joined_kind, kind_of
from newsfilter.dumps.outputs_spool import Item
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.errors import InputError

ROW_GROUP_ROWS = 4_096
ROW_GROUP_BYTES = 16_000_000  # of article and record before packing; finish() holds a few times as much, and so does who reads a group
ZSTD_LEVEL = 3  # zstd's own default; level 9 makes files 7 % smaller and takes four times as long

_TYPES = {name: pa.list_(pa.field("element", pa.string())) if name == "reasons" else pa.string() for name in OURS}
_SAMPLED = {"bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}
_EXACT = {pa.bool_(): "bool", pa.int64(): "int64", pa.float64(): "float64", pa.string(): "string", pa.large_string(): "string"}
"""Types of Parquet's whose values JSON holds as they are."""


def columns_of_schema(schema: Any) -> InputColumns:
    """Return the columns that a Parquet file has, given its `pyarrow.Schema`, as ``ParquetFile.schema_arrow`` has it.

    Fields lose "not null", for a run may have documents without columns, and the number that their file gave them. Of columns with one name, the
    first counts.
    """
    types: dict[str, bytes] = {}
    for field in schema:
        metadata = {key: value for key, value in (field.metadata or {}).items() if key != b"PARQUET:field_id"}
        plain = field.with_nullable(True).with_metadata(metadata or None)
        types.setdefault(field.name, pa.schema([plain]).serialize().to_pybytes())
    return InputColumns(tuple(types.items()))


def _field(name: str, kind: Kind | bytes) -> Any:
    """The Arrow field of an input's column; None where its values have no one type, so that ``columns`` holds them."""
    if isinstance(kind, bytes):
        return pa.ipc.read_schema(pa.py_buffer(kind)).field(0)
    return pa.field(name, _SAMPLED[kind]) if kind in _SAMPLED and clean_surrogates(name) == name else None


def joined(name: str, one: Kind | bytes, other: Kind | bytes) -> Kind | bytes:
    """Return the type of a column that two files have: the narrowest that holds both without loss, else "mixed"."""
    if isinstance(one, str) and isinstance(other, str):
        return joined_kind(one, other)
    if "null" in (one, other):
        return other if one == "null" else one
    if one == other or "mixed" in (one, other):
        return one if one == other else "mixed"
    schemas = [pa.schema([_field(name, kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").serialize().to_pybytes()  # type: ignore[no-any-return]
    except pa.ArrowException:
        return "mixed"


def articles_schema(target: Target) -> Any:
    """Return the `pyarrow.Schema` of a run's articles: ours, then the input's columns that have a type."""
    ours = [pa.field(new, _TYPES[name]) for name, new in target.names().items()]
    return pa.schema([*ours, *_input_fields(target)], metadata=target.metadata())


def records_schema(target: Target) -> Any:
    """Return the `pyarrow.Schema` of a run's records."""
    return pa.schema([pa.field("id", pa.string()), pa.field("record", pa.string())], metadata=target.metadata())


def _input_fields(target: Target) -> list[Any]:
    fields = (_field(name, kind) for name, kind in target.columns.types if name != target.out_field)
    return [field for field in fields if field is not None]


class ParquetPacker:
    """Turns one document into bytes for the spool, and those of many documents into arrays.

    Values whose types JSON has are kept as JSON, which is quick; the others as an Arrow record batch of one row, without dictionaries, for each
    row would hold a whole one.
    """

    def __init__(self, target: Target) -> None:
        self.out_field = target.out_field
        self.fields = {field.name: field for field in _input_fields(target)}
        self.exact = {name: _EXACT[field.type] for name, field in self.fields.items() if field.type in _EXACT}
        self.schema = pa.schema([pa.field(name, _dense(field.type)) for name, field in self.fields.items() if name not in self.exact])

    def pack(self, facts: Facts, columns: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Return an article's row, as JSON that only `unpack` reads, and the columns that it does not hold.

        What fits no column goes into ``columns``; nulls there are left out.
        """
        rest = {name: value for name, value in columns.items() if name not in self.fields and name != self.out_field}
        exact: dict[str, Any] = {}
        for name, kind in self.exact.items():
            value = columns.get(name)
            exact[name] = value.as_py() if isinstance(value, pa.Scalar) else value
            if not _fits(exact[name], kind):
                rest[name], exact[name] = value, None
        arrays = []
        for field in self.schema:
            array = _one(columns.get(field.name), field.type)
            if array is None:
                rest[field.name], array = columns[field.name], pa.nulls(1, field.type)
            arrays.append(array)
        rest = {
            name: value for name, value in rest.items() if value is not None and not (isinstance(value, pa.Scalar) and not value.is_valid)
        }
        ours = [*(facts.get(name) for name in OURS[:-1]), encode_json(rest).decode() if rest else None]
        row = json.dumps([ours, list(exact.values())], ensure_ascii=False, separators=(",", ":"))  # NaN stays NaN
        if not arrays:
            return clean_surrogates(row).encode(), b""
        return clean_surrogates(row).encode(), pa.record_batch(arrays, schema=self.schema).serialize().to_pybytes()

    def record(self, identity: str, record: bytes) -> bytes:
        """Return a row of records."""
        return encode_json(identity) + b"\n" + record.rstrip(b"\n")

    def unpack(self, rows: Sequence[tuple[bytes, bytes]]) -> list[Any]:
        """Return the arrays of all columns of articles, ours first."""
        loaded = [json.loads(row) for row, _ in rows]
        arrays = [pa.array([ours[number] for ours, _ in loaded], _TYPES[name]) for number, name in enumerate(OURS)]
        exact = {name: pa.array([row[number] for _, row in loaded], self.fields[name].type) for number, name in enumerate(self.exact)}
        if len(self.schema):
            batches = [pa.ipc.read_record_batch(pa.py_buffer(batch), self.schema) for _, batch in rows]
            table = pa.Table.from_batches(batches, self.schema).combine_chunks()
        for name, field in self.fields.items():
            arrays.append(exact[name] if name in exact else table[name].cast(field.type))
        return arrays


def _fits(value: object, kind: str) -> bool:
    """Whether a Python value goes into a column and comes out as the same value."""
    if kind == "float64" and kind_of(value) == "int64":
        return int(float(value)) == value  # type: ignore[arg-type]  # it is an int
    return kind_of(value) in ("null", kind)


def _one(value: Any, kind: Any) -> Any:
    """An array of one value; None where it has no place in one of that type."""
    if value is None:
        return pa.nulls(1, kind)
    try:
        if isinstance(value, pa.Scalar):
            array = pa.repeat(value, 1)
            if array.type == kind:
                return array
            cast = array.cast(kind)
            return cast if cast.cast(_dense(array.type)).equals(array.cast(_dense(array.type))) else None
        array = pa.array([value], kind)
        back = array[0].as_py()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    return array if back == value or repr(back) == repr(value) else None  # NaN is not equal to itself


def _dense(kind: Any) -> Any:
    """A type with values in the place of dictionaries, at any depth."""
    if pa.types.is_dictionary(kind):
        return _dense(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_dense(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(kind.key_field.with_type(_dense(kind.key_type)), kind.item_field.with_type(_dense(kind.item_type)), kind.keys_sorted)
    inner = kind.value_field.with_type(_dense(kind.value_type)) if _is_list(kind) else None
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inner, kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(inner)
    return pa.list_(inner) if pa.types.is_list(kind) else kind


def _is_list(kind: Any) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)  # type: ignore[no-any-return]


@contextmanager
def parquet_shard(target: Target, articles: Path, records: Path) -> Iterator[Callable[[Item], None]]:
    """Open a shard's two files; what it gives is called with each document."""
    shard = _ParquetShard(target, articles, records)
    try:
        yield shard.write
        shard.close()
    except BaseException:
        shard.give_up()
        raise


class _ParquetShard:
    """Writes a shard's two Parquet files; both have the same rows in the same row groups.

    Row groups end by what the rows hold, so that they are the same however the shard came about.
    """

    def __init__(self, target: Target, articles: Path, records: Path) -> None:
        self._packer = ParquetPacker(target)
        self._schemas = articles_schema(target), records_schema(target)
        self._writers = [
            pq.ParquetWriter(path, schema, compression="zstd", compression_level=ZSTD_LEVEL)
            for path, schema in zip((articles, records), self._schemas, strict=True)
        ]
        self._rows: list[tuple[bytes, bytes]] = []
        self._records: list[tuple[str, str]] = []
        self._bytes = 0

    def write(self, item: Item) -> None:
        """Write a document."""
        identity, record = item.record.decode().split("\n", 1)
        self._rows.append((item.article, item.columns))
        self._records.append((json.loads(identity), record))
        self._bytes += len(item.article) + len(item.columns) + len(item.record)
        if len(self._rows) == ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        ids, records = (pa.array(values, pa.string()) for values in zip(*self._records, strict=True))
        for writer, schema, arrays in zip(self._writers, self._schemas, (self._packer.unpack(self._rows), [ids, records]), strict=True):
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(self._rows))
        self._rows, self._records, self._bytes = [], [], 0

    def close(self) -> None:
        """Write what is left and close both files."""
        self._flush()
        for writer in self._writers:
            writer.close()

    def give_up(self) -> None:
        """Close both files after an error, which may stand in the way of that too; it is the error that counts."""
        for writer in self._writers:
            for _step in ("its end", "its file"):
                with suppress(Exception):
                    writer.close()
                writer.is_open = False  # or it would try to write its end again, and where it goes nobody hears what comes of that


def columns_of_file(path: str) -> InputColumns:
    """Return the columns of a Parquet file, local or at a URL.

    Raises
    ------
    InputError
        When it cannot be opened, or is no Parquet file.
    """
    with open_binary(path) as stream:
        try:
            return columns_of_schema(pq.read_schema(stream))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: is no whole Parquet file ({error})") from None
