"""What the tests of containment share: documents that do real harm to the process that cleans them, and results to compare with.

A marker such as ``@@abort@reading@@`` in a document's bytes acts when that document is read, finished or scored. The markers are understood only by
a child that finds the ``sitecustomize.py`` of `harm_folder` on its path; the package knows nothing of them.
"""

import mmap
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from newsfilter.document import Cleaner
from newsfilter.dumps.keeper import Result
from newsfilter.dumps.ledger import article_line
from newsfilter.model_file import load_model
from newsfilter.provenance import encode_record
from newsfilter.records import Source
from newsfilter.settings import Settings

MODEL = load_model()
_MARKER = re.compile(r"@@([a-z]+)@([a-z]+)(?:=([^@]*))?@@")
_held: list[bytearray | mmap.mmap] = []


class _Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise ValueError("no text")


def _allocate(_: str) -> None:
    # Pages that are there at once, and then a wait, which no machine is too slow for: what comes is the limit of memory or, much later, of time.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    _held.extend(mmap.mmap(-1, 20_000_000, flags=flags) for _step in range(40))
    time.sleep(600)


def _hold(megabytes: str) -> None:
    _held.append(bytearray(b"x") * (int(megabytes) * 1_000_000))


def _once(path: str) -> None:
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _murder(path: str) -> None:
    """Kill the worker that watches, as often as the file has bytes."""
    lives = Path(path).stat().st_size if Path(path).exists() else 0
    if lives:
        os.truncate(path, lives - 1)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)


def _gate(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.02)


def _loop(_: str) -> None:
    while True:
        pass


def _raise(error: BaseException) -> None:
    raise error


def _spin(seconds: str) -> None:
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass


def _speak(_: str) -> None:
    for descriptor in (1, 2):
        os.write(descriptor, b"noise\n" * 200_000)


HARM: dict[str, Callable[[str], Any]] = {
    "loop": _loop,
    "regex": lambda _: re.match("(a+)+$", "a" * 64 + "b"),  # holds the interpreter's lock for ever
    "abort": lambda _: os.abort(),
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "allocate": _allocate,
    "hold": _hold,  # until the scoring
    "once": _once,  # a SIGKILL that the second attempt is spared
    "murder": _murder,
    "gate": _gate,
    "alarm": lambda _: os.kill(os.getppid(), signal.SIGALRM),
    "slow": lambda seconds: time.sleep(float(seconds)),
    "spin": _spin,
    "touch": lambda path: Path(path).touch(),
    "speak": _speak,
    "raise": lambda text: _raise(ValueError(text)),
    "starve": lambda _: _raise(MemoryError()),
    "mute": lambda _: _raise(_Mute()),
}


def harm(text: str, stage: str) -> None:
    """Do what the markers in a text ask for at a stage."""
    for action, when, argument in _MARKER.findall(text):
        if when == stage:
            HARM[action](argument)


def harmful() -> None:
    """Make this process one that understands the markers."""
    from newsfilter.classifier import Model

    read, finish, score = Cleaner._read, Cleaner._finish, Model.score

    def _read(self: Cleaner, source: Source) -> Any:
        harm(_text(source), "reading")
        return read(self, source)

    def _finish(self: Cleaner, source: Source, *arguments: Any, **options: Any) -> Any:
        harm(_text(source), "finishing")
        return finish(self, source, *arguments, **options)

    def _score(self: Model, pages: Sequence[Any]) -> Any:
        _held.clear()
        for page in pages:
            harm(page.text, "scoring")
        return score(self, pages)

    Cleaner._read = _read  # type: ignore[method-assign]
    Cleaner._finish = _finish  # type: ignore[method-assign]
    Model.score = _score  # type: ignore[method-assign]


def _text(source: Source) -> str:
    return source.raw if isinstance(source.raw, str) else source.raw.decode("utf-8", "replace")


def harm_folder(folder: Path) -> Path:
    """Write the module that Python imports in every child that finds it on its path, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    code = "import sys\nif 'newsfilter.dumps.child' in sys.orig_argv:\n    import children\n    children.harmful()\n"
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return folder


def in_process(sources: Sequence[Source], settings: Settings | None = None) -> list[Result]:
    """What cleaning without a child gives, CPU seconds left out."""
    cleaner = Cleaner(settings or Settings(), MODEL)
    results = []
    for source, article in zip(sources, cleaner.clean_batch(sources), strict=True):
        assert not isinstance(article, Exception)
        line = article_line(article, source)
        results.append(
            Result(
                line=line,
                body=article.body,
                record=encode_record(article.record),
                byline=article.byline,
                published=article.published,
                site=article.site,
                url=article.record["source"]["url"],
            )
        )
    return results


def gone(process: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


def wait_until(met: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until a condition is met, and return whether it was in time."""
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
