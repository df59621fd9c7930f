"""What `newsfilter stats` tells of a run, and of one that is not finished."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article, ledger, make_tree, page, run_file

from newsfilter.dumps import stats as counting
from newsfilter.dumps.position import Position
from newsfilter.dumps.shards import Shard
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.stats import ENOUGH, Sites, gather
from newsfilter.dumps.stats_text import stats_text

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]
URL = "https://www.{}.example/{}"


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Two tables and some loose documents, of several sites, with what is skipped and what fails."""
    rows = [{"text": article(number), "url": URL.format("ferry" if number % 5 else "bridge", number)} for number in range(30)]
    return make_tree(
        tmp_path / "several",
        {
            "one.jsonl": "".join(json.dumps(row) + "\n" for row in rows) + "no json\n" + json.dumps({"text": None}) + "\n",
            "two.jsonl": json.dumps({"text": article(99), "url": URL.format("harbour", 1)}) + "\n",
            "loose/a.html": page(1),
            "loose/empty.txt": b"",
        },
    )


def tables(text: str) -> dict[str, list[list[str]]]:
    """The printed tables by title: rows of words, the header first."""
    found = {}
    for part in text.strip().split("\n\n"):
        title, *lines = part.split("\n")
        found[title] = [line.split() for line in lines]
    return found


def test_the_tables_are_those_of_the_ledger(run: Run, several: Path, tmp_path: Path) -> None:
    run("clean", several, "-o", "out", "--dedup", "--max-failed", "1")
    ran = run("stats", "out")
    lines, content, shown = ledger(tmp_path / "out"), run_file(tmp_path / "out"), tables(ran.out)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("documents ")
    files = {row[-1]: [int(number) for number in row[:6]] for row in shown["by file"][1:]}
    assert files["one.jsonl"] == [31, 30, 0, 0, 1, 1]
    assert files["two.jsonl"] == [1, 1, 0, 0, 0, 0]
    assert files["own)"] == [2, 1, 0, 1, 0, 0]
    assert [row[-1] for row in shown["by file"][1:]] == ["one.jsonl", "own)", "two.jsonl"]  # most documents first
    assert {row[-1]: int(row[0]) for row in shown["by reason"][1:]} == content["reasons"]
    removed = {row[-1]: int(row[0].replace(",", "")) for row in shown["removed, by label"][1:]}
    assert removed == {label: sum(line["labels"].get(label, 0) for line in lines) for label in removed}
    assert removed.keys() == content["characters"]["removed"].keys()
    assert sum(int(row[0]) for row in shown["by language"][1:]) == 33  # all but the failed one
    sites = {row[-1]: row for row in shown["by site"][1:]}
    ferry = [line for line in lines if line["site"] == "ferry.example"]
    share = sum(sum(line["labels"].values()) for line in ferry) / sum(line["characters"] + sum(line["labels"].values()) for line in ferry)
    assert sites["ferry.example"] == ["24", "100", "%", f"{100 * share:.0f}", "%", "ferry.example"]
    assert list(sites)[:2] == ["ferry.example", "bridge.example"]
    assert [row[-1] for row in shown[f"most removed, of sites with {ENOUGH} documents and more"][1:]] == ["ferry.example"]
    assert [" ".join(row[2:]) for row in shown["slowest documents"][1:]] == [slow["uri"] for slow in content["slowest"]]
    assert (
        "1 of 32 bodies repeat an earlier one exactly (3 %); duplicates.jsonl names them" in ran.out
    )  # the page, whose text is in the table


def test_columns_are_aligned_and_thousands_apart(tmp_path: Path) -> None:
    """Numbers end in one column; what was scraped stands last, where no width can push anything."""
    _write(tmp_path / "out", ["kıyı"] * 1200 + ["渡口新闻"] * 3)
    shown = stats_text(gather(str(tmp_path / "out")), 20)
    table = shown[shown.index("by site") :].split("\n\n")[0].splitlines()
    assert table == [
        "by site",
        "  documents  accepted  removed  site",
        "      1,200     100 %     25 %  kıyı",
        "          3     100 %     25 %  渡口新闻",
    ]


