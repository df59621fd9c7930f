"""What is wrong with real dumps, the whole way through the command line: each fault is recorded or refused with file and place, nothing is lost, and the rest is done."""

import bz2
import errno
import io
import json
import lzma
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pytest
from conftest import ROOT, Ran, article, command, files, ledger, make_tree, page, run_file, small_shards
from containers import CONTAINERS, gz, jsonl, parquet, response, separated, tarred, warc_record, warc_records, zipped, zst
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from newsfilter.dumps.keeper import Keeper
from newsfilter.dumps.plan import Planned, plan

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]
PAGES = {str(k): page(k) for k in range(3)}
RECORDS = warc_records(PAGES)
CLEAN = Keeper.clean
TEXTS = [{"text": article(k)} for k in range(3)]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def in_the_middle(first: bytes, bad: bytes, last: bytes) -> bytes:
    return first + bad + last


def bomb(size: int) -> bytes:
    return zipped({"a.html": page(0).encode(), "bomb.html": b"<p>" + b" " * size, "z.html": page(2).encode()})


GOOD = "accepted"
BAD: dict[str, tuple[str, Callable[[], bytes], list[str], str]] = {
    # what -> file name, its bytes, what becomes of each document, and what standard error must say of the place
    "a truncated gzip member": (
        "b.warc.gz",
        lambda: b"".join(map(gz, RECORDS))[:-99],
        [GOOD, GOOD, "truncated-gzip"],
        f"b.warc.gz byte {sum(map(len, map(gz, RECORDS[:2])))}: truncated-gzip",
    ),
    "a damaged member between good ones": (
        "b.warc.gz",
        lambda: in_the_middle(gz(RECORDS[0]), flipped(gz(RECORDS[1]), 200), gz(RECORDS[2])),
        [GOOD, "damaged-gzip", GOOD],
        f"b.warc.gz byte {len(gz(RECORDS[0]))}: damaged-gzip",
    ),
    "a truncated record": (
        "b.warc",
        lambda: b"".join(RECORDS)[:-99],
        [GOOD, GOOD, "truncated-warc"],
        f"b.warc byte {sum(map(len, RECORDS[:2]))}: truncated-warc",
    ),
    "a truncated zstd frame": ("b.warc.zst", lambda: b"".join(map(zst, RECORDS))[:-99], [GOOD, GOOD, "truncated-zstd"], "truncated-zstd"),
    "a record whose length is too large": (
        "b.warc",
        lambda: in_the_middle(RECORDS[0], RECORDS[1].replace(b"Content-Length: ", b"Content-Length: 9"), RECORDS[2]),
        [GOOD, "truncated-warc", GOOD],
        f"b.warc byte {len(RECORDS[0])}: truncated-warc",
    ),
    "garbage between records": (
        "b.warc",
        lambda: in_the_middle(RECORDS[0], b"\xff" * 5000, RECORDS[2]),
        [GOOD, "damaged-warc", GOOD],
        "byte",
    ),
    "no HTTP": (
        "b.warc",
        lambda: in_the_middle(RECORDS[0], warc_record(b"HTTP/1.1\r\n\r\nx"), RECORDS[2]),
        [GOOD, "damaged-http", GOOD],
        "byte",
    ),
    "a body whose chunks end too early": (
        "b.warc.gz",
        lambda: gz(response(b"400\r\n<p>cut", b"Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n")) + gz(RECORDS[2]),
        ["truncated-body", GOOD],
        "byte 0: truncated-body",
    ),
    "a body that is a bomb": (
        "b.warc.gz",
        lambda: gz(response(gz(b" " * 3_000_000), b"Content-Type: text/html\r\nContent-Encoding: gzip\r\n")) + gz(RECORDS[2]),
        ["zip-bomb", GOOD],
        "byte 0: zip-bomb",
    ),
    "a page under the name of a WARC": ("b.warc.gz", lambda: page(1).encode(), ["damaged-warc"], "byte 0: damaged-warc"),
    "a picture under the name of a WARC": ("b.warc.gz", lambda: b"\x89PNG\r\n\x1a\n\0", ["damaged-warc"], "byte 0: damaged-warc"),
    "lines that are none": (
        "b.jsonl",
        lambda: b'{"text": 1}\nno json\n["x"]\n{"text": "\xe7"}\n{"other": ""}\n\n{"text": null}\n' + jsonl(TEXTS[:1]) + b'{"text": "cut',
        ["not-text", "not-json", "not-object", "not-utf-8", "no-text-field", GOOD, "not-json"],
        "b.jsonl byte 12: not-json (byte 12: Expecting value, column 1)",
    ),
    "a packed JSONL that ends too early": (
        "b.jsonl.gz",
        lambda: gz(jsonl(TEXTS) + random.Random(1).randbytes(900).hex().encode())[:-300],
        [GOOD, GOOD, GOOD, "truncated-gzip"],
        "b.jsonl.gz row 4: truncated-gzip (line 5: at byte",
    ),
    "a page under the name of a JSONL": ("b.jsonl", lambda: page(1).encode() + b"\n", ["not-json"], "b.jsonl byte 0: not-json"),
    "one JSON over many lines": ("b.jsonl", lambda: json.dumps(TEXTS, indent=1).encode(), ["unreadable-container"], "jq -c '.[]'"),
    "UTF-16": ("b.jsonl", lambda: jsonl(TEXTS).decode().encode("utf-16"), ["unreadable-container"], "iconv -f UTF-16"),
    "no usual name": ("b.jsonl", lambda: jsonl([{"teaser": "x", "n": 1}]), ["unreadable-container"], "Its columns: teaser, n (a number)"),
    "rows that do not fit": (
        "b.csv",
        f'text,id\n"{article(0)}",1\nx\n"a"b,2\n"{article(2)}",3\n'.encode,
        [GOOD, "bad-row", "bad-row", GOOD],
        "b.csv row 1: bad-row (line 12: 1 cells",
    ),
    "a CSV that is not UTF-8": (
        "b.csv",
        lambda: "text\nçığ öğün şapka ğüşiöç\n".encode("cp1254") * 9,
        ["unreadable-container"],
        "iconv -f CHARSET",
    ),
    "Parquet without its end": (
        "b.parquet",
        lambda: CONTAINERS["table.parquet"](PAGES)[:-9],
        ["unreadable-container"],
        "is no whole Parquet file",
    ),
    "a column that is missing": ("b.parquet", lambda: parquet(pa.table({"n": [1]})), ["unreadable-container"], "Its columns: n (a number)"),
    "a Parquet page that is damaged": (
        "b.parquet",
        lambda: flipped(parquet(pa.Table.from_pylist(TEXTS * 2), row_group_size=2, compression="none", write_page_checksum=True), 900),
        ["damaged-parquet", GOOD, GOOD, GOOD, GOOD],
        "rows 0 to 1, of row group 0",
    ),
    "a bomb in an archive": ("b.zip", lambda: bomb(3_000_000), [GOOD, "zip-bomb", GOOD], "b.zip bomb.html: zip-bomb"),
    "an archive without its end": (
        "b.zip",
        lambda: bomb(9)[:-200],
        [GOOD, "rejected", "truncated-archive", "truncated-archive"],
        "truncated-archive",
    ),
    "a tar without its end": (
        "b.tar",
        lambda: tarred({k: page(int(k)).encode() for k in "012"})[:4000],
        [GOOD, "truncated-archive"],
        "1: ",
    ),
    "a packed tar that is damaged": (
        "b.tar.gz",
        lambda: gz(tarred({k: random.Random(int(k)).randbytes(3000).hex().encode() for k in "01"}))[:4000],
        [None, "truncated-gzip"],  # type: ignore[list-item]  # whatever becomes of noise
        "1: at byte",
    ),
    "an archive in an archive": (
        "b.zip",
        lambda: zipped({"a.warc": RECORDS[0], "z": page(1).encode()}),
        ["unsupported-format", GOOD],
        "a.warc",
    ),
    "a packing that is not read": (
        "b.jsonl.bz2",
        lambda: bz2.compress(jsonl(TEXTS)),
        ["unsupported-format"],
        "packed as bz2; pack it with gzip",
    ),
    "another": ("b.tar.xz", lambda: lzma.compress(tarred({"a": b"x"})), ["unsupported-format"], "packed as xz; pack it with gzip"),
    "nothing, for a Parquet": ("b.parquet", lambda: b"", ["unreadable-container"], "is no whole Parquet file"),
    "nothing, for a zip": ("b.zip", lambda: b"", ["truncated-archive"], "the file is empty"),
    "nothing, for a tar": ("b.tgz", lambda: b"", ["truncated-archive"], "the file is empty"),
}
"""Every fault that costs documents, in a file between good ones."""


