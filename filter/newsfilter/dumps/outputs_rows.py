"""The rows of the outputs: which columns they have, under which names, and how a value of the input is written as JSON."""

import base64
import datetime as dt
import decimal
import hashlib
import json
import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict

import newsfilter
from newsfilter.decode import clean_surrogates
from newsfilter.dumps.keeper import Result
from newsfilter.records import Source
from newsfilter.settings import Settings

OURS = ("id", "uri", "url", "title", "text", "byline", "published", "site", "language", "status", "reasons", "fetched_at", "columns")
"""Our columns of articles, in order. ``columns`` holds, as JSON, what the input's row has and the table has no column for."""

PREFIX = "newsfilter_"  # before the name of one of ours, where the input has a column of that name
SAMPLE_ROWS, SAMPLE_FILES = 1_000, 20
"""From how many rows of how many files the columns of JSONL and CSV inputs are known; Parquet files say theirs."""

Format = Literal["files", "jsonl", "jsonl.zst", "parquet"]
Kind = Literal["bool", "int64", "float64", "string", "null", "mixed"]
"""What a column of JSON values holds. "null": no value was seen; "mixed": values of several types, or lists and objects."""

_IN_A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_INT64 = range(-(2**63), 2**63)


class Facts(TypedDict):
    """What an output row says of a cleaned document, apart from its record and the input's columns."""

    id: str
    uri: str
    url: str | None
    title: str | None
    text: str | None  # None where the document was rejected
    byline: str | None
    published: str | None  # ISO 8601, a date or a date and time
    site: str | None
    language: str  # ISO 639-1, or "unknown"
    status: str  # accepted, review or rejected
    reasons: list[str]  # codes
    fetched_at: str | None  # as the dump says it


def facts_of(result: Result, source: Source) -> Facts:
    """Return the facts of a document that was cleaned, so that its `result` has a ledger line."""
    line = result.line
    assert line is not None
    return {
        "id": line["id"],
        "uri": line["uri"],
        "url": result.url,
        "title": line["title"],
        "text": None if line["status"] == "rejected" else result.body,
        "byline": result.byline,
        "published": result.published,
        "site": result.site,
        "language": line["language"],
        "status": line["status"],
        "reasons": [reason["code"] for reason in line["reasons"]],
        "fetched_at": source.fetched_at,
    }


@dataclass(frozen=True, slots=True)
class InputColumns:
    """The columns that a run's inputs have, found before the run from the inputs alone, so that every shard has the same.

    Attributes
    ----------
    types : tuple of pairs
        Names, in order, each with its kind or, where Parquet says it, its Arrow field (as `pyarrow.Schema.serialize` writes it: a run without
        Parquet needs no pyarrow).
    """

    types: tuple[tuple[str, Kind | bytes], ...] = ()


def columns_of_rows(rows: Iterable[Mapping[str, Any]]) -> InputColumns:
    """Return the columns that rows of JSONL or CSV have.

    >>> columns_of_rows([{"a": 1, "b": None, "c": "x"}, {"a": 1.5, "c": ["y"]}]).types
    (('a', 'float64'), ('b', 'null'), ('c', 'mixed'))
    """
    seen: dict[str, Kind] = {}
    for row in rows:
        for name, value in row.items():
            seen[name] = joined_kind(seen.get(name, "null"), kind_of(value))
    return InputColumns(tuple(seen.items()))


