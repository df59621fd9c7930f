"""What a worker does with a shard: read it, have each document cleaned in a child process, write, and tell what it came to."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from newsfilter.dumps.documents import Document, Failed, Item, Oversized, Passed, weight
from newsfilter.dumps.failures import AWAY, ReadError
from newsfilter.dumps.keeper import BATCH_BYTES, BATCH_DOCUMENTS, Keeper, Limits, Result
from newsfilter.dumps.ledger import failed_line
from newsfilter.dumps.outputs import SKIPPED, ShardOutput
from newsfilter.dumps.outputs_marker import is_done, read_lines, read_marker, remove_marker
from newsfilter.dumps.outputs_rows import Target, facts_of
from newsfilter.dumps.plan import Planned, place_of
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.shard_records import Found, lost, records_of
from newsfilter.dumps.shards import Shard, source_of
from newsfilter.dumps.summary import Totals
from newsfilter.dumps.writing import write_result
from newsfilter.records import Source, document_id
from newsfilter.settings import Settings

PARENT_SECONDS = 0.5  # between two looks whether the parent is there


@dataclass(frozen=True, slots=True)
class Job:
    """What all shards of a run have in common; small, because it goes to a worker with each."""

    settings: Settings
    model_path: Path | None
    model_sha256: str
    target: Target
    options: ReadOptions
    limits: Limits
    software: dict[str, str]  # versions; any other would give other records


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """What a shard came to. Its ledger lines stand beside its marker."""

    number: int
    uri: str | None  # of the file that the records are from; None: each is a file of its own
    found: int  # records that were read, as counted there
    counted: dict[str, Any]  # as `Totals.content` returns it
    cpu: dict[str, float] = field(default_factory=dict)  # CPU seconds by stage


_Key = tuple[str, str, Limits, tuple[tuple[str, str], ...]]

_idle: list[
    tuple[_Key, Keeper]
] = []  # with their children, which cost more to start than a page; there are never more than threads that clean
_idle_lock = Lock()


@contextmanager
def borrowed_keeper(job: Job) -> Iterator[Keeper]:
    """Lend a keeper to one thread; when it is done without an error, the child waits for the next shard."""
    key = (job.settings.sha256(), job.model_sha256, job.limits, tuple(job.software.items()))
    with _idle_lock:
        place = next((place for place, (known, _) in enumerate(_idle) if known == key), -1)
        known, keeper = _idle.pop(place) if _idle else (None, None)
    if keeper is None or known != key:
        if keeper is not None:
            keeper.close()
        keeper = Keeper(job.settings, job.model_path, job.model_sha256, job.limits, job.software)
    try:
        yield keeper
    except BaseException:
        keeper.close()
        raise
    with _idle_lock:
        _idle.append((key, keeper))


def close_keepers() -> None:
    """End the children of this process that do not clean at the moment."""
    with _idle_lock:
        idle = _idle.copy()
        _idle.clear()
    for _, keeper in idle:
        keeper.close()


def clean_in_worker(job: Job, parent: int, planned: Planned) -> ShardOutcome:
    """Do `clean_shard` in a process of its own, which leaves Ctrl-C to its parent, and ends when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(parent)
    return clean_shard(job, planned)


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent has died. joblib's would go on with all that was queued, while somebody resumes the run."""

    def _watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    Thread(target=_watch, daemon=True).start()


