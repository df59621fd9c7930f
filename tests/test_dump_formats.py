"""Every form that a dump comes in, the whole way through the command line: what goes in, what comes out, and what the user is told."""

import datetime as dt
import decimal
import gzip
import io
import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from conftest import Ran, article, files, ledger, make_tree, page, run_file, small_shards
from containers import CONTAINERS, Pages, address, gz, jsonl, parquet, response, warc_record, warc_records
from make_dumps import DUMPS, FIXTURES
from test_docs import DOCS, fences
from test_opening import _Quiet
from test_resume import interrupt_at

import newsfilter
from newsfilter.dumps.keeper import Keeper, Limits
from newsfilter.dumps.plan import GIVEN_BYTES, PARTS, SMALLEST, SMALLEST_BYTES, SUFFIXES
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.readers.archives import BOMB_RATIO
from newsfilter.settings import Settings

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]
KINDS = ("files", "jsonl", "jsonl.zst", "parquet")
PAGES: Pages = {f"a/{k}.html": page(k) for k in range(4)} | {"b/boş.html": ""}
BODIES = [newsfilter.clean(text).body for text in PAGES.values()]


def rows_of(out: Path, folder: str = "articles") -> list[dict[str, Any]]:
    """All rows of all shards, in order, in whatever format."""
    found: list[dict[str, Any]] = []
    for path in sorted((out / folder).iterdir()):
        if path.suffix == ".parquet":
            found += pq.read_table(path).to_pylist()
        else:
            data = path.read_bytes()
            text = zstandard.ZstdDecompressor().decompressobj().decompress(data) if path.suffix == ".zst" else data
            found += [json.loads(line) for line in text.splitlines()]
    return found


def bodies_of(out: Path, kind: str) -> list[str]:
    """The bodies in source order; "" for a rejected document's."""
    if kind != "files":
        return [row["text"] or "" for row in rows_of(out)]
    return [(out / line["output"]).read_text(encoding="utf-8") if line["characters"] else "" for line in ledger(out)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONTAINERS)
def test_the_same_pages_give_the_same_bodies_whatever_they_come_in(run: Run, tmp_path: Path, name: str, kind: str) -> None:
    """Each document with its place, its address where the container has one, and a record; the empty one rejected."""
    make_tree(tmp_path / "crawl", {name: CONTAINERS[name](PAGES)})
    ran = run("clean", "crawl", "-o", "out", "--to", kind, "--jobs", "1")
    lines, content = ledger(tmp_path / "out"), run_file(tmp_path / "out")
    assert (ran.status, bodies_of(tmp_path / "out", kind)) == (0, BODIES), ran.err
    assert [line["status"] for line in lines] == ["accepted"] * 4 + ["rejected"]
    assert {line["uri"] for line in lines} == {name} == {file["uri"] for file in content["files"]}
    places = [line["member"] if "pages" in name else line["offset"] for line in lines]
    assert places == list(PAGES) if "pages" in name else places == sorted(set(places))
    if kind == "files":
        records = [json.loads(path.read_bytes()) for path in (tmp_path / "out").rglob("*.provenance.json")]
    else:
        records = [json.loads(row["record"]) for row in rows_of(tmp_path / "out", "records")]
    assert sorted(record["id"] for record in records) == sorted(line["id"] for line in lines)
    wanted = {None} if "pages" in name else {address(path) for path in PAGES}
    assert {record["source"]["url"] for record in records} == wanted


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["files", "parquet"])
def test_a_folder_may_mix_everything(run: Run, tmp_path: Path, kind: str) -> None:
    """Containers in two folders and loose pages between them: each file has its row in run.json, and no two documents share an output."""
    crawl = {f"{number % 2}/{name}": pack(PAGES) for number, (name, pack) in enumerate(CONTAINERS.items())}
    make_tree(tmp_path / "crawl", crawl | {f"1/loose-{k}.html": page(k) for k in range(4)})
    assert run("clean", "crawl", "-o", "out", "--to", kind, "--jobs", "1", "--quiet").status == 0
    lines, content = ledger(tmp_path / "out"), run_file(tmp_path / "out")
    assert {file["uri"]: file["documents"] for file in content["files"]} == dict.fromkeys(crawl, 5) | {None: 4}
    assert [line["uri"] for line in lines] == sorted(line["uri"] for line in lines)
    assert sorted(bodies_of(tmp_path / "out", kind)) == sorted(BODIES * len(CONTAINERS) + BODIES[:4])
    assert len({line["id"] for line in lines}) == len(lines) == content["counts"]["documents"]
    if kind == "files":
        assert len({line["output"] for line in lines}) == len(lines)


