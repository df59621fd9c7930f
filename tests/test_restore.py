"""A page's text, all of it or one block, comes back from its record and what stands beside it."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Ran, article, command, ledger, make_tree, page

from newsfilter.audit.reading import read_record
from newsfilter.audit.restoring import RESTORERS, restore_file
from newsfilter.cli import main
from newsfilter.document import Cleaner
from newsfilter.dumps.reading import read
from newsfilter.dumps.sources import list_sources
from newsfilter.errors import RecordError
from newsfilter.records import Source

Run = Callable[..., Ran]
FIXTURES = ROOT.parent / "fixtures/dump"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over all fixtures, as files and as shards."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "newsfilter.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for form in ("files", "jsonl", "parquet"):
            assert main(["clean", str(FIXTURES), "-o", form, "--to", form, "--quiet", "--jobs", "1"]) == 0
    return folder


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The text of every fixture's page, cut anew from its source."""
    cleaner, found = Cleaner(), {}
    for entry in list_sources([str(FIXTURES)]).entries:
        source = read(entry, 0)
        if isinstance(source, Source):
            found[entry.uri] = cleaner.read(source).text
    return found


def record_of(out: Path, output: str) -> Path:
    return out / (output if output.endswith(".json") else output.removesuffix(".txt") + ".provenance.json")


@pytest.mark.slow
def test_every_fixture_comes_back_whole_and_block_by_block(runs: Path, pages: dict[str, str]) -> None:
    """Page and blocks are what extraction and segmenting gave; the blocks, one after another, are the page."""
    lines = ledger(runs / "files")
    assert {line["uri"] for line in lines} == set(pages)
    for line in lines:
        path = record_of(runs / "files", line["output"])
        record = json.loads(path.read_bytes())
        text = restore_file(path)
        assert text.decode() == pages[line["uri"]], line["uri"]
        last = max((entry["block"] + entry.get("merged", 1) for entry in record["blocks"]), default=0)
        assert b"".join(restore_file(path, number) for number in range(last)) == text, line["uri"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["files", "jsonl", "parquet"])
def test_documents_are_found_by_id_in_every_format(form: str, run: Run, runs: Path, pages: dict[str, str], tmp_path: Path) -> None:
    for line in ledger(runs / form)[::17]:
        ran = run("restore", runs / form, "--id", line["id"], "-o", tmp_path / "page.txt", "--overwrite")
        assert (ran.status, ran.out, ran.err) == (0, "", "")
        assert (tmp_path / "page.txt").read_bytes() == pages[line["uri"]].encode()