@pytest.mark.parametrize("kind", ["files", "parquet"])
@pytest.mark.parametrize("case", BAD)
def test_what_is_broken_fails_alone_and_is_named(run: Run, tmp_path: Path, case: str, kind: str) -> None:
    name, data, expected, said = BAD[case]
    make_tree(tmp_path / "crawl", {"a.jsonl": jsonl(TEXTS[:1]), name: data(), "z.html": page(9)})
    ran = run("clean", "crawl", "-o", "out", "--to", kind, "--jobs", "1")
    lines, content = ledger(tmp_path / "out"), run_file(tmp_path / "out")
    found = [line["reason"] if line["status"] == "failed" else line["status"] for line in lines]
    assert (ran.status, found[0], found[-1]) == (1, GOOD, GOOD)
    assert [one if want else want for one, want in zip(found[1:-1], expected, strict=True)] == expected, lines
    assert any("failed: b." in line and said in line for line in ran.err.splitlines()), ran.err
    failed = sum(line["status"] == "failed" for line in lines)
    assert (content["counts"]["failed"], content["counts"]["documents"], "Traceback" in ran.err) == (failed, len(lines), False)
    assert f"{failed} of {len(lines)} documents failed" in ran.err
    assert len({line["id"] for line in lines}) == len(lines)


