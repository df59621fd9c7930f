"""The program of the process that cleans. Whatever a document does to it, its worker (``keeper.py``) lives on.

Run by ``process.Child`` with three file descriptors: where requests come from, where messages go, and one that closes when the worker is gone.
"""

import fcntl
import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from newsfilter.classifier import Model, Scored
from newsfilter.document import Cleaner, Draft, software, too_large
from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.keeper import Result
from newsfilter.dumps.ledger import article_line
from newsfilter.dumps.process import ANSWER, DONE, FINISHING, HEADER, READING, READY, REFUSED, SCORING, frame
from newsfilter.errors import NewsfilterError
from newsfilter.model_file import load_model
from newsfilter.provenance import encode_record
from newsfilter.records import Article, Page, Source
from newsfilter.settings import Settings

DETAIL_CHARACTERS = 2_000  # of an exception's text; it may quote the whole page
FIRST_VICTIM = "500"  # added to what the kernel, out of memory, chooses by: it is to take this process and not the worker
_WARM_UP = (
    "The council of Harrow Bridge voted on Tuesday evening to keep the old ferry running for two more winters, after a debate that lasted four "
    "hours. Members from both banks said that the new bridge would not be open before the spring."
)

Say = Callable[[bytes, int, Any], None]  # kind, number of the document, what is said


class TimedCleaner(Cleaner):
    """A cleaner that tells what it is at, and gives each document's result as soon as there is one.

    Parameters
    ----------
    say
        Called whenever a document's reading or finishing begins, when scoring begins, and with each document's `Result`.
    """

    def __init__(self, settings: Settings, model: Model, say: Say) -> None:
        super().__init__(settings, model)
        self._say = say
        self._spent: dict[int, float] = {}  # CPU seconds of each document of the batch, without the model's, which are the batch's
        self._to_read: deque[int] = deque()  # numbers of the batch's documents
        self._to_draft: deque[int] = deque()
        self._to_finish: deque[int] = deque()

    def answer(self, items: Sequence[Source | Oversized]) -> None:
        """Clean a batch and say what became of each document."""
        sources = {number: item for number, item in enumerate(items) if isinstance(item, Source)}
        for number, item in enumerate(items):
            if isinstance(item, Oversized):
                result = self._attempt(self._unread, item)
                self._say(ANSWER, number, _failure(result, 0.0) if isinstance(result, Exception) else result)
        if sources:
            self._answer(sources)

    def _answer(self, sources: dict[int, Source]) -> None:
        """Clean documents, given by their numbers. Where the scoring fails, which is of all together, each is cleaned by itself."""
        self._spent, self._to_read, self._to_draft, self._to_finish = {}, deque(sources), deque(), deque()
        results = self._attempt(self.clean_batch, list(sources.values()))
        if isinstance(results, Exception) and len(sources) > 1:
            for number, source in sources.items():
                self._answer({number: source})
            return
        for number, result in zip(sources, [results] if isinstance(results, Exception) else results, strict=True):
            if isinstance(result, Exception):
                self._say(ANSWER, number, _failure(result, self._spent.get(number, 0.0)))

    def _unread(self, item: Oversized) -> Result:
        return _result(too_large(item.source, item.size, self.settings, self.model), item.source)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        if stage in {"score", "cut"}:
            self._say(SCORING, 0, None)
        with super()._timed(stage):
            yield

    def _read(self, source: Source) -> Any:
        number = self._to_read.popleft()
        with self._watched(READING, number):
            result = super()._read(source)
        self._to_draft.append(number)
        return result

    def _draft(self, page: Page, scored: Scored) -> Draft:
        number = self._to_draft.popleft()
        with self._watched(FINISHING, number):
            draft = super()._draft(page, scored)
        self._to_finish.append(number)
        return draft

    def _finish(self, source: Source, *arguments: Any, **options: Any) -> Article:
        number = self._to_finish.popleft()
        with self._watched(FINISHING, number):
            article = super()._finish(source, *arguments, **options)
            with self._timed("record"):
                result = _result(article, source)
        self._say(ANSWER, number, replace(result, seconds=self._spent[number]))
        return article

    @contextmanager
    def _watched(self, kind: bytes, number: int) -> Iterator[None]:
        self._say(kind, number, None)
        started = time.process_time()
        try:
            yield
        finally:
            self._spent[number] = self._spent.get(number, 0.0) + time.process_time() - started


