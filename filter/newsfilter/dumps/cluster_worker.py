"""A cluster's workers: what one of them is asked before it gets any work, and what it does with a shard.

Imports nothing that takes time or memory: a worker only watches, its children clean.
"""

import hashlib
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata as installed
from pathlib import Path
from typing import Any

from newsfilter.dumps.outputs_store import LocalStore, open_store
from newsfilter.dumps.plan import Planned
from newsfilter.dumps.remote import is_url, storage
from newsfilter.dumps.runfile import NAME as RUN_FILE
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.worker import Job, ShardOutcome, borrowed_keeper, clean_shard
from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import InputError, NewsfilterError

_LIBRARIES = ("FastWARC", "brotli", "charset-normalizer", "htmldate", "pyarrow", "zstandard")  # other versions can give other bytes
_RUNNING = frozenset({"executing", "long-running"})  # what Dask calls a task that somebody still waits for

_fit: set[str] = set()  # runs, by the digest of their run.json, that this process was found fit for


@dataclass(frozen=True, slots=True)
class Common:
    """What every worker must find as the parent does."""

    run_sha256: str  # of OUT/run.json while the run is under way: it tells this OUT from another of the same name
    samples: tuple[Entry, ...]  # one input of each SRC
    libraries: tuple[tuple[str, str | None], ...]  # as `libraries` returns them


def libraries() -> tuple[tuple[str, str | None], ...]:
    """Return the versions of what reads and writes besides the software that records name; None where it is missing."""
    return tuple((name, _version(name)) for name in _LIBRARIES)


def _version(name: str) -> str | None:
    try:
        return installed.version(name)
    except installed.PackageNotFoundError:
        return None


def examine(job: Job, common: Common, dask_worker: Any) -> None:
    """Find out whether this worker would give the same bytes as any other, once a run; a child that is ready to clean is left behind.

    Parameters
    ----------
    job, common
        The run's.
    dask_worker
        The worker; Dask fills in an argument of this name.

    Raises
    ------
    StoppedError
        When it cannot read what it must, has another model or other software. The message names the worker.
    """
    if common.run_sha256 in _fit:
        return
    try:
        _check_libraries(common.libraries)
        for entry in common.samples:
            _check_sight(entry)
        _check_out(job.target.out, common.run_sha256)
        with borrowed_keeper(job) as keeper:
            keeper.start()
    except NewsfilterError as error:
        raise StoppedError(f"{_name(dask_worker)}: {error}") from None
    _fit.add(common.run_sha256)


def _check_libraries(wanted: tuple[tuple[str, str | None], ...]) -> None:
    other = [
        f"{name} {here or 'missing'} ({there or 'missing'} in the run)"
        for (name, there), (_, here) in zip(wanted, libraries(), strict=True)
        if here != there
    ]
    if other:
        raise InputError(
            f"other software than the run's: {', '.join(other)}; install the same versions there, then run the same command again with --resume"
        )


def _check_sight(entry: Entry) -> None:
    """Look at one input as the readers would open it."""
    try:
        if is_url(entry.path):
            system, name = storage(entry.path)
            size = system.info(name).get("size")
        else:
            with Path(entry.path).open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - every kind of storage raises errors of its own
        why = getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{entry.path} cannot be read there ({why}); {_SHARED}") from None
    if entry.size is not None and size != entry.size:
        raise InputError(f"{entry.path} is another file there ({size} bytes, {entry.size} where the run was started); {_SHARED}")


_SHARED = "put SRC and OUT where all workers see them under the same path, then run the same command again with --resume"


def _check_out(out: str, run_sha256: str) -> None:
    """See that this is the OUT that the parent writes to, and that it can be written to."""
    store = open_store(out)
    try:
        if hashlib.sha256(store.read(RUN_FILE) or b"").hexdigest() != run_sha256:
            raise StoppedError(f"{store.name(RUN_FILE)} is not there, or not of this run; {_SHARED}")
        if isinstance(store, LocalStore):
            trial = store.root / f".newsfilter-{secrets.token_hex(8)}.tmp"
            trial.touch()
            trial.unlink()
    except OSError as error:
        raise StoppedError(f"{out} cannot be written to there ({error.strerror or error}); {_SHARED}") from None
    finally:
        store.close()


def _name(worker: Any) -> str:
    return f"worker on {socket.gethostname()} ({worker.address})"


def clean_on_worker(job: Job, common: Common, planned: Planned) -> ShardOutcome:
    """Do `clean_shard` in a task of a Dask worker, unless and until nobody waits for the task any more.

    Raises
    ------
    StoppedError
        As `clean_shard` and `examine` do; and when the task was cancelled, which nobody hears.
    """
    from distributed import get_worker  # noqa: PLC0415 - an extra

    worker = get_worker()
    examine(job, common, worker)
    try:
        return clean_shard(job, planned, still_wanted=partial(_check_wanted, worker.state.tasks, worker.get_current_task()))
    except NewsfilterError as error:
        raise StoppedError(f"{_name(worker)}: {error}") from None


def _check_wanted(tasks: Mapping[Any, Any], key: Any) -> None:
    """Raise when this task was cancelled, such as by the end of the parent.

    Dask cannot end a task that runs. Left alone it would go on to write, while somebody has started the next run in its OUT.
    """
    if getattr(tasks.get(key), "state", None) not in _RUNNING:
        raise StoppedError("the task was cancelled")
