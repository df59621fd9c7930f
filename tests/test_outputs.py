"""Shards of articles and records: what is in them, and that they are whole or not there."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
import zstandard
from conftest import ROOT, article
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

import newsfilter
from newsfilter.dumps.failures import ReadError
from newsfilter.dumps.keeper import Result
from newsfilter.dumps.ledger import article_line
from newsfilter.dumps.outputs import ShardOutput
from newsfilter.dumps.outputs_formats import merge_columns
from newsfilter.dumps.outputs_marker import is_done, read_lines, read_marker, remove_shards, remove_work
from newsfilter.dumps.outputs_rows import OURS, Facts, Format, InputColumns, Target, columns_of_rows, encode_json, facts_of
from newsfilter.dumps.outputs_spool import items
from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import OutputError
from newsfilter.provenance import encode_record, restore
from newsfilter.records import Article, Source
from newsfilter.settings import Settings

FORMATS: tuple[Format, ...] = ("jsonl", "jsonl.zst", "parquet")
STATUSES = ("accepted", "review", "rejected")
ROWS = [{"headline": f"Ferry {k}", "views": k, "tags": ["a", {"b": k}], "empty": None} for k in range(12)]
COLUMNS = columns_of_rows(ROWS)


def target(out: Path | str, kind: Format = "parquet", **options: Any) -> Target:
    return replace(Target(str(out), kind, Settings(), "m" * 64, COLUMNS), **options)


def document(number: int) -> tuple[Facts, bytes, dict[str, Any]]:
    """A document that no other number gives: its facts, its record and its ledger line."""
    status = STATUSES[number % 3]
    facts: Facts = {
        "id": f"id-{number}",
        "uri": f"crawl/{number}.html",
        "url": f"https://örnek.com/{number}" if number % 4 else None,
        "title": f'The "{number}"\u2028th\tferry' if number % 2 else None,
        "text": None if status == "rejected" else article(number),
        "byline": None,
        "published": "2024-05-03" if number % 2 else "2024-05-03T10:00:00+03:00",
        "site": "Örnek",
        "language": "tr",
        "status": status,
        "reasons": [] if status == "accepted" else ["too-short", "uncertain"][: number % 2 + 1],
        "fetched_at": None,
    }
    record = {"schema": "newsfilter/provenance/1", "id": facts["id"], "blocks": [{"text": f'Köprü {number} \\ "x"\n'}]}
    return facts, encode_record(record), {"id": facts["id"], "uri": facts["uri"], "status": status}


def give(output: ShardOutput, numbers: Sequence[int] | range) -> None:
    """Give the items of a shard: documents, and in between failures and what is no document."""
    for number in numbers:
        facts, record, line = document(number)
        if number % 6 == 4:
            output.failed({**line, "status": "failed"})
        elif number % 6 == 5:
            output.skipped("image")
        else:
            output.add(facts, record, ROWS[number], line)


def shard(where: Target, number: int = 12, count: int = 12) -> dict[str, Any]:
    """Write a shard without an interruption."""
    with ShardOutput(where, number, "crawl") as output:
        give(output, range(count))
        return output.finish()


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of an output file."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return [json.loads(line) for line in data.decode().split("\n")[:-1]]


def tree(out: Path) -> dict[str, str]:
    """The digests of all that is to stay below OUT."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.parent.name != "_work"
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_every_cleaned_document_is_in_both_files_in_source_order(tmp_path: Path, kind: Format) -> None:
    """Accepted, review and rejected documents are rows; failed ones and images are counted in the marker."""
    marker = shard(target(tmp_path, kind))
    cleaned = [number for number in range(12) if number % 6 < 4]
    articles, records = (read(tmp_path / folder / f"part-000012.{kind}") for folder in ("articles", "records"))
    assert [row["id"] for row in articles] == [row["id"] for row in records] == [f"id-{number}" for number in cleaned]
    for number, row, record in zip(cleaned, articles, records, strict=True):
        facts, bytes_of_record, _ = document(number)
        assert {name: row[name] for name in facts} == facts
        assert record == {"id": facts["id"], "record": bytes_of_record.decode().rstrip("\n")}
        assert (row["headline"], row["views"]) == (f"Ferry {number}", number)
    assert marker["counts"] == {"documents": 10, "accepted": 4, "review": 2, "rejected": 2, "failed": 2}
    assert marker["skipped"] == {"image": 2}
    assert {path.name for path in tmp_path.iterdir()} >= {"articles", "records", "_done"}
    assert list((tmp_path / "_work").iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_an_article_and_its_record_give_the_page_back(tmp_path: Path, kind: Format) -> None:
    """A real document comes through with its text to the letter, so that the record still fits it; a rejected one from its record alone."""
    raws = [article(1), ""]
    statuses: list[str] = []
    bodies: list[str] = []
    reasons: list[list[str]] = []
    with ShardOutput(target(tmp_path, kind), 0) as output:
        for number, raw in enumerate(raws):
            source = Source(raw.encode(), uri=f"{number}.txt", url="https://a.example/", fetched_at="2024-05-03T00:00:00Z")
            done = next(iter(newsfilter.clean_many([source])))
            assert isinstance(done, Article)
            line = article_line(done, source)
            statuses.append(line["status"])
            bodies.append(done.body)
            reasons.append([reason.code for reason in done.verdict.reasons])
            result = Result(line=line, body=done.body, byline=done.byline, published=done.published, site=done.site, url=source.url)
            output.add(facts_of(result, source), encode_record(done.record))
        output.finish()
    articles, records = (read(tmp_path / folder / f"part-000000.{kind}") for folder in ("articles", "records"))
    assert [(row["status"], row["text"]) for row in articles] == [(statuses[0], bodies[0]), ("rejected", None)]
    assert statuses[0] != "rejected"
    assert [(row["url"], row["fetched_at"], row["reasons"]) for row in articles] == [
        ("https://a.example/", "2024-05-03T00:00:00Z", codes) for codes in reasons
    ]
    for raw, row, record in zip(raws, articles, records, strict=True):
        assert restore(json.loads(record["record"]), row["text"]) == raw


NAMES = [
    ((), None, {}, "nothing in the way"),
    (("title", "Text"), None, {"title": "newsfilter_title", "text": "newsfilter_text"}, "the input's names stay, whatever their case"),
    (("text",), "text", {}, "asked for by name, the cleaned text takes the column's place"),
    (("text",), "clean", {"text": "clean"}, "a name of its own"),
    (("title",), "title", {"text": "title", "title": "newsfilter_title"}, "the text under the name of another of ours"),
    (("id", "newsfilter_id"), None, {"id": "newsfilter_newsfilter_id"}, "the output of an earlier run as input"),
]


@pytest.mark.parametrize(("columns", "out_field", "renamed", "why"), NAMES, ids=[case[3] for case in NAMES])
def test_our_columns_make_room_for_the_inputs(
    tmp_path: Path, columns: tuple[str, ...], out_field: str | None, renamed: Mapping[str, str], why: str
) -> None:
    """Each column of the input keeps name and value; ours are called as the table of names says."""
    row = {name: f"theirs: {name}" for name in columns}
    facts, record, _ = document(1)
    for kind in FORMATS:
        where = target(tmp_path / kind, kind, columns=columns_of_rows([row]), out_field=out_field)
        assert where.names() == {name: renamed.get(name, name) for name in OURS}, why
        with ShardOutput(where, 0) as output:
            output.add(facts, record, row)
            output.finish()
        (written,) = read(tmp_path / kind / where.path("articles", 0))
        ours = {renamed.get(name, name): facts.get(name) for name in OURS}
        theirs = {name: value for name, value in row.items() if name != out_field}
        assert written == ours | theirs
        assert list(written) == [*ours, *theirs]


def test_columns_are_known_from_the_first_rows() -> None:
    """One scalar type makes a column; whole numbers and others together are numbers; all else is mixed."""
    rows: list[dict[str, Any]] = [
        {"b": True, "i": 1, "f": 1, "s": "x", "n": None, "m": 1, "big": 2**63, "list": []},
        {"b": None, "f": 0.5, "m": "1", "late": "y", "bool and int": True},
        {"bool and int": 1},
    ]
    assert dict(columns_of_rows(rows).types) == {
        "b": "bool", "i": "int64", "f": "float64", "s": "string", "n": "null", "m": "mixed", "big": "mixed", "list": "mixed", "late": "string",
        "bool and int": "mixed",
    }  # fmt: skip
    assert merge_columns([columns_of_rows(rows[:1]), columns_of_rows(rows[1:])]) == columns_of_rows(rows)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.zst"])
def test_jsonl_rows_pass_through_as_they_are(tmp_path: Path, kind: Format) -> None:
    """Lists, objects and columns that were not known before stay; only one that would take the place of ours goes to `columns`."""
    facts, record, _ = document(1)
    row = {**ROWS[1], "new": {"a": [1, None]}, "title": "theirs", "x": float("nan"), "y": "\ud800"}
    with ShardOutput(target(tmp_path, kind), 0) as output:
        output.add(facts, record, row)
        output.finish()
    (written,) = read(tmp_path / f"articles/part-000000.{kind}")
    expected = {**row, "title": facts["title"], "x": None, "y": "\ufffd", "columns": '{"title":"theirs"}'}
    assert {name: written[name] for name in expected} == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_a_shard_without_documents_is_there_too(tmp_path: Path, kind: Format) -> None:
    """It has both files, no rows, and, as Parquet, the columns of every other shard."""
    where = target(tmp_path, kind)
    with ShardOutput(where, 0) as output:
        assert output.finish()["counts"]["documents"] == 0
    assert is_done(where, 0, thorough=True)
    assert [read(tmp_path / where.path(folder, 0)) for folder in ("articles", "records")] == [[], []]
    if kind == "parquet":
        shard(where)
        for folder in ("articles", "records"):
            schemas = [pq.read_schema(tmp_path / where.path(folder, number)) for number in (0, 12)]
            assert schemas[0].equals(schemas[1], check_metadata=True)
            assert schemas[0].metadata[b"newsfilter.version"] == newsfilter.__version__.encode()
            assert schemas[0].metadata[b"newsfilter.model"] == b"m" * 64
            assert schemas[0].metadata[b"newsfilter.settings"] == Settings().sha256().encode()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("after", [0, 1, 5, 11, 12])
def test_an_interrupted_shard_goes_on_to_the_same_bytes(tmp_path: Path, kind: Format, after: int) -> None:
    """However many items an earlier process took, and whatever it left behind the last."""
    shard(target(tmp_path / "whole", kind))
    where = target(tmp_path / "out", kind)
    with ShardOutput(where, 12, "crawl") as output:
        give(output, range(after))
    for spool in (tmp_path / "out/_work").glob("*"):
        with spool.open("ab") as stream:
            stream.write(b"item half of its head")
    with ShardOutput(where, 12, "crawl") as output:
        assert output.resume_from() == after
        kinds = [kind for kind, _ in output.done()]
        assert kinds == [("failed" if n % 6 == 4 else "skipped:image" if n % 6 == 5 else STATUSES[n % 3]) for n in range(after)]
        assert [line["id"] for _, line in output.done() if line] == [f"id-{n}" for n in range(after) if n % 6 != 5]
        give(output, range(after, 12))
        output.finish()
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert [line["id"] for line in read_lines(where, 12)] == [f"id-{n}" for n in range(12) if n % 6 != 5]


def test_a_torn_or_damaged_item_is_done_again(tmp_path: Path) -> None:
    """Wherever the last item is cut, and whichever of its bytes is wrong, the items before it count and it does not."""
    where = target(tmp_path, "jsonl")
    with ShardOutput(where, 0) as output:
        output.failed({"id": "a"})
        output.skipped("image")
    (spool,) = (tmp_path / "_work").iterdir()
    data = spool.read_bytes()
    *_, (_, before), (_, end) = items(spool)
    assert end == len(data)
    torn = [data[:length] for length in range(before, end)]
    damaged = [data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :] for place in range(before, end)]
    for wrong in (*torn, *damaged, data[:before] + bytes(end - before)):
        spool.write_bytes(wrong)
        with ShardOutput(where, 0) as output:
            assert output.resume_from() == 1
        for other in (tmp_path / "_work").iterdir():
            if other != spool:
                assert other.read_bytes() == data[:before]
                other.unlink()


