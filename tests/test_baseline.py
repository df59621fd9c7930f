"""A baseline accepts findings by file, label and text, and survives moved lines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ran, article, make_tree
from gate_support import CASINO, FOOTER, spammed

Run = Callable[..., Ran]

pytestmark = pytest.mark.usefixtures("workplace")


def test_accepted_findings_are_left_out_wherever_they_move(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1), "b.jsonl": json.dumps({"text": spammed(2)}) + "\n"})
    ran = run("check", "a.txt", "b.jsonl", "--write-baseline", "accepted.json")
    assert (ran.status, ran.out, ran.err) == (0, "", "newsfilter: 2 findings accepted: accepted.json\n")
    assert run("check", "a.txt", "b.jsonl", "--baseline", "accepted.json").status == 0
    moved = f"{article(3)}\n{article(1)}\n  {FOOTER.replace(' ', '  ').upper()}  \n"
    make_tree(tmp_path, {"a.txt": moved, "b.jsonl": "\n\n" + json.dumps({"id": 1, "text": spammed(2)})})
    ran = run("check", "a.txt", "b.jsonl", "--baseline", "accepted.json")
    assert (ran.status, ran.out) == (0, "")


def test_more_of_the_same_and_the_same_elsewhere_are_new(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1), "b.txt": article(2)})
    run("check", "a.txt", "b.txt", "--write-baseline", "accepted.json")
    make_tree(tmp_path, {"a.txt": f"{spammed(1)}\n{article(3)}\n{FOOTER}\n\n{CASINO}\n", "b.txt": spammed(2)})
    ran = run("check", "a.txt", "b.txt", "--baseline", "accepted.json")
    assert [line.rpartition(" 1.00 ")[0] or line.partition(" 0.")[0] for line in ran.out.splitlines()] == [
        "a.txt:23:1: spam-adult",
        "a.txt:25:1: spam-gambling",
        "b.txt:11:1: spam-adult",
    ]
    assert ran.status == 1


def test_a_baseline_holds_from_every_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its paths are relative to its own folder, and the settings file can name it."""
    make_tree(tmp_path, {"news/a.txt": spammed(1)})
    run("check", "news", "--write-baseline", "accepted.json")
    content = json.loads((tmp_path / "accepted.json").read_text())
    assert content["schema"] == "newsfilter/baseline/1"
    assert [(row["path"], row["label"], row["count"]) for row in content["findings"]] == [("news/a.txt", "spam-adult", 1)]
    (tmp_path / "newsfilter.toml").write_text('[check]\nbaseline = "accepted.json"\n')
    assert run("check", "news").status == 0
    monkeypatch.chdir(tmp_path / "news")
    assert run("check", "a.txt").status == 0
    assert run("check", "a.txt", "--baseline", "../accepted.json").status == 0


def test_a_baseline_is_the_same_bytes_each_time_and_in_order(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1), "b.txt": f"{spammed(2)}\n{CASINO}\n"})
    run("check", "b.txt", "a.txt", "--write-baseline", "one.json")
    run("check", "a.txt", "b.txt", "--write-baseline", "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    rows = json.loads((tmp_path / "one.json").read_text())["findings"]
    assert [(row["path"], row["label"]) for row in rows] == sorted((row["path"], row["label"]) for row in rows)


def test_writing_accepts_what_an_older_baseline_accepted_too(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1)})
    run("check", "a.txt", "--write-baseline", "accepted.json")
    before = (tmp_path / "accepted.json").read_bytes()
    assert run("check", "a.txt", "--baseline", "accepted.json", "--write-baseline", "accepted.json").status == 0
    assert (tmp_path / "accepted.json").read_bytes() == before


def test_no_baseline_is_written_when_a_file_could_not_be_judged(run: Run, tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1), "b.jsonl": "[]\n"})
    assert run("check", "a.txt", "b.jsonl", "gone.txt", "--write-baseline", "accepted.json").status == 2
    assert not (tmp_path / "accepted.json").exists()


def test_accepted_findings_are_not_fixed(run: Run, tmp_path: Path) -> None:
    """As many of one text as were accepted stay; what else is found goes, in the same file and row."""
    make_tree(tmp_path, {"a.txt": spammed(1), "b.jsonl": json.dumps({"text": spammed(2)}) + "\n"})
    run("check", "a.txt", "b.jsonl", "--write-baseline", "accepted.json")
    make_tree(tmp_path, {"a.txt": f"{spammed(1)}\n{CASINO}\n", "b.jsonl": json.dumps({"text": f"{spammed(2)}\n{CASINO}\n"}) + "\n"})
    assert run("check", "a.txt", "b.jsonl", "--baseline", "accepted.json", "--fix", "--records", "records").status == 1
    assert (tmp_path / "a.txt").read_text() == spammed(1)
    assert (tmp_path / "b.jsonl").read_text() == json.dumps({"text": spammed(2)}) + "\n"
    assert run("check", "a.txt", "b.jsonl", "--baseline", "accepted.json").status == 0


BROKEN = [
    ("{", "is no baseline"),
    ("[]", "is no baseline"),
    ('{"schema": "newsfilter/baseline/2", "findings": []}', "its schema is 'newsfilter/baseline/2'"),
    ('{"schema": "newsfilter/baseline/1", "findings": [{"path": "a", "label": "b", "sha256": "c", "count": 0}]}', "is no baseline"),
    ('{"schema": "newsfilter/baseline/1", "findings": [{"path": "a"}]}', "is no baseline"),
]


@pytest.mark.parametrize(("content", "said"), BROKEN)
def test_a_broken_baseline_is_wrong_usage(run: Run, tmp_path: Path, content: str, said: str) -> None:
    make_tree(tmp_path, {"a.txt": spammed(1), "accepted.json": content})
    ran = run("check", "a.txt", "--baseline", "accepted.json")
    assert (ran.status, ran.out, said in ran.err) == (2, "", True)
    assert run("check", "a.txt", "--baseline", "gone.json").status == 2
