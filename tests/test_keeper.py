import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from children import MODEL, gone, harm_folder, in_process, wait_until
from conftest import ROOT, article, page

from newsfilter.document import too_large
from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.keeper import BATCH_BYTES, BATCH_DOCUMENTS, Keeper, Limits, Result, _batches, _unpickled
from newsfilter.dumps.process import READING, READY, Child, Trouble, Vitals, frame, vitals
from newsfilter.dumps.writing import StoppedError
from newsfilter.model_file import shipped_model_folder
from newsfilter.provenance import encode_record
from newsfilter.records import Source
from newsfilter.settings import Settings

LIMITS = Limits(seconds=0.5, resident_bytes=450_000_000)


def sound(number: int) -> Source:
    """A document that does no harm."""
    return Source((page(number) if number % 2 else article(number)).encode(), uri=f"{number}.txt", url=f"https://example.com/{number}")


def harmful(*markers: str, number: int = 50) -> Source:
    """A document that does what the markers say."""
    return Source(f"{article(number)}\n{' '.join(f'@@{marker}@@' for marker in markers)}\n".encode(), uri="harmful.txt")


def cleaned(keeper: Keeper, *sources: Source | Oversized) -> list[Result]:
    """Results without their CPU seconds, which differ from run to run."""
    return [replace(result, seconds=0.0) for result in keeper.clean(sources)]


