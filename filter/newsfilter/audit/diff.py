"""What two runs did differently with the same documents, matched by id: in each, and in sum."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from newsfilter.audit.reading import read_provenance
from newsfilter.audit.spill import Item, paired
from newsfilter.dumps.results import Run, open_run, stored
from newsfilter.errors import RecordError

Watch = Callable[[int, int], None]
FACTS = ("title", "byline", "published", "site", "language")
Labels = tuple[str, str]  # in one run, in the other


@dataclass(frozen=True, slots=True)
class Change:
    """What two runs did differently with one document."""

    id: str
    uri: str
    statuses: Labels
    reasons: tuple[tuple[str, ...], tuple[str, ...]]  # codes
    body: bool  # whether the bodies differ
    only: tuple[int, int]  # characters of the page that stand in one body only
    labels: Mapping[Labels, int]  # characters that have another label
    facts: tuple[str, ...]  # of `FACTS`, those that differ
    same_page: bool = True  # if not, the page was read otherwise, and paragraphs are compared instead of its stretches

    @property
    def weight(self) -> tuple[int, int, bool]:
        """How much it is: what is only in one body, then what has another label, then the status."""
        return sum(self.only), sum(self.labels.values()), self.statuses[0] != self.statuses[1]


@dataclass(slots=True)
class Differences:
    """What two runs did differently."""

    both: int = 0  # documents
    alone: tuple[int, int] = (0, 0)  # documents of one run only
    alone_named: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))  # the first of them
    changed: int = 0  # documents that differ in anything
    statuses: Counter[Labels] = field(default_factory=Counter)  # of documents in both
    bodies: int = 0  # that differ
    only: tuple[int, int] = (0, 0)  # characters
    labels: Counter[Labels] = field(default_factory=Counter)  # characters
    labelled: Counter[Labels] = field(default_factory=Counter)  # documents
    facts: Counter[str] = field(default_factory=Counter)  # documents
    worst: list[Change] = field(default_factory=list)
    unreadable: int = 0

    @property
    def differs(self) -> bool:
        """Whether there is any difference."""
        return bool(self.changed or any(self.alone))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it; ``a`` and ``b`` are the two runs."""
        return {
            "documents": {"both": self.both, "only_a": self.alone[0], "only_b": self.alone[1], "changed": self.changed},
            "statuses": [{"a": a, "b": b, "documents": n} for (a, b), n in sorted(self.statuses.items())],
            "bodies": {"changed": self.bodies, "only_a": self.only[0], "only_b": self.only[1]},
            "labels": [{"a": a, "b": b, "characters": n, "documents": self.labelled[a, b]} for (a, b), n in ranked(self.labels)],
            "facts": dict(sorted(self.facts.items())),
            "unreadable": self.unreadable,
            "worst": [_change_row(change) for change in self.worst],
            "only_a": self.alone_named[0],
            "only_b": self.alone_named[1],
        }