def test_a_spool_that_is_damaged_behind_our_back_is_no_shorter_shard(tmp_path: Path) -> None:
    """Documents that cannot be read back stop the run; they are not left out."""
    with ShardOutput(target(tmp_path), 0) as output:
        give(output, range(4))
        (spool,) = (tmp_path / "_work").iterdir()
        os.truncate(spool, spool.stat().st_size - 1)
        with pytest.raises(StoppedError, match="damaged"):
            output.finish()
    assert tree(tmp_path) == {}


def test_what_failed_with_its_storage_is_done_again(tmp_path: Path) -> None:
    """And what came behind it; a document that is damaged stays so, and is not tried again."""
    where = target(tmp_path)
    with ShardOutput(where, 0) as output:
        give(output, range(2))
        output.failed({"status": "failed", "reason": "not-json"})
        give(output, range(2, 4))
        output.failed({"status": "failed", "reason": "unreadable"})
        give(output, range(4, 6))
    with ShardOutput(where, 0) as output:
        assert output.resume_from() == 5
        give(output, range(4, 6))
        assert output.finish()["counts"]["documents"] == 6


def test_a_spool_of_another_run_does_not_count(tmp_path: Path) -> None:
    """Other settings, another model, another source, another format: begun again."""
    where = target(tmp_path, "jsonl")
    with ShardOutput(where, 0, "crawl") as output:
        give(output, range(3))
    for other in (replace(where, settings=Settings(min_words=1)), replace(where, model="x"), replace(where, format="parquet")):
        assert ShardOutput(other, 0, "crawl").resume_from() == 0
    assert ShardOutput(where, 0, "else").resume_from() == 0
    assert ShardOutput(where, 1, "crawl").resume_from() == 0
    assert ShardOutput(where, 0, "crawl").resume_from() == 3


