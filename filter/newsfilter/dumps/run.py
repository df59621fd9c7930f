"""The batch run: list, cut into shards, hand them out, take in the outcomes in order, write the ledger, account for everything."""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from newsfilter.classifier import Model
from newsfilter.document import software
from newsfilter.dumps.inputs import changed_input, write_inputs
from newsfilter.dumps.interrupt import Interruption
from newsfilter.dumps.keeper import Limits
from newsfilter.dumps.ledger import Ledger
from newsfilter.dumps.outputs import merge_columns
from newsfilter.dumps.outputs_marker import ledger_name, remove_shards, remove_work
from newsfilter.dumps.outputs_rows import Format, InputColumns, Target
from newsfilter.dumps.outputs_store import LocalStore, Store, open_store
from newsfilter.dumps.plan import Planned, columns_of, format_of, plan
from newsfilter.dumps.pool import Feed, in_order, in_processes
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.runfile import SCHEMA, as_json, differences, now, read_run, write_run
from newsfilter.dumps.sources import Listing, as_uri, list_sources, with_stdin
from newsfilter.dumps.summary import Totals, imbalance
from newsfilter.dumps.worker import Job, ShardOutcome, clean_in_worker, clean_shard, close_keepers
from newsfilter.dumps.writing import StoppedError, remove_earlier, remove_temporaries
from newsfilter.errors import OutputError
from newsfilter.model_file import load_model
from newsfilter.settings import Settings

Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do."""

    sources: tuple[str, ...]  # files, folders, URLs, "-"
    out: str  # a local folder, or a URL that fsspec opens
    settings: Settings
    options: ReadOptions
    to: Format = "files"
    out_field: str | None = None
    model_path: Path | None = None  # None: the shipped model
    jobs: int = 1  # processes; 1 works in this one, with a child
    limits: Limits = field(default_factory=Limits)
    part: tuple[int, int] = (1, 1)  # (3, 40): the third of forty slices
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


def clean_dump(order: Order, *, stdin: BinaryIO | None = None, watch: Watch | None = None) -> Result:
    """Clean a dump into ``order.out``.

    Parameters
    ----------
    order
        What to clean, where to, and how.
    stdin
        What ``-`` reads.
    watch
        Called with the number of records done and, where it is known (0: it is not), the number there are: at the start, and after each batch
        or shard.

    Raises
    ------
    InputError
        Before anything is written: a SRC is missing, or OUT lies in one.
    OutputError
        Before anything is written: OUT is no folder, not empty, in use by another run, or holds a run that cannot be resumed with this order.
    ModelError
        When the model cannot be loaded.
    """
    store = open_store(order.out)
    local = Path(store.name("")) if isinstance(store, LocalStore) else None
    if local is None and order.to == "files":
        raise OutputError(
            f"{order.out}: remote storage takes no --to files, which makes two objects an article; use --to parquet or --to jsonl"
        )
    listing = list_sources(order.sources, out=local)
    if stdin is not None:
        listing = with_stdin(listing, stdin, order.settings.max_bytes)
    model = load_model(order.model_path)
    earlier = _earlier_run(order, store, local)
    content = _opening(order, model)
    if earlier and order.resume:
        _check_same(order, store, earlier, content, listing)
    try:
        if local is not None:
            local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{order.out}: cannot be made ({error.strerror}); give -o a folder that can be written to") from None
    ledger = Ledger(local) if local is not None else None
    try:
        run = _Run(order, model, listing, store, ledger, content)
        run.watch = watch or run.watch
        return run.run(earlier if order.resume else None)
    finally:
        close_keepers()
        if ledger is not None:
            ledger.close()
        store.close()


def _earlier_run(order: Order, store: Store, local: Path | None) -> dict[str, Any] | None:
    """Look at what OUT holds, and refuse it where that is in the way."""
    out = order.out
    if local is not None and local.exists() and not local.is_dir():
        raise OutputError(f"{out}: not a folder; give -o a folder")
    try:
        if not store.names(""):
            return None
    except StoppedError as error:
        raise OutputError(f"{out}: cannot be listed ({error}); give -o another folder") from None
    if not (order.resume or order.overwrite):
        raise OutputError(
            f"{out}: not empty; use --resume to go on with the run there, --overwrite to replace it, or give -o another folder"
        )
    earlier = read_run(store)
    if earlier is None and order.resume:
        raise OutputError(f"{out}: not empty, and holds no run to resume (no run.json); give -o another folder, or use --overwrite")
    return earlier


def _check_same(order: Order, store: Store, earlier: dict[str, Any], content: dict[str, Any], listing: Listing) -> None:
    """Refuse to resume a run that was another one."""
    found = differences(earlier, content)
    if not found and (changed := changed_input(store, listing.entries)):
        found = [f"inputs: {changed}"]
    if found:
        raise OutputError(
            f"{order.out}: cannot be resumed, for this differs: {'; '.join(found)}; ask for the same as then, or use --overwrite"
        )


def _opening(order: Order, model: Model) -> dict[str, Any]:
    how = {"to": order.to, "out_field": order.out_field, "shard": list(order.part), **as_json(order.options)}
    return {
        "schema": SCHEMA,
        "status": "running",
        **Totals().content(),
        "files": [],
        "sources": [as_uri(source) for source in order.sources],
        "settings": {**as_json(order.settings), **how},
        "model": {"name": model.name, "sha256": model.sha256},
        "software": dict(software()),
        "started": now(),
        "finished": None,
        "seconds": {"wall": 0.0, "cpu": {}},
    }


class _Run:
    """One run, under way."""

    def __init__(self, order: Order, model: Model, listing: Listing, store: Store, ledger: Ledger | None, content: dict[str, Any]) -> None:
        self.order, self.model, self.listing, self.store, self.ledger, self.content = order, model, listing, store, ledger, content
        self.watch: Watch = lambda _done, _total: None
        self.totals = Totals()
        self.found: Counter[str | None] = Counter()  # records that were read, by file
        self.numbers: deque[int] = deque()  # of the shards that were handed out, in order
        self.notes: list[str] = []
        self.began = time.perf_counter()
        self.wall_before = 0.0  # seconds of the run's earlier parts
        self.done = 0  # records, of whatever kind, in shards that are complete
        self.in_shard = 0  # the same, in the shard that this process works on
        self.total = 0 if any(format_of(entry.uri) for entry in listing.entries) or order.part[1] > 1 else len(listing.entries)

    def run(self, earlier: dict[str, Any] | None) -> Result:
        stopped, interrupted, wrong = None, False, None
        self._begin(earlier)
        try:
            with Interruption() as interruption:
                if earlier is None:  # before run.json: where that stands, the run can be resumed
                    write_inputs(self.store, self.listing.entries)
                write_run(self.store, self.content)
                self._clean(interruption)
            self.content["status"] = "finished"
        except KeyboardInterrupt:
            interrupted = True
        except StoppedError as error:
            stopped = str(error)
        if self.content["status"] != "finished":
            self.content["status"] = "interrupted"
            self._remove_temporaries()
        self._close()
        if self.content["status"] == "finished":
            remove_work(self.order.out)
            wrong = imbalance(self.content, self.found, self.ledger.count() if self.ledger else None)
        try:
            write_run(self.store, self.content)
        except StoppedError as error:
            stopped = stopped or str(error)
        return Result(self.content, stopped, interrupted, wrong, tuple(self.notes))

    def _begin(self, earlier: dict[str, Any] | None) -> None:
        if self.ledger is not None:
            self.ledger.clear()  # it is written anew from what each complete shard left
        if earlier is None:
            if self.order.overwrite:
                if self.ledger is not None:
                    remove_earlier(self.ledger.path.parent)
                remove_shards(self.order.out)
            return
        self._remove_temporaries()
        self.totals.go_on_from(earlier)
        self.wall_before = earlier["seconds"]["wall"]
        self.content |= {"seconds": earlier["seconds"], "started": earlier["started"]}
        if earlier.get("software") != self.content["software"]:
            self.notes.append(
                "the run began with other versions of its software (run.json of then, each record); use --overwrite for one of a piece"
            )

    def _remove_temporaries(self) -> None:
        if self.ledger is not None:
            remove_temporaries(self.ledger.path.parent)

    def _clean(self, interruption: Interruption) -> None:
        if self.order.part[0] == 1:
            self.totals.skipped.update(self.listing.skipped)
        self.watch(0, self.total)
        outcomes = self._outcomes(self._job())
        try:
            for outcome in in_order(outcomes, self.numbers):
                with interruption.held():
                    self._take_in(outcome)
        finally:
            outcomes.close()

    def _job(self) -> Job:
        order = self.order
        columns = columns_of(self.listing.entries, order.options) if order.to != "files" else []
        known = merge_columns(columns) if columns else InputColumns()
        target = Target(order.out, order.to, order.settings, self.model.sha256, known, order.out_field)
        return Job(order.settings, order.model_path, self.model.sha256, target, order.options, order.limits)

    def _planned(self) -> Iterator[Planned]:
        """Yield this slice's shards."""
        part, parts = self.order.part
        for planned in plan(self.listing.entries, self.order.options, named=self.order.to == "files"):
            if planned.shard.number % parts == part - 1:
                self.numbers.append(planned.shard.number)
                yield planned

    def _outcomes(self, job: Job) -> Generator[ShardOutcome, None, None]:
        planned = self._planned()
        first = list(islice(planned, self.order.jobs))
        jobs = len(first)  # no more processes than there are shards
        feed = Feed(chain(first, planned))
        del first  # what a shard was given can be large
        if jobs < 2:
            for one in feed:
                yield clean_shard(job, one, self._progress)
                feed.under_way.clear()
        else:
            yield from in_processes(partial(clean_in_worker, job, os.getpid()), feed, jobs)
        self.totals.add_cpu({"read": feed.seconds})
        if feed.error is not None:
            raise feed.error

    def _progress(self, records: int) -> None:
        self.in_shard += records
        self.watch(self.done + self.in_shard, self.total)

    def _take_in(self, outcome: ShardOutcome) -> None:
        if self.ledger is not None:
            self.ledger.append(self.store.read(ledger_name(outcome.number)) or b"")
        self.totals.add(outcome.counted)
        self.totals.add_file(outcome.uri, outcome.counted)
        self.totals.add_cpu(outcome.cpu)
        self.found[outcome.uri] += outcome.found
        self.done, self.in_shard = self.done + outcome.found, 0
        self.watch(self.done, self.total)

    def _close(self) -> None:
        self.content |= self.totals.content()
        self.content["files"] = self.totals.files()
        self.content["finished"] = now()
        wall = self.wall_before + time.perf_counter() - self.began
        self.content["seconds"] = {"wall": round(wall, 3), "cpu": self.totals.cpu_seconds()}
