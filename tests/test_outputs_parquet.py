"""Shards as Parquet: types pass through; other programs read both kinds of output."""

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import article
from test_docs import DOCS, fences
from test_outputs import FORMATS, document, give, read, target, tree

import newsfilter
from newsfilter.dumps import outputs_parquet
from newsfilter.dumps.documents import Document
from newsfilter.dumps.outputs import ShardOutput
from newsfilter.dumps.outputs_formats import merge_columns
from newsfilter.dumps.outputs_parquet import articles_schema, columns_of_schema
from newsfilter.dumps.outputs_rows import OURS, Format, InputColumns, Target, columns_of_rows
from newsfilter.dumps.readers import ReadOptions, parquet
from newsfilter.provenance import encode_record

DICTIONARY = pa.dictionary(pa.int16(), pa.string())
NANOSECOND = 1_700_000_000_123_456_789
VALUES: dict[str, tuple[Any, list[Any]]] = {
    "string": (pa.string(), ["a", None, "ç\0"]),
    "large_string": (pa.large_string(), ["a", None, ""]),
    "string_view": (pa.string_view(), ["a", None, "b" * 40]),
    "binary": (pa.binary(), [b"\xff", None, b""]),
    "fixed_binary": (pa.binary(2), [b"ab", None, b"cd"]),
    "bool": (pa.bool_(), [True, None, False]),
    "int8": (pa.int8(), [-128, None, 127]),
    "uint64": (pa.uint64(), [2**64 - 1, None, 0]),
    "int64": (pa.int64(), [-(2**63), None, 2**63 - 1]),
    "half": (pa.float16(), [1.5, None, -0.0]),
    "float": (pa.float32(), [0.10000000149011612, None, float("inf")]),
    "double": (pa.float64(), [0.1, None, float("-inf")]),
    "decimal": (pa.decimal128(20, 3), [decimal.Decimal("1.230"), None, decimal.Decimal(-5)]),
    "date": (pa.date32(), [dt.date(2024, 5, 3), None, dt.date(1, 1, 1)]),
    "time": (pa.time64("us"), [dt.time(1, 2, 3, 4), None, dt.time()]),
    "timestamp": (pa.timestamp("us"), [dt.datetime(2024, 5, 3, 1, 2, 3, 4), None, dt.datetime(1900, 1, 1)]),  # noqa: DTZ001 - a type without zone
    "zoned": (pa.timestamp("ms", "Europe/Istanbul"), [1_700_000_000_123, None, 0]),
    "nanoseconds": (pa.timestamp("ns", "UTC"), [NANOSECOND, None, 1]),
    "time_ns": (pa.time64("ns"), [NANOSECOND % 10**13, None, 1]),
    "duration": (pa.duration("ns"), [NANOSECOND, None, 1]),
    "null": (pa.null(), [None, None, None]),
    "list": (pa.list_(pa.int32()), [[1, None], None, []]),
    "pair": (pa.list_(pa.float32(), 2), [[1.5, 2.5], None, [0.0, 1.0]]),
    "large_list": (pa.large_list(pa.string()), [["x"], None, []]),
    "struct": (pa.struct([("a", pa.int8()), ("b", pa.list_(pa.timestamp("ns")))]), [{"a": 1, "b": [1, 2]}, None, {"a": None, "b": None}]),
    "map": (pa.map_(pa.string(), pa.int32()), [[("k", 1)], None, []]),
    "dictionary": (DICTIONARY, ["x", None, "y"]),
    "list_of_dictionary": (pa.list_(DICTIONARY), [["x", "y"], None, ["x"]]),
    "struct_of_dictionary": (pa.struct([("a", DICTIONARY)]), [{"a": "x"}, None, {"a": None}]),
}  # fmt: skip


def arrow_file(path: Path) -> Any:
    """A Parquet file with a column of each type, and its table as it is read."""
    arrays = {name: pa.array(values, dense(kind)).cast(kind) for name, (kind, values) in VALUES.items()}
    arrays["uuid"] = pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([uuid.UUID(int=1).bytes, None, uuid.UUID(int=2).bytes], pa.binary(16))
    )
    arrays["json"] = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None, "[]"]))
    pq.write_table(pa.table({"text": ["x"] * 3, **arrays}), path)
    table = pq.read_table(path)
    assert {name: kind for name, (kind, _) in VALUES.items()}.items() <= {field.name: field.type for field in table.schema}.items()
    return table


def dense(kind: Any) -> Any:
    return outputs_parquet._dense(kind)


