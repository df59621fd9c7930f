"""joblib's Dask backend, without its two traps: it waits for ever for what the cluster has given up, and uses no cluster of one thread."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from distributed import CancelledError
from distributed.scheduler import KilledWorker
from joblib._dask import DaskDistributedBackend

from newsfilter.dumps.plan import Planned
from newsfilter.dumps.writing import StoppedError

GATHER_SECONDS = 0.5  # in which all shards come in that the cluster has given up for one death

_AGAIN = "run the same command again with --resume"

Callback = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class _Lost:
    """Stands in for the outcome of a task that will have none."""

    why: str


class WatchedBackend(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
    """Hands shards to a cluster, one a task, and ends the call when one of them is lost.

    Parameters
    ----------
    client
        Connected to the scheduler.
    jobs
        How many tasks may run at once.
    """

    def __init__(self, client: Any, jobs: int) -> None:
        super().__init__(client=client)
        self._jobs = jobs
        self._waiting: dict[int, Callback] = {}  # by the shard's number
        self._lock = threading.Lock()
        self._killers: list[str] = []  # shards whose workers died again and again

    def effective_n_jobs(self, _n_jobs: int) -> int:
        """Return how many tasks may run at once: two at least, because for one joblib would work in this process."""
        return max(self._jobs, 2)

    def submit(self, func: Any, callback: Callback | None = None) -> Any:
        """Send a task. Its end is heard here too, for joblib's own collector calls nobody back when Dask gives a task up."""
        assert callback is not None
        planned: Planned = func.items[0][1][0]  # one call a task, with one argument
        with self._lock:
            self._waiting[planned.shard.number] = callback
        future = super().submit(func, callback)
        future.add_done_callback(partial(self._ended, planned))
        return future

    def _ended(self, planned: Planned, future: Any) -> None:
        error = future.exception()
        if error is None and isinstance(future.result(), BaseException):
            error = future.result()  # of a cancelled task: the collector takes that for a result
        shard = planned.shard
        with self._lock:
            callback = self._waiting.pop(shard.number, None)
        if error is None or callback is None:
            return
        name = f"{shard.uri} (shard {shard.number})"
        if not isinstance(error, KilledWorker):
            callback(_Lost(_why(error, name)))
            return
        self._killers.append(name)
        if len(self._killers) == 1:  # a death is laid on all that the worker had; whichever comes first may be innocent
            self.client.loop.call_later(GATHER_SECONDS, lambda: callback(_Lost(self._killed(error.allowed_failures + 1))))

    def _killed(self, deaths: int) -> str:
        return (
            f"workers died {deaths} times while they had {' and '.join(sorted(self._killers))}, so the cluster has given that up; most likely "
            f"there is not enough memory, see the workers' logs; {_AGAIN}"
        )

    def fail(self, why: str) -> None:
        """End the call: what waits for a shard is told that there will be none."""
        with self._lock:
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for callback in waiting[:1]:  # the first ends the call
            callback(_Lost(why))

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return a task's result, or raise."""
        if isinstance(out, _Lost):
            raise StoppedError(out.why)
        return super().retrieve_result_callback(out)


def _why(error: BaseException, shard: str) -> str:
    if isinstance(error, CancelledError):
        return f"{shard}: its task was cancelled, most likely because the scheduler is gone; start it and its workers anew, then {_AGAIN}"
    return f"{shard}: the cluster has given it up ({type(error).__name__}: {' '.join(str(error).split())[:300]}); {_AGAIN}"
