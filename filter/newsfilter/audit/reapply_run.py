"""A whole OUT under another policy: shard by shard into a second OUT of the same format, with a ledger, markers and accounts of its own."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from newsfilter.audit.reapply import another, policy_of
from newsfilter.audit.reapply_shard import Job, Outcome, reapply_shards
from newsfilter.dumps.duplicates import NAME as DUPLICATES
from newsfilter.dumps.duplicates import look_back
from newsfilter.dumps.inputs import NAME as INPUTS
from newsfilter.dumps.inputs import input_uris
from newsfilter.dumps.ledger import Ledger
from newsfilter.dumps.outputs_marker import remove_shards, remove_work
from newsfilter.dumps.outputs_store import LocalStore, Store, open_store, write
from newsfilter.dumps.pool import in_pool, processors
from newsfilter.dumps.results import Run, open_run
from newsfilter.dumps.runfile import now, write_run
from newsfilter.dumps.sources import as_uri
from newsfilter.dumps.summary import Totals, imbalance
from newsfilter.dumps.writing import StoppedError, remove_earlier
from newsfilter.errors import InputError, OutputError

Watch = Callable[[int, int], None]
MANY = 2_000  # documents that one process does in the time that starting others takes, some two seconds
TOGETHER = 32  # shards that a process is given at once: shards of loose files are small


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be applied to what."""

    source: str  # OUT
    out: str  # OUT2
    settings: Mapping[str, Any]  # name -> value, those that change
    thresholds: Mapping[str, float]
    jobs: int = 1  # processes; 0: one, or for many documents one for each processor
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended."""

    content: dict[str, Any]  # as run.json has it
    changed: int  # documents whose body or status is another
    unusable: int  # documents that could not be judged again
    imbalance: str | None  # what does not add up


def reapply_run(order: Order, tell: Callable[[str], None], watch: Watch = lambda _done, _total: None) -> Result:
    """Apply another policy to a run.

    Parameters
    ----------
    tell
        Called with each document that cannot be judged again, its place and why. It has the status failed in OUT2.
    watch
        Called with documents done and in all.

    Raises
    ------
    InputError
        When OUT holds no run, or one that did not finish.
    SettingsError
        When the policy is none.
    OutputError
        When OUT2 is in the way.
    StoppedError
        When OUT2 cannot be written.
    """
    run = open_run(order.source)
    if run.content.get("status") != "finished":
        raise InputError(f"{order.source}: the run there did not finish; finish it with newsfilter clean --resume, then reapply")
    before = policy_of(run.content)
    after = another(before, order.settings, order.thresholds)
    store = open_store(order.out)
    local = _prepare(order, run, store)
    ledger = Ledger(local) if local is not None else None
    try:
        if ledger is not None:
            ledger.clear()
            if order.overwrite:
                remove_earlier(ledger.path.parent)
        remove_shards(order.out)
        store.remove(DUPLICATES)
        job = Job(order.source, order.out, before, after)
        many = run.content["counts"]["documents"] >= MANY
        return _Reapplication(job, run, store, ledger).run(order.jobs or (processors() if many else 1), tell, watch)
    finally:
        if ledger is not None:
            ledger.close()
        store.close()
        run.store.close()


def _prepare(order: Order, run: Run, store: Store) -> Path | None:
    """Refuse an OUT2 that is in the way, and make it where it is a folder."""
    if isinstance(store, LocalStore) and isinstance(run.store, LocalStore):
        here, there = run.store.root.resolve(), store.root.resolve()
        if here == there or here.is_relative_to(there) or there.is_relative_to(here):
            raise OutputError(f"{order.out}: is OUT, or lies in it, or holds it; give -o a folder of its own")
    elif order.out.rstrip("/") == order.source.rstrip("/"):
        raise OutputError(f"{order.out}: is OUT; give -o another place")
    if not isinstance(store, LocalStore):
        if run.format == "files":
            raise OutputError(f"{order.out}: remote storage takes no files, two objects an article; give -o a local folder")
    elif store.root.exists() and not store.root.is_dir():
        raise OutputError(f"{order.out}: not a folder; give -o a folder")
    if store.names("") and not order.overwrite:
        raise OutputError(f"{order.out}: not empty; use --overwrite to replace what a run wrote there, or give -o another folder")
    if not isinstance(store, LocalStore):
        return None
    try:
        store.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{order.out}: cannot be made ({error.strerror}); give -o a folder that can be written to") from None
    return store.root


def _outcomes(job: Job, numbers: list[int], jobs: int) -> Iterator[Outcome]:
    """Do all shards, in processes where there are several, and yield what they came to, in order."""
    if min(jobs, len(numbers)) < 2:
        for number in numbers:
            yield from reapply_shards(job, [number])
        return
    size = max(1, min(TOGETHER, len(numbers) // (4 * jobs)))  # so that no process ends long before another
    groups = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415 - one process does without

    try:
        with closing(in_pool(partial(reapply_shards, job), iter(groups), min(jobs, len(numbers)), ordered=True)) as outcomes:
            for outcome in outcomes:
                yield from outcome
    except BrokenProcessPool:
        raise StoppedError(
            f"{job.out}: a process died, most likely for want of memory; run the same command with --overwrite and fewer --jobs"
        ) from None


class _Reapplication:
    """One run under way."""

    def __init__(self, job: Job, source: Run, store: Store, ledger: Ledger | None) -> None:
        self.job, self.source, self.store, self.ledger = job, source, store, ledger
        self.totals, self.changed, self.unusable, self.cpu = Totals(), 0, 0, 0.0
        self.totals.skipped.update(source.content["skipped"])
        self.files = {file["uri"]: Counter({"skipped": file["skipped"]}) for file in source.content["files"]}
        opening = {"status": "running", **Totals().content(), "files": [], "started": now(), "finished": None}
        self.content = {**source.content, **opening, "settings": {**source.content["settings"], **job.after.as_json()}}
        self.content |= {"seconds": {"wall": 0.0, "cpu": {}}, "reapplied": {"from": as_uri(job.source)}}

    def run(self, jobs: int, tell: Callable[[str], None], watch: Watch) -> Result:
        """Do all shards."""
        began = time.perf_counter()
        write_run(self.store, self.content)
        total = self.source.content["counts"]["documents"]
        try:
            watch(0, total)
            for outcome in _outcomes(self.job, self.source.numbers(), jobs):
                for trouble in outcome.troubles:
                    tell(trouble)
                self._take_in(outcome)
                watch(self.totals.documents, total)
            inputs = self.source.store.read(INPUTS)
            if inputs is not None:
                write(self.store, INPUTS, inputs)
            self._look_back()
            self.content["status"] = "finished"
        finally:
            if self.content["status"] != "finished":
                self.content["status"] = "interrupted"
            self._close(time.perf_counter() - began)
        found = {file["uri"]: file["documents"] + file["skipped"] for file in self.source.content["files"]}
        wrong = imbalance(self.content, found, self.ledger.count() if self.ledger else None)
        return Result(self.content, self.changed, self.unusable, wrong)

    def _look_back(self) -> None:
        """List repeats of bodies anew, if the run did; what another policy keeps may repeat more, or less."""
        if "repeated_ids" in self.content:
            uris = (uri for uri, _ in input_uris(self.store))
            dedup = self.source.content.get("duplicates") is not None
            self.content |= look_back(self.job.out, self.totals.documents, uris, dedup=dedup).content()
            remove_work(self.job.out)

    def _take_in(self, outcome: Outcome) -> None:
        for raw in outcome.lines.splitlines():
            line = json.loads(raw)
            self.totals.add_line(line)
            file = self.files.setdefault(line["uri"] if line["uri"] in self.files else None, Counter())
            file.update({"documents": 1, line["status"]: 1})
        if self.ledger is not None:
            self.ledger.append(outcome.lines)
        self.changed += outcome.changed
        self.unusable += len(outcome.troubles)
        self.cpu += outcome.cpu

    def _close(self, wall: float) -> None:
        for uri, counts in self.files.items():
            self.totals.add_file(uri, {"counts": counts})
        self.content |= {**self.totals.content(), "files": self.totals.files(), "finished": now()}
        self.content["seconds"] = {"wall": round(wall, 3), "cpu": {"reapply": round(self.cpu, 3)}}
        write_run(self.store, self.content)
