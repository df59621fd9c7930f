"""What two runs did differently is shown, document by document and in sum."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article, ledger, make_tree, page

Run = Callable[..., Ran]
TEASERS = "Read more: the ferry\n\nRelated news\n\nMost read today"


@pytest.fixture
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newsfilter.toml").touch()
    names = {f"{k}.{'html' if k % 2 else 'txt'}": page(k) if k % 2 else f"{article(k)}\n\n{TEASERS}\n" for k in range(6)}
    return make_tree(tmp_path / "crawl", names)


def clean(run: Run, crawl: Path, out: str, *options: str) -> None:
    assert run("clean", crawl, "-o", out, "--quiet", "--jobs", "1", *options).status == 0


def differences(run: Run, *arguments: str) -> tuple[int, dict[str, Any]]:
    ran = run("diff", *arguments, "--json", "--quiet")
    found: dict[str, Any] = json.loads(ran.out)
    return ran.status, found


def test_the_same_run_in_another_format_differs_in_nothing(run: Run, crawl: Path) -> None:
    clean(run, crawl, "a")
    clean(run, crawl, "b", "--to", "parquet")
    ran = run("diff", "a", "b", "--quiet")
    assert (ran.status, ran.out) == (0, "A: a\nB: b\ndocuments: 6 in both, 0 of them differ; 0 only in A, 0 only in B\n")


def test_what_another_policy_keeps_is_counted(run: Run, crawl: Path) -> None:
    """Each character that only one body has, each status, and the worst first."""
    clean(run, crawl, "a")
    clean(run, crawl, "b", "--to", "jsonl", "--keep", "headline", "--min-words", "5000")
    status, found = differences(run, "a", "b")
    assert status == 1
    assert found["documents"] == {"both": 6, "only_a": 0, "only_b": 0, "changed": 6}
    assert found["statuses"] == [{"a": "accepted", "b": "review", "documents": 6}]
    records = [
        json.loads((crawl.parent / "a" / line["output"]).with_suffix(".provenance.json").read_bytes())
        for line in ledger(crawl.parent / "a")
    ]
    headlines = [max((e["end"] - e["start"] for e in r["blocks"][:1] if e["label"] == "headline"), default=0) for r in records]
    assert found["bodies"] == {"changed": sum(map(bool, headlines)), "only_a": 0, "only_b": sum(headlines)}
    assert found["labels"] == []
    weights = [row["body"]["only_b"] for row in found["worst"]]
    assert weights == sorted(weights, reverse=True)
    text = run("diff", "a", "b", "--quiet", "--top", "2").out
    assert "accepted → review" in text
    assert text.count(".txt: ") + text.count(".html: ") == 2
    table = [line.split() for line in text.splitlines() if line.startswith(("A / B", "accepted ", "review "))]
    assert table == [["A", "/", "B", "accepted", "review"], ["accepted", "0", "6"], ["review", "0", "0"]]


def test_a_rejected_document_loses_its_whole_body(run: Run, crawl: Path) -> None:
    clean(run, crawl, "a")
    clean(run, crawl, "b", "--lang", "tr")
    status, found = differences(run, "a", "b")
    assert status == 1
    kept = [
        json.loads((crawl.parent / "a" / line["output"]).with_suffix(".provenance.json").read_bytes())
        for line in ledger(crawl.parent / "a")
    ]
    assert found["bodies"]["only_a"] == sum(e["end"] - e["start"] for record in kept for e in record["blocks"] if e["kept"])
    assert found["bodies"]["only_b"] == 0


def test_labels_that_changed_are_a_confusion_of_characters(run: Run, crawl: Path) -> None:
    """Changed by hand in one record, whose stretches tile the page as before."""
    clean(run, crawl, "a", "--to", "jsonl")
    clean(run, crawl, "b", "--to", "jsonl")
    path = crawl.parent / "b/records/part-000000.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    record = json.loads(rows[0]["record"])
    entry = record["blocks"][-1]
    old, entry["label"] = entry["label"], "spam-other"
    rows[0]["record"] = json.dumps(record)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    status, found = differences(run, "a", "b")
    assert status == 1
    size = entry["end"] - entry["start"]
    assert found["labels"] == [{"a": old, "b": "spam-other", "characters": size, "documents": 1}]
    assert [row["uri"] for row in found["worst"]] == ["0.txt"]
    assert f"label: {old} → spam-other: {size} characters in 1 document\n" in run("diff", "a", "b", "--quiet").out


def test_documents_in_one_run_only_are_named(run: Run, crawl: Path) -> None:
    """They are matched by id, whatever stands between them."""
    clean(run, crawl, "a")
    (crawl / "0.txt").unlink()
    (crawl / "9.txt").write_text(article(9), encoding="utf-8")
    clean(run, crawl, "b")
    status, found = differences(run, "a", "b", "--top", "1")
    assert (status, found["only_a"], found["only_b"]) == (1, ["0.txt"], ["9.txt"])
    assert found["documents"] == {"both": 5, "only_a": 1, "only_b": 1, "changed": 0}
    text = run("diff", "a", "b", "--quiet").out
    assert "only in A:\n  0.txt\n" in text
    assert "only in B:\n  9.txt\n" in text


def test_a_page_that_was_read_otherwise_is_compared_by_paragraphs(run: Run, crawl: Path) -> None:
    clean(run, crawl, "a")
    (crawl / "2.txt").write_text((crawl / "2.txt").read_text(encoding="utf-8").replace("In week 21 ", "In the week 21 "), encoding="utf-8")
    clean(run, crawl, "b")
    status, found = differences(run, "a", "b")
    (row,) = found["worst"]
    assert (status, row["uri"], row["same_page"]) == (1, "2.txt", False)
    assert row["body"]["only_b"] - row["body"]["only_a"] == len("the ")
    assert "the page was read otherwise" in run("diff", "a", "b", "--quiet").out


def test_failures_are_compared_by_their_reasons(run: Run, crawl: Path) -> None:
    (crawl / "x.gz").write_bytes(b"\x1f\x8b\x08\0")
    clean(run, crawl, "a", "--max-failed", "1")
    clean(run, crawl, "b", "--max-failed", "1")
    assert differences(run, "a", "b")[0] == 0
    (crawl / "x.gz").unlink()
    (crawl / "x.gz").mkdir()
    clean(run, crawl, "c", "--max-failed", "1")
    status, found = differences(run, "a", "c")
    assert (status, found["only_a"]) == (1, ["x.gz"])


def test_what_cannot_be_read_is_named_and_the_others_are_compared(run: Run, crawl: Path) -> None:
    clean(run, crawl, "a")
    clean(run, crawl, "b", "--keep", "headline")
    (crawl.parent / "a/0.txt").unlink()
    record = crawl.parent / "b/1.provenance.json"
    record.write_text(record.read_text(encoding="utf-8").replace("newsfilter/provenance/1", "newsfilter/provenance/2"), encoding="utf-8")
    ran = run("diff", "a", "b", "--quiet")
    assert ran.status == 2
    assert "0.provenance.json: the body is missing" in ran.err
    assert "1.provenance.json: its schema is 'newsfilter/provenance/2'" in ran.err
    assert "differ most" in ran.out


def test_scraped_names_obey_no_terminal(run: Run, crawl: Path) -> None:
    clean(run, crawl, "a")
    (crawl / "\x1b[31m\u202e.txt").write_text(article(8), encoding="utf-8")
    clean(run, crawl, "b")
    ran = run("diff", "a", "b", "--quiet")
    assert "\\x1b[31m\\u202e.txt" in ran.out
    assert "\x1b" not in ran.out


def test_a_folder_that_holds_no_run_is_wrong_usage(run: Run, crawl: Path) -> None:
    clean(run, crawl, "a")
    assert run("diff", "a", "crawl").status == 2
    assert run("diff", "a").status == 2
    assert "takes two OUTs" in run("diff", "a", "a", "a").err
