"""The batch run: list, cut into shards, hand them out, take in the outcomes in order, write the ledger, account for everything."""

import os
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from newsfilter.classifier import Model
from newsfilter.document import software
from newsfilter.dumps.cluster import Cluster, connected, on_cluster
from newsfilter.dumps.cluster_places import common, everywhere, same_everywhere
from newsfilter.dumps.duplicates import NAME as DUPLICATES
from newsfilter.dumps.duplicates import Found, look_back
from newsfilter.dumps.earlier import earlier_run
from newsfilter.dumps.guesses import Guesses
from newsfilter.dumps.inputs import check_same, write_inputs
from newsfilter.dumps.interrupt import Interruption
from newsfilter.dumps.ledger import Ledger
from newsfilter.dumps.order import Order, Result, Say, Watch
from newsfilter.dumps.outputs_formats import merge_columns
from newsfilter.dumps.outputs_marker import ledger_name, remove_shards, remove_work
from newsfilter.dumps.outputs_rows import InputColumns, Target
from newsfilter.dumps.outputs_store import LocalStore, Store, open_store
from newsfilter.dumps.plan import Planned, check_libraries, columns_of, format_of, plan
from newsfilter.dumps.pool import Feed, in_order, in_processes
from newsfilter.dumps.position import Position
from newsfilter.dumps.remote import is_private
from newsfilter.dumps.runfile import SCHEMA, as_json, now, write_run
from newsfilter.dumps.sources import Listing, as_uri, list_sources, with_stdin
from newsfilter.dumps.summary import Totals, imbalance
from newsfilter.dumps.unread import Unread
from newsfilter.dumps.worker import Job, ShardOutcome, clean_in_worker, clean_shard, close_keepers
from newsfilter.dumps.writing import StoppedError, remove_earlier, remove_temporaries
from newsfilter.errors import OutputError
from newsfilter.model_file import load_model


def clean_dump(order: Order, *, stdin: BinaryIO | None = None, watch: Watch | None = None, say: Say | None = None) -> Result:
    """Clean a dump into ``order.out``.

    Parameters
    ----------
    order
        What to clean, where to, and how.
    stdin
        What ``-`` reads.
    watch
        Called with the number of records done, the number there are (0: not known), and the share of the inputs' bytes that is behind (None: not
        known): at the start, and after each batch or shard.
    say
        Called with what the user should know at once.

    Raises
    ------
    InputError
        Before anything is written: a SRC is missing, OUT lies in one, a library that the inputs need is not installed; or the scheduler does not
        answer, or has no workers.
    OutputError
        Before anything is written: OUT is no folder, not empty, in use by another run, or holds a run that cannot be resumed with this order.
    ModelError
        When the model cannot be loaded.
    """
    order = replace(order, out=order.out.removeprefix("file://"))
    store = open_store(order.out)
    local = Path(store.name("")) if isinstance(store, LocalStore) else None
    if local is None and order.to == "files":
        raise OutputError(
            f"{order.out}: remote storage takes no --to files, which makes two objects an article; use --to parquet or --to jsonl"
        )
    listing = list_sources(order.sources, out=local)
    check_libraries(listing.entries)
    if stdin is not None:
        listing = with_stdin(listing, stdin, order.settings.max_bytes)
    model = load_model(order.model_path)
    say = say or (lambda _text: None)
    earlier = earlier_run(store, local, resume=order.resume, overwrite=order.overwrite)
    content = _opening(order, model)
    if earlier and order.resume:
        check_same(store, earlier, content, listing.entries)
    with connected(order.scheduler, say) as cluster:
        if cluster is not None:
            listing = same_everywhere(listing)
            order = replace(order, out=everywhere(order.out), model_path=order.model_path and order.model_path.absolute())
        if local is not None:
            _make(local)
        ledger = Ledger(local) if local is not None else None
        try:
            run = _Run(order, model, listing, store, ledger, content)
            run.watch, run.say, run.cluster = watch or run.watch, say, cluster
            return run.run(earlier if order.resume else None)
        finally:
            close_keepers()
            if ledger is not None:
                ledger.close()
            store.close()


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror}); give -o a folder that can be written to") from None