def pretend(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few lines of Python stand for the child; `speaks` is where its messages go."""
    program = folder / "python"
    lines = (f"#!{sys.executable} -IS", "import os, signal, sys, time", "speaks = int(sys.argv[5])", code)
    program.write_text("\n".join(lines), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def descriptors() -> int:
    """How many files this process holds open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def harm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Children of this module understand the markers of ``children.py``."""
    with pytest.MonkeyPatch.context() as patch:
        folder = harm_folder(tmp_path_factory.mktemp("harm"))
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def keeper(harm: Path) -> Iterator[Keeper]:
    """A keeper that the tests of this module share: what each leaves behind, the next must live with."""
    assert str(harm) in sys.path
    with Keeper(Settings(), None, MODEL.sha256, LIMITS) as shared:
        yield shared


def test_results_are_those_of_cleaning_in_process(keeper: Keeper) -> None:
    # More than a batch of pages and texts, empty and broken ones, one given twice: the same bytes, the same ledger lines, in the same order.
    sources = [*map(sound, range(20)), Source(b""), Source("\ud800 lone".encode("utf-8", "surrogatepass")), Source("<p>str \udcff")]
    sources.append(sources[3])
    assert cleaned(keeper, *sources) == in_process(sources)
    assert keeper.clean([]) == []
    assert sum(keeper.restarts.values()) == 0


def test_a_document_too_large_to_be_read_is_rejected(keeper: Keeper) -> None:
    # What the reader saw to be too large is answered for among the others, as is what turns out to be.
    big = Source(b"x" * (Settings().max_bytes + 1), uri="big.txt")
    unread = Oversized(Source(b"", uri="unread.txt"), 99_999_999)
    first, second, third, unspeakable = cleaned(keeper, sound(1), unread, big, Oversized(Source(b"", uri="\udcff", id="1"), 99_999_999))
    assert (unspeakable.reason, unspeakable.detail[:18]) == ("error", "UnicodeEncodeError")
    assert [first, third] == in_process([sound(1), big])
    assert second.record == encode_record(too_large(unread.source, unread.size, Settings(), MODEL).record)
    assert second.line is not None
    assert (second.line["status"], second.line["reason"], second.line["uri"]) == ("rejected", "too-large", "unread.txt")


def test_exceptions_are_the_documents_own(keeper: Keeper) -> None:
    # What raises is told with the exception's text, without a restart, whatever the exception does when asked for it.
    before = keeper.process
    results = cleaned(
        keeper,
        harmful("raise@reading=no such luck"),
        sound(1),
        harmful("raise@finishing=later"),
        harmful("mute@reading"),
        harmful("starve@reading"),
        harmful("raise@scoring=no number"),
        sound(2),
    )
    assert [results[1], results[6]] == in_process([sound(1), sound(2)])
    failed = [(result.reason, result.detail) for result in results if result.line is None]
    assert failed == [
        ("error", "ValueError: no such luck"),
        ("error", "ValueError: later"),
        ("error", "_Mute"),
        ("memory", "MemoryError: "),
        ("error", "ValueError: no number"),
    ]
    assert keeper.process == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("culprits", "seconds"),
    [
        ({"regex@reading": ("timeout", "0.5 s"), "abort@finishing": ("crashed", "SIGABRT")}, 0.5),
        ({"loop@finishing": ("timeout", "0.5 s"), "kill@reading": ("crashed", "SIGKILL")}, 0.5),
        ({"abort@finishing": ("crashed", "SIGABRT"), "allocate@reading": ("memory", "450 MB")}, 60.0),  # the clock is not to be first
    ],
)
def test_culprits_fall_alone(keeper: Keeper, culprits: dict[str, tuple[str, str]], seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever two documents of a batch do to the process, each fails by itself and is told why; neighbours before, between and after have their bytes.
    monkeypatch.setattr(keeper, "limits", replace(LIMITS, seconds=seconds))
    before = keeper.restarts.copy()
    markers = list(culprits)
    first, one, second, other, third = cleaned(keeper, sound(1), harmful(markers[0]), sound(2), harmful(markers[1]), sound(3))
    assert [one, other] == [Result(reason=reason, detail=detail) for reason, detail in culprits.values()]
    assert [first, second, third] == in_process([sound(1), sound(2), sound(3)])
    assert keeper.restarts - before == Counter({reason: 2 for reason, _ in culprits.values()})  # in the batch, and by itself


@pytest.mark.slow
def test_a_culprit_of_the_scoring(keeper: Keeper) -> None:
    # The model scores a batch at once: each document is tried by itself then.
    results = cleaned(keeper, harmful("abort@scoring"), sound(1), sound(2))
    assert results[0] == Result(reason="crashed", detail="SIGABRT")
    assert results[1:] == in_process([sound(1), sound(2)])


@pytest.mark.slow
def test_nobody_fails_for_what_does_not_happen_again(keeper: Keeper, tmp_path: Path) -> None:
    # A child that is killed by another's hand, such as the kernel's, while it cleans or while it waits, costs no document.
    passing = harmful(f"once@reading={tmp_path / 'done'}")
    assert cleaned(keeper, sound(1), passing, sound(2)) == in_process([sound(1), passing, sound(2)])
    assert keeper.process is not None
    os.kill(keeper.process, signal.SIGKILL)
    assert cleaned(keeper, sound(1)) == in_process([sound(1)])


@pytest.mark.slow
def test_documents_that_together_take_too_much_memory(keeper: Keeper) -> None:
    # Two that fit only one at a time both come out.
    sources = [harmful("hold@reading=200", number=number) for number in (1, 2)]
    before = keeper.restarts["memory"]
    assert cleaned(keeper, *sources) == in_process(sources)
    assert keeper.restarts["memory"] > before


def test_the_deadline_is_a_documents_not_a_batchs(keeper: Keeper) -> None:
    # Three slow documents take longer than the deadline together, none by itself.
    before = keeper.restarts.copy()
    sources = [harmful("slow@reading=0.3", number=number) for number in range(3)]
    assert cleaned(keeper, *sources) == in_process(sources)
    assert keeper.restarts == before


def test_a_machine_that_slept_is_nobodys_hang(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that leaps by an hour when the child has work costs nothing: only time spent watching counts.
    clock = time.monotonic
    leaps = iter([0.0, 3600.0])
    monkeypatch.setattr(time, "monotonic", lambda: clock() + next(leaps, 3600.0))
    before = keeper.restarts.copy()
    sources = [harmful("slow@reading=0.2")]
    assert cleaned(keeper, *sources) == in_process(sources)
    assert keeper.restarts == before


def test_a_crowded_machine_is_nobodys_hang(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    # A child that wants to run and gets no processor for longer than the deadline is waited for: a hang takes processor time, or waits.
    monkeypatch.setattr("newsfilter.dumps.process.vitals", lambda _: Vitals(0, 0.0, waits=False))
    before = keeper.restarts.copy()
    sources = [harmful("slow@reading=0.9")]
    assert cleaned(keeper, *sources) == in_process(sources)
    assert keeper.restarts == before


def test_noise_of_libraries(keeper: Keeper) -> None:
    # Megabytes printed while a document is cleaned neither block the child nor get into its answers.
    sources = [harmful("speak@reading"), sound(1)]
    assert cleaned(keeper, *sources) == in_process(sources)


def test_signals_to_the_whole_job_leave_the_child_alone(keeper: Keeper) -> None:
    # Ctrl-C and a scheduler's SIGTERM are for the worker to answer: the child, in a session of its own, cleans on.
    keeper.clean([sound(1)])
    before = keeper.process
    assert before is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(before, number)
    assert cleaned(keeper, sound(1)) == in_process([sound(1)])
    assert keeper.process == before
    assert os.getsid(before) == before != os.getsid(0)


def test_an_interrupt_ends_the_child(keeper: Keeper) -> None:
    # Interrupted in the middle of a batch, a keeper leaves no child and no descriptor behind, and starts afresh if asked to.
    keeper.clean([sound(1)])
    child, before = keeper.process, descriptors()
    assert child is not None
    assert vitals(child).resident > 10_000_000

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            keeper.clean([harmful("alarm@reading", "slow@reading=9"), sound(2)])
    finally:
        signal.signal(signal.SIGALRM, earlier)
    assert vitals(child).resident == 0
    assert keeper.process is None
    assert before - descriptors() == 4  # one a pipe
    keeper.close()  # closing twice is no mistake
    assert cleaned(keeper, sound(3)) == in_process([sound(3)])


@pytest.mark.slow
def test_children_are_replaced_in_time(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    # After so many documents, or when one has grown too large, another takes over, and what that costs is counted.
    keeper.clean([sound(1)])
    processes, before, started = [keeper.process], keeper.restarts.copy(), keeper.seconds["start"]
    monkeypatch.setattr(keeper, "limits", Limits(documents=keeper._cleaned + 1, recycle_bytes=1))
    for number in (2, 3):
        assert cleaned(keeper, sound(number)) == in_process([sound(number)])
        processes.append(keeper.process)
    assert processes[0] == processes[1] != processes[2], (
        "kept though over recycle_bytes from birth, as with a large model, and replaced after two"
    )
    monkeypatch.setattr("newsfilter.dumps.keeper.RECYCLE_ROOM", -1_000_000_000)
    assert cleaned(keeper, sound(4)) == in_process([sound(4)])
    assert keeper.restarts - before == {"documents": 1, "size": 1}
    assert keeper.seconds["start"] > started > 0
    assert keeper.seconds["score"] > 0


@pytest.mark.slow
def test_a_child_dies_with_its_worker(harm: Path, tmp_path: Path) -> None:
    # A worker that is killed without warning leaves no child behind, not even one whose hang holds the interpreter's lock.
    hanging = harmful(f"touch@reading={tmp_path / 'hanging'}", "regex@reading")
    code = f"""if True:
        from newsfilter import Settings, Source
        from newsfilter.dumps.keeper import Keeper
        keeper = Keeper(Settings(), None, {MODEL.sha256!r})
        keeper.clean([Source(b"")])
        print(keeper.process, flush=True)
        keeper.clean([Source({hanging.raw!r})])
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (harm, Path(__file__).parent, ROOT)))}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        assert wait_until((tmp_path / "hanging").exists)
        assert not gone(child)
        worker.kill()
        assert wait_until(lambda: gone(child), seconds=5)