def kind_of(value: object) -> Kind:
    """Return the kind of one JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if value in _INT64 else "mixed"
    if isinstance(value, float):
        return "float64"
    return "null" if value is None else "string" if isinstance(value, str) else "mixed"


def joined_kind(one: Kind, other: Kind) -> Kind:
    """Return the kind of a column that holds values of two kinds."""
    if "null" in (one, other):
        return other if one == "null" else one
    return one if one == other else "float64" if {one, other} == {"int64", "float64"} else "mixed"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run's shards go, and what all of them have in common."""

    out: str  # a local folder, or a URL that fsspec opens
    format: Format
    settings: Settings
    model: str  # sha256
    columns: InputColumns = InputColumns()
    out_field: str | None = None  # the cleaned text's column; None: "text", beside an input's column of that name

    def names(self) -> dict[str, str]:
        """Return the names of our columns, by what they are called in `OURS`.

        A column of the input keeps its name and ours gets the prefix; but a column that `out_field` names is replaced. Case does not count, for
        DuckDB and Spark make no difference between ``Title`` and ``title``.
        """
        taken = {name.casefold() for name, _ in self.columns.types if name != self.out_field}
        names: dict[str, str] = {}
        if self.out_field is not None:
            names["text"] = self.out_field
            taken.add(self.out_field.casefold())
        for name in OURS:
            if name not in names:
                new = name
                while new.casefold() in taken:
                    new = PREFIX + new
                names[name] = new
                taken.add(new.casefold())
        return {name: names[name] for name in OURS}

    def path(self, folder: str, number: int) -> str:
        """Return the name, below `out`, of a shard's articles or records.

        >>> Target("out", "jsonl.zst", Settings(), "").path("records", 12)
        'records/part-000012.jsonl.zst'
        """
        return f"{folder}/{stem(number)}.{self.format}"

    def metadata(self) -> dict[str, str]:
        """Return what Parquet files say of their making."""
        return {
            "newsfilter.version": newsfilter.__version__,
            "newsfilter.model": self.model,
            "newsfilter.settings": self.settings.sha256(),
        }

    def content(self) -> dict[str, Any]:
        """Return what is compared before a shard is taken as done, as JSON has it; the columns as a digest."""
        types = [[name, kind if isinstance(kind, str) else kind.hex()] for name, kind in self.columns.types]
        return {
            "settings": {
                "to": self.format,
                "out_field": self.out_field,
                "columns": hashlib.sha256(json.dumps(types).encode()).hexdigest()[:16],
                **json.loads(json.dumps(asdict(self.settings))),
            },
            "model": {"sha256": self.model},
        }


def stem(number: int) -> str:
    """Return a shard's name without folder and suffix."""
    return f"part-{number:06d}"


def exact_values(columns: Any) -> Mapping[str, Any]:
    """Return a row's columns with values that have lost nothing: of an `ArrowRow`, pyarrow scalars. None is a row without columns."""
    if not hasattr(columns, "batch"):  # isinstance would load the readers, and lxml with them
        return columns or {}
    return {name: column[columns.number] for name, column in zip(columns.batch.schema.names, columns.batch.columns, strict=True)}


def encode_json(value: Any) -> bytes:
    r"""Return a value as JSON that every reader takes: UTF-8, U+FFFD for lone surrogates, null for what is no number.

    Dates and times become ISO 8601, decimals strings, bytes base64, durations seconds, maps lists of pairs.

    Raises
    ------
    TypeError, ValueError, RecursionError
        For what cannot be written: values of no known type, lists nested too deeply.

    >>> encode_json({"a": float("nan"), "b": dt.date(2024, 5, 3), "c": "ç\ud800"}).decode()
    '{"a":null,"b":"2024-05-03","c":"ç�"}'
    """
    try:
        text = _dumps(value)
    except ValueError:  # not finite, somewhere
        text = _dumps(_finite(value))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return clean_surrogates(text).encode()


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value if value is None or isinstance(value, str | int) else _finite(plain(value))


def plain(value: Any) -> Any:
    """Return a value of Parquet's one step nearer to JSON; what a list or an object holds may need further steps.

    Raises
    ------
    TypeError
        For a value of no known type.
    """
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if hasattr(value, "as_py"):
        return _plain_scalar(value)
    if hasattr(value, "tolist"):  # NumPy's
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _plain_scalar(value: Any) -> Any:
    """A pyarrow scalar. Python's own times end at the microsecond, and as_py() with them, so that Arrow writes times itself."""
    import pyarrow as pa  # noqa: PLC0415 - it is loaded where there is a scalar

    types = pa.types
    if not value.is_valid:
        return None
    if isinstance(value, pa.MapScalar):
        return [[pair["key"], pair["value"]] for pair in value.values]
    if isinstance(value, pa.StructScalar):
        return {field.name: value[number] for number, field in enumerate(value.type)}
    if isinstance(value, pa.ListScalar):  # large and fixed-size ones too
        return list(value.values)
    if isinstance(value, pa.DictionaryScalar):
        return value.value
    if types.is_duration(value.type):
        return value.cast(pa.int64()).as_py() / _IN_A_SECOND[value.type.unit]
    if types.is_timestamp(value.type) or types.is_time(value.type):
        return value.cast(pa.string()).as_py().replace(" ", "T")
    return value.as_py()