@pytest.mark.parametrize("kind", ["files", "jsonl"])
def test_two_sources_with_files_of_one_name_are_told_apart(run: Run, tmp_path: Path, kind: str) -> None:
    """The second is URI#2, in the ledger, in run.json and in the output names; their documents have ids of their own."""
    for number, folder in enumerate(("one", "two")):
        make_tree(
            tmp_path / folder,
            {"x.warc.gz": CONTAINERS["crawl.warc.gz"]({"a": page(number)}), "rows.jsonl": jsonl([{"content": article(number)}])},
        )
    assert run("clean", "one", "two", "-o", "out", "--to", kind, "--jobs", "1", "--quiet").status == 0
    lines = ledger(tmp_path / "out")
    assert [line["uri"] for line in lines] == ["rows.jsonl", "rows.jsonl#2", "x.warc.gz", "x.warc.gz#2"]
    assert len({line["id"] for line in lines}) == 4
    assert [file["uri"] for file in run_file(tmp_path / "out")["files"]] == [line["uri"] for line in lines]
    assert bodies_of(tmp_path / "out", kind) == [newsfilter.clean(text).body for text in (article(0), article(1), page(0), page(1))]


def test_a_folder_with_the_name_of_a_container_keeps_its_pages_apart(run: Run, tmp_path: Path) -> None:
    """As when the pages of a crawl were unpacked beside it under the names of their places."""
    offset = len(gz(warc_records(PAGES)[0]))
    pages = {f"crawl.warc/{place:012d}.html": page(9 + place) for place in (0, offset)}
    make_tree(tmp_path / "crawl", {"crawl.warc.gz": CONTAINERS["crawl.warc.gz"](PAGES), **pages})
    assert run("clean", "crawl", "-o", "out", "--jobs", "1", "--quiet").status == 0
    assert len({line["output"] for line in ledger(tmp_path / "out")}) == 7
    assert sorted(bodies_of(tmp_path / "out", "files")) == sorted([*BODIES, *(newsfilter.clean(text).body for text in pages.values())])


# ---- columns


def test_columns_of_parquet_pass_through_with_their_types(run: Run, tmp_path: Path) -> None:
    when = dt.datetime(2024, 3, 1, 8, tzinfo=dt.UTC)
    table = pa.table(
        {
            "Title": pa.array(["one", None, "three"], pa.large_string()),
            "price": pa.array([decimal.Decimal("12.50"), None, decimal.Decimal("-0.01")], pa.decimal128(9, 2)),
            "fetched": pa.array([when, when, None], pa.timestamp("ns", "Europe/Istanbul")),
            "day": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None], pa.date32()),
            "small": pa.array([1, None, 255], pa.uint8()),
            "tags": pa.array([["a", None], [], None], pa.list_(pa.string())),
            "author": pa.array([{"name": "Ş", "posts": 2}, None, {"name": None, "posts": None}]),
            "counts": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int16())),
            "section": pa.array(["kent", "spor", "kent"]).dictionary_encode(),
            "raw": pa.array([b"\xff\0", b"", None], pa.binary()),
            "ratio": pa.array([float("nan"), float("-inf"), -0.0], pa.float32()),
            "body": pa.array([article(k) for k in range(3)]),
        }
    )
    make_tree(tmp_path / "crawl", {"a.parquet": parquet(table, row_group_size=2)})
    ran = run("clean", "crawl", "-o", "out", "--to", "parquet", "--jobs", "1")
    articles = pq.read_table(tmp_path / "out/articles")
    assert ran.status == 0
    passed = articles.select(table.column_names).cast(table.schema)
    assert articles.select(table.column_names).schema.remove_metadata().equals(table.schema)
    assert [repr(row) for row in passed.to_pylist()] == [repr(row) for row in table.to_pylist()]  # NaN is not equal to itself
    assert articles["newsfilter_title"].null_count == 0
    assert "a.parquet: text from column `body`" in ran.err


