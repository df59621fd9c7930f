"""Shards over a cluster: a thin layer over `clean_shard`, on joblib's Dask backend."""

import json
import logging
import pkgutil
import queue
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import newsfilter
from newsfilter.dumps.cluster_worker import Common, clean_on_worker, examine
from newsfilter.dumps.pool import AHEAD, Feed
from newsfilter.dumps.worker import Job, ShardOutcome, close_keepers
from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import InputError

CONNECT_SECONDS = 10.0  # for the scheduler to answer
WORKERS_SECONDS = 600.0  # for a first worker, and for another when all are gone: what a batch system may need to start one
LOOK_SECONDS = 1.0  # between two looks at the cluster
NAMED = 5  # unfit workers in a message

_GONE = "the scheduler is gone; start it and its workers anew, then run the same command again with --resume"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection to a scheduler that has workers."""

    client: Any  # distributed.Client
    address: str
    say: Say  # takes a line on what the run waits for


@contextmanager
def connected(address: str | None, say: Say) -> Iterator[Cluster | None]:
    """Connect to a scheduler, wait until it has a worker, and let go of both at the end: what waits there is cancelled, what runs ends soon.

    Parameters
    ----------
    address
        Such as ``tcp://host:8786``, or the file that ``dask scheduler --scheduler-file`` wrote; None: there is no cluster, and nothing happens.
    say
        Called with a line on what is waited for.

    Raises
    ------
    InputError
        When the extra is missing, the scheduler does not answer, or no worker comes within `WORKERS_SECONDS`.
    """
    if address is None:
        yield None
        return
    if address.endswith(".json"):
        address = _address_in(Path(address))
    try:
        import distributed  # noqa: F401, PLC0415 - an extra; before `_hushed`, because it sets what its loggers say
    except ImportError as error:
        raise InputError(f"a library for clusters is missing ({error}); pip install 'newsfilter[cluster]'") from None
    with _hushed():
        client = _client(address)
        try:
            _await_workers(client, address, say)
            yield Cluster(client, address, say)
        finally:
            _close(client)


def _close(client: Any) -> None:
    """End the idle children of the workers, and the connection. Neither may keep the run from ending."""

    def _tell() -> None:
        with suppress(Exception):
            if client.status == "running":
                client.run(close_keepers, on_error="ignore")
        with suppress(Exception):
            client.close(timeout=CONNECT_SECONDS)

    telling = threading.Thread(target=_tell, daemon=True)  # a worker that is stopped would never answer
    telling.start()
    telling.join(2 * CONNECT_SECONDS)


def _address_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["address"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{path}: names no scheduler ({error}); give --scheduler the file that `dask scheduler --scheduler-file` writes, or an address"
        ) from None


def _client(address: str) -> Any:
    from distributed import Client  # noqa: PLC0415 - see above

    answers: queue.Queue[Any] = queue.Queue()

    def _connect() -> None:
        try:
            answers.put(Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="newsfilter"))  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - an address that is none raises all kinds
            answers.put(error)

    threading.Thread(target=_connect, daemon=True).start()  # where somebody listens who is no scheduler, Dask waits for ever
    try:
        answer = answers.get(timeout=2 * CONNECT_SECONDS)
    except queue.Empty:
        answer = TimeoutError("somebody listens there, and does not speak as a scheduler does")
    if isinstance(answer, Exception):
        why = " ".join(str(answer).split())[:200] or type(answer).__name__
        raise InputError(
            f"{address}: no scheduler answers ({why}); start one with `dask scheduler`, and give --scheduler the address that it prints, "
            "such as tcp://host:8786"
        )
    return answer


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what Dask logs about lost connections, with tracebacks, off the terminal: all that it means for a run is said in its own words."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core", "tornado")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _await_workers(client: Any, address: str, say: Say) -> None:
    if client.ncores():
        return
    say(f"{address} has no workers yet; waiting up to {WORKERS_SECONDS:g} s for the first")
    until = time.monotonic() + WORKERS_SECONDS
    while not client.ncores():
        if time.monotonic() > until:
            raise InputError(f"{address}: no worker came within {WORKERS_SECONDS:g} s; start some with `dask worker {address}`")
        time.sleep(LOOK_SECONDS)


def check_workers(cluster: Cluster, job: Job, shared: Common) -> None:
    """Ask all workers whether they have what the run needs, before they get any of it. Later ones are asked with their first shard.

    Raises
    ------
    StoppedError
        Names the workers that have not, and why.
    """
    versions = _ask(cluster, pkgutil.resolve_name, "newsfilter:__version__")
    unfit = [f"worker {address}: {why}" for address, there in versions.items() if (why := _other_version(there))]
    if not unfit:
        found = _ask(cluster, examine, job, shared)
        unfit = [
            str(fault) if isinstance(fault, StoppedError) else f"worker {address}: {type(fault).__name__}: {fault}"
            for address, fault in found.items()
            if fault is not None
        ]
    if unfit:
        more = f"; and {len(unfit) - NAMED} more" if len(unfit) > NAMED else ""
        raise StoppedError(f"not all workers can do this run: {'; '.join(unfit[:NAMED])}{more}")


def _ask(cluster: Cluster, question: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Call a function in every worker, and return by its address what it returned or raised."""
    try:
        return dict(cluster.client.run(question, *arguments, on_error="return"))
    except OSError as error:
        raise StoppedError(f"{cluster.address}: {_GONE} ({error})") from None


