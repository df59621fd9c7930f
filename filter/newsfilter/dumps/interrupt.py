"""SIGINT and SIGTERM as one exception that never falls into the middle of a ledger line."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def inherited_deafness() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started inside, from before their first import: the terminal sends it to all, and only their parent answers.

    They inherit that it is blocked; SIGTERM is not, for that is what ends them. What would raise here meanwhile waits, and is not lost. Blocking alone
    does not see to that: a signal goes to whichever thread does not block it, and Python then raises in the main one.
    """
    waiting: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _SIGNALS} if _in_main_thread() else {}
    raising = {number: handler for number, handler in handlers.items() if callable(handler)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    for number in raising:
        signal.signal(number, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if waiting:
            signal.raise_signal(waiting[0])


class Interruption:
    """While entered, both signals raise `KeyboardInterrupt`, at once or, inside `held`, at its end.

    Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._held = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if _in_main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if not self._held:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise what a destructor or a C callback swallowed."""
        if self.asked:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep an interrupt waiting while something must be done whole."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.check()
