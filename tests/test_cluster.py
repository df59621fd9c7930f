"""Runs on a real cluster: a scheduler and two workers, processes of their own, on loopback."""

import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from children import MODEL, wait_until
from clusters import START_SECONDS, Dask
from conftest import Ran, article, command, files, ledger, make_tree, run_file
from distributed import Client

import newsfilter
from newsfilter.document import software
from newsfilter.dumps import cluster, worker
from newsfilter.dumps.cluster_places import everywhere, same_everywhere
from newsfilter.dumps.cluster_worker import Common, examine, libraries
from newsfilter.dumps.keeper import Limits
from newsfilter.dumps.order import Order
from newsfilter.dumps.outputs_rows import Target
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.run import clean_dump
from newsfilter.dumps.sources import Entry, Listing
from newsfilter.dumps.worker import Job, close_keepers
from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import InputError
from newsfilter.settings import Settings

pytestmark = pytest.mark.usefixtures("workplace")  # a folder of the test's own, with no settings file above it

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """Two workers under nannies, which replace one that dies, and a scheduler that gives a shard up at its second death."""
    with Dask(tmp_path_factory.mktemp("dask"), allowed_failures=1) as found:
        found.add_worker()
        found.add_worker("--nthreads", "2")
        yield found


@pytest.fixture(autouse=True)
def _children_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs share the workers' children, which take longer to start than most tests take."""
    monkeypatch.setattr("newsfilter.dumps.cluster.close_keepers", int)  # which does nothing, on workers too


def harmed(folder: Path, markers: Mapping[int, str] | None = None, number: int = 48) -> Path:
    """Sound articles, sixteen to a shard, among which some do what their markers say."""
    return make_tree(folder, {f"{k:02d}.txt": article(k) + (markers or {}).get(k, "") for k in range(number)})


