"""What a terminal shows: nothing scraped that could steer it, colour where it is wanted, progress, and one document block by block."""

import json
import os
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from newsfilter.records import Article, Decision, Page, Reason

LOG_SECONDS = 30.0  # between two progress lines where there is no terminal
BAR_SECONDS = 1.0  # a shorter run shows no bar
WIDTH = 100  # columns where no terminal tells
_JOINERS = "\u200c\u200d"  # Persian and emoji need them, and they turn nothing round
_COLOURS = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1"}


def visible(text: str) -> str:
    r"""Return text in which control, bidi, invisible and line-breaking characters are written out, so that a terminal shows them and obeys none.

    >>> print(visible("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    return "".join(_written_out(letter) if _is_unsafe(letter) else letter for letter in text)


def _is_unsafe(letter: str) -> bool:
    return letter not in _JOINERS and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _written_out(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def columns(text: str) -> int:
    """Count the columns that text takes: two for an East Asian wide letter, none for a combining mark."""
    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, width: int) -> str:
    """Cut text to `width` columns, an ellipsis at the end where something went.

    >>> shortened("haber ajansı", 8)
    'haber a…'
    """
    if columns(text) <= width:
        return text
    taken, used = [], 1
    for letter in text:
        used += columns(letter)
        if used > width:
            break
        taken.append(letter)
    return "".join(taken) + "…"


def wants_colour(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal whose user did not say no (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painter(*, colour: bool) -> Callable[[str, str], str]:
    """Return a function that puts text in a colour, or leaves it alone."""
    return lambda text, name: f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if colour and text else text


class Progress:
    """Shows how far a run is: a bar at a terminal, elsewhere a line every 30 seconds.

    Parameters
    ----------
    stream
        Where to show it, standard error.
    clock
        For tests: returns seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._bar: Any = None
        self._began = self._said = clock()
        self._first: int | None = None

    def __call__(self, done: int, total: int, share: float | None = None) -> None:
        """Show that `done` of `total` documents are done; where the total is not known (0), that `share` of the input's bytes is behind, if known."""
        if self._first is None:
            self._first = done
            if self._stream.isatty():
                from tqdm import tqdm  # noqa: PLC0415 - where there is no terminal it is not needed

                self._bar = tqdm(
                    total=total or None,
                    initial=done,
                    file=self._stream,
                    unit=" documents",
                    delay=BAR_SECONDS,
                    leave=False,
                    dynamic_ncols=True,
                )
        if self._bar is not None:
            if not total and share:
                self._bar.set_postfix_str(_input_share(share), refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._clock() - self._said >= LOG_SECONDS:
            self._said = self._clock()
            print(self._line(done, total, share), file=self._stream, flush=True)

    def _line(self, done: int, total: int, share: float | None) -> str:
        rate = (done - (self._first or 0)) / max(self._clock() - self._began, 1e-9)
        if not total:  # nor is the end in sight: a share of bytes is none of documents
            of = f" ({_input_share(share)})" if share else ""
            return f"newsfilter: {done:,} documents{of}, {rate:.1f} a second"
        left = f", about {_duration((total - done) / rate)} left" if rate > 0 else ""
        return f"newsfilter: {done:,} of {total:,} documents ({100 * done // max(total, 1)} %), {rate:.1f} a second{left}"

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def _input_share(share: float) -> str:
    return f"{100 * share:.0f} % of the input"


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress | None]:
    """Show on standard error how far a run is, while it lasts; None where nobody wants to see it."""
    if quiet:
        yield None
        return
    shown = Progress(sys.stderr)
    try:
        yield shown
    finally:
        shown.close()


def print_json(value: Any) -> None:
    """Print a value as JSON, which escapes control characters up to U+001F only; at a terminal the rest must not pass either."""
    print(json.dumps(value, ensure_ascii=sys.stdout.isatty(), indent=2))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def reason_text(reason: Reason) -> str:
    """Write a reason as code, value and limit."""
    value = f" {reason.value}" if reason.value is not None else ""
    limit = f" (limit {reason.limit})" if reason.limit is not None else ""
    return f"{reason.code}{value}{limit}"


def explanation(page: Page, article: Article, *, colour: bool, width: int | None = None) -> Iterator[str]:
    """Tell, line by line, what was decided about a document and each of its blocks.

    Parameters
    ----------
    page, article
        What `Cleaner.explain` returned.
    colour
        Kept in green, removed in red.
    width
        Columns; None asks the terminal.
    """
    paint = painter(colour=colour)
    width = width or shutil.get_terminal_size((WIDTH, 24)).columns
    language = f"{article.language.code} ({article.language.probability:.2f} by {article.language.by})"
    verdict = article.verdict
    reasons = ", ".join(reason_text(reason) for reason in verdict.reasons)
    tone = {"accept": "green", "review": "yellow", "reject": "red"}[verdict.decision]
    rows = (
        ("title", article.title, "bold"),
        ("byline", article.byline, ""),
        ("published", article.published, ""),
        ("site", article.site, ""),
        ("language", language, ""),
        ("verdict", f"{verdict.decision}{f': {reasons}' if reasons else ''}", tone),
        ("damage", ", ".join(sorted({damage["code"] for damage in article.record["damage"]})), ""),
    )
    for name, value, style in rows:
        if value:
            text = shortened(_one_line(value), width - 11)
            yield f"{name:<11}{paint(text, style) if style else text}"
    for decision in article.decisions:
        yield ""
        yield from _block_lines(page, decision, paint, width)


def _block_lines(page: Page, decision: Decision, paint: Callable[[str, str], str], width: int) -> Iterator[str]:
    tone = "green" if decision.kept else "red"
    head = f"{'+' if decision.kept else '-'} {decision.block:>3}  {decision.label} {decision.probability:.2f}  {'kept' if decision.kept else 'removed'} by {decision.by}"
    yield paint(shortened(visible(head), width), tone)
    if decision.evidence:
        yield paint(shortened(f"       {_one_line('; '.join(decision.evidence))}", width), "dim")
    yield shortened(f"       {_one_line(page.text[decision.start : decision.end])}", width)


def _one_line(text: str) -> str:
    return visible(re.sub(r"[ \t\r\n]+", " ", text).strip())


def complain(message: str, *, stream: TextIO | None = None) -> None:
    """Write a message to standard error, made safe to show."""
    print(f"newsfilter: {visible(message)}", file=stream or sys.stderr, flush=True)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Say how many there are.

    >>> counted(1, "file"), counted(1200, "file"), counted(0, "stretch", "stretches")
    ('1 file', '1,200 files', '0 stretches')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