def _other_version(there: Any) -> str | None:
    if there == newsfilter.__version__:
        return None
    what = f"newsfilter cannot be imported there ({there})" if isinstance(there, BaseException) else f"has newsfilter {there}"
    return f"{what}; install newsfilter {newsfilter.__version__} there, then run the same command again with --resume"


def on_cluster(cluster: Cluster, job: Job, shared: Common, feed: Feed, jobs: int) -> Generator[ShardOutcome, None, None]:
    """Clean shards on a cluster, and yield the outcomes as they come.

    A shard whose worker dies goes to another one. Dask may have one done twice: both write the same bytes, and one outcome is passed on.

    Parameters
    ----------
    cluster, job, shared
        As `connected`, the run and `common` made them.
    feed
        The shards.
    jobs
        How many are handed out at a time; 0: so many that each of the cluster's threads has one, and another waiting.

    Raises
    ------
    StoppedError
        When a worker is unfit or cannot write, a shard kills one worker after the other, or the scheduler or all workers are gone.
    """
    from joblib import Parallel, delayed  # noqa: PLC0415 - a run in one process does without

    from newsfilter.dumps.cluster_backend import WatchedBackend  # noqa: PLC0415 - needs the extra

    check_workers(cluster, job, shared)
    threads = sum(cluster.client.ncores().values())
    backend = WatchedBackend(cluster.client, jobs or threads)
    parallel = Parallel(
        n_jobs=-1, backend=backend, return_as="generator_unordered", pre_dispatch=jobs or max(AHEAD * threads, 1), batch_size=1
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")  # a stream's documents travel with their shard
        with _watched(cluster, backend.fail):
            work = partial(clean_on_worker, job, shared)
            outcomes = parallel(delayed(work)(one) for one in feed)
            try:
                for outcome in outcomes:
                    if feed.under_way.pop(outcome.number, None) is not None:
                        yield outcome
            finally:
                with suppress(Exception):  # closing what is already broken may fail in joblib's own ways
                    outcomes.close()


@contextmanager
def _watched(cluster: Cluster, fail: Callable[[str], None]) -> Iterator[None]:
    """Look, while inside, whether there still are a scheduler and workers, for joblib would wait for ever."""
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(cluster, fail, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(CONNECT_SECONDS)  # a scheduler that is stopped would keep it waiting


def _watch(cluster: Cluster, fail: Callable[[str], None], done: threading.Event) -> None:
    alone: float | None = None  # since when there has been no worker
    while not done.wait(LOOK_SECONDS):
        try:
            workers = len(cluster.client.ncores()) if cluster.client.status == "running" else None
        except Exception:  # noqa: BLE001 - whatever keeps the scheduler from answering
            workers = None
        if workers is None:
            fail(f"{cluster.address}: {_GONE}")
            return
        if workers:
            alone = None
        elif alone is None:
            alone = time.monotonic()
            cluster.say(f"{cluster.address} has no workers left; waiting up to {WORKERS_SECONDS:g} s for another")
        elif time.monotonic() - alone > WORKERS_SECONDS:
            fail(
                f"{cluster.address}: all workers are gone, and none came within {WORKERS_SECONDS:g} s; start some, then run the same command "
                "again with --resume"
            )
            return
