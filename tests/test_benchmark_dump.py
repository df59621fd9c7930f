"""The benchmark of dumps: what it builds can be read, what it watches is seen, and it runs."""

import gzip
import io
import json
import lzma
import sys
import tarfile
from itertools import islice
from pathlib import Path

import pytest
from conftest import ROOT, article

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.dump import LOOP, ONE, TWO, Pair, Run, main, run
from benchmarks.dump_input import TEXT_BYTES, read_articles, read_pages, read_texts, repeated, text_of, write_texts, write_warcs
from benchmarks.dump_tables import spread
from benchmarks.watch import FailedError, Used, watched

from newsfilter.dumps.documents import Document
from newsfilter.dumps.readers import ReadOptions, reader_of
from newsfilter.training.corpus import PAGE_SETS

MEGABYTES = 100


def long_page(number: int) -> str:
    """A page with more than 4 KB of text."""
    paragraphs = "".join(f"<p>{text}</p>" for text in article(number, 20 + number).strip().split("\n\n"))
    return f"<html><body><ul><li><a href='/'>Home</a></li></ul><article>{paragraphs}</article></body></html>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "site"
    found.mkdir()
    for number in range(12):
        (found / f"{number}.html").write_text(long_page(number), encoding="utf-8")
    return found


def test_warc_files_hold_the_pages(folder: Path, tmp_path: Path) -> None:
    """Every page comes back as it was, over and over, each time under an address of its own; a file begins a new member for each record."""
    pages = read_pages(folder)
    paths = write_warcs(pages, 29, 13, tmp_path / "warc")
    read = [
        item.source
        for path in paths
        for item in reader_of("warc").read(str(path), path.name, 0, None, ReadOptions(max_bytes=0))
        if isinstance(item, Document)
    ]
    assert [len(gzip.decompress(path.read_bytes()).split(b"WARC-Type: response")) - 1 for path in paths] == [13, 13, 3]
    assert [(source.url, source.raw) for source in read] == list(islice(repeated(pages), 29))
    assert len({source.url for source in read}) == 29
    assert sorted(raw for _, raw in pages) == sorted(path.read_bytes() for path in folder.iterdir())