def same(one: Any, other: Any) -> bool:
    """Whether two columns hold the same values; a dictionary may hold some that none of its rows has."""
    return bool(one.cast(dense(one.type)).combine_chunks().equals(other.cast(dense(other.type)).combine_chunks()))


def rows_of(path: Path) -> list[Mapping[str, Any]]:
    """The rows of a Parquet file as its reader gives them."""
    documents = [item for item in parquet.read(str(path), path.name, 0, None, ReadOptions(max_bytes=0)) if isinstance(item, Document)]
    return [document.columns or {} for document in documents]


def written(where: Target, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as a shard; return its articles."""
    with ShardOutput(where, 0) as output:
        for number, row in enumerate(rows):
            output.add(*document(number)[:2], row)
        output.finish()
    return Path(where.out) / where.path("articles", 0)


def test_every_type_of_parquet_passes_through(tmp_path: Path) -> None:
    """Types and values come out as they came in, dictionaries, nanoseconds and nested ones too; only "not null" goes."""
    table = arrow_file(tmp_path / "in.parquet")
    where = target(tmp_path, columns=columns_of_schema(table.schema))
    output = pq.read_table(written(where, rows_of(tmp_path / "in.parquet")))
    for field in table.schema:
        assert output.schema.field(field.name).type == field.type
        assert same(output[field.name], table[field.name]), field
    assert output["columns"].null_count == 3
    empty = pq.read_schema(written(target(tmp_path / "empty", columns=where.columns), []))
    assert output.schema.equals(empty, check_metadata=True)
    assert output.schema.equals(articles_schema(where))
    assert output.schema.metadata == articles_schema(where).metadata


def test_python_values_pass_through_as_far_as_python_holds_them(tmp_path: Path) -> None:
    """Rows of `to_pylist` give the same table, but for times finer than a microsecond, which Python cuts."""
    table = arrow_file(tmp_path / "in.parquet").drop_columns(["nanoseconds", "time_ns", "duration", "struct"])
    output = pq.read_table(written(target(tmp_path, columns=columns_of_schema(table.schema)), table.to_pylist()))
    for field in table.schema:
        assert output.schema.field(field.name).type == field.type
        assert same(output[field.name], table[field.name]), field
    assert output["columns"].null_count == 3


AS_JSON = {
    "binary": "/w==",
    "half": 1.5,
    "decimal": "1.230",
    "date": "2024-05-03",
    "time": "01:02:03.000004",
    "timestamp": "2024-05-03T01:02:03.000004",
    "zoned": "2023-11-15T01:13:20.123+0300",
    "nanoseconds": "2023-11-14T22:13:20.123456789Z",
    "duration": 1_700_000_000.123456789,
    "null": None,
    "pair": [1.5, 2.5],
    "struct": {"a": 1, "b": ["1970-01-01T00:00:00.000000001", "1970-01-01T00:00:00.000000002"]},
    "map": [["k", 1]],
    "list_of_dictionary": ["x", "y"],
    "uuid": "00000000-0000-0000-0000-000000000001",
    "json": '{"a":1}',
}


def test_types_that_json_does_not_have_become_strings(tmp_path: Path) -> None:
    """Parquet in, JSONL out: dates in ISO 8601, bytes in base64; what is not finite is null."""
    table = arrow_file(tmp_path / "in.parquet")
    rows = rows_of(tmp_path / "in.parquet")
    first, second, third = read(written(target(tmp_path, "jsonl", columns=columns_of_schema(table.schema)), rows))
    assert {name: first[name] for name in AS_JSON} == AS_JSON
    assert {second[name] for name in VALUES} == {None}
    assert (third["double"], third["float"], third["int64"]) == (None, None, 2**63 - 1)


def test_what_fits_no_column_stands_in_columns(tmp_path: Path) -> None:
    """A value of another type than the first rows had is kept as it was, and its own column is null."""
    where = target(tmp_path, columns=columns_of_rows([{"n": 1, "f": 0.5, "s": "x", "b": True, "mixed": []}]))
    rows: list[dict[str, Any]] = [
        {"n": 2, "f": 3, "s": "y", "b": False},
        {"n": "2", "f": 2**53 + 1, "s": 5, "b": 1},
        {"n": True, "f": True, "s": ["x"], "mixed": {"a": None}},
        {"n": 1.0, "f": "x", "new": "z", "none": None},
    ]
    got = [{name: row[name] for name in ("n", "f", "s", "b", "columns")} for row in read(written(where, rows))]
    none = dict.fromkeys(("n", "f", "s", "b"))
    assert got == [
        {"n": 2, "f": 3.0, "s": "y", "b": False, "columns": None},
        {**none, "columns": json.dumps({"n": "2", "f": 2**53 + 1, "s": 5, "b": 1}, separators=(",", ":"))},
        {**none, "columns": '{"mixed":{"a":null},"n":true,"f":true,"s":["x"]}'},
        {**none, "columns": '{"new":"z","n":1.0,"f":"x"}'},
    ]


def test_rows_of_another_parquet_file_fit_or_stand_in_columns(tmp_path: Path) -> None:
    """The second file has wider numbers, a column that was all null in the first, one that clashes, and one of its own."""
    one = pa.table({"n": pa.array([1], pa.int32()), "null": pa.array([None], pa.null()), "clash": ["x"], "small": pa.array([1], pa.int8())})
    other = pa.table(
        {"n": pa.array([2**40]), "null": ["x"], "clash": pa.array([dt.date(2024, 5, 3)]), "own": [0.5], "small": pa.array([300])}
    )
    columns = merge_columns([columns_of_schema(one.schema), InputColumns(), columns_of_schema(other.schema)])
    files = [{name: table[name][0] for name in table.column_names} for table in (one, other)]
    rows = read(written(target(tmp_path, columns=columns), files))
    assert [{name: row.get(name) for name in ("n", "null", "own", "small", "columns")} for row in rows] == [
        {"n": 1, "null": None, "own": None, "small": 1, "columns": '{"clash":"x"}'},
        {"n": 2**40, "null": "x", "own": 0.5, "small": 300, "columns": '{"clash":"2024-05-03"}'},
    ]
    # without the second file's schema, such as when there are too many files to look at
    rows = read(written(target(tmp_path / "b", columns=columns_of_schema(one.schema)), files))
    assert json.loads(rows[1]["columns"]) == {"n": 2**40, "null": "x", "clash": "2024-05-03", "own": 0.5, "small": 300}


def test_rows_of_jsonl_beside_parquet_fit_or_stand_in_columns(tmp_path: Path) -> None:
    """What Arrow would round, cut or drop in silence is kept as it was."""
    schema = pa.schema({"struct": pa.struct({"a": pa.int8()}), "half": pa.float32(), "small": pa.int8(), "day": pa.date32()})
    rows: list[dict[str, Any]] = [
        {"struct": {"a": 1}, "half": 0.5, "small": 5, "day": None},
        {"struct": {"zz": 1}, "half": 0.1, "small": 1.5, "day": "2024-05-03"},
    ]
    first, second = read(written(target(tmp_path, columns=columns_of_schema(schema)), rows))
    assert {name: first[name] for name in (*rows[0], "columns")} == {**rows[0], "columns": None}
    assert json.loads(second["columns"]) == rows[1]
    assert {second[name] for name in rows[1]} == {None}


def test_numbers_and_metadata_of_the_input_do_not_disturb_ours(tmp_path: Path) -> None:
    """Field numbers of the input's file would be given twice, and a schema that pandas or datasets left there is not this one."""
    field = pa.field("a", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "1", "unit": "m"})
    where = target(tmp_path, columns=columns_of_schema(pa.schema([field], metadata={"huggingface": "{}"})))
    schema = pq.read_schema(written(where, [{"a": 1}, {}]))
    assert schema.metadata.keys() == {b"newsfilter.version", b"newsfilter.model", b"newsfilter.settings"}
    assert (schema.field("a").metadata[b"unit"], schema.field("a").nullable) == (b"m", True)


