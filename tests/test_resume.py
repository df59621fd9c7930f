"""Runs that were interrupted, killed or stopped, and go on to the same bytes; and what is refused to go on."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Ran, article, command, files, ledger, make_tree, run_file

from newsfilter.dumps.keeper import Keeper
from newsfilter.dumps.pool import _torn_down

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]


def interrupt_at(monkeypatch: pytest.MonkeyPatch, batch: int, number: int) -> None:
    """Send this process a signal while it has its nth batch cleaned, from 1."""
    clean, calls = Keeper.clean, []

    def _clean(self: Keeper, sources: Any) -> Any:
        calls.append(1)
        if len(calls) == batch:
            os.kill(os.getpid(), number)
        return clean(self, sources)

    monkeypatch.setattr(Keeper, "clean", _clean)


@pytest.mark.parametrize("when", [(1, signal.SIGINT), (2, signal.SIGTERM), (5, signal.SIGINT), (9, signal.SIGTERM)])
def test_an_interrupted_run_leaves_only_whole_files_and_resumes_to_the_same_bytes(
    run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: tuple[int, int]
) -> None:
    run("clean", many, "-o", "whole", "--quiet", "--jobs", "1")
    with monkeypatch.context() as patch:
        patch.setattr("newsfilter.dumps.worker.BATCH_DOCUMENTS", 3)
        interrupt_at(patch, *when)
        ran = run("clean", many, "-o", "out", "--jobs", "1")
    assert ran.status == 130
    assert "--resume" in ran.err
    whole, so_far = files(tmp_path / "whole"), files(tmp_path / "out")
    assert run_file(tmp_path / "out")["status"] == "interrupted"
    assert len(ledger(tmp_path / "out")) == run_file(tmp_path / "out")["counts"]["documents"]
    assert whole["ledger.jsonl"].startswith(so_far.pop("ledger.jsonl"))
    assert so_far.items() <= whole.items()
    cleaned: list[Any] = []
    with monkeypatch.context() as patch:
        clean = Keeper.clean
        patch.setattr(Keeper, "clean", lambda self, sources: cleaned.extend(sources) or clean(self, sources))  # type: ignore[func-returns-value]
        assert run("clean", many, "-o", "out", "--resume", "--max-failed", "1", "--jobs", "1").status == 0
    assert len(cleaned) <= 38 - 3 * (when[0] - 2)  # inside a shard too, what was done is not done again
    assert files(tmp_path / "out") == whole
    then, today = run_file(tmp_path / "whole"), run_file(tmp_path / "out")
    assert [today[key] for key in ("status", "counts", "skipped", "characters", "reasons")] == [
        then[key] for key in ("status", "counts", "skipped", "characters", "reasons")
    ]


def test_signals_are_answered_as_before_when_the_run_is_over(run: Run, dump: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run("clean", dump, "-o", "out")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_from_outside_stops_all_processes_and_the_run_resumes(run: Run, tmp_path: Path, jobs: int, number: int) -> None:
    many = make_tree(tmp_path / "many", {f"{k:04d}.txt": article(k, 12) for k in range(120)})
    process = command("clean", many, "-o", "out", "--jobs", str(jobs), cwd=tmp_path, start_new_session=True)
    until = time.monotonic() + 60
    while not (path := tmp_path / "out/ledger.jsonl").exists() or not path.stat().st_size:
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in errors) == (130, False), errors
    assert 0 < len(ledger(tmp_path / "out")) < 120
    assert not list((tmp_path / "out").rglob(".*"))
    settled = files(tmp_path / "out")
    time.sleep(0.5)
    assert files(tmp_path / "out") == settled  # nobody is left who writes
    assert run("clean", many, "-o", "out", "--resume", "--quiet").status == 0
    run("clean", many, "-o", "whole", "--quiet")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.1, 0.4])
def test_an_interrupt_from_the_keyboard_while_processes_start_shows_no_traceback(tmp_path: Path, delay: float) -> None:
    """A terminal sends it to the parent and its children alike, and these are importing then; `delay` is in seconds from run.json on."""
    many = make_tree(tmp_path / "many", {f"{k:04d}.txt": article(k, 12) for k in range(400)})
    process = command("clean", many, "-o", "out", "--jobs", "2", cwd=tmp_path, start_new_session=True)
    until = time.monotonic() + 60
    while not (tmp_path / "out/run.json").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors, "--resume" in errors) == (130, False, True), errors


@pytest.mark.slow
def test_a_run_that_was_killed_resumes_and_leaves_no_temporary_file(run: Run, tmp_path: Path) -> None:
    many = make_tree(tmp_path / "many", {f"{k:04d}.txt": article(k, 12) for k in range(120)})
    process = command("clean", many, "-o", "out", cwd=tmp_path)
    until = time.monotonic() + 60
    while not (path := tmp_path / "out/ledger.jsonl").exists() or not path.stat().st_size:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=30)
    (tmp_path / "out/.newsfilter-0123456789abcdef.tmp").write_text("as a kill would leave it")
    assert run("clean", many, "-o", "out", "--resume", "--quiet").status == 0
    run("clean", many, "-o", "whole", "--quiet")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_torn_last_line_is_dropped_and_written_again(run: Run, dump: Path, tmp_path: Path, cut: int) -> None:
    run("clean", dump, "-o", "out")
    whole = files(tmp_path / "out")
    path = tmp_path / "out/ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert files(tmp_path / "out") == whole


def test_resuming_a_finished_run_changes_nothing(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    whole, counts = files(tmp_path / "out"), run_file(tmp_path / "out")["counts"]
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert (files(tmp_path / "out"), run_file(tmp_path / "out")["counts"]) == (whole, counts)


def test_resuming_where_there_is_nothing_starts(run: Run, dump: Path, tmp_path: Path) -> None:
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert len(ledger(tmp_path / "out")) == 5


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--min-words", "9"], "min_words (40 then, 9 now)"),
        (["--keep", "caption"], "keep"),
        (["--no-repair"], "repair (True then, False now)"),
    ],
)
def test_resuming_with_other_settings_is_refused_and_named(run: Run, dump: Path, tmp_path: Path, arguments: list[str], named: str) -> None:
    run("clean", dump, "-o", "out")
    before = files(tmp_path / "out")
    ran = run("clean", dump, "-o", "out", "--resume", *arguments)
    assert (ran.status, named in ran.err, "--overwrite" in ran.err) == (2, True, True)
    assert files(tmp_path / "out") == before


def test_resuming_with_other_sources_is_refused_and_named(run: Run, dump: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "other", {"x.txt": "x"})
    run("clean", dump, "-o", "out")
    ran = run("clean", dump, "other", "-o", "out", "--resume")
    assert (ran.status, "sources" in ran.err) == (2, True)


def test_resuming_with_another_model_is_refused_and_named(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    content = run_file(tmp_path / "out")
    content["model"]["sha256"] = "0" * 64
    (tmp_path / "out/run.json").write_text(json.dumps(content))
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, "model (000000000000 then" in ran.err) == (2, True)


def test_resuming_with_other_versions_is_noted(run: Run, dump: Path, tmp_path: Path) -> None:
    run("clean", dump, "-o", "out")
    content = run_file(tmp_path / "out")
    content["software"]["newsfilter"] = "0.0.1"
    (tmp_path / "out/run.json").write_text(json.dumps(content))
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, "other versions" in ran.err) == (0, True)


@pytest.mark.parametrize("after", [0, 1, 2, 4, 5, 11, 12, 13])
def test_no_space_left_stops_the_run_with_nothing_half_written(
    run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The nth file cannot be written; when there is room again, the run is resumed to the same bytes."""
    run("clean", dump, "-o", "whole", "--jobs", "1")
    replace, calls = Path.replace, []

    def full(self: Path, target: Path) -> Path:
        calls.append(1)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        ran = run("clean", dump, "-o", "out")
    assert (ran.status, "No space left on device" in ran.err, "--resume" in ran.err) == (1, True, True)
    assert {name: content for name, content in files(tmp_path / "out").items() if name != "ledger.jsonl"}.items() <= files(
        tmp_path / "whole"
    ).items()
    again = ["--resume"] if (tmp_path / "out/run.json").exists() else ["--overwrite"]
    assert run("clean", dump, "-o", "out", *again).status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.slow
