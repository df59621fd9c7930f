"""Shards over processes: which are handed out, which are under way, and what happens when a process dies."""

import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker as mp_resource_tracker
from typing import TypeVar

from newsfilter.dumps.interrupt import inherited_deafness
from newsfilter.dumps.plan import Planned
from newsfilter.dumps.readers import FORMATS
from newsfilter.dumps.worker import ShardOutcome
from newsfilter.dumps.writing import StoppedError

AHEAD = 2  # shards that wait for each process
DEATHS = 2  # processes in a row that die before any shard is done, until shards are cleaned one by one
GIVEN_UP = 8  # shards in a row; where nothing else is done in between, it is the machine and not the files

T = TypeVar("T")
R = TypeVar("R")


class Feed:
    """The shards of a run, as they are handed out.

    joblib takes them from threads of its own, where an exception would be lost: it is kept, and the shards end there.

    Attributes
    ----------
    under_way : dict of int to Planned
        What was handed out and is not done, by number.
    error : Exception or None
        What planning came to grief on.
    seconds : float
        CPU seconds that planning took, with the reading of what can only be read from its beginning.
    died : bool
        Whether a process died that had shards; it may have left temporary files.
    given_up : int
        Shards that were given up since one was done.
    """

    def __init__(self, planned: Iterator[Planned]) -> None:
        self._planned = planned
        self._again: deque[Planned] = deque()
        self.under_way: dict[int, Planned] = {}
        self.error: Exception | None = None
        self.seconds = 0.0
        self.died = False
        self.given_up = 0

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> Planned:
        started = time.thread_time()
        try:
            planned = self._again.popleft() if self._again else next(self._planned)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise StopIteration from error
        finally:
            self.seconds += time.thread_time() - started
        self.under_way[planned.shard.number] = planned
        return planned

    def put_back(self) -> None:
        """Hand out once more what is under way: those who had it are gone."""
        self.died = True
        self._again.extendleft(planned for _, planned in sorted(self.under_way.items(), reverse=True))
        self.under_way.clear()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(outcomes: Iterator[ShardOutcome], numbers: deque[int]) -> Iterator[ShardOutcome]:
    """Yield outcomes in the order of their shards' numbers, which are taken off `numbers`; it grows while shards are handed out."""
    waiting: dict[int, ShardOutcome] = {}
    for outcome in outcomes:
        waiting[outcome.number] = outcome
        while numbers and numbers[0] in waiting:
            yield waiting.pop(numbers.popleft())


def in_processes(work: Callable[[Planned], ShardOutcome], feed: Feed, jobs: int) -> Generator[ShardOutcome, None, None]:
    """Clean shards in processes of this machine, and yield the outcomes as they come.

    A process that dies takes the pool with it; another goes on with what was under way. When processes keep dying, what they had is cleaned shard by
    shard, and of one whose reading is what they die of, the rest is given up.

    Raises
    ------
    StoppedError
        When a file cannot be written, or processes keep dying of what is no single file's fault.
    """
    from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415 - a run in one process does without

    deaths = 0
    while True:
        try:
            with closing(in_pool(work, feed, jobs)) as outcomes:
                for outcome in outcomes:
                    deaths = feed.given_up = 0
                    del feed.under_way[outcome.number]
                    yield outcome
        except BrokenProcessPool:
            deaths += 1
            if deaths == DEATHS:
                yield from _one_by_one(work, feed)
                deaths = 0
            feed.put_back()
        else:
            return


def _one_by_one(work: Callable[[Planned], ShardOutcome], feed: Feed) -> Generator[ShardOutcome, None, None]:
    """Clean what is under way with no shard beside another, until it is known which one processes die of."""
    from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415 - as above

    for _, planned in sorted(feed.under_way.items()):
        for tried in (planned, planned, replace(planned, fatal=True)):
            if tried.fatal and (planned.shard.format not in FORMATS or feed.given_up == GIVEN_UP):
                break  # it was read already, or is files that no library reads; or everything is fatal here
            try:
                with closing(in_pool(work, iter([tried]), jobs=2)) as outcomes:  # for one, joblib would work in this process
                    for outcome in outcomes:
                        del feed.under_way[outcome.number]
                        yield outcome
            except BrokenProcessPool:
                continue
            if tried.fatal:
                feed.given_up += 1
                return
            feed.given_up = 0
            break
        if planned.shard.number in feed.under_way:
            raise StoppedError(
                f"worker processes died again and again while they cleaned {_named(feed)}; most likely there is not enough memory: "
                "run the same command again with --resume and fewer --jobs"
            )


def in_pool(work: Callable[[T], R], items: Iterator[T], jobs: int, *, ordered: bool = False) -> Generator[R, None, None]:
    """Do work in a pool of processes, which goes at the end, however that comes. Ctrl-C is this process's to answer.

    Yields
    ------
    R
        What comes of each item: in the order of the items if `ordered`, else as it comes.

    Raises
    ------
    BrokenProcessPool
        When a process dies.
    """
    from joblib import Parallel, delayed  # noqa: PLC0415 - as above
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415 - as above
    from joblib.externals.loky.backend import resource_tracker  # noqa: PLC0415 - as above

    for tracker in (resource_tracker, mp_resource_tracker):  # started later, inside, they would let Ctrl-C through
        tracker.ensure_running()
    order = "generator" if ordered else "generator_unordered"
    parallel = Parallel(n_jobs=jobs, backend="loky", return_as=order, pre_dispatch=AHEAD * jobs, batch_size=1)
    outcomes, whole = None, False
    try:
        with inherited_deafness():  # joblib starts its processes with the first items
            outcomes = parallel(delayed(work)(item) for item in items)
        # An interrupt that waited is raised here, and finds something to close.
        yield from outcomes
        whole = True
    finally:
        if outcomes is not None and not whole:
            with suppress(Exception), _torn_down():  # closing what is broken may fail in joblib's own ways; the pool must go all the same
                outcomes.close()
        with _torn_down():
            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=not whole)  # each holds a child, and a child a model


@contextmanager
def _torn_down() -> Iterator[None]:
    """Keep from the user what joblib says when its pool is closed in the middle: that tasks were cancelled, and what its own thread stumbles over.

    A pool that kills its processes forgets its tasks, kills, and then looks up those that had not been sent yet (`KeyError`); the thread ends there either way.
    """
    report = threading.excepthook

    def _report(error: threading.ExceptHookArgs) -> None:
        if not (error.thread is not None and error.thread.name == "ExecutorManagerThread" and issubclass(error.exc_type, KeyError)):
            report(error)

    threading.excepthook = _report
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*tasks", category=UserWarning, module="joblib")
            yield
    finally:
        threading.excepthook = report


def _named(feed: Feed) -> str:
    shards = [planned.shard for _, planned in sorted(feed.under_way.items())]
    return ", ".join(f"{shard.uri} (shard {shard.number})" for shard in shards[:4]) + (", …" if len(shards) > 4 else "")
