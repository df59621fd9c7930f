"""Slices of a dump joined: the same bytes as one run over the whole, or a message that names what is missing or differs."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran, article, files, make_tree, page, run_file
from test_docs import missing

from newsfilter.dumps.merge_files import bring

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]
TIMELESS = ("counts", "skipped", "reasons", "characters", "duplicates", "repeated_ids", "files", "sources", "settings", "model", "software")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Loose documents around a table whose ids repeat, a page that comes twice, what is skipped, and what fails."""
    rows = [{"id": f"{number % 30}", "text": article(number % 32)} for number in range(40)]
    return make_tree(
        tmp_path / "mixed",
        {
            **{f"a/{number:02d}.html": page(number) for number in range(18)},
            "m.jsonl": "".join(json.dumps(row) + "\n" for row in rows) + "no json\n",
            "n.jsonl": json.dumps({"text": None}) + "\n",
            **{f"z/{number:02d}.txt": article(number) for number in range(9)},
            "z/empty.txt": b"",
            "z/logo.png": b"\x89PNG\r\n\x1a\n",
        },
    )


def whole_tree(out: Path) -> dict[str, bytes]:
    """Everything below a folder but run.json: what --resume goes by, too."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "run.json"}


def clean_slices(run: Run, source: Path, parts: int, *arguments: str) -> list[str]:
    outs = [f"out{part}" for part in range(1, parts + 1)]
    for part, out in enumerate(outs, start=1):
        run("clean", source, "-o", out, "--shard", f"{part}/{parts}", "--jobs", "1", "--max-failed", "1", "--quiet", *arguments)
    return outs


@pytest.mark.parametrize("kind", ["files", "jsonl", "parquet"])
def test_joined_slices_are_the_bytes_of_one_run(run: Run, mixed: Path, tmp_path: Path, kind: str) -> None:
    """The tree, what --resume goes by, the list of repeats, and all of run.json that is no time."""
    (mixed / "link.html").symlink_to("nowhere")
    outs = clean_slices(run, mixed, 3, "--to", kind)
    run("clean", mixed, "-o", "whole", "--to", kind, "--jobs", "1", "--dedup")
    ran = run("merge", *reversed(outs), "-o", "merged", "--dedup")
    assert (ran.status, "has the id" in ran.err) == (0, True)
    assert whole_tree(tmp_path / "merged") == whole_tree(tmp_path / "whole")
    joined, one = run_file(tmp_path / "merged"), run_file(tmp_path / "whole")
    assert {key: joined[key] for key in TIMELESS} == {key: one[key] for key in TIMELESS}
    assert (joined["status"], joined["counts"]["failed"], joined["repeated_ids"]) == ("finished", 1, 10)
    assert [(part["out"], part["shard"]) for part in joined["merged"]] == [(f"out{part}", [part, 3]) for part in (1, 2, 3)]
    runs = [run_file(tmp_path / out) for out in outs]
    assert joined["seconds"]["wall"] == pytest.approx(sum(part["seconds"]["wall"] for part in runs), abs=0.01)
    assert joined["started"] == min(part["started"] for part in runs)
    assert not missing([*joined, *joined["merged"][0], *joined["duplicates"]], "docs/cli.md")
    assert len(joined["slowest"]) == 5
    assert joined["slowest"][0]["seconds"] == max(slow["seconds"] for part in runs for slow in part["slowest"])
    assert (tmp_path / "out1/run.json").exists()  # slices stay
    cleaned = run("clean", mixed, "-o", "merged", "--to", kind, "--resume", "--max-failed", "1")
    assert cleaned.status == 0  # a whole run, with nothing left to do


def test_nothing_is_copied_on_one_file_system(run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where links cannot be made, files are copied, to the same bytes."""
    outs = clean_slices(run, mixed, 2)
    run("merge", *outs, "-o", "linked")
    body = next(path for path in (tmp_path / "out1").rglob("*.txt"))
    assert body.samefile(tmp_path / "linked" / body.relative_to(tmp_path / "out1"))

    def refuse(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert run("merge", *outs, "-o", "copied").status == 0
    assert body.stat().st_nlink == 2
    assert whole_tree(tmp_path / "copied") == whole_tree(tmp_path / "linked")


@pytest.fixture
def outs(run: Run, mixed: Path) -> list[str]:
    return clean_slices(run, mixed, 2, "--to", "jsonl")


def edit(out: Path, **changes: Any) -> None:
    """Change what run.json says."""
    (out / "run.json").write_text(json.dumps({**run_file(out), **changes}))


def change_inputs(out: Path) -> None:
    path = out / "_done/inputs.jsonl"
    path.write_bytes(path.read_bytes().replace(b"a/03.html", b"a/03.htm"))


def change_part(out: Path, name: str) -> None:
    (part,) = list((out / "articles").glob("part-000001.*"))
    part.write_bytes(b"") if name == "cut" else part.unlink()


def move_shard(out: Path) -> None:
    for path in list((out / "_done").glob("part-000003*")):
        path.rename(path.with_name(path.name.replace("000003", "000004")))


@pytest.mark.parametrize(
    ("harm", "messages"),
    [
        (lambda out: shutil.rmtree(out / "nothing", ignore_errors=True), []),
        (lambda out: (out / "run.json").unlink(), ["out2: holds no run"]),
        (lambda out: edit(out, status="interrupted"), ["out2 is not finished (interrupted)"]),
        (lambda out: edit(out, settings={**run_file(out)["settings"], "shard": [1, 2]}), ["slice 1/2 is there twice: out1 and out2", "missing: 2/2"]),
        (lambda out: edit(out, settings={**run_file(out)["settings"], "shard": [2, 3]}), ["out1 is one of 2 slices, out2 one of 3"]),
        (lambda out: edit(out, settings={**run_file(out)["settings"], "min_words": 7}), ["min_words (40 in out1, 7 in out2)"]),
        (lambda out: edit(out, sources=["other"]), ["sources (", "other in out2"]),
        (lambda out: edit(out, model={"name": "x", "sha256": "0" * 64}), ["model (", "000000000000 in out2"]),
        (lambda out: edit(out, software={**run_file(out)["software"], "lxml": "1.0"}), ["software lxml (", "1.0 in out2"]),
        (change_inputs, ["inputs (", "a/03.htm"]),
        (lambda out: (out / "_done/inputs.jsonl").unlink(), ["out2 lacks _done/inputs.jsonl"]),
        (lambda out: change_part(out, "cut"), ["part-000001", "has 0 bytes, and had"]),
        (lambda out: change_part(out, "gone"), ["part-000001", "is missing"]),
        (lambda out: (out / "_done/part-000001.json").write_text("{}"), ["part-000001.json: is damaged"]),
        (lambda out: (out / "_done/part-000001.json").unlink(), ["out2 lacks shard 1"]),
        (move_shard, ["out2 holds shard 4, which is of another slice"]),
    ],
)  # fmt: skip
def test_what_is_missing_or_differs_is_named_and_nothing_written(
    run: Run, outs: list[str], tmp_path: Path, harm: Callable[[Path], Any], messages: list[str]
) -> None:
    """Untouched, the same slices can be joined."""
    harm(tmp_path / "out2")
    ran = run("merge", *outs, "-o", "merged")
    assert ran.status == (2 if messages else 0), ran.err
    assert [message for message in messages if message not in ran.err] == []
    assert (tmp_path / "merged").exists() is not bool(messages)


def test_all_that_is_wrong_is_named_at_once(run: Run, mixed: Path, tmp_path: Path) -> None:
    outs = clean_slices(run, mixed, 4, "--to", "jsonl")
    edit(tmp_path / "out4", status="running", sources=["other"])
    ran = run("merge", *outs[2:], "-o", "merged")
    for message in ("missing: 1/4, 2/4", "out4 is not finished (running)", "sources ("):
        assert message in ran.err


def test_sums_that_are_wrong_are_said_and_fail(run: Run, outs: list[str], tmp_path: Path) -> None:
    """The shards' markers and ledgers are held against what each run.json counted."""
    content = run_file(tmp_path / "out2")
    last = max((tmp_path / "out2/_done").glob("part-*.ledger.jsonl"))
    lines = last.read_bytes().splitlines(keepends=True)
    last.write_bytes(b"".join(lines[:-1]))
    ran = run("merge", *outs, "-o", "short")
    assert (ran.status, "are in the ledger" in ran.err) == (1, True)
    last.write_bytes(b"".join(lines).replace(b'"status":"accepted"', b'"status":"review"', 1))
    ran = run("merge", *outs, "-o", "turned")
    assert (ran.status, "their ledgers have" in ran.err) == (1, True)
    last.write_bytes(b"".join(lines))
    files_ = [{**file, "skipped": file["skipped"] + 1} for file in content["files"]]
    edit(tmp_path / "out2", files=files_)
    ran = run("merge", *outs, "-o", "counted")
    assert (ran.status, "records were found" in ran.err) == (1, True)


def test_an_output_that_leads_out_of_its_slice_is_refused(run: Run, mixed: Path, tmp_path: Path) -> None:
    outs = clean_slices(run, mixed, 1)
    part = min((tmp_path / "out1/_done").glob("part-*.ledger.jsonl"))
    part.write_bytes(part.read_bytes().replace(b'"output":"a/', b'"output":"../mixed/a/', 1))
    ran = run("merge", *outs, "-o", "deep/merged")
    assert (ran.status, "leads out of the folder" in ran.err) == (2, True)
    assert not (tmp_path / "deep/mixed").exists()


@pytest.mark.parametrize("place", ["out1", "out1/deeper", "."])
def test_slices_and_the_whole_do_not_lie_in_each_other(run: Run, outs: list[str], place: str) -> None:
    ran = run("merge", *outs, "-o", place, "--overwrite")
    assert (ran.status, "lie in each other" in ran.err) == (2, True)


def test_a_place_that_is_not_empty_is_refused_and_overwriting_spares_what_is_not_ours(run: Run, outs: list[str], tmp_path: Path) -> None:
    make_tree(tmp_path / "merged", {"notes.txt": "mine", "articles/mine.jsonl": "mine"})
    for arguments in ([], ["--resume"]):
        assert run("merge", *outs, "-o", "merged", *arguments).status == 2
    assert run("merge", *outs, "-o", "merged", "--overwrite").status == 0
    run("merge", *outs, "-o", "other")
    merged = files(tmp_path / "merged")
    assert (merged.pop("notes.txt"), merged.pop("articles/mine.jsonl")) == (b"mine", b"mine")
    assert merged == files(tmp_path / "other")


@pytest.mark.parametrize("kind", ["files", "parquet"])
def test_an_interrupted_merge_goes_on(run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """It is refused without --resume, and for other slices."""
    outs = clean_slices(run, mixed, 2, "--to", kind)
    run("merge", *outs, "-o", "whole")
    calls: list[int] = []

    def interrupted(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        bring(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("newsfilter.dumps.merge.bring", interrupted)
        ran = run("merge", *outs, "-o", "merged")
    assert (ran.status, "--resume" in ran.err, run_file(tmp_path / "merged")["status"]) == (130, True, "interrupted")
    assert run("merge", *outs, "-o", "merged").status == 2
    assert run("merge", *outs, "-o", "merged", "--resume", "--dedup").status == 0
    merged = whole_tree(tmp_path / "merged")
    assert merged.pop("duplicates.jsonl")
    assert merged == whole_tree(tmp_path / "whole")
    clean_slices(run, mixed, 2, "--to", kind, "--min-words", "7", "--overwrite")
    ran = run("merge", *outs, "-o", "merged", "--resume")
    assert (ran.status, "min_words (40 then, 7 now)" in ran.err) == (2, True)


def test_slices_on_remote_storage_are_joined_there_and_here(run: Run, mixed: Path, tmp_path: Path) -> None:
    """From one folder of a store to another the storage copies; from there to here, and from here to there, files are sent."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    url = "memory://test-merge"
    local = clean_slices(run, mixed, 2, "--to", "jsonl")
    run("merge", *local, "-o", "whole", "--dedup")
    whole = whole_tree(tmp_path / "whole")
    try:
        for part in (1, 2):
            run("clean", mixed, "-o", f"{url}/out{part}", "--to", "jsonl", "--shard", f"{part}/2", "--jobs", "1", "--max-failed", "1")
        remote = [f"{url}/out{part}" for part in (1, 2)]
        assert run("merge", *remote, "-o", "here", "--dedup").status == 0
        assert whole_tree(tmp_path / "here") == whole
        del whole["ledger.jsonl"]  # which stands in parts there
        for slices, place in ((remote, "there"), ([remote[0], local[1]], "mixed"), (local, "sent")):
            assert run("merge", *slices, "-o", f"{url}/{place}", "--dedup").status == 0
            root = f"/test-merge/{place}"
            there = {path.removeprefix(f"{root}/"): store.cat_file(path) for path in store.find(root)}
            assert json.loads(there.pop("run.json"))["status"] == "finished"
            assert there == whole
        assert run("merge", *remote, "-o", f"{url}/there").status == 2
    finally:
        store.rm("/test-merge", recursive=True)
