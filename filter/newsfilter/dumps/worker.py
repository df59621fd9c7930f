"""What a process does with its share of a dump: read, clean, write, and tell the outcome in a few words."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from newsfilter.classifier import Model
from newsfilter.document import Cleaner, document_id, too_large
from newsfilter.dumps.ledger import Line, article_line, entry_id, failed_line
from newsfilter.dumps.reading import Oversized, ReadError, Skipped, read
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.writing import StoppedError, write_article
from newsfilter.model_file import load_model
from newsfilter.provenance import encode_record
from newsfilter.records import Article, Source
from newsfilter.settings import Settings

SHARE_BYTES = 32_000_000  # raw bytes that are cleaned at once: bounds what a batch of large documents holds in memory


@dataclass(frozen=True, slots=True)
class Job:
    """What all batches of a run have in common; small, because it goes to a worker with each batch."""

    settings: Settings
    model_path: Path | None
    model_sha256: str
    out: Path
    folder: Path  # the working folder, from which relative paths count


@dataclass(frozen=True, slots=True)
class Item:
    """One document and its output name."""

    entry: Entry
    stem: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: a ledger line, or the kind of thing that it is instead of a document."""

    uri: str
    line: Line | None = None
    skipped: str | None = None
    seconds: float = 0.0  # CPU seconds that cleaning it took


@dataclass(slots=True)
class BatchOutcome:
    """What became of a batch, in order."""

    outcomes: list[Outcome]
    cpu: dict[str, float] = field(default_factory=dict)  # CPU seconds by stage


class TimedCleaner(Cleaner):
    """A cleaner that remembers what each document of its last batch took, without the model's share, which is the batch's.

    Attributes
    ----------
    spent : dict of str to float
        CPU seconds by document id.
    """

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self.spent: dict[str, float] = {}

    def clean_batch(self, sources: Sequence[Source]) -> list[Article | Exception]:
        """Do what a cleaner does, with a clock for each document."""
        self.spent = {}
        return super().clean_batch(sources)

    def _read(self, source: Source) -> Any:
        with self._clocked(source):
            return super()._read(source)

    def _finish(self, source: Source, *arguments: Any, **options: Any) -> Article:
        with self._clocked(source):
            return super()._finish(source, *arguments, **options)

    @contextmanager
    def _clocked(self, source: Source) -> Iterator[None]:
        started = time.process_time()
        try:
            yield
        finally:
            key = document_id(source)
            self.spent[key] = self.spent.get(key, 0.0) + time.process_time() - started


_cleaners: dict[tuple[str, str], TimedCleaner] = {}  # one a process: loading the model costs more than a page


def make_ready(job: Job, model: Model) -> None:
    """Give this process a cleaner with a model that is loaded already."""
    _cleaners.clear()
    _cleaners[job.settings.sha256(), job.model_sha256] = TimedCleaner(job.settings, model)


def _cleaner(job: Job) -> TimedCleaner:
    key = (job.settings.sha256(), job.model_sha256)
    if key not in _cleaners:
        model = load_model(job.model_path)
        if model.sha256 != job.model_sha256:
            raise StoppedError(f"{job.model_path}: the model file was replaced during the run; start again with --overwrite")
        make_ready(job, model)
    return _cleaners[key]


def clean_in_worker(job: Job, items: Sequence[Item]) -> BatchOutcome:
    """Do `clean_items` in a process of its own, which leaves Ctrl-C to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(job.folder)  # a process that joblib kept from an earlier run stands where that run was started
    return clean_items(job, items)


def clean_items(job: Job, items: Sequence[Item]) -> BatchOutcome:
    """Clean a batch and write its files.

    Raises
    ------
    StoppedError
        When a file cannot be written.
    """
    cleaner = _cleaner(job)
    before = dict(cleaner.seconds)
    share = _Share(job, cleaner)
    for item in items:
        share.add(item)
    share.flush()
    spent = {stage: seconds - before.get(stage, 0.0) for stage, seconds in cleaner.seconds.items()}
    return BatchOutcome([share.outcomes[number] for number in range(len(items))], {**spent, "read": share.reading, "write": share.writing})


class _Share:
    """The documents that are cleaned together, and the outcomes so far."""

    def __init__(self, job: Job, cleaner: TimedCleaner) -> None:
        self.job, self.cleaner = job, cleaner
        self.outcomes: dict[int, Outcome] = {}
        self.reading = self.writing = 0.0
        self._items: list[tuple[int, Item, Source]] = []
        self._bytes = 0
        self._number = 0

    def add(self, item: Item) -> None:
        number, self._number = self._number, self._number + 1
        started = time.process_time()
        try:
            document = read(item.entry, self.job.settings.max_bytes)
        except ReadError as error:
            self.outcomes[number] = Outcome(item.entry.uri, failed_line(entry_id(item.entry), item.entry.uri, error.reason, error.detail))
            return
        finally:
            self.reading += time.process_time() - started
        if isinstance(document, Skipped):
            self.outcomes[number] = Outcome(item.entry.uri, skipped=document.kind)
        elif isinstance(document, Oversized):
            article = too_large(document.source, document.size, self.cleaner.settings, self.cleaner.model)
            self.outcomes[number] = self._written(item, article, 0.0)
        else:
            self._items.append((number, item, document))
            self._bytes += len(document.raw)
            if self._bytes >= SHARE_BYTES:
                self.flush()

    def flush(self) -> None:
        results = self.cleaner.clean_batch([source for _, _, source in self._items])
        for (number, item, source), result in zip(self._items, results, strict=True):
            spent = self.cleaner.spent.get(document_id(source), 0.0)
            self.outcomes[number] = (
                self._failed(item, result, spent) if isinstance(result, Exception) else self._written(item, result, spent)
            )
        self._items, self._bytes = [], 0

    def _failed(self, item: Item, error: Exception, spent: float) -> Outcome:
        detail = f"{type(error).__name__}: {error}"
        return Outcome(item.entry.uri, failed_line(entry_id(item.entry), item.entry.uri, "error", detail), seconds=spent)

    def _written(self, item: Item, article: Article, spent: float) -> Outcome:
        started = time.process_time()
        try:
            record = encode_record(article.record)
        except (ValueError, TypeError) as error:  # a value that no JSON can hold: this document's defect
            return self._failed(item, error, spent)
        line = article_line(article, item.entry.uri, write_article(self.job.out, item.stem, article, record))
        self.writing += time.process_time() - started
        return Outcome(item.entry.uri, line, seconds=spent)