def _result(article: Article, source: Source) -> Result:
    record = encode_record(article.record)
    return Result(
        line=article_line(article, source, record),
        body=article.body,
        record=record,
        byline=article.byline,
        published=article.published,
        site=article.site,
        url=article.record["source"]["url"],
    )


def _failure(error: Exception, seconds: float) -> Result:
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception whose text raises another
        text = type(error).__name__
    return Result(seconds=seconds, reason="memory" if isinstance(error, MemoryError) else "error", detail=text[:DETAIL_CHARACTERS])


def prepare(order: tuple[Settings, Path | None, str, dict[str, str] | None], say: Say) -> TimedCleaner:
    """Load the model and clean one text and one page, so that no document's deadline pays for what is loaded at first use.

    Raises
    ------
    NewsfilterError
        When the model is broken, or model or software are not those that the run began with.
    """
    gc.disable()  # it would look through a hundred thousand n-grams of the language profiles again and again, a fifth of the start
    settings, model_path, model_sha256, versions = order
    model = load_model(model_path)
    if model.sha256 != model_sha256:
        raise NewsfilterError(
            f"{model_path or 'the shipped model'}: another model ({model.sha256[:12]}) than the run's ({model_sha256[:12]}): it differs from "
            "machine to machine, or was replaced during the run; put the run's there and run the same command again with --resume, or start "
            "again with --overwrite"
        )
    if versions is not None and (other := _differences(versions, software())):
        raise NewsfilterError(
            f"other software than the run's: {other}; install the same versions there and run the same command again with --resume, or start "
            "again with --overwrite"
        )
    page = f"<html><body><article><h1>Ferry</h1><p>{_WARM_UP}</p></article></body></html>"
    for result in Cleaner(settings, model).clean_batch([Source(_WARM_UP), Source(page)]):
        if isinstance(result, Exception):
            raise result
    gc.collect()
    gc.freeze()  # what is loaded stays: the collector need never look at it
    gc.enable()
    return TimedCleaner(settings, model, say)


def _differences(wanted: dict[str, str], found: dict[str, str]) -> str:
    names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    return ", ".join(f"{name} {found.get(name)} ({wanted.get(name)} in the run)" for name in names)


def die_with_worker(life: int) -> None:
    """Have the kernel kill this process when the other end of `life` closes, which it does when the worker dies, however that happens.

    A thread that waits for that could not act while a hang holds the interpreter's lock, and a parent-death signal is sent when the thread ends
    that started this process, which under Dask is not the worker's end. Without ``F_SETSIG`` (not Linux) an idle child still ends with its worker.
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            os.read(life, 1)  # nobody writes, so it is at its end: the worker was gone before this
            os._exit(1)


def settle() -> None:
    """Make this process one that only its worker ends: signals to the whole job, such as Ctrl-C or a scheduler's SIGTERM, are the worker's to answer."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # half a gigabyte for each page that crashes
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_VICTIM, encoding="ascii")


def _requests(stream: BinaryIO) -> Iterator[Any]:
    while len(head := stream.read(HEADER.size)) == HEADER.size:
        yield pickle.loads(stream.read(HEADER.unpack(head)[2]))  # noqa: S301 - from our own worker


def main(hears: int, speaks: int, lives: int) -> int:
    """Answer requests until there are no more."""
    die_with_worker(lives)
    settle()

    def say(kind: bytes, number: int, what: Any) -> None:
        message = memoryview(frame(kind, number, b"" if what is None else pickle.dumps(what, protocol=5)))
        try:
            while message:
                message = message[os.write(speaks, message) :]
        except BrokenPipeError:
            os._exit(1)  # the worker is gone; as an exception this would be held to be the document's

    requests = _requests(open(hears, "rb"))  # noqa: SIM115 - closed with the process
    try:
        cleaner = prepare(next(requests), say)
    except Exception as error:  # noqa: BLE001 - whatever keeps this process from working, the worker must know
        text = (
            str(error)
            if isinstance(error, NewsfilterError)
            else f"the process that cleans does not start ({type(error).__name__}: {error})"
        )
        say(REFUSED, 0, text)
        return 1
    say(READY, 0, time.process_time())
    for items in requests:
        before = dict(cleaner.seconds)
        cleaner.answer(items)
        say(DONE, 0, {stage: seconds - before[stage] for stage, seconds in cleaner.seconds.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