def test_columns_of_jsonl_pass_through_in_order_with_their_numbers(run: Run, tmp_path: Path) -> None:
    """Also a whole number that no column of a table could hold; what no double can hold is null, as docs/outputs.md says."""
    values = '"z": 1.0, "a": 12345678901234567890123, "n": -0.0, "e": 1e400, "k": {"b": [1, 2.50, null], "a": "ş\\u2028"}, "t": true, "none": null'
    make_tree(tmp_path / "crawl", {"rows.jsonl": "".join(f'{{{values}, "content": {json.dumps(article(k))}, "": ""}}\n' for k in range(2))})
    assert run("clean", "crawl", "-o", "out", "--to", "jsonl", "--jobs", "1", "--quiet").status == 0
    (path,) = (tmp_path / "out/articles").iterdir()
    for number, line in enumerate(path.read_text(encoding="utf-8").removesuffix("\n").split("\n")):
        theirs = line[line.index('"z":') :]
        assert theirs == (
            '"z":1.0,"a":12345678901234567890123,"n":-0.0,"e":null,"k":{"b":[1,2.5,null],"a":"ş\u2028"},"t":true,"none":null,'
            f'"content":{json.dumps(article(number))},"":""}}'
        )


def test_columns_of_csv_are_strings_as_they_stand(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"a.csv": 'id;n;text\n007; 1.0;"' + article(1).replace('"', '""') + '"\n'})
    assert run("clean", "crawl", "-o", "out", "--to", "jsonl", "--jobs", "1", "--quiet").status == 0
    (row,) = rows_of(tmp_path / "out")
    assert (row["newsfilter_id"], row["id"], row["n"], row["text"]) == ("007", "007", " 1.0", article(1))
    assert list(row)[-3:] == ["id", "n", "text"]


@pytest.mark.parametrize(("field", "names"), [(None, ["newsfilter_text", "text"]), ("text", ["text"]), ("clean", ["clean", "text"])])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_the_cleaned_text_is_called_as_the_user_says(run: Run, tmp_path: Path, kind: str, field: str | None, names: list[str]) -> None:
    """It replaces the column of that very name, and no other."""
    raw = article(1) + "\nSign up for our newsletter\n"
    make_tree(tmp_path / "crawl", {"rows.jsonl": jsonl([{"text": raw, "k": 1}])})
    run("clean", "crawl", "-o", "out", "--to", kind, "--jobs", "1", "--quiet", *(["--out-field", field] if field else []))
    (row,) = rows_of(tmp_path / "out")
    body = newsfilter.clean(raw).body
    assert {name: value for name, value in row.items() if "text" in name or name == "clean"} == dict(zip(names, (body, raw), strict=False))
    assert row["k"] == 1


def test_guessed_columns_are_told_once_and_stand_in_run_json(run: Run, tmp_path: Path) -> None:
    """What the user named is no guess. --quiet says nothing; run.json does anyway."""
    rows = {name: [{"Article Body": article(k), "link": "https://kent.example/a", "_id": f"{name}{k}"} for k in range(3)] for name in "abc"}
    make_tree(
        tmp_path / "crawl",
        {f"{name}.jsonl": jsonl(one) for name, one in rows.items()} | {"d.csv": "text\n" + article(1).split("\n")[0] + "\n"},
    )
    ran = run("clean", "crawl", "-o", "out", "--jobs", "1")
    notes = [line for line in ran.err.splitlines() if "note:" in line]
    how = "(guessed by their names; --text-field, --html-field, --url-field and --id-field take others)"
    assert notes == [
        f"newsfilter: note: a.jsonl: text from column `Article Body`, URL from column `link`, id from column `_id` {how}",
        f"newsfilter: note: d.csv: text from column `text` {how}",
    ]
    guessed = run_file(tmp_path / "out")["guessed"]
    assert [(one["files"], one["first"]) for one in guessed] == [(3, "a.jsonl"), (1, "d.csv")]
    named = ["--text-field", "article body", "--url-field", "link", "--id-field", "_id"]
    assert "note" not in run("clean", "crawl/a.jsonl", "-o", "out2", "--jobs", "1", *named).err
    assert run("clean", "crawl", "-o", "out3", "--jobs", "1", "--quiet").err == ""
    assert run_file(tmp_path / "out3")["guessed"] == guessed