def test_two_attempts_at_one_shard_do_not_disturb_each_other(tmp_path: Path) -> None:
    """A cluster may start a task again while its first worker lives: both finish, with the same bytes."""
    shard(target(tmp_path / "whole"))
    where = target(tmp_path / "out")
    first, second = ShardOutput(where, 12, "crawl"), ShardOutput(where, 12, "crawl")
    give(first, range(5))
    assert second.resume_from() == 5
    give(first, range(5, 12))
    give(second, range(5, 12))
    second.finish()
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    first.finish()
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


WORKER = """
import sys, time
sys.path[:0] = {paths!r}
from test_outputs import ShardOutput, give, target
with ShardOutput(target({out!r}, {kind!r}), 12, "crawl") as output:
    done = output.resume_from()
    for number in range(done, 12):
        give(output, [number])
        print(number, flush=True)
        time.sleep(0.02)
    output.finish()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_a_killed_process_leaves_what_the_next_goes_on_from(tmp_path: Path, kind: Format) -> None:
    """SIGKILL twice in the middle; the third process ends with the bytes of one that was left alone."""
    shard(target(tmp_path / "whole", kind))
    script = WORKER.format(paths=[str(ROOT), str(Path(__file__).parent)], out=str(tmp_path / "out"), kind=kind)
    first = []
    for last in ("3", "7", None):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.strip() == last:
                process.send_signal(signal.SIGKILL)
        assert process.wait() == (-signal.SIGKILL if last else 0)
        first.append(int(said[0]))
        assert is_done(target(tmp_path / "out", kind), 12, "crawl") == (last is None)
    assert first[0] == 0
    assert first[1] >= 4
    assert first[2] >= 8
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    remove_work(str(tmp_path / "out"))
    assert not (tmp_path / "out/_work").exists()


def test_a_marker_vouches_for_its_files(tmp_path: Path) -> None:
    """A shard is done when its marker and files are there as written; a changed byte is found when digests are asked for."""
    where = target(tmp_path)
    assert not is_done(where, 12, "crawl")
    marker = shard(where)
    assert read_marker(where, 12) == marker
    assert is_done(where, 12, "crawl", thorough=True)
    for name, output in marker["outputs"].items():
        path = tmp_path / name
        data = path.read_bytes()
        assert (output["bytes"], output["sha256"], output["rows"]) == (len(data), hashlib.sha256(data).hexdigest(), 8)
        path.write_bytes(data[:-1])
        assert not is_done(where, 12, "crawl")
        path.unlink()
        assert not is_done(where, 12, "crawl")
        path.write_bytes(b"x" + data[1:])
        assert is_done(where, 12, "crawl")
        assert not is_done(where, 12, "crawl", thorough=True)
        path.write_bytes(data)
    (tmp_path / "_done/part-000012.json").write_bytes(b'{"schema": "newsfil')
    assert not is_done(where, 12, "crawl")


DIFFERENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"settings": Settings(min_words=20)}, "crawl", r"min_words \(40 then, 20 now\)"),
    ({"model": "x" * 64}, "crawl", r"model \(mmmmmmmmmmmm then, xxxxxxxxxxxx now\)"),
    ({"out_field": "clean"}, "crawl", r"out_field \(None then, clean now\)"),
    ({"columns": InputColumns()}, "crawl", r"columns \(\w{16} then, \w{16} now\)"),
    ({}, "other.warc", r"sources \(crawl then, other.warc now\)"),
]


@pytest.mark.parametrize(("changed", "source", "message"), DIFFERENCES)
def test_a_shard_of_another_run_is_named_not_kept(tmp_path: Path, changed: dict[str, Any], source: str, message: str) -> None:
    """Settings, model and source of a marker must be this run's."""
    shard(target(tmp_path))
    with pytest.raises(OutputError, match=f"part-000012.json.*{message}.*--overwrite"):
        is_done(target(tmp_path, **changed), 12, source)