def test_work_before_a_sign_of_life_is_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A worker that gets to look only now and then sees much work at once, on many documents: only work without a word in between counts.
    word = frame(READING)
    pretend(f"for _ in range(3): os.write(speaks, {word!r}); time.sleep(0.2)", tmp_path, monkeypatch)
    heard: list[Any] = []
    monkeypatch.setattr("newsfilter.dumps.process.vitals", lambda _: Vitals(0, 100.0 * len(heard), waits=False))
    child = Child()
    with pytest.raises(Trouble, match="exit status 0"):
        heard.extend(child.talk(b"", seconds=1.0))  # appended one by one, as they come
    child.end()
    assert heard == [(READING, 0, b"")] * 3


@pytest.mark.parametrize("damage", ["missing", "replaced"])
def test_a_model_that_cannot_be_used_stops_the_run(damage: str, tmp_path: Path) -> None:
    # One start, one message.
    folder = tmp_path / "model"
    if damage != "missing":
        shutil.copytree(shipped_model_folder(), folder)
    wanted = {"missing": "cannot be read", "replaced": "replaced during the run"}[damage]
    keeper = Keeper(Settings(), folder, "0" * 64 if damage == "replaced" else MODEL.sha256)
    with pytest.raises(StoppedError, match=wanted):
        keeper.clean([sound(1)])
    assert keeper.process is None
    assert sum(keeper.restarts.values()) == 0