def test_guesses_that_all_differ_are_not_all_told(run: Run, tmp_path: Path) -> None:
    names = "text content body story document metin article".split()
    make_tree(tmp_path / "crawl", {f"{name}.jsonl": jsonl([{name: "x"}]) for name in names})
    ran = run("clean", "crawl", "-o", "out", "--jobs", "1", "--to", "jsonl")
    assert (ran.err.count("note:"), "run.json names them" in ran.err) == (6, True)
    assert len(run_file(tmp_path / "out")["guessed"]) == 7


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.zst", "table.csv", "table.parquet"])
def test_a_field_that_is_not_there_is_named_with_those_that_are(run: Run, tmp_path: Path, name: str) -> None:
    """The file fails as a whole, and its neighbours do not."""
    make_tree(tmp_path / "crawl", {name: CONTAINERS[name](PAGES), "a.jsonl": jsonl([{"metin": article(1)}]), "z.html": page(1)})
    ran = run("clean", "crawl", "-o", "out", "--text-field", "metin", "--jobs", "1", "--to", "parquet")
    assert ran.status == 1
    (failed,) = [line for line in ran.err.splitlines() if "failed:" in line]
    assert f"failed: {name}: unreadable-container (has no column 'metin'; give --text-field another. Its columns: url, html" in failed
    assert [line["status"] for line in ledger(tmp_path / "out")] == ["accepted", "failed", "accepted"]


# ---- shards


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rows.jsonl", "crawl.warc.gz", "rows.jsonl.gz", "table.parquet"])
def test_any_number_of_processes_gives_the_same_bytes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Of a file that is cut into many shards, and of one that only one can read."""
    pages = {f"{k}": page(k) for k in range(60)}
    make_tree(tmp_path / "crawl", {name: CONTAINERS[name](pages)})
    small_shards(monkeypatch, 6_000)
    for jobs in (1, 2, *([8] if name == "rows.jsonl" else [])):
        assert run("clean", "crawl", "-o", f"out{jobs}", "--to", "jsonl", "--jobs", str(jobs), "--quiet").status == 0
        assert files(tmp_path / f"out{jobs}") == files(tmp_path / "out1")
    assert len(files(tmp_path / "out1")) > 2 * 5  # shards
    monkeypatch.undo()
    assert len(ledger(tmp_path / "out1")) == 60


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_run_goes_on_inside_a_shard_of_any_format(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pages = {f"{k}": page(k) for k in range(9)}
    make_tree(tmp_path / "crawl", {name: CONTAINERS[name](pages)})
    monkeypatch.setattr("newsfilter.dumps.worker.BATCH_DOCUMENTS", 2)
    assert run("clean", "crawl", "-o", "whole", "--to", "jsonl", "--jobs", "1", "--quiet").status == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3, signal.SIGINT)
        assert run("clean", "crawl", "-o", "out", "--to", "jsonl", "--jobs", "1", "--quiet").status == 130
    cleaned: list[Any] = []
    clean = Keeper.clean
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "clean", lambda self, sources: cleaned.extend(sources) or clean(self, sources))  # type: ignore[func-returns-value]
        assert run("clean", "crawl", "-o", "out", "--to", "jsonl", "--jobs", "1", "--quiet", "--resume").status == 0
    assert 0 < len(cleaned) < 9
    assert files(tmp_path / "out") == files(tmp_path / "whole")


# ---- storage


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder of memory:// that goes after the test."""
    yield "memory://test-dump-formats"
    system = fsspec.filesystem("memory")
    if system.exists("/test-dump-formats"):
        system.rm("/test-dump-formats", recursive=True)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_remote_storage_gives_and_takes_what_a_disk_does(run: Run, tmp_path: Path, memory: str, kind: str) -> None:
    """And what only this process can see, this process does by itself, whatever --jobs says."""
    crawl = {name: pack(PAGES) for name, pack in CONTAINERS.items()}
    make_tree(tmp_path / "crawl", crawl | {"loose.html": page(7).encode(), ".git/config": b"x"})
    for path in (tmp_path / "crawl").rglob("*"):
        if path.is_file():
            fsspec.filesystem("memory").pipe(f"{memory}/crawl/{path.relative_to(tmp_path / 'crawl')}", path.read_bytes())
    assert run("clean", "crawl", "-o", "out", "--to", kind, "--jobs", "1", "--quiet").status == 0
    ran = run("clean", f"{memory}/crawl", "-o", f"{memory}/out", "--to", kind, "--jobs", "2", "--json")
    content, local = json.loads(ran.out), run_file(tmp_path / "out")
    assert (ran.status, content["counts"], content["skipped"]) == (0, local["counts"], {"housekeeping": 1})
    for name, data in files(tmp_path / "out").items():
        if name != "ledger.jsonl":
            assert fsspec.filesystem("memory").cat(f"{memory}/out/{name}") == data, name
    again = run("clean", f"{memory}/crawl", "-o", f"{memory}/out", "--to", kind, "--resume", "--json")
    assert (again.status, json.loads(again.out)["counts"]) == (0, local["counts"])


