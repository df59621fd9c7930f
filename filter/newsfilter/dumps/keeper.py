"""The worker's side of containment: documents are cleaned in a child process, which is watched for hangs, crashes and memory.

Imports nothing that takes time or memory, so that a job is one busy process. The child's program is ``child.py``.
"""

import pickle
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.process import ANSWER, BATCH, DONE, FINISHING, ORDER, READING, READY, Child, Trouble, frame
from newsfilter.dumps.writing import StoppedError
from newsfilter.records import Source
from newsfilter.settings import Settings

BATCH_DOCUMENTS = 16  # some 4,000 blocks, above which scoring gets no faster
BATCH_BYTES = 32_000_000  # raw bytes that are cleaned at once: bounds what a batch of large documents holds in memory
START_SECONDS = 120.0  # a second on a local disk; a network file system under a hundred starting workers is slow
RECYCLE_ROOM = 100_000_000  # bytes that a child may always grow by, lest a model that is large by itself be loaded anew for each batch


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may take, and how long a child is kept."""

    seconds: float = (
        30.0  # of work or waiting since the child's last sign of life: a document's reading or finishing began, or a batch's scoring
    )
    resident_bytes: int = 1_000_000_000  # of the child's process while it cleans
    documents: int = 2_000  # after which the child is replaced: libraries leak
    recycle_bytes: int = 420_000_000  # resident between two batches, from which on the child is replaced


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one document, ready for the ledger and for any writer."""

    line: dict[str, Any] | None = None  # the ledger's, with `output` still None; None: the document failed
    body: str = ""  # "" too where the document is rejected
    record: bytes = b""  # as `provenance.encode_record` gives it
    byline: str | None = None
    published: str | None = None
    site: str | None = None
    url: str | None = None
    seconds: float = 0.0  # CPU seconds; of a document that its child died of, wall seconds of the attempt by itself
    reason: str | None = None  # of a failure: error, timeout, memory or crashed
    detail: str = ""  # the exception's text; the limit, in seconds or megabytes; the signal or exit status


