"""The batch run over shards: plan, hand out, take in the outcomes in order, write the ledger, account for everything."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from newsfilter.classifier import Model
from newsfilter.document import software
from newsfilter.dumps.interrupt import Interruption, inherited_deafness
from newsfilter.dumps.keeper import Limits
from newsfilter.dumps.ledger import Ledger
from newsfilter.dumps.outputs import merge_columns
from newsfilter.dumps.outputs_marker import is_done, read_lines, read_marker, remove_shards, remove_work
from newsfilter.dumps.outputs_rows import Format, InputColumns, Target
from newsfilter.dumps.plan import Planned, columns_of, format_of, plan
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.run import Result, earlier_run
from newsfilter.dumps.runfile import SCHEMA, as_json, differences, now, write_run
from newsfilter.dumps.sources import STDIN, Listing, as_uri, list_sources, with_stdin
from newsfilter.dumps.summary import Totals, imbalance
from newsfilter.dumps.work import Job, ShardOutcome, clean_in_worker, clean_shard, close_keepers, source_of
from newsfilter.dumps.writing import StoppedError, remove_earlier, remove_temporaries
from newsfilter.errors import OutputError
from newsfilter.model_file import load_model
from newsfilter.settings import Settings

AHEAD = 2  # shards that wait for each process


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do."""

    sources: tuple[str, ...]  # files, folders, URLs, "-"
    out: Path
    settings: Settings
    options: ReadOptions
    to: Format = "files"
    out_field: str | None = None
    model_path: Path | None = None  # None: the shipped model
    jobs: int = 1  # processes; 1 works in this one, with a child
    limits: Limits = field(default_factory=Limits)
    part: tuple[int, int] = (1, 1)  # (3, 40): the third of forty slices
    scheduler: str | None = None  # of a Dask cluster
    resume: bool = False
    overwrite: bool = False