def both_there(dask: Dask) -> bool:
    with Client(dask.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        return len(client.ncores()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["files", "parquet"])
def test_a_worker_is_killed_and_the_bytes_are_those_of_a_local_run(run: Run, dask: Dask, tmp_path: Path, kind: str) -> None:
    """It dies of SIGKILL in the middle of a shard, whose documents are then done elsewhere; SRC and OUT are relative, and the workers stand elsewhere."""
    assert wait_until(lambda: both_there(dask), START_SECONDS)
    (tmp_path / "lives").write_bytes(b"1")
    harmed(tmp_path / "crawl", {20: f"@@murder@reading={tmp_path}/lives@@"})
    ran = run("clean", "crawl", "-o", "out", "--to", kind, "--scheduler", dask.address)
    assert ((tmp_path / "lives").read_bytes(), ran.status) == (b"", 0), ran.err
    assert run("clean", "crawl", "-o", "whole", "--to", kind, "--jobs", "1").status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    then, now = run_file(tmp_path / "whole"), run_file(tmp_path / "out")
    assert [now[key] for key in ("status", "counts", "settings", "sources")] == [
        then[key] for key in ("status", "counts", "settings", "sources")
    ]
    assert not (tmp_path / "out/_work").exists() or not list((tmp_path / "out/_work").iterdir())


@pytest.mark.slow
def test_hangs_crashes_and_hunger_cost_the_culprits_alone(run: Run, dask: Dask, tmp_path: Path) -> None:
    """As on one machine; one shard at a time is enough, though joblib would take that for a run without a cluster."""
    sound, many = harmed(tmp_path / "sound", number=20), {5: "@@slow@reading=600@@", 6: "@@abort@finishing@@", 17: "@@allocate@reading@@"}
    harmed(tmp_path / "crawl", many, number=20)
    assert run("clean", sound, "-o", "good", "--to", "jsonl").status == 0
    limits = ("--timeout", "2", "--max-memory", "500", "--jobs", "1")
    ran = run("clean", "crawl", "-o", "out", "--to", "jsonl", *limits, "--scheduler", dask.file)
    failed = {line["uri"]: (line["reason"], line["reasons"][0]["value"]) for line in ledger(tmp_path / "out") if line["status"] == "failed"}
    assert failed == {"05.txt": ("timeout", "2 s"), "06.txt": ("crashed", "SIGABRT"), "17.txt": ("memory", "500 MB")}
    assert (ran.status, "3 of 20 documents failed" in ran.err) == (1, True)
    good = {line["uri"]: line for line in ledger(tmp_path / "good")}
    assert all(line == good[line["uri"]] for line in ledger(tmp_path / "out") if line["status"] != "failed")


@pytest.mark.slow
def test_a_shard_that_kills_worker_after_worker_ends_the_run_which_can_be_resumed(run: Run, dask: Dask, tmp_path: Path) -> None:
    """joblib alone would wait for ever; the shard is named, and when its trouble is over, the rest is done."""
    assert wait_until(lambda: both_there(dask), START_SECONDS)
    (tmp_path / "lives").write_bytes(b"." * 99)
    harmed(tmp_path / "crawl", {40: f"@@murder@reading={tmp_path}/lives@@"})
    ran = run("clean", "crawl", "-o", "out", "--to", "jsonl", "--scheduler", dask.address)
    assert (ran.status, "32.txt (shard 2)" in ran.err, "--resume" in ran.err, "Traceback" in ran.err) == (1, True, True, False), ran.err
    assert run_file(tmp_path / "out")["status"] == "interrupted"
    assert len((tmp_path / "lives").read_bytes()) == 99 - 2
    (tmp_path / "lives").unlink()
    ran = run("clean", "crawl", "-o", "out", "--to", "jsonl", "--scheduler", dask.address, "--resume")
    assert ran.status == 0, ran.err
    assert run("clean", "crawl", "-o", "whole", "--to", "jsonl", "--jobs", "1").status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.slow
def test_no_child_is_left_when_a_run_has_ended(run: Run, dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a model, and workers live on."""
    assert wait_until(lambda: both_there(dask), START_SECONDS)
    harmed(tmp_path / "crawl", number=1)
    for name, left in (("out", True), ("other", False)):
        if not left:
            monkeypatch.setattr("newsfilter.dumps.cluster.close_keepers", close_keepers)
        assert run("clean", "crawl", "-o", name, "--scheduler", dask.address).status == 0
        with Client(dask.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            assert [children > 0 for children in client.run(_children).values()] == [left, left]


def _children() -> int:
    """How many children a worker keeps."""
    return len(worker._idle)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nobody_writes_for_a_run_that_has_ended(run: Run, dask: Dask, tmp_path: Path, number: int) -> None:
    """Dask cannot end a task that runs: it ends by itself, before it writes what it has in hand, lest it spoil the next run in OUT."""
    assert wait_until(lambda: both_there(dask), START_SECONDS)
    gates = {16 * k: f"@@touch@reading={tmp_path}/at{k}@@@@gate@reading={tmp_path}/gate@@" for k in range(3)}
    harmed(tmp_path / "crawl", gates)
    process = command("clean", "crawl", "-o", "out", "--scheduler", dask.address, cwd=tmp_path, start_new_session=True)
    assert wait_until(lambda: all((tmp_path / f"at{k}").exists() for k in range(3)), START_SECONDS), process.communicate(timeout=1)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, "Traceback" in errors) == (-9 if number == signal.SIGKILL else 130, False), errors
    with Client(dask.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        assert wait_until(lambda: not any(client.processing().values()), START_SECONDS)
        (tmp_path / "gate").touch()
        assert wait_until(lambda: not any(client.run(_busy).values()), START_SECONDS)
    assert [name for name in files(tmp_path / "out") if name != "ledger.jsonl"] == []
    assert not list((tmp_path / "out/_done").glob("part-*"))
    ran = run("clean", "crawl", "-o", "out", "--scheduler", dask.address, "--resume")
    assert ran.status == 0, ran.err
    assert run("clean", "crawl", "-o", "whole", "--jobs", "1").status == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def _busy(dask_worker: Any) -> int:
    """How many threads of a worker are at work, whatever the scheduler thinks."""
    return len(dask_worker.active_threads)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        (
            "newsfilter.dumps.run.load_model",
            lambda _: replace(MODEL, sha256="0" * 64),
            f"another model ({MODEL.sha256[:12]}) than the run's (000000000000)",
        ),
        ("newsfilter.dumps.run.software", lambda: {**software(), "lxml": "0.1"}, f"lxml {software()['lxml']} (0.1 in the run)"),
        ("newsfilter.__version__", "9.9", f"has newsfilter {newsfilter.__version__}; install newsfilter 9.9 there"),
        ("newsfilter.dumps.run.same_everywhere", lambda listing: listing, "crawl/00.txt cannot be read there (No such file"),
        ("newsfilter.dumps.run.everywhere", lambda place: place, "out/run.json is not there, or not of this run"),
    ],
)
def test_workers_that_would_not_do_the_same_are_refused_by_name(
    run: Run, dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: tuple[str, Any, str]
) -> None:
    """Another model, other software, no sight of SRC or of OUT: both workers are named before anything is cleaned."""
    assert wait_until(lambda: both_there(dask), START_SECONDS)
    harmed(tmp_path / "crawl")
    name, value, said = fault
    monkeypatch.setattr(name, value)
    ran = run("clean", "crawl", "-o", "out", "--scheduler", dask.address)
    assert (ran.status, ran.err.count(said), ran.err.count("tcp://127.0.0.1:")) == (1, 2, 2), ran.err
    assert not list((tmp_path / "out/_done").glob("part-*"))
    assert ledger(tmp_path / "out") == []


@pytest.mark.slow
def test_a_scheduler_without_workers_is_waited_for_and_one_that_dies_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without end neither, and with a word to the user each time."""
    harmed(tmp_path / "crawl", {0: f"@@touch@reading={tmp_path}/at@@@@gate@reading={tmp_path}/gate@@"}, number=1)
    with Dask(make_tree(tmp_path / "dask", {})) as lonely:
        options = ReadOptions(max_bytes=10**6)
        order = Order(("crawl",), str(tmp_path / "out"), Settings(), options, scheduler=lonely.address, jobs=0)
        with monkeypatch.context() as patch:
            patch.setattr(cluster, "WORKERS_SECONDS", 0.0)
            with pytest.raises(InputError, match="no worker came within 0 s; start some"):
                clean_dump(order)
        assert not (tmp_path / "out").exists()
        waits: list[str] = []

        def end_scheduler() -> None:
            if wait_until((tmp_path / "at").exists, START_SECONDS):
                lonely.scheduler.kill()

        ending = threading.Thread(target=end_scheduler)
        ending.start()

        def say(line: str) -> None:
            waits.append(line)
            lonely.add_worker("--no-nanny")

        result = clean_dump(order, say=say)
        ending.join()
        (tmp_path / "gate").touch()
        assert "has no workers yet" in waits[0]
        assert result.stopped is not None
        assert "scheduler is gone" in result.stopped
        assert "--resume" in result.stopped
        assert run_file(tmp_path / "out")["status"] == "interrupted"


def test_a_scheduler_that_does_not_answer_is_an_error_before_anything_is_written(
    run: Run, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody at the port, somebody who is no scheduler and keeps silent, an address that is none, and a file without one."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    (tmp_path / "scheduler.json").write_text('{"type": "Scheduler"}')
    with socket.socket() as silent, socket.socket() as closed:
        for one in (silent, closed):
            one.bind(("127.0.0.1", 0))
        silent.listen()
        ports = [one.getsockname()[1] for one in (silent, closed)]
        addresses = [*(f"tcp://127.0.0.1:{port}" for port in ports), "carrier-pigeon://roof", "scheduler.json", "nowhere.json"]
        for address in addresses:
            ran = run("clean", dump, "-o", "out", "--scheduler", address)
            assert (ran.status, address in ran.err, "dask scheduler" in ran.err, "Traceback" in ran.err) == (2, True, True, False), ran.err
            assert not (tmp_path / "out").exists()


def test_a_missing_library_is_named_with_the_extra(run: Run, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    ran = run("clean", dump, "-o", "out", "--scheduler", "tcp://127.0.0.1:1")
    assert (ran.status, "pip install 'newsfilter[cluster]'" in ran.err) == (2, True)


def test_inputs_that_only_this_process_sees_are_refused() -> None:
    """Other URLs, and what was read from standard input, go to workers as they are."""
    listing = Listing((Entry("a", "here/a"), Entry("stdin", "-", raw=b"x"), Entry("b", "s3://crawl/b")), Counter())
    assert [entry.path for entry in same_everywhere(listing).entries] == [str(Path.cwd() / "here/a"), "-", "s3://crawl/b"]
    with pytest.raises(InputError, match="no worker sees it"):
        everywhere("memory://out")


@pytest.mark.parametrize(
    ("sample", "other", "said"),
    [
        (Entry("a", "a.txt", size=9), None, r"a.txt is another file there \(1 bytes, 9 where"),
        (Entry("a", "nowhere/a.txt", size=1), None, "nowhere/a.txt cannot be read there"),
        (Entry("a", "memory://nowhere/a.txt", size=1), None, "memory://nowhere/a.txt cannot be read there"),
        (Entry("a", "a.txt", size=1), ("pyarrow", "0.1"), r"pyarrow [0-9.]+ \(0.1 in the run\)"),
        (Entry("a", "a.txt", size=1), ("brotli", None), r"brotli [0-9.]+ \(missing in the run\)"),
        (Entry("a", "a.txt", size=1), None, "run.json is not there, or not of this run"),
    ],
)
def test_a_worker_says_what_it_lacks(tmp_path: Path, sample: Entry, other: tuple[str, str | None] | None, said: str) -> None:
    """Each with its host. Without brotli, a worker would fail pages that others read."""
    make_tree(tmp_path, {"a.txt": "x"})
    versions = tuple(dict([*libraries(), *([other] if other else [])]).items())
    job = Job(Settings(), None, "", Target(str(tmp_path), "files", Settings(), ""), ReadOptions(10), Limits(), {})
    with pytest.raises(StoppedError, match=rf"worker on {socket.gethostname()} \(tcp://here:1\): .*{said}"):
        examine(job, Common("0" * 64, (sample,), versions), SimpleNamespace(address="tcp://here:1"))


def test_each_thread_has_a_child_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread gives back serves the next; another run's goes; what an error came out of is not lent again."""
    closed: list[Any] = []

    class Fake:
        def __init__(self, *_: object) -> None:
            pass

        def close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(worker, "Keeper", Fake)
    monkeypatch.setattr(worker, "_idle", [])
    job = Job(Settings(), None, "a", Target("out", "files", Settings(), ""), ReadOptions(10), Limits(), {})
    with worker.borrowed_keeper(job) as first, worker.borrowed_keeper(job) as second:
        assert first is not second
    with worker.borrowed_keeper(job) as again:
        assert again in (first, second)
    with worker.borrowed_keeper(replace(job, software={"lxml": "1"})) as other:
        assert len(closed) == 1
    with pytest.raises(KeyError), worker.borrowed_keeper(job) as failing:
        raise KeyError
    assert failing in closed
    worker.close_keepers()
    assert set(closed) == {first, second, other}


def test_a_run_whose_workers_are_all_gone_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is one again in time it goes on."""
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(cluster, "WORKERS_SECONDS", 0.0)

    class Fake:
        status = "running"
        looks: Iterator[dict[str, int]] = iter([{"a": 1}, {}, {"a": 1}, {}, {}])

        def ncores(self) -> dict[str, int]:
            return next(self.looks)

    said: list[str] = []
    failed: list[str] = []
    cluster._watch(cluster.Cluster(Fake(), "tcp://host:1", said.append), failed.append, threading.Event())
    assert [line.partition(";")[0] for line in said] == ["tcp://host:1 has no workers left"] * 2
    assert [line.partition(",")[0] for line in failed] == ["tcp://host:1: all workers are gone"]
