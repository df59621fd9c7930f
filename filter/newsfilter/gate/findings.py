"""What counts as a finding in one document, and where it stands in its file."""

import hashlib
import json
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from newsfilter.dumps.documents import Oversized
from newsfilter.dumps.keeper import Result
from newsfilter.gate.judging import TooLong, Unit, failure_of
from newsfilter.gate.labels import TOO_LARGE, WHOLE, Selection, is_selected
from newsfilter.gate.pages import html_lines
from newsfilter.gate.targets import Problem
from newsfilter.provenance import restore

EXCERPT = 72  # characters of a finding that are shown


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a page that should not be there, or a whole page."""

    label: str
    probability: float  # four decimals; 1.0 where a rule decided
    text: str  # without the white space around it; "" for a whole page
    start: int = 0  # of `text`: code points into the page's text, inclusive
    end: int = 0  # exclusive
    evidence: tuple[str, ...] = ()  # strongest first
    xpath: str | None = None  # HTML only

    @property
    def whole(self) -> bool:
        """Whether it is about the document as a whole."""
        return self.label in WHOLE or self.label == TOO_LARGE

    def digest(self) -> str:
        """Return the sha256 of its text, in which case (Turkish, too), white space and compatible forms do not count."""
        folded = unicodedata.normalize("NFKC", self.text).casefold().replace("i\u0307", "i").replace("ı", "i")
        return hashlib.sha256(" ".join(folded.split()).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """A mark and its place."""

    name: str  # the file's
    line: int  # from 1
    column: int  # in code points, from 1
    mark: Mark
    end_line: int | None = None  # of plain text only
    end_column: int | None = None  # exclusive
    row: int | None = None  # of a table, from 1
    field: str | None = None

    def excerpt(self) -> str:
        """Return the beginning of what was found, on one line, as it was scraped."""
        text = " ".join(self.mark.text[: 4 * EXCERPT].split())
        return text if len(text) <= EXCERPT and len(self.mark.text) <= 4 * EXCERPT else f"{text[: EXCERPT - 1]}…"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is to be said of one document."""

    marks: tuple[Mark, ...] = ()
    problem: str | None = None  # why it was not, or not wholly, judged


def opinion_of(record: dict[str, Any], selection: Selection) -> Opinion:
    """Pick from a provenance record what counts as a finding, in the order of the page; verdicts on the whole come first.

    Returns
    -------
    Opinion
        With a problem for a document that is no text, and for a page whose parser gave up before the end.
    """
    html = record["source"]["media_type"] == "text/html"
    reasons = {reason["code"]: reason for reason in record["verdict"]["reasons"]}
    marks = [
        Mark(code, 1.0 if code == TOO_LARGE else float(reason["value"]), "")
        for code, reason in reasons.items()
        if (code in WHOLE or code == TOO_LARGE) and is_selected(selection, code, html=html)
    ]
    if "undecodable" in reasons:
        return Opinion(tuple(marks), "more than one character in twenty fits no charset: it is binary, or damaged; leave it out or mend it")
    marks += (mark for mark in _marks(record) if is_selected(selection, mark.label, html=html))
    cut = any(damage["code"] == "parse-truncated" for damage in record["damage"])
    problem = "the HTML parser gave up before the page's end; what follows was not judged" if cut else None
    return Opinion(tuple(mark for mark in marks if mark.probability >= selection.least), problem)


def _marks(record: dict[str, Any]) -> Iterator[Mark]:
    for entry in record["blocks"]:
        if entry["kept"] or not entry["text"].strip():
            continue
        text, label = entry["text"], entry["label"]
        start = entry["start"] + len(text) - len(text.lstrip())
        core = text.strip()
        probability = entry["probabilities"].get(label, 0.0) if entry["by"] == "model" else 1.0
        yield Mark(label, probability, core, start, start + len(core), tuple(entry.get("evidence", ())), entry.get("xpath"))


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one document."""

    unit: Unit | None  # None: it could not even be read
    name: str  # of its file
    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()


def report_of(answer: tuple[Unit, Result] | TooLong | Problem, selection: Selection) -> Report:
    """Return what is to be said of one document of a file."""
    if isinstance(answer, Problem):
        return Report(None, answer.name, problems=(answer,))
    if isinstance(answer, TooLong):
        selected = is_selected(selection, TOO_LARGE, html=False)
        finding = Finding(answer.target.name, answer.line, 1, Mark(TOO_LARGE, 1.0, ""))
        return Report(None, answer.target.name, (finding,) if selected else ())
    unit, result = answer
    name = unit.target.name
    if result.line is None:
        return Report(unit, name, problems=(failure_of(unit, result),))
    record = json.loads(result.record)
    opinion = opinion_of(record, selection)
    problems = () if opinion.problem is None else (Problem(name, opinion.problem, unit.line),)
    return Report(unit, name, tuple(_placed(unit, record, result.body, opinion.marks)), problems)


def _placed(unit: Unit, record: dict[str, Any], body: str, marks: tuple[Mark, ...]) -> Iterator[Finding]:
    """Find the place of each mark in the file."""
    name = unit.target.name
    inner = [mark for mark in marks if not mark.whole]
    if unit.line is not None:
        yield from (Finding(name, unit.line, 1, mark, row=unit.row, field=unit.field) for mark in marks)
        return
    yield from (Finding(name, 1, 1, mark) for mark in marks if mark.whole)
    if not inner or isinstance(unit.source, Oversized):
        return
    if record["source"]["media_type"] == "text/html":
        lines = html_lines(unit.source, [(mark.xpath or "", mark.text) for mark in inner])
        yield from (Finding(name, line, 1, mark) for line, mark in zip(lines, inner, strict=True))
        return
    text = restore(record, None if record["verdict"]["decision"] == "reject" else body)
    starts = line_starts(text)
    for mark in inner:
        (line, column), (end_line, end_column) = place(starts, mark.start), place(starts, mark.end)
        yield Finding(name, line, column, mark, end_line, end_column)


def line_starts(text: str) -> list[int]:
    """Return where each line begins; a line ends with a line feed, as editors and grep count."""
    starts, at = [0], text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def place(starts: list[int], offset: int) -> tuple[int, int]:
    r"""Return the line and column of an offset, from 1.

    >>> place(line_starts("ab\ncd"), 4)
    (2, 2)
    """
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1