@pytest.fixture
def out(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run over a text with what a terminal would obey, an empty file, and a page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    make_tree(
        tmp_path / "crawl",
        {"a.txt": "\x1b[31mred\u202e\r\n\r\n" + article(1), "b.html": page(2), "empty.txt": b"", "cut.gz": b"\x1f\x8b\x08\0"},
    )
    assert run("clean", "crawl", "-o", "out", "--quiet", "--jobs", "1", "--max-failed", "1").status == 0
    return tmp_path / "out"


def path_of(out: Path, uri: str) -> Path:
    return record_of(out, next(line["output"] for line in ledger(out) if line["uri"] == uri))


def test_a_pipe_gets_the_bytes_and_a_terminal_what_it_can_show(out: Path) -> None:
    """Nothing scraped steers a terminal; what is not one gets every byte, and no line break more."""
    record, raw = path_of(out, "a.txt"), (out.parent / "crawl/a.txt").read_bytes()
    process = command("restore", record)
    process.wait(60)
    assert process.stdout is not None
    assert process.returncode == 0
    assert os.read(process.stdout.fileno(), 1 << 16) == raw
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()


def test_at_a_terminal_control_characters_are_written_out(out: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    ran = run("restore", path_of(out, "a.txt"))
    assert ran.out.startswith("\\x1b[31mred\\u202e\\x0d\n\\x0d\nFerry number 1")
    assert "\x1b" not in ran.out


def test_one_block_and_no_other_is_given(out: Path, run: Run) -> None:
    record = path_of(out, "b.html")
    ran = run("restore", record, "--block", "0")
    assert ran.status == 0
    assert ran.out.startswith("Ferry number 2 stays for the winter")
    ran = run("restore", record, "--block", "99")
    assert (ran.status, ran.out) == (2, "")
    assert "no block 99; they are numbered from 0 to " in ran.err
    ran = run("restore", path_of(out, "empty.txt"), "--block", "0")
    assert "no block 0; there are none" in ran.err


def test_a_body_elsewhere_is_given(out: Path, run: Run) -> None:
    record = path_of(out, "a.txt")
    body = record.with_name(record.name.removesuffix(".provenance.json") + ".txt")
    body.rename(out / "elsewhere")
    record.rename(out / "record.json")
    ran = run("restore", out / "record.json")
    assert ran.status == 2
    assert "give it with --body" in ran.err
    ran = run("restore", out / "record.json", "--body", out / "elsewhere")
    assert ran.out.encode() == (out.parent / "crawl/a.txt").read_bytes()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda _record, body: body.unlink(), "cannot be read"),
        (lambda _record, body: body.write_text("Another"), "the body has another sha256"),
        (lambda _record, body: body.write_bytes(b"\xff"), "is no UTF-8; it was changed"),
        (lambda record, _body: record.write_text("{"), "the record is no JSON"),
        (lambda record, _body: record.write_text("[]"), "it names no schema"),
        (lambda record, _body: record.write_text('{"schema": "newsfilter/provenance/2"}'), "its schema is 'newsfilter/provenance/2', this newsfilter reads "),
        (lambda record, _body: record.write_text('{"schema": "newsfilter/provenance/1"}'), "no provenance record, or one that was changed"),
        (lambda record, _body: record.unlink(), "cannot be read"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_its_path(out: Path, run: Run, spoil: Callable[[Path, Path], object], message: str) -> None:
    record = path_of(out, "a.txt")
    spoil(record, record.with_name(record.name.removesuffix(".provenance.json") + ".txt"))
    ran = run("restore", record)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert "a." in ran.err


def test_a_file_in_the_way_stays_unless_told_otherwise(out: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("mine", encoding="utf-8")
    assert run("restore", path_of(out, "b.html"), "-o", tmp_path / "page.txt").status == 2
    assert (tmp_path / "page.txt").read_text(encoding="utf-8") == "mine"
    assert run("restore", path_of(out, "b.html"), "-o", tmp_path / "page.txt", "--overwrite").status == 0
    assert run("restore", path_of(out, "b.html"), "-o", tmp_path / "page.txt/x").status == 1


def test_documents_that_cannot_be_given_back_by_id_are_said(out: Path, run: Run) -> None:
    failed = next(line["id"] for line in ledger(out) if line["status"] == "failed")
    assert "failed (" in run("restore", out, "--id", failed).err
    assert "holds no document nobody" in run("restore", out, "--id", "nobody").err
    assert "give a record's file" in run("restore", out).err
    assert "holds no run" in run("restore", out.parent, "--id", "x").err
    first = ledger(out)[0]
    (out / first["output"]).unlink()
    ran = run("restore", out, "--id", first["id"])
    assert (ran.status, "the body is missing" in ran.err) == (2, True)
    assert "leave one of the two out" in run("restore", out, "--id", "x", "--body", "y").err


def test_a_file_that_was_fixed_comes_back(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of `check --fix` says which file it is of; the bytes are those of before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    before = (FIXTURES / "metin/003_feribot-hediyesi.txt").read_bytes()
    (tmp_path / "news.txt").write_bytes(before)
    run("check", "news.txt", "--fix", "--records", "records", "--quiet")
    fixed = (tmp_path / "news.txt").read_bytes()
    assert fixed != before
    (record,) = (tmp_path / "records").rglob("*.fix.json")
    assert run("restore", record, "-o", "page.txt").status == 0
    assert (tmp_path / "page.txt").read_bytes() == before
    (tmp_path / "news.txt").rename(tmp_path / "moved.txt")
    assert "news.txt: cannot be read" in run("restore", record).err
    assert run("restore", record, "--body", "moved.txt").out.encode() == before
    assert "has no blocks" in run("restore", record, "--body", "moved.txt", "--block", "0").err
    (tmp_path / "moved.txt").write_bytes(fixed + b"\n")
    ran = run("restore", record, "--body", "moved.txt")
    assert (ran.status, ran.out) == (2, "")


def test_every_schema_has_a_reader() -> None:
    assert set(RESTORERS) == {"newsfilter/provenance/1", "newsfilter/fix/1"}
    with pytest.raises(RecordError, match="no JSON"):
        read_record(b"[" * 100_000)


def test_streams_that_are_no_files_get_text(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls `main` with a stream of their own gets what a pipe gets."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["restore", str(path_of(out, "a.txt"))]) == 0
    assert stream.buffer.getvalue() == (out.parent / "crawl/a.txt").read_bytes()