def _write(out: Path, sites: Sequence[str | None], **changes: Any) -> None:
    """A run's two accounts, of accepted documents with 300 characters kept and 100 removed each."""
    line = {"id": "x", "uri": "a", "status": "accepted", "reasons": [], "characters": 300, "labels": {"teaser": 100}, "language": "tr"}
    counts = {"documents": len(sites), "accepted": len(sites), "review": 0, "rejected": 0, "failed": 0, "skipped": 0}
    content = {
        "schema": "newsfilter/run/1",
        "status": "finished",
        "counts": counts,
        "skipped": {},
        "reasons": {},
        "characters": {"kept": 300 * len(sites), "removed": {"teaser": 100 * len(sites)}},
        "files": [{"uri": None, **counts}],
        "slowest": [],
        "seconds": {"wall": 1.0, "cpu": {}},
    }
    make_tree(
        out,
        {
            "ledger.jsonl": "".join(json.dumps({**line, "site": site}) + "\n" for site in sites),
            "run.json": json.dumps({**content, **changes}),
        },
    )


def test_long_lists_are_cut_and_say_so(run: Run, tmp_path: Path) -> None:
    """At 20 lines, at --top, or not at all; JSON has the same lists."""
    _write(tmp_path / "out", [f"site{number:02d}" for number in range(23) for _ in range(ENOUGH)] + [None] * 4)
    for arguments, rows in (([], 20), (["--top", "3"], 3), (["--top", "0"], 23)):
        ran, listed = run("stats", "out", *arguments), json.loads(run("stats", "out", "--json", *arguments).out)
        table = tables(ran.out)["by site"]
        more = [row for row in table if row[0] == "and"]
        assert more == ([["and", str(23 - rows), "more"]] if rows < 23 else [])
        assert len(table) == 2 + rows + len(more)  # with the header, and the note on documents without a site
        assert [len(listed["sites"][name]) for name in ("largest", "most_removed")] == [rows, rows]
        assert (listed["sites"]["sites"], listed["sites"]["nameless"], listed["sites"]["with_enough"]) == (23, 4, 23)
        assert "4 documents name no site" in ran.out


def test_what_was_scraped_steers_no_terminal(run: Run, tmp_path: Path) -> None:
    """Neither a site nor a file nor a label nor the name that the user gave, and nothing is wider than a line."""
    odd = "\x1b[31m\u202eevil"
    file = {"uri": odd, "documents": 3, "accepted": 3, "review": 0, "rejected": 0, "failed": 0, "skipped": 0}
    _write(tmp_path / "out", [odd, "x" * 500, "\x9b2J"], files=[file], slowest=[{"uri": odd, "seconds": 1.0}])
    ran = run("stats", "out")
    assert [letter for letter in ran.out if letter != "\n" and not letter.isprintable()] == []
    assert ran.out.count("\\x1b[31m\\u202eevil") == 3
    assert max(map(len, ran.out.splitlines())) < 160
    ran = run("stats", "no\x1bout")
    assert (ran.status, "\x1b" in ran.err) == (2, False)


def test_json_has_what_the_tables_have(run: Run, several: Path, tmp_path: Path) -> None:
    run("clean", several, "-o", "out", "--max-failed", "1")
    told, content = json.loads(run("stats", "out", "--json").out), run_file(tmp_path / "out")
    same = ("status", "counts", "skipped", "reasons", "characters", "duplicates", "repeated_ids", "slowest", "seconds")
    assert {key: told[key] for key in same} == {key: content[key] for key in same}
    assert sorted(told["files"], key=str) == sorted(content["files"], key=str)
    assert sum(row["documents"] for row in told["languages"]) == 33
    assert told["wrong"] is None


def test_two_accounts_that_differ_are_named_and_fail(run: Run, several: Path, tmp_path: Path) -> None:
    """A line is gone, or says something else; the figures are the ledger's."""
    run("clean", several, "-o", "out", "--max-failed", "1")
    path = tmp_path / "out/ledger.jsonl"
    data = path.read_bytes()
    first, rest = data.split(b"\n", 1)
    path.write_bytes(rest)
    ran = run("stats", "out")
    assert (
        ran.status,
        "accepted documents (32 in run.json, 31 in the ledger)" in ran.err,
        re.search(r"^documents +33$", ran.out, re.MULTILINE) is not None,
    ) == (
        1,
        True,
        True,
    )
    path.write_bytes(first.replace(b'"characters":', b'"characters":1') + b"\n" + rest)
    ran = run("stats", "out")
    assert (ran.status, "do not agree: characters" in ran.err) == (1, True)
    path.write_bytes(data)
    assert run("stats", "out").status == 0


