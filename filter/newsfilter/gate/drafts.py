"""Taking findings out of texts, again and again until nothing is found; nothing is written here."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from newsfilter.decode import clean_surrogates
from newsfilter.gate.findings import Mark, opinion_of
from newsfilter.gate.judging import Clean
from newsfilter.gate.labels import Selection
from newsfilter.provenance import digest
from newsfilter.records import Source

ROUNDS = 5  # in which a text must come to rest: without a neighbour, a line may look different to the model
_LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

Span = tuple[int, int]
Accepted = Counter[tuple[str, str]]  # label and digest of findings that a baseline accepts


class NotFixedError(Exception):
    """Why a text is left as it is."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A stretch that goes, with the white space that goes with it."""

    start: int  # code points into the original text, inclusive
    end: int  # exclusive
    mark: Mark
    round: int  # in which it was found, from 1


@dataclass(slots=True)
class Draft:
    """A text from which findings are taken out."""

    text: str
    remake: Callable[[str], Source]  # the document again, with another text
    accepted: Accepted
    where: str = ""  # "line 3: ", for messages
    kept: list[Span] = field(default_factory=list)  # what is left, in the original's code points
    removals: list[Removal] = field(default_factory=list)  # in order of their place, once the draft is done
    record: dict[str, Any] = field(default_factory=dict)  # of the first round

    def now(self) -> str:
        """Return the text as it is by now."""
        return "".join(self.text[start:end] for start, end in self.kept)

    def original(self, start: int, end: int) -> list[Span]:
        """Return where a stretch of the text as it is by now stands in the original."""
        result, at = [], 0
        for first, last in self.kept:
            left, right = max(start, at), min(end, at + last - first)
            if left < right:
                result.append((first + left - at, first + right - at))
            at += last - first
        return result


def settle(drafts: Sequence[Draft], selection: Selection, clean: Clean) -> None:
    """Take out of each draft what is found in it, until nothing is.

    Raises
    ------
    NotFixedError
        When a draft holds what cannot be taken out, would be empty, would be read in another charset, or does not come to rest.
    """
    for draft in drafts:
        draft.kept = [(0, len(draft.text))]
    open_drafts = list(drafts)
    for number in range(1, ROUNDS + 2):
        if not open_drafts:
            break
        texts = [draft.now() for draft in open_drafts]
        results = clean([draft.remake(text) for draft, text in zip(open_drafts, texts, strict=True)])
        left = []
        for draft, text, result in zip(open_drafts, texts, results, strict=True):
            if result.line is None:
                raise NotFixedError(f"{draft.where}what would be left of it could not be judged ({result.reason})")
            record = json.loads(result.record)
            marks = _marks(draft, text, record, selection)
            if not draft.record:
                draft.record = record
            if marks:
                if number > ROUNDS:
                    raise NotFixedError(f"{draft.where}after {ROUNDS} rounds something was still found in what was left")
                _take_out(draft, text, marks, number)
                left.append(draft)
        open_drafts = left
    for draft in drafts:
        draft.removals.sort(key=lambda removal: removal.start)


def _marks(draft: Draft, text: str, record: dict[str, Any], selection: Selection) -> list[Mark]:
    """What is to be taken out of a text, by its record."""
    if record["source"]["media_type"] == "text/html":
        raise NotFixedError(f"{draft.where}it is HTML, which --fix does not rewrite")
    if record["page"]["sha256"] != digest(clean_surrogates(text)):
        raise NotFixedError(f"{draft.where}what would be left of it would be read in another charset")
    opinion = opinion_of(record, selection)
    if opinion.problem is not None:
        raise NotFixedError(f"{draft.where}{opinion.problem}")
    accepted, marks = Counter(draft.accepted), []
    for mark in opinion.marks:
        key = (mark.label, mark.digest())
        if accepted[key] > 0:
            accepted[key] -= 1
        elif mark.whole:
            raise NotFixedError(f"{draft.where}what would be left of it is {mark.label} as a whole")
        else:
            marks.append(mark)
    return marks


def _take_out(draft: Draft, text: str, marks: Sequence[Mark], number: int) -> None:
    gone: list[Span] = []
    for mark, (start, end) in zip(marks, stretches(text, [(mark.start, mark.end) for mark in marks]), strict=True):
        spans = draft.original(start, end)
        draft.removals += [Removal(first, last, mark, number) for first, last in spans]
        gone += spans
    draft.kept = _without(draft.kept, sorted(gone))
    if not draft.now().strip():
        raise NotFixedError(f"{draft.where}nothing would be left of it; delete it by hand")


def _without(kept: Sequence[Span], gone: Sequence[Span]) -> list[Span]:
    result, number = [], 0
    for start, end in kept:
        at = start
        while number < len(gone) and gone[number][0] < end:
            if gone[number][0] > at:
                result.append((at, gone[number][0]))
            at = gone[number][1]
            number += 1
        if at < end:
            result.append((at, end))
    return result


def stretches(text: str, spans: Sequence[Span]) -> list[Span]:
    r"""Widen spans by the white space that goes with them, so that no double gap stays, and the text's end stays as it is.

    Of the white space before and behind a run of spans one stays: that with more line breaks, else the one before.

    >>> stretches("Body.\n\nSpam.\n\nBody.\n", [(7, 12)])
    [(7, 14)]
    >>> stretches("Body. Spam.\n\nBody.\n", [(6, 11)])
    [(5, 11)]
    >>> stretches("Body.\n\nSpam.\n", [(7, 12)])
    [(5, 12)]
    """
    result: list[Span] = []
    first = 0
    while first < len(spans):
        last = first
        while last + 1 < len(spans) and not text[spans[last][1] : spans[last + 1][0]].strip():
            last += 1
        start, end = spans[first][0], spans[last][1]
        before, behind = len(text[:start].rstrip()), end + len(text[end:]) - len(text[end:].lstrip())
        if before == 0:  # at the beginning, what stands before it stays
            end = behind
        elif behind == len(text) or _gap(text[end:behind]) > _gap(text[before:start]):
            start = before
        else:
            end = behind
        inner = [start, *(spans[number][0] for number in range(first + 1, last + 1)), end]
        result += [(inner[number], inner[number + 1]) for number in range(last - first + 1)]
        first = last + 1
    return result


def _gap(space: str) -> tuple[int, bool]:
    return len(_LINE_BREAK.findall(space)), bool(space)