def test_a_worker_that_cannot_write_stops_the_run_as_this_process_would(run: Run, dump: Path, tmp_path: Path) -> None:
    """Somebody's folder stands where a body must go; when it is away, the run is resumed to the same bytes."""
    run("clean", dump, "-o", "whole")
    lines = (tmp_path / "whole/ledger.jsonl").read_text(encoding="utf-8").splitlines()
    body = next(output for line in lines if (output := json.loads(line)["output"]) and output.endswith(".txt"))
    make_tree(tmp_path / "out", {f"{body}/notes": "mine"})
    ran = run("clean", dump, "-o", "out", "--overwrite", "--jobs", "2")
    assert (ran.status, "did not write there" in ran.err, "Traceback" in ran.err) == (1, True, False)
    assert run_file(tmp_path / "out")["status"] == "interrupted"
    (tmp_path / "out" / body / "notes").unlink()
    (tmp_path / "out" / body).rmdir()
    assert run("clean", dump, "-o", "out", "--resume", "--jobs", "2").status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_damaged_ledger_is_written_anew_on_resuming(run: Run, dump: Path, tmp_path: Path) -> None:
    """Its lines stand beside the shards' markers, too."""
    run("clean", dump, "-o", "out")
    whole = files(tmp_path / "out")
    path = tmp_path / "out/ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"?\n", *lines[2:]]))
    assert run("clean", dump, "-o", "out", "--resume").status == 0
    assert files(tmp_path / "out") == whole


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda dump: (dump / "a/two.txt").unlink(), "a/two.txt (gone now)"),
        (lambda dump: make_tree(dump, {"a/between.txt": article(8)}), "a/between.txt (not there then)"),
        (lambda dump: make_tree(dump, {"z/new.txt": article(9)}), "z/new.txt (not there then)"),
        (lambda dump: make_tree(dump, {"a/two.txt": "other"}), "a/two.txt (1,292 bytes then, 5 bytes now)"),
    ],
)
def test_resuming_with_other_inputs_is_refused_and_named(
    run: Run, dump: Path, tmp_path: Path, change: Callable[[Path], object], named: str
) -> None:
    run("clean", dump, "-o", "out")
    before = files(tmp_path / "out")
    change(dump)
    ran = run("clean", dump, "-o", "out", "--resume")
    assert (ran.status, named in ran.err, "--overwrite" in ran.err) == (2, True, True), ran.err
    assert files(tmp_path / "out") == before