@pytest.mark.parametrize("name", ["b.jsonl", "b.jsonl.gz", "b.csv", "b.tsv.gz", "b.warc", "b.warc.gz", "b.ndjson.zst"])
def test_a_container_of_no_bytes_holds_no_documents(run: Run, tmp_path: Path, name: str) -> None:
    """As a crawler leaves it that found nothing. Its row in run.json says so."""
    make_tree(tmp_path / "crawl", {name: b"", "z.html": page(9)})
    for kind in ("files", "parquet"):
        ran = run("clean", "crawl", "-o", kind, "--to", kind, "--jobs", "1")
        assert (ran.status, len(ledger(tmp_path / kind))) == (0, 1)
        assert {"uri": name, "documents": 0, "accepted": 0, "review": 0, "rejected": 0, "failed": 0, "skipped": 0} in run_file(
            tmp_path / kind
        )["files"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("b.jsonl", b"\xef\xbb\xbf" + jsonl(TEXTS).replace(b"\n", b"\r\n")),
        ("b.jsonl", jsonl(TEXTS).rstrip()),
        ("b.jsonl.gz", gz(b"\xef\xbb\xbf" + jsonl(TEXTS)) + gz(b"") + b"\0" * 99),
        ("b.csv", b"\xef\xbb\xbf" + separated(PAGES, ",").replace(b"\n", b"\r\n")),
        ("b.csv", separated(PAGES, ";")),
        ("b.warc.gz", b"".join(RECORDS)),
        ("b.warc", b"".join(map(gz, RECORDS))),
        ("b.warc", gz(b"".join(RECORDS))),
        ("b.tar", gz(tarred({k: text.encode() for k, text in PAGES.items()}))),
        ("b.zip", tarred({k: text.encode() for k, text in PAGES.items()})),
    ],
)
def test_odd_forms_are_read_as_they_are_meant(run: Run, tmp_path: Path, name: str, data: bytes) -> None:
    """Marks, line ends and packings that the name does not tell, or tells wrong."""
    make_tree(tmp_path / "crawl", {name: data})
    ran = run("clean", "crawl", "-o", "out", "--to", "jsonl", "--jobs", "1", "--quiet")
    assert (ran.status, ran.err, [line["status"] for line in ledger(tmp_path / "out")]) == (0, "", [GOOD] * 3)