def test_row_groups_end_by_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By rows or bytes, whichever comes first; the same in both files, and however often the shard was begun."""
    monkeypatch.setattr(outputs_parquet, "ROW_GROUP_ROWS", 3)
    monkeypatch.setattr(outputs_parquet, "ROW_GROUP_BYTES", 60_000)
    for out, stops in (("a", (12,)), ("b", (1, 4, 12))):
        done = 0
        for stop in stops:
            with ShardOutput(target(tmp_path / out), 12) as output:
                assert output.resume_from() == done
                give(output, range(done, stop))
                done = stop
                if stop == 12:
                    facts, record, _ = document(0)
                    for size in (10, 70_000, 10, 10):
                        facts["text"] = "x" * size
                        output.add(facts, record)
                    output.finish()
    for folder in ("articles", "records"):
        file = pq.ParquetFile(tmp_path / "a" / folder / "part-000012.parquet")
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        assert [group.num_rows for group in groups] == [3, 3, 3, 1, 2]
        assert {group.column(number).compression for group in groups for number in range(group.num_columns)} == {"ZSTD"}
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """Three shards in each format: an empty one, one whose documents have no columns, and one whose documents have."""
    for kind in FORMATS:
        for number in range(3):
            where = target(tmp_path / kind.replace(".", "-"), kind, columns=columns_of_rows([{"views": 1, "topic": "x"}]))
            with ShardOutput(where, number) as output:
                for k in range(number * 2):
                    facts, record, _ = document(number * 10 + k)
                    output.add(facts, record, {"views": k, "topic": None if k else "ferry"} if number == 2 else None)
                output.finish()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_hugging_face_datasets_reads_the_shards(dumps: Path, kind: Format, streaming: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet as it is; articles in JSONL with their features, for `datasets` takes types from the first shard, and an empty column has none."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(dumps / "home"))
    import datasets

    strings = {name: datasets.Value("string") for name in OURS} | {"reasons": [datasets.Value("string")]}
    features = datasets.Features({**strings, "views": datasets.Value("int64"), "topic": datasets.Value("string")})
    loaded = {
        folder: datasets.load_dataset(
            "parquet" if kind == "parquet" else "json",
            data_files=f"{dumps}/{kind.replace('.', '-')}/{folder}/*",
            split="train",
            streaming=streaming,
            cache_dir=str(dumps / "cache"),
            features=features if folder == "articles" and kind != "parquet" else None,
        )
        for folder in ("articles", "records")
    }
    assert loaded["articles"].features == features
    articles, records = list(loaded["articles"]), list(loaded["records"])
    expected = [document(number * 10 + k) for number in range(3) for k in range(number * 2)]
    assert [record["record"] for record in records] == [record.decode().rstrip("\n") for _, record, _ in expected]
    for row, (facts, _, _) in zip(articles, expected, strict=True):
        for name, value in facts.items():
            if name != "published" or kind == "parquet":  # of JSONL, datasets makes timestamps out of dates by itself
                assert row[name] == value
    assert [(row["views"], row["topic"]) for row in articles] == [(None, None), (None, None), (0, "ferry"), (1, None), (2, None), (3, None)]


@pytest.mark.parametrize("kind", FORMATS)
def test_duckdb_reads_the_shards(dumps: Path, kind: Format) -> None:
    """Articles and records joined by their ids, the record's JSON asked for a key."""
    import duckdb

    form = "parquet" if kind == "parquet" else "json"
    folder = dumps / kind.replace(".", "-")
    relation = duckdb.sql(
        f"""
        select a.id, a.status, a.reasons, a.text, a.views, r.record::json ->> '$.schema'
        from read_{form}('{folder}/articles/*') a join read_{form}('{folder}/records/*') r using (id)
        where a.views is not null order by a.views
        """
    )
    assert relation is not None
    assert relation.fetchall() == [
        (facts["id"], facts["status"], facts["reasons"], facts["text"], k, "newsfilter/provenance/1")
        for k, facts in enumerate(document(20 + k)[0] for k in range(4))
    ]


@pytest.mark.slow
def test_the_examples_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/outputs.md shows of reading does what it says, but for Spark, which is not installed here."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    raws = [article(1), "", article(2)]
    done = [newsfilter.clean(raw) for raw in raws]
    for out, kind in (("out", "parquet"), ("out-jsonl", "jsonl.zst")):
        with ShardOutput(target(out, cast("Format", kind), columns=InputColumns()), 0) as output:
            for number, one in enumerate(done):
                facts = document(number)[0]
                facts["text"] = one.body or None
                output.add({**facts, "id": one.record["id"] + str(number)}, encode_record(one.record))
            output.finish()
    names: dict[str, Any] = {}
    shown = [fence.text for fence in fences(DOCS / "outputs.md") if fence.language == "python" and "spark" not in fence.text]
    assert len(shown) == 4
    for text in shown:
        exec(text, names)
        if "accepted" in names:
            assert [row["text"] for row in names.pop("accepted")] == [done[0].body]
        if "features" in names:
            assert [row["reasons"] for row in names["articles"]] == [document(number)[0]["reasons"] for number in range(3)]
        if "removed" in names:
            assert [row[:2] for row in names.pop("removed").fetchall()] == [("Örnek", "headline")]
    assert names["pages"] == raws