def test_a_lost_output_is_made_again_on_resuming(run: Run, many: Path, tmp_path: Path) -> None:
    """A marker vouches for files that are there; the other shards are left as they are."""
    run("clean", many, "-o", "out", "--to", "jsonl", "--max-failed", "1")
    whole = files(tmp_path / "out")
    untouched = (tmp_path / "out/articles/part-000000.jsonl").stat()
    (tmp_path / "out/articles/part-000001.jsonl").unlink()
    assert run("clean", many, "-o", "out", "--to", "jsonl", "--max-failed", "1", "--resume").status == 0
    assert files(tmp_path / "out") == whole
    assert (tmp_path / "out/articles/part-000000.jsonl").stat() == untouched


def test_an_interrupt_while_processes_start_is_not_lost() -> None:
    """Nobody answers it at that moment; it waits."""
    code = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests may have it ignored
from newsfilter.dumps.interrupt import inherited_deafness
try:
    with inherited_deafness():
        os.kill(os.getpid(), signal.SIGINT)
    print("lost")
except KeyboardInterrupt:
    print("kept")
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("kept\n", "")


def test_closing_a_pool_in_the_middle_says_nothing_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """joblib's thread looks up tasks that the pool has forgotten; what other threads come to grief on is still shown."""

    def _fails() -> None:
        raise KeyError(1)

    before = threading.excepthook
    threading.excepthook = threading.__excepthook__  # pytest has one of its own
    try:
        with _torn_down():
            for name in ("ExecutorManagerThread", "another"):
                thread = threading.Thread(target=_fails, name=name)
                thread.start()
                thread.join()
        assert threading.excepthook is threading.__excepthook__
    finally:
        threading.excepthook = before
    errors = capsys.readouterr().err
    assert ("thread another" in errors, "ExecutorManagerThread" in errors) == (True, False), errors