def clean_dump(order: Order, *, stdin: BinaryIO | None = None, watch: Callable[[int, int], None] | None = None) -> Result:
    """Clean a dump into ``order.out``.

    Parameters
    ----------
    order
        What to clean, where to, and how.
    stdin
        What ``-`` reads.
    watch
        Called with the number of documents done and, as far as it is known, the number there are: at the start and after each shard.

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
        close_keepers()
        ledger.close()


def _opening(order: Order, model: Model) -> dict[str, Any]:
    how = {"to": order.to, "out_field": order.out_field, "part": list(order.part)} | as_json(order.options)
    return {
        "schema": SCHEMA,
        "status": "running",
        **Totals().content(),
        "sources": [as_uri(source) for source in order.sources],
        "settings": as_json(order.settings) | how,
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
        self.done = 0  # records, of whatever kind

    def run(self, earlier: dict[str, Any] | None, stdin: BinaryIO | None) -> Result:
        stopped, interrupted, wrong = None, False, None
        self._begin(earlier)
        try:
            with Interruption() as interruption:
                write_run(self.order.out, self.content)
                if stdin is not None and any(entry.path == STDIN for entry in self.listing.entries):
                    self.listing = with_stdin(self.listing, stdin, self.order.settings.max_bytes)
                self._clean(interruption)
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
            remove_work(str(self.order.out))
            wrong = imbalance(self.content, self.done - self.totals.skipped.total() + self.listing.skipped.total(), self.ledger.count())
        try:
            write_run(self.order.out, self.content)
        except StoppedError as error:
            stopped = stopped or str(error)
        return Result(self.content, stopped, interrupted, wrong, tuple(self.notes))

    def _begin(self, earlier: dict[str, Any] | None) -> None:
        self.ledger.clear()  # it is written anew from what each complete shard left
        if earlier is None:
            if self.order.overwrite:
                remove_earlier(self.order.out)
                remove_shards(str(self.order.out))
            return
        remove_temporaries(self.order.out)
        self.totals.go_on_from(earlier)
        self.wall_before = earlier["seconds"]["wall"]
        self.content |= {"seconds": earlier["seconds"], "started": earlier["started"]}
        if earlier.get("software") != self.content["software"]:
            self.notes.append(
                "the run began with other versions of its software (run.json of then, each record); use --overwrite for one of a piece"
            )

    def _clean(self, interruption: Interruption) -> None:
        entries = self.listing.entries
        total = len(entries) if not any(format_of(entry.uri) for entry in entries) else 0
        columns = columns_of(entries, self.order.options) if self.order.to != "files" else []
        target = Target(
            str(self.order.out), self.order.to, self.order.settings, self.model.sha256,
            merge_columns(columns) if columns else InputColumns(), self.order.out_field,
        )  # fmt: skip
        job = Job(self.order.settings, self.order.model_path, self.model.sha256, target, self.order.options, self.order.limits, Path.cwd())
        self.watch(0, total)
        results = self._results(job, self._planned())
        try:
            for outcome in results:
                with interruption.held():
                    self.ledger.append(outcome.lines)
                    self._count(outcome)
                self.watch(self.done, max(total, self.done))
        finally:
            results.close()

    def _planned(self) -> Iterator[Planned]:
        """Yield this slice's shards."""
        part, parts = self.order.part
        return (planned for planned in plan(self.listing.entries, self.order.options) if planned.shard.number % parts == part - 1)

    def _count(self, outcome: ShardOutcome) -> None:
        for line in outcome.lines:
            self.totals.add_line(line)
        self.totals.skipped.update(outcome.skipped)
        self.totals.restarts.update(outcome.restarts)
        for stage, seconds in outcome.cpu.items():
            self.totals.cpu[stage] += seconds  # type: ignore[assignment]  # a Counter adds up fractions as well
        for seconds, uri in outcome.slowest:
            self.totals.add_slow(uri, seconds)
        self.done += len(outcome.lines) + outcome.skipped.total()

    def _results(self, job: Job, planned: Iterator[Planned]) -> Generator[ShardOutcome, None, None]:
        if self.order.jobs == 1 and self.order.scheduler is None:
            return (_earlier_outcome(job, one) or clean_shard(job, one) for one in planned)
        return _spread(job, planned, self.order.jobs, self.order.scheduler)

    def _close(self) -> None:
        self.content |= self.totals.content()
        self.content["finished"] = now()
        wall = self.wall_before + time.perf_counter() - self.began
        self.content["seconds"] = {"wall": round(wall, 3), "cpu": self.totals.cpu_seconds()}


def _earlier_outcome(job: Job, planned: Planned) -> ShardOutcome | None:
    """Return what a shard came to that an earlier part of the run completed."""
    number = planned.shard.number
    if not is_done(job.target, number, source_of(planned.shard)):
        return None
    marker = read_marker(job.target, number) or {}
    outcome = ShardOutcome(number, read_lines(job.target, number))
    outcome.skipped.update(marker.get("skipped", {}))
    return outcome


def _work(job: Job, planned: Planned) -> ShardOutcome:
    return _earlier_outcome(job, planned) or clean_in_worker(job, planned)


def _spread(job: Job, planned: Iterator[Planned], jobs: int, scheduler: str | None) -> Generator[ShardOutcome, None, None]:
    """Clean shards in processes of this machine, or of a cluster, and yield the outcomes in order.

    Raises
    ------
    StoppedError
        When a file cannot be written, or a process died.
    """
    from joblib import Parallel, delayed  # noqa: PLC0415 - a run in one process does without
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415 - the same
    from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415 - the same

    if scheduler is not None:
        raise OutputError("--scheduler is not there yet; leave it out")
    parallel = Parallel(n_jobs=jobs, backend="loky", return_as="generator", pre_dispatch=AHEAD * jobs, batch_size=1)
    with inherited_deafness():  # joblib starts its processes with the first shards
        results = parallel(delayed(_work)(job, one) for one in planned)
    whole = False
    try:
        yield from results
        whole = True
    except BrokenProcessPool:
        raise StoppedError(
            "a worker process died, most likely for want of memory; run the same command again with --resume and fewer --jobs"
        ) from None
    finally:
        if not whole:
            with suppress(Exception):  # closing what is already broken may fail in joblib's own ways; the pool must go all the same
                results.close()
            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