@pytest.mark.parametrize(
    ("module", "code", "message"),
    [
        ("numpy", "raise ImportError('no numpy here')", "ImportError: no numpy here"),
        ("trafilatura", "raise ImportError('no trafilatura here')", "ImportError: no trafilatura here"),
        ("numpy", "import os; os.abort()", "SIGABRT"),
    ],
)
def test_a_child_that_cannot_start_stops_the_run(
    module: str, code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A missing package, or one that crashes, is named, and nothing is tried for ever.
    (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    starts: list[Child] = []

    def start() -> Child:
        starts.append(Child())
        return starts[-1]

    monkeypatch.setattr("newsfilter.dumps.keeper.Child", start)
    with pytest.raises(StoppedError, match=f"does not start.*{message}"):
        Keeper(Settings(), None, MODEL.sha256).clean([sound(1)])
    assert len(starts) == 1
    assert not starts[0].alive


def test_a_limit_below_what_every_child_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A memory limit that no document could keep is refused, not laid on each document.
    ready = frame(READY, payload=pickle.dumps(0.5))
    pretend(f"os.write(speaks, {ready!r}); time.sleep(9)", tmp_path, monkeypatch)
    keeper = Keeper(Settings(), None, MODEL.sha256, Limits(resident_bytes=1_000_000))
    with pytest.raises(StoppedError, match="raise that limit"):
        keeper.clean([sound(1)])
    assert keeper.process is None


def test_a_system_without_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    # The run stops with what to do, and no descriptor is left open.
    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    before = descriptors()
    with pytest.raises(StoppedError, match=r"temporarily unavailable.*--resume"):
        Child()
    assert descriptors() == before


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("sys.exit(3)", Trouble("crashed", "exit status 3")),
        ("sys.exit(0)", Trouble("crashed", "exit status 0")),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 5)", Trouble("crashed", f"signal {signal.SIGRTMIN + 5}")),
        ("os.write(speaks, b'?' * 100); time.sleep(9)", Trouble("crashed", "garbled answer")),
        ("os.write(speaks, b'a'); time.sleep(9)", Trouble("timeout", "0.3 s")),
        ("os.close(1); os.close(2); time.sleep(9)", Trouble("timeout", "0.3 s")),
    ],
)
def test_a_child_that_breaks_the_rules(code: str, trouble: Trouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever comes or does not come through the pipes, there is a reason and a detail for it, and no trace of the child.
    pretend(code, tmp_path, monkeypatch)
    before = descriptors()
    child = Child()
    with pytest.raises(Trouble) as raised:
        list(child.talk(b"x" * 1_000_000, seconds=0.3))
    child.end()
    assert raised.value.args == trouble.args
    assert vitals(child.process.pid).resident == 0
    assert descriptors() == before


def test_the_worker_stays_light() -> None:
    # The process that watches has none of the packages that take time and memory.
    code = "import newsfilter.dumps.keeper, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert "newsfilter" in loaded
    assert not {"numpy", "scipy", "sklearn", "lxml", "trafilatura", "langdetect", "ftfy", "joblib"} & set(loaded)


def test_batches_are_bounded_by_documents_and_bytes() -> None:
    # Sixteen documents, or one more than fits into the bytes; what was too large to be read weighs nothing.
    small = [Source(b"x")] * (BATCH_DOCUMENTS + 1)
    assert [len(batch) for batch in _batches(small)] == [BATCH_DOCUMENTS, 1]
    large = Source(b"x" * (BATCH_BYTES // 2))
    assert list(_batches([large, Oversized(large, 9), large, large])) == [[0, 1, 2], [3]]


def test_a_damaged_answer_is_the_childs_trouble() -> None:
    # Bytes that are no pickle are a crash, not an exception of the worker's.
    with pytest.raises(Trouble, match="garbled"):
        _unpickled(b"junk")