def test_names_in_archives_lead_nowhere(run: Run, tmp_path: Path) -> None:
    """All outputs stand below OUT, each under a name of its own."""
    names = [
        "../../x.html",
        "/etc/x.html",
        "a/../../x.html",
        "..\\x.html",
        "C:\\x.html",
        "a\nb.html",
        "x.html",
        "X.html",
        "ledger.jsonl",
        "a/",
    ]
    members = {name: page(k).encode() for k, name in enumerate(names)}
    make_tree(tmp_path / "deep/crawl", {"b.zip": zipped(members), "b.tar": tarred(members)})
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert run("clean", "deep/crawl", "-o", "deep/out", "--jobs", "1", "--quiet").status == 0
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(tmp_path / "deep/out") for path in new)
    lines = ledger(tmp_path / "deep/out")
    assert len({line["output"].casefold() for line in lines}) == len(lines) == 2 * len(names) - 1  # a zip's "a/" is a folder
    assert all((tmp_path / "deep/out" / line["output"]).resolve().is_relative_to(tmp_path / "deep/out") for line in lines)


def test_ids_that_are_given_twice_cost_no_document(run: Run, tmp_path: Path) -> None:
    """The ledger has both lines, told apart by their places; so have articles and records, in one order."""
    make_tree(tmp_path / "crawl", {"b.jsonl": jsonl([{"id": "same", "text": article(k)} for k in range(3)])})
    for kind in ("files", "jsonl"):
        assert run("clean", "crawl", "-o", kind, "--to", kind, "--jobs", "1", "--quiet").status == 0
        lines = ledger(tmp_path / kind)
        assert ({line["id"] for line in lines}, len({line["offset"] for line in lines})) == ({"same"}, 3)
    assert len({line["output"] for line in ledger(tmp_path / "files")}) == 3
    for folder in ("articles", "records"):
        assert (tmp_path / "jsonl" / folder / "part-000000.jsonl").read_bytes().count(b"\n") == 3


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("b.jsonl", "failed"),
        ("b.jsonl.gz", "failed"),
        ("b.csv", "failed"),
        ("b.parquet", "failed"),
        ("b.warc.gz", "rejected"),
        ("b.zip", "rejected"),
    ],
)
def test_a_document_above_the_limit_is_told_and_its_neighbours_are_cleaned(run: Run, tmp_path: Path, name: str, status: str) -> None:
    """Rejected as too-large where it is a document of its own, failed as too-long where it is part of a row that is not read."""
    pages = {"0": page(0), "1": page(1) + "<p>x</p>" * 20_000, "2": page(2)}
    make = next(pack for container, pack in CONTAINERS.items() if container.split(".", 1)[1] == name.split(".", 1)[1])
    make_tree(tmp_path / "crawl", {name: make(pages)})
    ran = run("clean", "crawl", "-o", "out", "--max-bytes", "9000", "--jobs", "1", "--to", "jsonl")
    first, large, last = ledger(tmp_path / "out")
    assert (ran.status, first["status"], last["status"]) == (int(status == "failed"), GOOD, GOOD)
    assert (large["status"], large["reason"]) == (status, "too-long" if status == "failed" else "too-large")