class Keeper:
    """Cleans documents in a child process, which it starts when there is something to do, replaces in time, and outlives.

    One keeper for each thread. When a child dies, hangs or grows too large, the document in hand is tried once more, by itself and in a new
    child, and fails only when that ends badly too; its neighbours come out as they would without it.

    Parameters
    ----------
    settings, model_path, model_sha256
        What to clean with. A model of another digest is refused: the file was replaced while the run was under way.
    limits
        Defaults where not given.
    versions
        As `document.software` returns them. A child that finds others is refused; None: whatever it finds is right.

    Attributes
    ----------
    seconds : dict of str to float
        CPU seconds by stage, those of the children's starts under ``start``; under ``lost`` the wall seconds of attempts that came to nothing.
    restarts : Counter of str
        Children that were replaced, by cause: ``documents`` and ``size`` (recycled), ``timeout``, ``memory``, ``crashed``.
    """

    def __init__(
        self,
        settings: Settings,
        model_path: Path | None,
        model_sha256: str,
        limits: Limits | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        order = (settings, model_path, model_sha256, None if versions is None else dict(versions))
        self._order = frame(ORDER, payload=pickle.dumps(order, protocol=5))
        self.limits = limits or Limits()
        self.seconds: dict[str, float] = {}
        self.restarts: Counter[str] = Counter()
        self._child: Child | None = None
        self._cleaned = 0  # documents, by this child
        self._born_with = 0  # its resident bytes when it was ready

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child. Further documents get another."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    @property
    def process(self) -> int | None:
        """The child's process id; None while there is none."""
        return None if self._child is None else self._child.process.pid

    def start(self) -> None:
        """Have a child that is ready to clean.

        Raises
        ------
        StoppedError
            As `clean` does.
        """
        try:
            self._ready_child()
        except BaseException:
            self.close()
            raise

    def clean(self, sources: Sequence[Source | Oversized]) -> list[Result]:
        """Clean documents and return one result each, in order.

        Raises
        ------
        StoppedError
            When no child can be started, such as for a broken or replaced model or a missing package. Documents raise nothing.
        """
        results: dict[int, Result] = {}
        waiting = deque(_batches(sources))
        try:
            while waiting:
                waiting.extendleft(reversed(self._clean(waiting.popleft(), sources, results)))
        except BaseException:
            self.close()  # a child that is left in the middle of a batch would give its answers to the next
            raise
        return [results[number] for number in range(len(sources))]

    def _clean(self, batch: list[int], sources: Sequence[Source | Oversized], results: dict[int, Result]) -> list[list[int]]:
        """Clean a batch, given as numbers of sources, and return the batches that must be tried again: none, unless there was trouble."""
        child = self._ready_child()
        alone = len(batch) == 1 and self._cleaned == 0
        in_hand: list[int] = []
        began = time.perf_counter()
        request = frame(BATCH, payload=pickle.dumps([sources[number] for number in batch], protocol=5))
        try:
            for kind, number, payload in child.talk(request, self.limits.seconds, self.limits.resident_bytes):
                if kind == ANSWER:
                    results[batch[number]] = _unpickled(payload)
                elif kind == DONE:
                    self._spend(_unpickled(payload))
                    self._cleaned += len(batch)
                    break
                in_hand = [batch[number]] if kind in {READING, FINISHING} else []
        except Trouble as trouble:
            spent = time.perf_counter() - began
            self._spend({"lost": spent})
            self._replace(trouble.reason)
            if alone and batch[0] not in results:
                results[batch[0]] = Result(seconds=spent, reason=trouble.reason, detail=trouble.detail)
        unfinished = [number for number in batch if number not in results]
        if in_hand and in_hand[0] in unfinished:
            return [in_hand, *([rest] if (rest := [number for number in unfinished if number != in_hand[0]]) else [])]
        return [[number] for number in unfinished]  # it was the scoring, of all together, or nobody can tell

    def _ready_child(self) -> Child:
        if self._child is not None and (cause := self._outworn(self._child)):
            self._replace(cause)
        return self._child or self._start()

    def _outworn(self, child: Child) -> str | None:
        if not child.alive:
            return "crashed"  # between two batches: by another's hand
        if self._cleaned >= self.limits.documents:
            return "documents"
        return "size" if child.resident > max(self.limits.recycle_bytes, self._born_with + RECYCLE_ROOM) else None

    def _spend(self, spent: Mapping[str, float]) -> None:
        for stage, seconds in spent.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def _replace(self, cause: str) -> None:
        self.restarts[cause] += 1
        self.close()

    def _start(self) -> Child:
        child = self._child = Child()
        try:
            kind, _, payload = next(child.talk(self._order, START_SECONDS))
            said = _unpickled(payload)
        except Trouble as trouble:
            why = child.last_words() or trouble.detail
            raise StoppedError(
                f"the process that cleans does not start ({why}); mend that and run the same command again with --resume"
            ) from None
        if kind != READY:
            raise StoppedError(said)
        self._spend({"start": said})
        self._cleaned, self._born_with = 0, child.resident
        if self._born_with > self.limits.resident_bytes:
            raise StoppedError(
                f"a process that cleans holds {self._born_with / 1e6:.0f} MB before its first document, more than the limit of "
                f"{self.limits.resident_bytes / 1e6:.0f} MB; raise that limit"
            )
        return child


def _unpickled(payload: bytes) -> Any:
    """What the child said. It is our own program, but one whose memory a document may have damaged."""
    try:
        return pickle.loads(payload)  # noqa: S301 - from our own program
    except Exception:  # noqa: BLE001 - damaged bytes raise anything
        raise Trouble("crashed", "garbled answer") from None


def _batches(sources: Sequence[Source | Oversized]) -> Iterator[list[int]]:
    """Numbers of the documents that are cleaned together: a bounded number of documents and bytes."""
    batch: list[int] = []
    held = 0
    for number, source in enumerate(sources):
        batch.append(number)
        held += 0 if isinstance(source, Oversized) else len(source.raw)
        if len(batch) == BATCH_DOCUMENTS or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