def ranked(counts: Mapping[Labels, int]) -> list[tuple[Labels, int]]:
    """Return counts, the largest first."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _change_row(change: Change) -> dict[str, Any]:
    return {
        "id": change.id,
        "uri": change.uri,
        "status": {"a": change.statuses[0], "b": change.statuses[1]},
        "reasons": {"a": list(change.reasons[0]), "b": list(change.reasons[1])},
        "body": {"changed": change.body, "only_a": change.only[0], "only_b": change.only[1]},
        "labels": [{"a": a, "b": b, "characters": n} for (a, b), n in ranked(change.labels)],
        "facts": list(change.facts),
        "same_page": change.same_page,
    }


def compare_runs(one: str, other: str, tell: Callable[[str], None], *, top: int, watch: Watch = lambda _done, _total: None) -> Differences:
    """Compare two runs, document by document.

    Parameters
    ----------
    tell
        Called with each document that cannot be compared, its place and why.
    top
        Documents to name.
    watch
        Called with documents done and in all.

    Raises
    ------
    InputError
        When one of the two holds no run.
    OutputError
        When a ledger cannot be read.
    """
    runs = open_run(one), open_run(other)
    total = max(run.content["counts"]["documents"] for run in runs)
    result = Differences()
    heap: list[tuple[tuple[int, int, bool], int, Change]] = []
    order = count(0, -1)  # of two that weigh the same, the first in source order
    try:
        for done, (a, b) in enumerate(paired(_items(runs[0]), _items(runs[1]), lambda item: str(item["line"]["id"])), start=1):
            if done % 100 == 0:
                watch(done, total)
            if a is None or b is None:
                _count_alone(result, 1 if a is None else 0, (a or b or {})["line"], top)
                continue
            try:
                change = compare(a, b)
            except RecordError as error:
                result.both, result.unreadable = result.both + 1, result.unreadable + 1
                tell(str(error))
                continue
            _count(result, change, a["line"]["status"])
            if change is not None and top:
                entry = (change.weight, next(order), change)
                (heapq.heappush if len(heap) < top else heapq.heappushpop)(heap, entry)
    finally:
        for run in runs:
            run.store.close()
    result.worst = [change for _, _, change in sorted(heap, reverse=True)]
    return result


def _items(run: Run) -> Iterator[Item]:
    for document in stored(run):
        yield {
            "line": document.line,
            "name": document.name,
            "record": None if document.record is None else document.record.decode("utf-8", "replace"),
            "body": None if document.body is None else document.body.decode("utf-8", "replace"),
            "trouble": document.trouble,
        }


def _count_alone(result: Differences, side: int, line: Mapping[str, Any], top: int) -> None:
    counts = list(result.alone)
    counts[side] += 1
    result.alone = (counts[0], counts[1])
    if len(result.alone_named[side]) < top:
        result.alone_named[side].append(line["uri"])


def _count(result: Differences, change: Change | None, status: str) -> None:
    result.both += 1
    result.statuses[(status, status) if change is None else change.statuses] += 1
    if change is None:
        return
    result.changed += 1
    result.bodies += change.body
    result.only = (result.only[0] + change.only[0], result.only[1] + change.only[1])
    result.labels.update(change.labels)
    result.labelled.update(dict.fromkeys(change.labels, 1))
    result.facts.update(change.facts)


def compare(one: Item, other: Item) -> Change | None:
    """Compare what two runs made of one document; None where it is the same, apart from what it was made with.

    Raises
    ------
    RecordError
        When a record or body is missing, damaged, or of another schema.
    """
    for item in (one, other):
        if item["trouble"] is not None or (item["record"] is None and item["line"]["status"] != "failed"):
            raise RecordError(f"{item['name']}: {item['trouble'] or 'the record is missing'}")
    lines = one["line"], other["line"]
    if one["record"] == other["record"] and one["body"] == other["body"] and lines[0]["status"] == lines[1]["status"]:
        return None if one["record"] is not None or lines[0]["reasons"] == lines[1]["reasons"] else _change(one, other)
    return _change(one, other)


def _change(one: Item, other: Item) -> Change | None:
    lines = one["line"], other["line"]
    body, only, labels, same_page = _bodies(one, other)
    statuses = (str(lines[0]["status"]), str(lines[1]["status"]))
    reasons = tuple(tuple(str(reason["code"]) for reason in line["reasons"]) for line in lines)
    records = [None if item["record"] is None else _record(item) for item in (one, other)]
    facts = (
        ()
        if records[0] is None or records[1] is None
        else tuple(name for name in FACTS if _fact(records[0], name) != _fact(records[1], name))
    )
    change = Change(lines[0]["id"], lines[0]["uri"], statuses, (reasons[0], reasons[1]), body, only, labels, facts, same_page)
    return change if any(change.weight) or body or facts or reasons[0] != reasons[1] else None


def _record(item: Item) -> dict[str, Any]:
    try:
        return read_provenance(item["record"].encode())
    except RecordError as error:
        raise RecordError(f"{item['name']}: {error}") from error


def _fact(record: Mapping[str, Any], name: str) -> Any:
    return record["language"]["code"] if name == "language" else record[name]


def _bodies(one: Item, other: Item) -> tuple[bool, tuple[int, int], Mapping[Labels, int], bool]:
    """Whether the bodies differ, what is only in one of them, which labels differ, and whether the page was read alike."""
    texts = [item["body"] or "" for item in (one, other)]
    body = texts[0] != texts[1]
    if one["record"] is None or other["record"] is None:  # failed in one run
        return body, (len(texts[0]), len(texts[1])), {}, True
    records = _record(one), _record(other)
    try:
        if records[0]["page"]["sha256"] != records[1]["page"]["sha256"]:
            paragraphs = [Counter(text.split("\n\n")) for text in texts]
            only = [sum(len(text) * n for text, n in (paragraphs[k] - paragraphs[1 - k]).items()) for k in (0, 1)]
            return body, (only[0], only[1]), {}, False
        only_in, labels = _stretches(records[0], records[1])
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RecordError(f"{one['name']}, {other['name']}: one is no record: {error!r}") from error
    return body, only_in, labels, True


def _stretches(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[tuple[int, int], Counter[Labels]]:
    """Go through two records' entries, which tile one page, side by side."""
    only, labels = [0, 0], Counter[Labels]()
    written = [record["verdict"]["decision"] != "reject" for record in (one, other)]
    entries = one["blocks"], other["blocks"]
    places, position = [0, 0], 0
    while places[0] < len(entries[0]) and places[1] < len(entries[1]):
        pair = entries[0][places[0]], entries[1][places[1]]
        end = min(pair[0]["end"], pair[1]["end"])
        size = end - position
        kept = [bool(entry["kept"]) and written[side] for side, entry in enumerate(pair)]
        for side in (0, 1):
            only[side] += size if kept[side] and not kept[1 - side] else 0
            places[side] += pair[side]["end"] == end
        if pair[0]["label"] != pair[1]["label"]:
            labels[pair[0]["label"], pair[1]["label"]] += size
        position = end
    return (only[0], only[1]), labels