@pytest.mark.slow
def test_a_line_of_200_megabytes_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    make_tree(tmp_path / "crawl", {"z.jsonl": jsonl(TEXTS[:1])})
    with (tmp_path / "crawl/b.jsonl").open("wb") as stream:
        stream.write(jsonl(TEXTS[:1]) + b'{"text": "')
        for _ in range(200):
            stream.write(b"x" * 1_000_000)
        stream.write(b'"}\n' + jsonl(TEXTS[1:2]))
    # A small process starts it: what one starts is held to have been as large as itself.
    code = "import resource, subprocess, sys; status = subprocess.run([sys.executable, '-m', 'newsfilter', *sys.argv[1:]]).returncode; "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    arguments = [sys.executable, "-c", code, "clean", "crawl", "-o", "out", "--jobs", "1", "--to", "jsonl", "--quiet"]
    ran = subprocess.run(arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stderr
    assert [line["reason"] for line in ledger(tmp_path / "out")] == [None, "too-long", None, None]
    assert int(ran.stdout) < 450_000, "kilobytes, of the command or the process that cleans"


# ---- storage


class Failing(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Storage whose files break off after `good` bytes, or are gone once they were listed."""

    protocol = "failing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    good = 10**9
    puts: ClassVar[list[str]] = []
    room = 10**9  # files that can be put there

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("failing://", "memory://")))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super()._open(path, mode, **options)
        if mode == "rb" and path.rpartition("/")[2] in CONTAINERS:
            data = file.getvalue()
            return _Broken(data, self.good)
        return file

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        self.puts.append(rpath)
        if len(self.puts) > self.room:
            raise PermissionError("the bucket takes no more")
        super().put_file(lpath, rpath, **options)


class _Broken(io.BytesIO):
    def __init__(self, data: bytes, good: int) -> None:
        super().__init__(data)
        self.good = good

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.tell() > self.good:
            raise TimeoutError(errno.ETIMEDOUT, "the storage does not answer")
        return data


@pytest.fixture
def failing() -> Iterator[None]:
    fsspec.register_implementation("failing", Failing, clobber=True)
    Failing.puts.clear()
    yield
    Failing.store.clear()
    Failing.pseudo_dirs[:] = [""]
    _registry.pop("failing", None)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("name", CONTAINERS)
def test_storage_that_fails_in_the_middle_costs_what_was_not_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """At its beginning, and later. Whatever of the container came before is there, what failed is one more document, and its neighbours are cleaned."""
    monkeypatch.setattr("newsfilter.dumps.readers.opening.REMOTE_BYTES", 512)
    pages = {str(k): page(k) for k in range(60)}
    system = fsspec.filesystem("failing")
    data = CONTAINERS[name](pages)
    system.pipe({"/crawl/0.html": page(1).encode(), f"/crawl/{name}": data, "/crawl/zz.html": page(2).encode()})
    for good in (0, len(data) // 2):
        monkeypatch.setattr(Failing, "good", good)
        ran = run("clean", "failing://crawl", "-o", f"out{good}", "--jobs", "1", "--to", "jsonl")
        lines = ledger(tmp_path / f"out{good}")
        failed = [line for line in lines if line["status"] == "failed"]
        assert (ran.status, {line["uri"] for line in failed}, "Traceback" in ran.err) == (1, {name}, False)
        assert "the storage does not answer" in ran.err
        assert (lines[0]["uri"], lines[-1]["uri"]) == ("0.html", "zz.html")
        assert len(lines) - len(failed) < 62


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("name", CONTAINERS)
def test_what_storage_kept_from_being_read_is_tried_again_on_resuming(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Also where the shards behind have other numbers then; and while storage stays away nothing that is done is lost."""
    monkeypatch.setattr("newsfilter.dumps.readers.opening.REMOTE_BYTES", 512)
    data = CONTAINERS[name]({str(k): page(k) for k in range(60)})
    fsspec.filesystem("failing").pipe({"/crawl/0.html": page(1).encode(), f"/crawl/{name}": data, "/crawl/zz.jsonl": jsonl(TEXTS)})
    clean = ("clean", "failing://crawl", "--to", "jsonl", "--jobs", "1", "--quiet")
    small_shards(monkeypatch, 8_000)
    assert run(*clean, "-o", "whole").status == 0
    cleaned: list[Any] = []
    for good in (0, len(data) // 2):
        out = ("-o", f"out{good}")
        monkeypatch.setattr(Failing, "good", good)
        ran = run(*clean, *out)
        assert (ran.status, "--resume tries only the" in ran.err) == (1, True), ran.err
        assert run("verify", f"out{good}", "--no-sources", "--quiet").status == 0
        last = (tmp_path / f"out{good}/ledger.jsonl").read_bytes()
        cleaned.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Keeper, "clean", lambda self, sources: cleaned.extend(sources) or CLEAN(self, sources))  # type: ignore[func-returns-value]
            assert run(*clean, *out, "--resume").status == 1
        assert (tmp_path / f"out{good}/ledger.jsonl").read_bytes() == last
        assert not {"0.html", "zz.jsonl"} & {source.uri for source in cleaned}
        monkeypatch.setattr(Failing, "good", 10**9)
        ran = run(*clean, *out, "--resume")
        assert ran.status == 0, ran.err
        assert files(tmp_path / f"out{good}") == files(tmp_path / "whole")
        assert not (tmp_path / f"out{good}/_done/unread.json").exists()


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("name", ["crawl.warc.gz", "rows.jsonl.gz", "table.parquet"])
def test_storage_that_is_gone_when_a_run_goes_on_takes_nothing_from_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """What is done was read from there, and counts; the run stops and says where, and goes on when the storage is back."""
    fsspec.filesystem("failing").pipe({f"/crawl/{name}": CONTAINERS[name](PAGES), "/crawl/zz.jsonl": jsonl(TEXTS)})
    clean = ("clean", "failing://crawl", "-o", "out", "--to", "files", "--jobs", "1", "--quiet")
    assert run(*clean).status == 0
    whole = files(tmp_path / "out")
    for good, status in ((0, 1), (10**9, 0)):
        monkeypatch.setattr(Failing, "good", good)
        ran = run(*clean, "--resume")
        assert (ran.status, f"{name}: cannot be read, as it could be in an earlier part" in ran.err) == (status, status == 1), ran.err
        assert {path: data for path, data in files(tmp_path / "out").items() if status == 0 or path != "ledger.jsonl"} == {
            path: data for path, data in whole.items() if status == 0 or path != "ledger.jsonl"
        }


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("room", [0, 1, 3, 9, 14])
def test_storage_that_takes_no_more_stops_the_run_which_goes_on_later(
    run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, room: int
) -> None:
    """From the first file on, between articles and records, before a marker: nothing is half there, and nothing is done twice."""
    assert run("clean", many, "-o", "whole", "--to", kind, "--jobs", "1", "--max-failed", "1", "--quiet").status == 0
    monkeypatch.setattr(Failing, "room", room)
    ran = run("clean", many, "-o", "failing://out", "--to", kind, "--jobs", "1", "--quiet", "--max-failed", "1")
    assert (ran.status, "the bucket takes no more" in ran.err, "Traceback" in ran.err) == (1, True, False)
    monkeypatch.setattr(Failing, "room", 10**9)
    again = run(
        "clean",
        many,
        "-o",
        "failing://out",
        "--to",
        kind,
        "--jobs",
        "1",
        "--max-failed",
        "1",
        "--quiet",
        "--resume" if room > 1 else "--overwrite",
    )
    assert (again.status, again.err) == (0, "")
    for name, data in files(tmp_path / "whole").items():
        assert name == "ledger.jsonl" or Failing.store[f"/out/{name}"].getvalue() == data


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("when", ["listed", "planned"])
def test_a_container_that_vanishes_is_a_failure_and_the_rest_is_done(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    make_tree(tmp_path / "crawl", {"0.jsonl": jsonl(TEXTS[:1]), name: CONTAINERS[name](PAGES), "z.html": page(9)})

    def _plan(*arguments: Any, **options: Any) -> Iterator[Planned]:
        if when == "listed":
            (tmp_path / "crawl" / name).unlink()
        for planned in plan(*arguments, **options):
            if when == "planned" and planned.shard.uri == name:
                (tmp_path / "crawl" / name).unlink(missing_ok=True)
            yield planned

    monkeypatch.setattr("newsfilter.dumps.run.plan", _plan)
    ran = run("clean", "crawl", "-o", "out", "--jobs", "1", "--to", "jsonl")
    lines = ledger(tmp_path / "out")
    of_it = [(line["status"], line["reason"]) for line in lines if line["uri"] == name]
    read_already = when == "planned" and name.startswith(("rows.jsonl.", "table.csv", "table.tsv", "pages."))
    assert of_it == ([(GOOD, None)] * 3 if read_already else [("failed", "missing")])
    assert (ran.status, lines[0]["status"], lines[-1]["status"]) == (int(not read_already), GOOD, GOOD)


@pytest.mark.parametrize("name", ["b.jsonl", "b.warc"])
def test_a_file_that_grows_while_it_is_read_is_read_to_where_it_ends_then(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A crawler may still be writing. The documents that were there are all read, the last once."""
    part = jsonl(TEXTS) if name == "b.jsonl" else b"".join(RECORDS)
    make_tree(tmp_path / "crawl", {name: part})

    def _plan(*arguments: Any, **options: Any) -> Iterator[Planned]:
        for planned in plan(*arguments, **options):
            with (tmp_path / "crawl" / name).open("ab") as stream:
                stream.write(part + part[:50])
            yield planned

    monkeypatch.setattr("newsfilter.dumps.run.plan", _plan)
    ran = run("clean", "crawl", "-o", "out", "--jobs", "1", "--to", "jsonl")
    lines = ledger(tmp_path / "out")
    assert [line["status"] for line in lines] == [GOOD] * 6 + ["failed"]
    assert (ran.status, lines[-1]["offset"]) == (1, 2 * len(part))


# ---- OUT


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["files", "jsonl", "jsonl.zst", "parquet"])
def test_no_room_stops_the_run_with_nothing_half_written_and_it_goes_on(run: Run, tmp_path: Path, kind: str) -> None:
    """As the operating system says it: no file may be larger than some kilobytes."""
    pages = {str(k): page(k) for k in range(24)}
    make_tree(tmp_path / "crawl", {"rows.jsonl": CONTAINERS["rows.jsonl"](pages)})
    for limit in (9_000, 60_000)[: 1 if kind == "files" else 2]:

        def _limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        out = f"out{limit}"
        process = command("clean", "crawl", "-o", out, "--jobs", "1", "--to", kind, "--quiet", cwd=tmp_path, preexec_fn=_limited)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in errors, "make room" in errors) == (1, False, True), errors
        assert not [path for path in (tmp_path / out).rglob("*") if ".tmp" in path.name]
        assert run("clean", "crawl", "-o", out, "--jobs", "1", "--to", kind, "--quiet", "--resume").status == 0
    assert run("clean", "crawl", "-o", "whole", "--jobs", "1", "--to", kind, "--quiet").status == 0
    for path in tmp_path.glob("out*"):
        assert files(path) == files(tmp_path / "whole")


@pytest.mark.parametrize("out", ["file/out", "/proc/out", "file"])
def test_an_out_that_cannot_be_written_to_is_refused(run: Run, dump: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("x")
    for kind in ("files", "jsonl"):
        ran = run("clean", dump, "-o", out, "--to", kind)
        assert (ran.status, out in ran.err, "Traceback" in ran.err) == (2, True, False)


@pytest.mark.parametrize("kind", ["files", "jsonl", "parquet"])
def test_an_out_that_is_closed_in_the_middle_stops_the_run(
    run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What is written is whole, and the run goes on when it is open again."""
    replace, calls = Path.replace, []

    def _closed(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) > 6:
            raise OSError(errno.EROFS, "Read-only file system")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _closed)
        ran = run("clean", many, "-o", "out", "--to", kind, "--jobs", "1")
    assert (ran.status, "Read-only file system" in ran.err, "--resume" in ran.err, "Traceback" in ran.err) == (1, True, True, False)
    for out, more in (("out", "--resume"), ("whole", "--overwrite")):
        assert run("clean", many, "-o", out, "--to", kind, "--jobs", "1", "--max-failed", "1", more).status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")