def test_a_run_that_is_not_finished_says_so(run: Run, tmp_path: Path) -> None:
    """Killed in the middle of a line: the whole lines count, and what only a run's end tells is left out."""
    _write(
        tmp_path / "out",
        ["a"] * 5,
        status="running",
        counts=dict.fromkeys(("documents", "accepted", "review", "rejected", "failed", "skipped"), 0),
    )
    path = tmp_path / "out/ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    ran = run("stats", "out")
    assert ran.status == 0
    assert ran.out.startswith("This run has not come to its end (running): the figures are those of the documents in its ledger so far.")
    assert tables(ran.out)["by site"][1][0] == "4"
    assert "by file" not in ran.out
    _write(tmp_path / "out", ["a"] * 5, status="interrupted")
    ran = run("stats", "out")
    assert ("(interrupted)" in ran.out, "by file" in ran.out) == (True, True)


@pytest.mark.parametrize("line", [b"{", b"7", b'{"id": 1}'])
def test_a_damaged_ledger_is_named_with_its_line(run: Run, tmp_path: Path, line: bytes) -> None:
    _write(tmp_path / "out", ["a"] * 2)
    path = tmp_path / "out/ledger.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    ran = run("stats", "out")
    assert (ran.status, "ledger.jsonl:3: no ledger line" in ran.err) == (2, True)


def test_sites_beyond_what_memory_allows_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told apart is exact; the rest is said to be there."""
    monkeypatch.setattr(counting, "MOST_SITES", 3)
    sites = Sites(3)
    for name in "abcdaeafa":
        sites.add({"site": name, "status": "accepted", "characters": 1, "labels": {}})
    assert [(site.name, site.documents) for site in sites] == [("a", 4), ("b", 1), ("c", 1)]
    assert (len(sites), sites.beyond) == (3, 3)
    _write(tmp_path / "out", list("abcdaeafa"))
    monkeypatch.setattr(counting, "Sites", lambda: Sites(3))
    assert "only the first 3 sites are told apart; 3 documents are of others" in stats_text(gather(str(tmp_path / "out")), 20)


def test_remote_storage_has_the_same_figures(run: Run, several: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    url = "memory://test-stats/out"
    try:
        run("clean", several, "-o", url, "--to", "jsonl", "--max-failed", "1", "--jobs", "1")
        run("clean", several, "-o", "out", "--to", "jsonl", "--max-failed", "1", "--jobs", "1")
        told = [json.loads(run("stats", place, "--json").out) for place in (url, "out")]
        for one in told:
            del one["out"], one["seconds"], one["slowest"]
        assert told[0] == told[1]
        assert told[0]["counts"]["documents"] == 34
    finally:
        fsspec.filesystem("memory").rm("/test-stats", recursive=True)


def _shard(number: int, uri: str, kind: str, stop: int | None, size: int | None) -> Shard:
    return Shard(number, uri, uri, kind, stop=stop, size=size)


def test_progress_goes_by_the_bytes_that_are_behind() -> None:
    """Ranges of bytes count as far as they reach, row groups and streams when their file is done. Shards of other slices do not."""
    sizes = {"a.txt": 10, "b.warc": 100, "c.parquet": 200, "d.csv": 50, "e.jsonl": 40}
    shards = [
        _shard(0, "a.txt", "files", None, 10),
        _shard(1, "b.warc", "warc", 60, 100),
        _shard(2, "b.warc", "warc", None, 100),
        _shard(3, "c.parquet", "parquet", 4, 200),
        _shard(4, "c.parquet", "parquet", 9, 200),
        _shard(5, "d.csv", "given", None, 50),
        _shard(6, "e.jsonl", "jsonl", None, 40),
    ]
    position = Position(Entry(uri, uri, size=size) for uri, size in sizes.items())
    for shard in shards:
        position.follow(shard)
    position.forget(4)
    assert [position.share(number) for number in (0, 1, 2, 3, 5, 6)] == [10 / 400, 70 / 400, 110 / 400, 110 / 400, 310 / 400, 1.0]
    unknown = Position([Entry("a.warc", "a.warc", size=None), Entry("b.warc", "b.warc", size=5)])
    unknown.follow(_shard(0, "a.warc", "warc", 3, None))
    assert unknown.share(0) is None


def test_a_run_over_tables_tells_how_far_it_is(several: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares rise to the whole; the number of documents is not made up."""
    seen: list[tuple[int, int, float | None]] = []
    monkeypatch.setattr("newsfilter.terminal.Progress.__call__", lambda _self, *values: seen.append(values))
    run("clean", several, "-o", "out", "--jobs", "1", "--max-failed", "1")
    shares = [share for _, total, share in seen if share is not None and total == 0]
    assert (seen[0], shares) == ((0, 0, None), sorted(shares))
    assert (seen[-1][0], seen[-1][2]) == (35, 1.0)