def _opening(order: Order, model: Model) -> dict[str, Any]:
    how = {"to": order.to, "out_field": order.out_field, "shard": list(order.part), **as_json(order.options)}
    return {
        "schema": SCHEMA,
        "status": "running",
        **Totals().content(),
        **Found().content(),
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
        self.watch: Watch = lambda _done, _total, _share: None
        self.say: Say = lambda _text: None
        self.guesses = Guesses()
        self.cluster: Cluster | None = None
        self.totals = Totals()
        self.found: Counter[str | None] = Counter()  # records that were read, by file
        self.numbers: deque[int] = deque()  # of the shards that were handed out, in order
        self.notes: list[str] = []
        self.began = time.perf_counter()
        self.wall_before = 0.0  # seconds of the run's earlier parts
        self.done = 0  # records, of whatever kind, in shards that are complete
        self.in_shard = 0  # the same, in the shard that this process works on
        self.position = Position(listing.entries)
        self.share: float | None = None  # of the inputs' bytes
        self.died = False  # whether a worker died, or may have: it leaves what it was writing
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
                self._look_back()
            self.content["status"] = "finished"
        except KeyboardInterrupt:
            interrupted = True
        except StoppedError as error:
            stopped = str(error)
        if self.content["status"] != "finished":
            self.content["status"] = "interrupted"
        if self.content["status"] != "finished" or self.died:
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

    def _look_back(self) -> None:
        found = look_back(self.order.out, self.totals.documents, (entry.uri for entry in self.listing.entries), dedup=self.order.dedup)
        self.content |= found.content()
        self.notes += found.notes

    def _begin(self, earlier: dict[str, Any] | None) -> None:
        if self.ledger is not None:
            self.ledger.clear()  # it is written anew from what each complete shard left
        if earlier is not None or self.order.overwrite:
            self.store.remove(DUPLICATES)  # of a ledger that is gone now
        if earlier is None:
            if self.order.overwrite:
                if self.ledger is not None:
                    remove_earlier(self.ledger.path.parent)
                remove_shards(self.order.out)
            return
        self._remove_temporaries()
        self.totals.go_on_from(earlier)
        self.wall_before = earlier["seconds"]["wall"]
        self.content |= {
            "seconds": earlier["seconds"],
            "started": earlier["started"],
        }
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
        self.watch(0, self.total, None)
        job = self._job()
        outcomes = self._outcomes(job, Unread(self.store, job.target))
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
        return Job(order.settings, order.model_path, self.model.sha256, target, order.options, order.limits, software())

    def _planned(self, unread: Unread) -> Iterator[Planned]:
        """Yield this slice's shards."""
        part, parts = self.order.part
        for planned in plan(self.listing.entries, self.order.options, named=self.order.to == "files"):
            self.position.follow(planned.shard)
            unread.meet(planned)
            if planned.shard.number % parts == part - 1:
                self.numbers.append(planned.shard.number)
                self.guesses.add(planned)
                yield planned
            else:
                self.position.forget(planned.shard.number)

    def _outcomes(self, job: Job, unread: Unread) -> Generator[ShardOutcome, None, None]:
        planned = self._planned(unread)
        if self.cluster is not None:
            feed = Feed(planned)
            yield from on_cluster(self.cluster, job, common(self.store, self.listing.entries), feed, self.order.jobs)
        else:
            most = 1 if any(is_private(name) for name in (*self.order.sources, self.order.out)) else self.order.jobs
            first = list(islice(planned, most))
            jobs = len(first)  # no more processes than there are shards
            self.guesses.tell(self.say)
            feed = Feed(chain(first, planned))
            del first  # what a shard was given can be large
            if jobs < 2:
                for one in feed:
                    yield clean_shard(job, one, self._progress)
                    feed.under_way.clear()
            else:
                yield from in_processes(partial(clean_in_worker, job, os.getpid()), feed, jobs)
        self.totals.add_cpu({"read": feed.seconds})
        self.died = feed.died or self.cluster is not None
        if feed.error is not None:
            raise feed.error

    def _progress(self, records: int) -> None:
        self.in_shard += records
        self.watch(self.done + self.in_shard, self.total, self.share)

    def _take_in(self, outcome: ShardOutcome) -> None:
        if self.ledger is not None:
            self.ledger.append(self.store.read(ledger_name(outcome.number)) or b"")
        self.totals.add(outcome.counted)
        self.totals.add_file(outcome.uri, outcome.counted)
        self.totals.add_cpu(outcome.cpu)
        self.found[outcome.uri] += outcome.found
        self.done, self.in_shard = self.done + outcome.found, 0
        self.share = self.position.share(outcome.number)
        self.watch(self.done, self.total, self.share)

    def _close(self) -> None:
        self.guesses.tell(self.say)
        self.content |= self.totals.content() | {"guessed": self.guesses.content()}
        self.content["files"] = self.totals.files()
        self.content["finished"] = now()
        wall = self.wall_before + time.perf_counter() - self.began
        self.content["seconds"] = {"wall": round(wall, 3), "cpu": self.totals.cpu_seconds()}
