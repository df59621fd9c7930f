"""The batch run: list, clean over processes, write the ledger in order, account for everything."""

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from newsfilter.classifier import Model
from newsfilter.document import software
from newsfilter.dumps.interrupt import Interruption, inherited_deafness
from newsfilter.dumps.ledger import Ledger, Line, passed_over
from newsfilter.dumps.names import Namer
from newsfilter.dumps.reading import ReadError, Skipped, read
from newsfilter.dumps.runfile import SCHEMA, as_json, differences, now, read_run, write_run
from newsfilter.dumps.sources import STDIN, Entry, Listing, as_uri, list_sources, with_stdin
from newsfilter.dumps.summary import Totals, imbalance
from newsfilter.dumps.worker import BatchOutcome, Item, Job, clean_in_worker, clean_items, make_ready
from newsfilter.dumps.writing import StoppedError, remove_earlier, remove_temporaries
from newsfilter.errors import OutputError
from newsfilter.model_file import load_model
from newsfilter.settings import Settings

BATCH_SIZE = 16  # documents; some 4,000 blocks, above which scoring gets no faster, and a second's work, so that progress shows
AHEAD = 2  # batches that wait for each process


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do."""

    sources: tuple[str, ...]  # files, folders, "-"
    out: Path
    settings: Settings
    model_path: Path | None = None  # None: the shipped model
    jobs: int = 1  # processes; 1 works in this one
    batch_size: int = BATCH_SIZE  # documents that a process takes at a time; changes nothing in what comes out
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    content: dict[str, Any]  # as run.json has it
    stopped: str | None = None  # why it ended early, other than by an interrupt
    interrupted: bool = False
    imbalance: str | None = None  # what does not add up
    notes: tuple[str, ...] = ()  # what the user should know besides


def clean_dump(order: Order, *, stdin: BinaryIO | None = None, watch: Callable[[int, int], None] | None = None) -> Result:
    """Clean a dump into ``order.out``.

    Parameters
    ----------
    order
        What to clean, where to, and how.
    stdin
        What ``-`` reads.
    watch
        Called with the number of documents done and the number there are, at the start and after each batch.

    Raises
    ------
    InputError
        Before anything is written: a SRC is missing, or OUT lies in one.
    OutputError
        Before anything is written: OUT is no folder, not empty, in use by another run, or holds a run that cannot be resumed with this order.
    ModelError
        When the model cannot be loaded.
    """
    listing = list_sources(order.sources, out=order.out)
    model = load_model(order.model_path)
    earlier = earlier_run(order)
    content = _opening(order, model)
    if earlier and order.resume and (found := differences(earlier, content)):
        raise OutputError(
            f"{order.out}: cannot be resumed, for this differs: {'; '.join(found)}; ask for the same as then, or use --overwrite"
        )
    try:
        order.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{order.out}: cannot be made ({error.strerror}); give -o a folder that can be written to") from None
    ledger = Ledger(order.out)
    try:
        run = _Run(order, model, listing, ledger, content)
        run.watch = watch or run.watch
        return run.run(earlier if order.resume else None, stdin)
    finally:
        ledger.close()


class Asked(Protocol):
    """What is asked of an order about OUT."""

    @property
    def out(self) -> Path:
        """The folder."""

    @property
    def resume(self) -> bool:
        """Whether to go on with what is there."""

    @property
    def overwrite(self) -> bool:
        """Whether to replace it."""


def earlier_run(order: Asked) -> dict[str, Any] | None:
    """Look at what OUT holds, and refuse it where that is in the way."""
    out = order.out
    if not out.exists():
        return None
    if not out.is_dir():
        raise OutputError(f"{out}: not a folder; give -o a folder")
    try:
        if next(out.iterdir(), None) is None:
            return None
    except OSError as error:
        raise OutputError(f"{out}: cannot be listed ({error.strerror}); give -o another folder") from None
    if not (order.resume or order.overwrite):
        raise OutputError(
            f"{out}: not empty; use --resume to go on with the run there, --overwrite to replace it, or give -o another folder"
        )
    earlier = read_run(out)
    if earlier is None and order.resume:
        raise OutputError(f"{out}: not empty, and holds no run to resume (no run.json); give -o another folder, or use --overwrite")
    return earlier


def _opening(order: Order, model: Model) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "status": "running",
        **Totals().content(),
        "sources": [as_uri(source) for source in order.sources],
        "settings": as_json(order.settings),
        "model": {"name": model.name, "sha256": model.sha256},
        "software": dict(software()),
        "started": now(),
        "finished": None,
        "seconds": {"wall": 0.0, "cpu": {}},
    }


class _Run:
    """One run, under way."""

    def __init__(self, order: Order, model: Model, listing: Listing, ledger: Ledger, content: dict[str, Any]) -> None:
        self.order, self.model, self.listing, self.ledger, self.content = order, model, listing, ledger, content
        self.watch: Callable[[int, int], None] = lambda _done, _total: None
        self.totals = Totals()
        self.totals.skipped.update(listing.skipped)
        self.notes: list[str] = []
        self.began = time.perf_counter()
        self.wall_before = 0.0  # seconds of the run's earlier parts

    def run(self, earlier: dict[str, Any] | None, stdin: BinaryIO | None) -> Result:
        stopped, interrupted, wrong = None, False, None
        first = self._go_on(earlier) if earlier else self._start_afresh()
        try:
            with Interruption() as interruption:
                write_run(self.order.out, self.content)
                self._read_stdin(first, stdin)
                self._clean(first, interruption)
            self.content["status"] = "finished"
        except KeyboardInterrupt:
            interrupted = True
        except StoppedError as error:
            stopped = str(error)
        if self.content["status"] != "finished":
            self.content["status"] = "interrupted"
            remove_temporaries(self.order.out)
        self._close()
        if self.content["status"] == "finished":
            inside = self.totals.skipped.total() - self.listing.skipped.total()
            wrong = imbalance(self.content, len(self.listing.entries) - inside, self.ledger.count())
        try:
            write_run(self.order.out, self.content)
        except StoppedError as error:
            stopped = stopped or str(error)
        return Result(self.content, stopped, interrupted, wrong, tuple(self.notes))

    def _start_afresh(self) -> int:
        if self.order.overwrite:
            self.ledger.clear()
            remove_earlier(self.order.out)
        return 0

    def _go_on(self, earlier: dict[str, Any]) -> int:
        """Count what the ledger has, and return the number of the first entry that it has not."""
        entries = self.listing.entries
        passed, first = passed_over(self._counted(self.ledger.lines()), entries, self.ledger.path)
        for number in passed:
            entry = entries[number]
            try:
                found = read(entry, self.order.settings.max_bytes) if entry.path != STDIN else None
            except ReadError:
                found = None
            if not isinstance(found, Skipped):
                raise OutputError(f"{entry.uri}: was not there, or no document, when the run began; use --overwrite to start afresh")
            self.totals.skipped[found.kind] += 1
        remove_temporaries(self.order.out)
        self.totals.go_on_from(earlier)
        self.wall_before = earlier["seconds"]["wall"]
        self.content |= {**self.totals.content(), "seconds": earlier["seconds"], "started": earlier["started"]}
        if earlier.get("software") != self.content["software"]:
            self.notes.append(
                "the run began with other versions of its software (run.json of then, each record); use --overwrite for one of a piece"
            )
        return first

    def _counted(self, lines: Iterator[Line]) -> Iterator[Line]:
        for line in lines:
            self.totals.add_line(line)
            yield line

    def _read_stdin(self, first: int, stdin: BinaryIO | None) -> None:
        if stdin is not None and any(entry.path == STDIN for entry in self.listing.entries[first:]):
            self.listing = with_stdin(self.listing, stdin, self.order.settings.max_bytes)

    def _clean(self, first: int, interruption: Interruption) -> None:
        done, total = first, len(self.listing.entries)
        self.watch(done, total)
        job = Job(self.order.settings, self.order.model_path, self.model.sha256, self.order.out, Path.cwd())
        results = self._results(job, self._batches(first))
        try:
            for result in results:
                with interruption.held():
                    self.ledger.append(outcome.line for outcome in result.outcomes if outcome.line is not None)
                    self.totals.add_batch(result)
                done += len(result.outcomes)
                self.watch(done, total)
        finally:
            results.close()

    def _batches(self, first: int) -> Iterator[list[Item]]:
        """Name every entry, those that are done too, so that names do not depend on where the run was interrupted."""
        items = _items(self.listing.entries)
        rest = itertools.islice(items, first, None)
        while batch := list(itertools.islice(rest, self.order.batch_size)):
            yield batch

    def _results(self, job: Job, batches: Iterator[list[Item]]) -> Generator[BatchOutcome, None, None]:
        if self.order.jobs == 1:
            make_ready(job, self.model)
            return (clean_items(job, batch) for batch in batches)
        return _spread(job, batches, self.order.jobs)

    def _close(self) -> None:
        self.content |= self.totals.content()
        self.content["finished"] = now()
        wall = self.wall_before + time.perf_counter() - self.began
        self.content["seconds"] = {"wall": round(wall, 3), "cpu": self.totals.cpu_seconds()}


def _items(entries: Sequence[Entry]) -> Iterator[Item]:
    namer = Namer()
    for entry in entries:
        yield Item(entry, namer.stem(entry.uri))


def _spread(job: Job, batches: Iterator[list[Item]], jobs: int) -> Generator[BatchOutcome, None, None]:
    """Clean batches in `jobs` processes and yield the outcomes in order.

    Raises
    ------
    StoppedError
        When a file cannot be written, or a process died.
    """
    from joblib import Parallel, delayed  # noqa: PLC0415 - a run in one process does without
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415 - the same
    from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415 - the same

    parallel = Parallel(n_jobs=jobs, backend="loky", return_as="generator", pre_dispatch=AHEAD * jobs, batch_size=1)
    with inherited_deafness():  # joblib starts its processes with the first batches
        results = parallel(delayed(clean_in_worker)(job, batch) for batch in batches)
    whole = False
    try:
        yield from results
        whole = True
    except BrokenProcessPool:
        raise StoppedError(
            "a worker process died, most likely for want of memory; run the same command again with --resume and fewer --jobs or a lower --max-bytes"
        ) from None
    finally:
        if not whole:
            with suppress(Exception):  # closing what is already broken may fail in joblib's own ways; the pool must go all the same
                results.close()
            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