def clean_shard(
    job: Job, planned: Planned, watch: Callable[[int], None] = lambda _: None, still_wanted: Callable[[], None] = lambda: None
) -> ShardOutcome:
    """Clean a shard and write its output, going on where an earlier attempt at it ended; one that is complete is left as it is.

    One in which storage failed is done once more: what failed so may be there now.

    Parameters
    ----------
    job, planned
        What to do.
    watch
        Called with the number of records of each batch that is done.
    still_wanted
        Called before anything is written; what it raises ends the work. What is done by then is kept for the next attempt.

    Raises
    ------
    OutputError
        When an earlier attempt completed the shard from other inputs, or with other settings.
    StoppedError
        When something cannot be written, or no child can be started.
    """
    shard, source = planned.shard, source_of(planned.shard)
    totals = Totals()
    if is_done(job.target, shard.number, source):
        lines = read_lines(job.target, shard.number)
        if not any(line["reason"] in AWAY for line in lines):
            marker = read_marker(job.target, shard.number) or {}
            totals.skipped.update(marker["skipped"])
            for known in lines:
                totals.add_line(known)
            return _outcome(shard, marker["counts"]["documents"] + totals.skipped.total(), totals, {})
        remove_marker(job.target, shard.number)
    clock = _Clock()
    with borrowed_keeper(job) as keeper, ShardOutput(job.target, shard.number, source, _file_of(shard)) as output:
        before, restarts = dict(keeper.seconds), Counter(keeper.restarts)
        given = output.resume_from()
        if planned.fatal:
            clock.found = given
            records = clock.read(iter([(lost(shard, "crashed", "reading on ended one process after the other"), "")]))
        else:
            records = islice(clock.read(records_of(planned, job.options)), given, None)
        for batch in _batches(records):
            results = iter(keeper.clean([_to_clean(item) for item, _ in batch if isinstance(item, Document | Oversized)]))
            still_wanted()
            with clock.writing():
                for item, stem in batch:
                    _take(output, job, item, stem, next(results) if isinstance(item, Document | Oversized) else None, totals)
            watch(len(batch))
        for kind, line in output.done():
            if kind.startswith(SKIPPED):
                totals.skipped[kind.removeprefix(SKIPPED)] += 1
            elif line is not None:
                totals.add_line(line)
        still_wanted()
        with clock.writing():
            output.finish()
        totals.restarts = keeper.restarts - restarts
        cpu = {stage: seconds - before.get(stage, 0.0) for stage, seconds in keeper.seconds.items()}
    return _outcome(shard, clock.found, totals, cpu | clock.seconds)


def _outcome(shard: Shard, found: int, totals: Totals, cpu: dict[str, float]) -> ShardOutcome:
    return ShardOutcome(shard.number, _file_of(shard), found, totals.content(), cpu)


def _file_of(shard: Shard) -> str | None:
    return None if shard.format == "files" else shard.uri


class _Clock:
    """Counts the records that are read, and the CPU seconds that reading and writing take.

    Attributes
    ----------
    found : int
        Records so far.
    seconds : dict of str to float
        By stage: read, write.
    """

    def __init__(self) -> None:
        self.found = 0
        self.seconds = {"read": 0.0, "write": 0.0}

    def read(self, items: Iterator[Found]) -> Iterator[Found]:
        """Hand on records."""
        while True:
            started = time.process_time()
            item = next(items, None)
            self.seconds["read"] += time.process_time() - started
            if item is None:
                return
            self.found += 1
            yield item

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Count what is done inside as writing."""
        started = time.process_time()
        yield
        self.seconds["write"] += time.process_time() - started


def _batches(items: Iterable[Found]) -> Iterator[list[Found]]:
    batch: list[Found] = []
    size = 0
    for item in items:
        batch.append(item)
        size += weight(item[0])
        if len(batch) == BATCH_DOCUMENTS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _to_clean(item: Document | Oversized) -> Source | Oversized:
    return item.source if isinstance(item, Document) else item


def _take(output: ShardOutput, job: Job, item: Item, stem: str, result: Result | None, totals: Totals) -> None:
    """Write what became of one record."""
    if isinstance(item, Passed):
        output.skipped(item.kind)
        return
    if isinstance(item, Failed):
        output.failed(failed_line(item))
        return
    assert result is not None
    source = item.source
    totals.add_slow(_slow_name(source), result.seconds)
    if result.line is None:
        output.failed(failed_line(_failure(source, result.reason or "error", result.detail)))
        return
    line = dict(result.line)
    if job.target.format == "files":
        line["output"] = write_result(Path(job.target.out), stem, line["status"], result.body, result.record)
    else:
        line["output"] = job.target.path("articles", output.number)
    try:
        output.add(facts_of(result, source), result.record, item.columns if isinstance(item, Document) else None, line)
    except ReadError as error:
        output.failed(failed_line(_failure(source, error.reason, error.detail)))


def _failure(source: Source, reason: str, detail: str) -> Failed:
    return Failed(document_id(source), source.uri, reason, detail, source.member, source.offset)


def _slow_name(source: Source) -> str:
    """What a slow document is called in the summary: its URI, and where in it it stands."""
    place = place_of(source.uri, source.member, source.offset)
    return f"{source.uri} {place}" if place else source.uri
