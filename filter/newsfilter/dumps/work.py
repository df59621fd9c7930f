"""What a worker does with a shard: read it, have each document cleaned in a child process, write, and tell the outcome in ledger lines."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from newsfilter.dumps.documents import Document, Failed, Item, Passed
from newsfilter.dumps.keeper import BATCH_BYTES, BATCH_DOCUMENTS, Keeper, Limits, Result
from newsfilter.dumps.ledger import Line, entry_id, failed_line, id_of
from newsfilter.dumps.outputs import ShardOutput
from newsfilter.dumps.outputs_rows import Target, facts_of
from newsfilter.dumps.plan import Planned
from newsfilter.dumps.readers import ReadOptions, reader_of
from newsfilter.dumps.reading import Oversized, ReadError, Skipped, read
from newsfilter.dumps.shards import Shard
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.summary import SLOWEST
from newsfilter.dumps.writing import write_result
from newsfilter.records import Source
from newsfilter.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """What all shards of a run have in common; small, because it goes to a worker with each."""

    settings: Settings
    model_path: Path | None
    model_sha256: str
    target: Target
    options: ReadOptions
    limits: Limits
    folder: Path  # the working folder, from which relative paths count


@dataclass(slots=True)
class ShardOutcome:
    """What became of a shard's documents."""

    number: int
    lines: list[Line] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    cpu: dict[str, float] = field(default_factory=dict)  # CPU seconds by stage
    slowest: list[tuple[float, str]] = field(default_factory=list)  # (CPU seconds, uri), of this process's part
    restarts: Counter[str] = field(default_factory=Counter)


Found = tuple[Item | Oversized, str]  # a record, and its output name without suffix

_keepers: dict[tuple[str, str, Limits], Keeper] = {}  # one a process: a child costs more than a page


def _keeper(job: Job) -> Keeper:
    key = (job.settings.sha256(), job.model_sha256, job.limits)
    if key not in _keepers:
        close_keepers()
        _keepers[key] = Keeper(job.settings, job.model_path, job.model_sha256, job.limits)
    return _keepers[key]


def close_keepers() -> None:
    """End the children of this process."""
    while _keepers:
        _keepers.popitem()[1].close()


def clean_in_worker(job: Job, planned: Planned) -> ShardOutcome:
    """Do `clean_shard` in a process of its own, which leaves Ctrl-C to its parent."""
    with suppress(ValueError):  # outside the main thread, as under Dask, signals are another's business
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(job.folder)  # a process that joblib kept from an earlier run stands where that run was started
    return clean_shard(job, planned)


def clean_shard(job: Job, planned: Planned) -> ShardOutcome:
    """Clean a shard and write its output, going on where an earlier attempt at it ended.

    Raises
    ------
    StoppedError
        When something cannot be written, or no child can be started.
    """
    keeper = _keeper(job)
    before, restarts = dict(keeper.seconds), Counter(keeper.restarts)
    outcome = ShardOutcome(planned.shard.number)
    clock = {"read": 0.0, "write": 0.0}
    with ShardOutput(job.target, planned.shard.number, source_of(planned.shard)) as output:
        found = islice(_timed(_items(planned, job), clock), output.resume_from(), None)
        for batch in _batches(found):
            results = iter(keeper.clean([_source(item) for item, _ in batch if _is_cleaned(item)]))
            started = time.process_time()
            for item, stem in batch:
                _take(output, job, item, stem, next(results) if _is_cleaned(item) else None, outcome)
            clock["write"] += time.process_time() - started
        for kind, line in output.done():
            if line is None:
                outcome.skipped[kind.removeprefix("skipped:")] += 1
            else:
                outcome.lines.append(line)
        output.finish()
    outcome.cpu = {stage: seconds - before.get(stage, 0.0) for stage, seconds in keeper.seconds.items()} | clock
    outcome.restarts = keeper.restarts - restarts
    outcome.slowest = sorted(outcome.slowest, reverse=True)[:SLOWEST]
    return outcome


def source_of(shard: Shard) -> str:
    """Say in words what a shard is made of, so that a change of the inputs is noticed."""
    if shard.format == "files":
        return f"{len(shard.entries)} files from {shard.entries[0].uri} to {shard.entries[-1].uri}"
    if shard.format == "given":
        return f"{shard.uri} records {shard.first} to {shard.first + len(shard.given)}"
    return f"{shard.uri} {shard.start} to {'its end' if shard.stop is None else shard.stop}"


def _items(planned: Planned, job: Job) -> Iterator[Found]:
    shard = planned.shard
    if shard.format == "files":
        for entry, stem in zip(shard.entries, planned.stems, strict=True):
            yield _loose(entry, job.options.max_bytes), stem
        return
    records = shard.given or reader_of(shard.format).read(shard.path, shard.uri, shard.start, shard.stop, job.options)
    for number, item in enumerate(records, shard.first):
        place = item.source.offset if isinstance(item, Document) and item.source.offset is not None else number
        yield item, f"{planned.stems[0]}/{place:012d}"


def _loose(entry: Entry, max_bytes: int) -> Item | Oversized:
    try:
        found = read(entry, max_bytes)
    except ReadError as error:
        return Failed(entry_id(entry), entry.uri, error.reason, error.detail)
    if isinstance(found, Skipped):
        return Passed(entry.uri, found.kind)
    return found if isinstance(found, Oversized) else Document(found)


def _timed(items: Iterable[Found], clock: dict[str, float]) -> Iterator[Found]:
    left = iter(items)
    while True:
        started = time.process_time()
        item = next(left, None)
        clock["read"] += time.process_time() - started
        if item is None:
            return
        yield item


def _batches(items: Iterable[Found]) -> Iterator[list[Found]]:
    batch: list[Found] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item[0].source.raw) if isinstance(item[0], Document) else 0
        if len(batch) == BATCH_DOCUMENTS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _is_cleaned(item: Item | Oversized) -> bool:
    return isinstance(item, Document | Oversized)


def _source(item: Item | Oversized) -> Source | Oversized:
    assert not isinstance(item, Failed | Passed)
    return item.source if isinstance(item, Document) else item


def _take(output: ShardOutput, job: Job, item: Item | Oversized, stem: str, result: Result | None, outcome: ShardOutcome) -> None:
    """Write what became of one record."""
    if isinstance(item, Passed):
        output.skipped(item.kind)
        return
    if isinstance(item, Failed):
        output.failed(failed_line(item.id, item.uri, item.reason, item.detail))
        return
    assert result is not None
    source = item.source
    outcome.slowest.append((result.seconds, source.uri))
    if result.line is None:
        output.failed(failed_line(id_of(source), source.uri, result.reason or "error", result.detail))
        return
    line = dict(result.line)
    if job.target.format == "files":
        line["output"] = write_result(Path(job.target.out), stem, line["status"], result.body, result.record)
    else:
        line["output"] = job.target.path("articles", output.number)
    try:
        output.add(facts_of(result, source), result.record, item.columns if isinstance(item, Document) else None, line)
    except ReadError as error:
        output.failed(failed_line(line["id"], source.uri, error.reason, error.detail))