def test_an_earlier_runs_shards_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """What newsfilter did not write stays, and the folder it lies in."""
    shard(target(tmp_path))
    shard(target(tmp_path, "jsonl.zst"), 3)
    give(ShardOutput(target(tmp_path), 4), range(2))
    mine = tmp_path / "articles/part-of-mine.parquet"
    mine.touch()
    (tmp_path / "records/.newsfilter-0123456789abcdef.tmp").touch()
    remove_shards(str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert [path.name for path in tmp_path.iterdir()] == ["articles"]


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process grows beyond 60 KB: a real write that fails with an error of the system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def free(limit: int = resource.RLIM_INFINITY) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("kind", FORMATS)
def test_no_room_for_the_spool_stops_the_run_and_the_shard_goes_on_later(tmp_path: Path, kind: Format) -> None:
    """The item that did not fit is done again; the others are not."""
    where = target(tmp_path / "out", kind, columns=InputColumns())
    facts, record, _ = document(0)
    facts["text"] = "x" * 7_000
    with ShardOutput(where, 0) as output:
        for _ in range(6):
            output.add(facts, record)
        facts["text"] = "x" * 20_000
        for _ in range(2):
            with pytest.raises(StoppedError, match=r"spool: cannot be written \(File too large\); make room and run .* --resume"):
                output.add(facts, record)
        output.skipped("small")  # this one has room, in the place of what did not fit
    free()
    with ShardOutput(where, 0) as output:
        assert output.resume_from() == 7
        for _ in range(14):
            output.add(facts, record)
        marker = output.finish()
        assert (marker["counts"]["accepted"], marker["skipped"]) == (20, {"small": 1})


@pytest.mark.usefixtures("small_files")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")  # what a writer says when it goes, nobody hears
@pytest.mark.parametrize("kind", FORMATS)
def test_no_room_for_a_shard_leaves_nothing_half_written(tmp_path: Path, kind: Format) -> None:
    """Neither file stands under its name or another; with room again, nothing is cleaned twice."""
    where = target(tmp_path / "out", kind, columns=InputColumns())
    free()
    with ShardOutput(where, 0) as output:
        for number in range(40):
            facts, record, _ = document(number)
            facts["text"] = os.urandom(3_000).hex()  # nothing that zstd can make small
            output.add(facts, record)
        free(60_000)
        with pytest.raises(StoppedError, match=rf"part-000000\.{kind}: cannot be written \(.*File too large.*\); make room"):
            output.finish()
    assert tree(tmp_path / "out") == {}
    free()
    with ShardOutput(where, 0) as output:
        assert output.resume_from() == 40
        output.finish()
    assert is_done(where, 0, thorough=True)


def test_a_place_that_cannot_be_written_to_stops_the_run(tmp_path: Path) -> None:
    """A file where a folder should be, and a file system that takes no files, are said with what to do."""
    (tmp_path / "articles").touch()
    with ShardOutput(target(tmp_path), 0) as output, pytest.raises(StoppedError, match="move away what newsfilter did not write"):
        output.finish()
    (tmp_path / "file").touch()
    with ShardOutput(target(tmp_path / "file"), 0) as output, pytest.raises(StoppedError, match="move away"):
        output.failed()
    if Path("/sys/kernel").exists():
        with ShardOutput(target("/sys/kernel/out"), 0) as output, pytest.raises(StoppedError, match="make OUT writable"):
            output.failed()


class Lost(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """An object store that is lost after some uploads, with an error that is no OSError, as some libraries raise."""

    protocol = "memory"
    cachable = False
    uploads = 0
    most = 0

    def put_file(self, *arguments: Any, **options: Any) -> None:
        Lost.uploads += 1
        if Lost.uploads > Lost.most:
            raise ConnectionResetError("connection\nlost") if Lost.uploads % 2 else LookupError("no such host")
        super().put_file(*arguments, **options)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("kind", FORMATS)
def test_an_object_store_gets_the_same_bytes(tmp_path: Path, scratch: Path, kind: Format) -> None:
    """Only whole objects, the marker among them; no spool there, and nothing left on this machine."""
    where = target("memory://bucket/out", kind)
    remove_shards(where.out)
    marker = shard(where)
    shard(target(tmp_path / "local", kind))
    store = fsspec.filesystem("memory")
    found = {path.removeprefix("/bucket/out/"): hashlib.sha256(store.cat_file(path)).hexdigest() for path in store.find("/bucket/out")}
    assert found == tree(tmp_path / "local")
    assert is_done(where, 12, "crawl", thorough=True)
    assert read_marker(where, 12) == marker
    assert len(read_lines(where, 12)) == 10
    assert list(scratch.iterdir()) == []
    with ShardOutput(where, 13) as output:
        give(output, range(3))
    with ShardOutput(where, 13) as output:
        assert output.resume_from() == 0
    assert list(scratch.iterdir()) == []
    remove_shards(where.out)
    assert store.find("/bucket/out") == []
    assert not is_done(where, 12, "crawl")


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_an_object_store_that_is_lost_stops_the_run(scratch: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Whichever upload fails, the shard has no marker."""
    fsspec.register_implementation("lost", Lost, clobber=True)
    monkeypatch.setattr(Lost, "uploads", 0)
    monkeypatch.setattr(Lost, "most", most)
    where = target("lost://bucket/out")
    remove_shards(where.out)
    with pytest.raises(
        StoppedError, match=r"lost://bucket/out/\w+/part-000012.*: cannot be written \((connection lost|no such host)\); see that"
    ):
        shard(where)
    assert read_marker(where, 12) is None
    assert list(scratch.iterdir()) == []
    monkeypatch.setattr(Lost, "most", 100)
    shard(where)
    assert is_done(where, 12, "crawl")


def test_storage_without_whole_objects_gets_temporary_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that breaks off leaves nothing under the file's name, nor under its temporary one."""
    where = target(f"local://{tmp_path}/out")
    shard(where)
    shard(target(tmp_path / "same"))
    assert tree(tmp_path / "out") == tree(tmp_path / "same")
    remove_shards(where.out)
    assert tree(tmp_path / "out") == {}

    def broken(_: object, path: str, name: str, **__: object) -> None:
        shutil.copyfile(path, name)
        raise OSError("broken pipe")

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.put_file", broken)
    with pytest.raises(StoppedError, match="broken pipe"):
        shard(where)
    assert tree(tmp_path / "out") == {}


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first document, with the extra to install or another way."""
    with monkeypatch.context() as patch:
        for name in ("newsfilter.dumps.outputs_parquet", "pyarrow"):
            patch.setitem(sys.modules, name, None)
        patch.delattr("newsfilter.dumps.outputs_parquet", raising=False)
        with pytest.raises(OutputError, match=r"newsfilter\[parquet\]"):
            ShardOutput(target(tmp_path), 0)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(OutputError, match=r"newsfilter\[zstd\]"):
        ShardOutput(target(tmp_path, "jsonl.zst"), 0)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(OutputError, match=r"newsfilter\[s3\]"):
        ShardOutput(target("s3://bucket/out"), 0)
    with pytest.raises(OutputError, match="Protocol not known"):
        ShardOutput(target("nonsense://bucket/out"), 0)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_row_that_cannot_be_written_costs_its_document_alone(tmp_path: Path, kind: Format) -> None:
    """It is a ReadError for the ledger, and the shard goes on."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    facts, record, line = document(0)
    with ShardOutput(target(tmp_path, kind), 0) as output:
        for value in (deep, object()):
            with pytest.raises(ReadError, match="its columns cannot be written"):
                output.add(facts, record, {"headline": value}, line)
        output.add(facts, record, {"headline": "x"}, line)
        assert output.finish()["counts"]["documents"] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
TABLE = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "Title", "text", "", "newsfilter_x"]) | st.text(max_size=3), JSON, max_size=4), max_size=4
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=TABLE, sampled=st.integers(0, 4))
def test_nothing_of_a_row_is_lost(rows: list[dict[str, Any]], sampled: int) -> None:
    """Whatever the first rows made of the columns, each row's values come back, from its columns or from `columns`; in Parquet, all but nulls."""
    for kind in FORMATS:
        with tempfile.TemporaryDirectory() as out:
            where = target(out, kind, columns=columns_of_rows(rows[:sampled]))
            with ShardOutput(where, 0) as output:
                for row in rows:
                    output.add(*document(0)[:2], row)
                output.finish()
            ours = where.names()
            for row, written in zip(rows, read(Path(out) / where.path("articles", 0)), strict=True):
                beside = json.loads(written[ours["columns"]] or "{}")
                back = {**{name: value for name, value in written.items() if name not in ours.values()}, **beside}
                expected = json.loads(encode_json(row))
                if kind == "parquet":
                    back, expected = ({k: v for k, v in one.items() if v is not None} for one in (back, expected))
                assert back == expected