@pytest.mark.parametrize("kind", ["files", "jsonl"])
def test_a_file_url_is_a_path(run: Run, tmp_path: Path, kind: str) -> None:
    """And an OUT inside a SRC is refused under whatever name."""
    make_tree(tmp_path / "crawl", {"crawl.warc": CONTAINERS["crawl.warc"](PAGES), "a.html": page(1)})
    run("clean", "crawl", "-o", "out", "--to", kind, "--jobs", "1", "--quiet")
    assert run("clean", f"file://{tmp_path}/crawl", "-o", f"file://{tmp_path}/out2", "--to", kind, "--jobs", "1", "--quiet").status == 0
    assert files(tmp_path / "out2") == files(tmp_path / "out")
    ran = run("clean", f"file://{tmp_path}/crawl", "-o", f"file://{tmp_path}/crawl/out", "--to", kind, "--jobs", "1")
    assert (ran.status, "lies inside SRC" in ran.err) == (2, True)


@pytest.mark.parametrize("ranges", [True, False])
def test_files_on_a_web_server_are_read(run: Run, tmp_path: Path, ranges: bool) -> None:
    make_tree(tmp_path / "www", {name: CONTAINERS[name](PAGES) for name in ("crawl.warc.gz", "rows.jsonl", "table.parquet", "pages.zip")})
    handler = type("Handler", (_Quiet,), {"ranges": ranges})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "www"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        names = [f"{url}/{name}" for name in ("crawl.warc.gz", "rows.jsonl", "table.parquet", "pages.zip?token=x")]
        ran = run("clean", *names, "-o", "out", "--to", "jsonl", "--jobs", "1", "--quiet")
        gone = run("clean", f"{url}/gone.warc.gz", "-o", "out2")
        server.shutdown()
    assert (ran.status, ran.err) == (0, "")
    assert bodies_of(tmp_path / "out", "jsonl") == BODIES * 4
    assert (gone.status, "does not exist" in gone.err) == (2, True)