def test_texts_are_four_kilobytes(folder: Path, tmp_path: Path) -> None:
    """Each text has 4 KB of an article and the furniture above it; a page with less gives none."""
    assert text_of(b"<p>Short.</p>") is None
    texts = read_texts(read_pages(folder))
    write_texts(texts, 7, tmp_path / "texts.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len({row["url"] for row in rows}) == 7
    assert {len(row["text"].encode()) for row in rows} == {TEXT_BYTES}
    assert all(row["text"].startswith("Home\n\nFerry number") for row in rows)
    with pytest.raises(SystemExit, match="no page has"):
        read_texts([("https://ferry.example/", b"<p>Short.</p>")])


def test_articles_are_cut_to_four_kilobytes(tmp_path: Path) -> None:
    """Of a DATA folder's articles those count that have so much; what has no gold text gives none."""
    (tmp_path / "pages").mkdir()
    long = "Köprü açıldı. " * 400
    for name in PAGE_SETS:
        rows: list[dict[str, str | None]] = [
            {"id": f"{name}1", "text": long},
            {"id": f"{name}2", "text": "Kısa."},
            {"id": f"{name}3", "text": None},
        ]
        with lzma.open(tmp_path / f"pages/{name}.jsonl.xz", "wt", encoding="utf-8") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
        with tarfile.open(tmp_path / f"pages/{name}.tar.xz", "w:xz") as archive:
            for row in rows:
                archive.addfile(tarfile.TarInfo(f"{row['id']}.html"), io.BytesIO())
    found = read_articles(tmp_path)
    assert sorted(url for url, _ in found) == sorted(f"https://{name}.example/{name}1" for name in PAGE_SETS)
    assert all(long.startswith(text.decode()) and TEXT_BYTES - 1 <= len(text) <= TEXT_BYTES for _, text in found)
    assert read_articles(tmp_path / "pages") == []


def test_a_folder_without_pages_is_refused(tmp_path: Path) -> None:
    """Who gives the wrong folder is told so."""
    with pytest.raises(SystemExit, match="no pages"):
        read_pages(tmp_path)


def test_memory_and_time_of_all_processes_are_seen() -> None:
    """What a command's own child holds and works counts, each process by itself, also what it held for a moment only."""
    child = f"import time; held = bytearray({MEGABYTES} << 20); del held; x = sum(i * i for i in range(3_000_000)); time.sleep(1)"
    used = watched([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print('said')"])
    assert used.output == "said\n"
    assert used.peaks["process"] > MEGABYTES << 20 > used.peaks["main"] > 1 << 20
    assert used.wall > 1
    assert used.cpu > 0.1
    assert used.others >= 0


def test_a_command_that_fails_is_no_figure() -> None:
    """A run that ends badly stops the benchmark, with what it said."""
    with pytest.raises(FailedError, match=r"(?s)exit status 3.*no such thing"):
        watched([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"])


def test_a_document_that_is_missing_is_no_figure(tmp_path: Path) -> None:
    """A newsfilter run that saw fewer documents than the dump has stops the benchmark."""

    def command(_dump: Path, out: Path) -> list[str]:
        content = {"counts": {"documents": 3}, "seconds": {"cpu": {}}}
        return [
            sys.executable,
            "-c",
            f"import pathlib; out = pathlib.Path({str(out)!r}); out.mkdir(); (out / 'run.json').write_text({json.dumps(content)!r})",
        ]

    assert run(command, tmp_path, 3, tmp_path / "out").said["counts"] == {"documents": 3}
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit, match="4 documents are in it, 3 were seen"):
        run(command, tmp_path, 4, tmp_path / "out")


def test_rates_are_of_the_difference() -> None:
    """What both dumps spend on starting is in neither rate."""
    pair = Pair(Run(100, Used(15.0, 12.0, 0.0), {}), Run(300, Used(25.0, 16.0, 0.0), {}))
    assert (pair.per_second, pair.per_cpu_second) == (20, 50)
    assert (spread([pair.per_second, 30]), spread([])) == ("25.0 (20.0 to 30.0)", "-")
    assert Pair(pair.large, pair.large).per_second == 0  # too small to tell


@pytest.mark.slow
def test_the_benchmark_runs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A tiny run counts every document, prints the tables, and writes the same as JSON. The times of so few documents mean nothing."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    out = tmp_path / "result.json"
    sizes = ["--documents", "12", "--records", "4"]
    assert main([str(folder), *sizes, "--rounds", "1", "--memory", "4", "8", "--work", str(tmp_path), "--json", str(out)]) == 0
    found, shown = json.loads(out.read_bytes()), capsys.readouterr().out
    assert {name: [run["documents"] for run in (pairs[0]["small"], pairs[0]["large"])] for name, pairs in found["html"].items()} == {
        ONE: [4, 12], TWO: [4, 12], LOOP: [4, 12],
    }  # fmt: skip
    assert found["text"]["newsfilter, text, 1 job"][0]["large"]["said"]["counts"]["documents"] == 24
    assert [found["memory"][TWO][0][size]["documents"] for size in ("small", "large")] == [4, 8]
    assert {"child", "worker", "main"} <= found["memory"][TWO][0]["large"]["used"]["peaks"].keys()
    for row in (
        f"| {ONE} / {LOOP} | 0.7 |",
        "| extract | ",
        "ms for 100 blocks",
        "In a child that is watched, cleaning takes ",
        "| reading and writing | ",
        f"| {TWO}: child | 4 | ",
        f"- {ONE}: 12 documents",
    ):
        assert row in shown
    assert not list(tmp_path.glob("tmp*"))