@pytest.mark.parametrize(
    ("missing", "source", "extra"),
    [
        ("s3fs", "s3://bucket/crawl", "s3"),
        ("gcsfs", "gs://bucket/crawl", "gs"),
        ("aiohttp", "https://kent.example/a.warc.gz", "https"),
        ("fsspec.core", "sftp://kent.example/a", "remote"),
        ("fastwarc", "crawl.warc", "warc"),
        ("zstandard", "rows.jsonl.zst", "zstd"),
        ("pyarrow", "table.parquet", "parquet"),
    ],
)
def test_the_extra_of_a_library_that_is_missing_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, source: str, extra: str
) -> None:
    """Before anything is written: no document is to blame, and a run that blames them all could not be resumed when the library is there."""
    make_tree(tmp_path, {name: CONTAINERS[name](PAGES) for name in CONTAINERS if name == source})
    for name in [name for name in sys.modules if name.split(".")[0] in (missing, "newsfilter") and ".readers.warc" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [name for name in sys.modules if name.startswith(f"{missing}.") or name == "fsspec.implementations.http"]:
        monkeypatch.delitem(sys.modules, name)
    ran = run("clean", source, "-o", "out", "--jobs", "1")
    assert (ran.status, f"pip install 'newsfilter[{extra}]'" in ran.err, (tmp_path / "out").exists()) == (2, True, False), ran.err


def test_a_url_of_no_known_storage_is_refused(run: Run) -> None:
    ran = run("clean", "gopher://kent.example/a", "-o", "out")
    assert (ran.status, "Protocol not known" in ran.err, "Traceback" in ran.err) == (2, True, False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS[1:])
def test_others_read_what_comes_out(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """DuckDB and datasets, of a dump of several formats whose columns differ."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    import datasets
    import duckdb

    more = [{"html": page(k), "views": k, "tags": ["a", "b"], "when": "2024-03-01"} for k in range(3)]
    crawl = {"crawl.warc": CONTAINERS["crawl.warc"](PAGES), "more.jsonl.gz": gz(jsonl(more)), "table.csv": CONTAINERS["table.csv"](PAGES)}
    make_tree(tmp_path / "crawl", crawl | {"loose.html": page(9), "empty.jsonl": b""})
    assert run("clean", "crawl", "-o", "out", "--to", kind, "--jobs", "1", "--quiet").status == 0
    form = "parquet" if kind == "parquet" else "json"
    counted = duckdb.sql(
        f"select status, count(*), count(a.text), sum(views), count(r.record) from read_{form}('{tmp_path}/out/articles/*') a "
        f"join read_{form}('{tmp_path}/out/records/*') r using (id) group by status order by status"
    )
    assert counted is not None
    assert counted.fetchall() == [("accepted", 12, 12, 3, 12), ("rejected", 2, 0, None, 2)]
    features = None
    if kind != "parquet":
        names = "id uri newsfilter_url title text byline published site language status fetched_at columns url html when".split()
        strings = {name: datasets.Value("string") for name in names}
        features = datasets.Features(
            {**strings, "reasons": [datasets.Value("string")], "views": datasets.Value("int64"), "tags": [datasets.Value("string")]}
        )
    loaded = datasets.load_dataset(
        form, data_files=f"{tmp_path}/out/articles/*", split="train", cache_dir=str(tmp_path / "cache"), features=features
    )
    assert sorted(row["text"] or "" for row in loaded) == sorted(bodies_of(tmp_path / "out", kind))
    assert [row["views"] for row in loaded if row["views"] is not None] == [0, 1, 2]


# ---- WARC


def test_records_of_a_warc_are_cleaned_or_counted_by_kind(run: Run, tmp_path: Path) -> None:
    """Chunked and compressed bodies and a charset in the header alone; requests, revisits, images and error statuses are no documents."""
    text = page(1)
    turkish = "<html><body><p>" + "Şehir içi ulaşımda değişiklik yapıldı, ğüşiöç. " * 20 + "</p></body></html>"
    body = gz(text.encode())
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 99]), body[at : at + 99]) for at in range(0, len(body), 99)) + b"0\r\n\r\n"
    records = [
        warc_record(b"software: test\r\n", kind="warcinfo"),
        warc_record(b"GET / HTTP/1.1\r\n\r\n", kind="request"),
        response(chunked, b"Content-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", url=address("1")),
        response(turkish.encode("windows-1254"), b"Content-Type: text/html; charset=windows-1254\r\n", url=address("2")),
        warc_record(b"HTTP/1.1 200 OK\r\n\r\n", kind="revisit"),
        warc_record(b"fetchTimeMs: 1\r\n", kind="metadata"),
        response(b"\x89PNG\r\n\x1a\n\0", b"Content-Type: image/png\r\n"),
        response(b"gone", status=b"404 Not Found"),
        response(b"{}", b"Content-Type: application/json\r\n"),
        *warc_records({"3": text}),
    ]
    make_tree(tmp_path / "crawl", {"crawl.warc.gz": b"".join(map(gz, records))})
    assert run("clean", "crawl", "-o", "out", "--to", "jsonl", "--jobs", "1", "--quiet").status == 0
    first, second, third = rows_of(tmp_path / "out")
    assert first["text"] == third["text"] == newsfilter.clean(text).body
    assert "Şehir içi ulaşımda değişiklik yapıldı, ğüşiöç." in second["text"]
    assert [row["url"] for row in (first, second, third)] == [address(k) for k in "123"]
    assert {row["fetched_at"] for row in (first, second, third)} == {"2024-03-01T08:00:00Z"}
    kinds = ("http-404", "image", "json", "metadata", "request", "revisit", "warcinfo")
    assert run_file(tmp_path / "out")["skipped"] == dict.fromkeys(kinds, 1)


# ---- the fixtures that docs/dumps.md shows


@pytest.mark.parametrize("name", DUMPS)
def test_the_dumps_of_the_documentation_are_what_their_script_makes(name: str) -> None:
    """By what they hold: packers and Parquet writers of other versions make other bytes."""
    there, made = (FIXTURES / "dumps" / name).read_bytes(), DUMPS[name]()
    if name.endswith(".gz"):
        assert gzip.decompress(there) == gzip.decompress(made)
    elif name.endswith(".parquet"):
        assert pq.read_table(io.BytesIO(there)).equals(pq.read_table(io.BytesIO(made)))
    else:
        assert there == made
    assert {path.name for path in (FIXTURES / "dumps").iterdir()} == set(DUMPS)


@pytest.mark.slow
def test_the_reading_that_the_documentation_shows_works(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DuckDB, pandas and datasets, of the dump that the page cleans."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    assert run("clean", FIXTURES / "dumps", "-o", "OUT", "--to", "parquet", "--jobs", "1", "--quiet").status == 0
    (shown,) = [fence.text for fence in fences(DOCS / "dumps.md") if fence.language == "python"]
    names: dict[str, Any] = {}
    exec(shown, names)
    assert len(names["accepted"].fetchall()) == len(names["articles"]) == len(names["rows"]) == 14
    assert set(names["articles"]["status"]) == {"accepted"}


def test_the_documentation_names_every_form_and_its_bounds() -> None:
    """Each suffix that is known, each limit's default, each bound of a shard."""
    text = (DOCS / "dumps.md").read_text(encoding="utf-8")
    for kind, suffixes in SUFFIXES.items():
        for suffix in suffixes:
            parts = [part for part in re.split(r"(?=\.)", suffix) if part]
            assert all(f"`{part}`" in text or f"`{suffix}`" in text for part in parts), (kind, suffix)
    options, limits = ReadOptions(max_bytes=0), Limits()
    assert f"at least {SMALLEST_BYTES // 10**6} MB and at most {options.shard_bytes // 10**6} MB, {PARTS} of them" in text
    assert f"{options.shard_documents} records or {GIVEN_BYTES // 10**6} MB" in text
    assert f"by {SMALLEST} to {options.shard_documents}." in text
    for bound in (
        f"{Settings().max_bytes // 10**6} MB",
        f"{limits.seconds:.0f} seconds",
        f"{limits.resident_bytes // 10**6} MB",
        f"{BOMB_RATIO} times",
    ):
        assert f"| {bound}" in text
