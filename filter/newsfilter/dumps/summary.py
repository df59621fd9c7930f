"""What a run came to, in numbers, and those numbers as text."""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from newsfilter.dumps.ledger import Line
from newsfilter.records import LABELS

STATUSES = ("accepted", "review", "rejected", "failed")
SLOWEST = 5  # documents that the summary names


class Totals:
    """Counts that grow with each line of the ledger; made again from the ledger when a run is resumed."""

    def __init__(self) -> None:
        self.status: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self.kept = 0
        self.cpu: Counter[str] = Counter()
        self.restarts: Counter[str] = Counter()  # of children, by cause
        self._slowest: list[tuple[float, str]] = []
        self._files: dict[str | None, Counter[str]] = {}

    def add_line(self, line: Line) -> None:
        """Count one document."""
        self.status[line["status"]] += 1
        self.kept += line["characters"]
        self.removed.update(line["labels"])
        self.reasons.update(reason["code"] for reason in line["reasons"])

    def add(self, counted: Mapping[str, Any]) -> None:
        """Add what others counted, as `content` returns it."""
        self.status.update({status: counted["counts"][status] for status in STATUSES})
        self.skipped.update(counted["skipped"])
        self.reasons.update(counted["reasons"])
        self.kept += counted["characters"]["kept"]
        self.removed.update(counted["characters"]["removed"])
        self.restarts.update(counted["restarts"])
        for slow in counted["slowest"]:
            self.add_slow(slow["uri"], slow["seconds"])

    def add_file(self, uri: str | None, counted: Mapping[str, Any]) -> None:
        """Add to a file's counts; None stands for all documents that are files of their own."""
        file = self._files.setdefault(uri, Counter())
        file.update(counted["counts"])

    def add_cpu(self, seconds: Mapping[str, float]) -> None:
        """Add CPU seconds by stage."""
        for stage, spent in seconds.items():
            self.cpu[stage] += spent  # type: ignore[assignment]  # a Counter adds up fractions as well

    def add_slow(self, uri: str, seconds: float) -> None:
        """Remember the slowest documents."""
        heapq.heappush(self._slowest, (seconds, uri))
        if len(self._slowest) > SLOWEST:
            heapq.heappop(self._slowest)

    def go_on_from(self, content: Mapping[str, Any]) -> None:
        """Take over what the ledger does not tell of an earlier part of the run: CPU time, restarts and the slowest documents."""
        self.add_cpu(content["seconds"]["cpu"])
        self.restarts.update(content["restarts"])
        for slow in content["slowest"]:
            self.add_slow(slow["uri"], slow["seconds"])

    @property
    def documents(self) -> int:
        """How many documents have a status."""
        return sum(self.status.values())

    def content(self) -> dict[str, Any]:
        """Return the part of ``run.json`` that counts."""
        labels = (*(label for label in LABELS if label in self.removed), *sorted(self.removed.keys() - set(LABELS)))
        return {
            "counts": {
                "documents": self.documents,
                **{status: self.status[status] for status in STATUSES},
                "skipped": sum(self.skipped.values()),
            },
            "skipped": dict(sorted(self.skipped.items())),
            "reasons": dict(sorted(self.reasons.items())),
            "characters": {"kept": self.kept, "removed": {label: self.removed[label] for label in labels}},
            "slowest": [{"uri": uri, "seconds": round(seconds, 3)} for seconds, uri in sorted(self._slowest, reverse=True)],
            "restarts": dict(sorted(self.restarts.items())),
        }

    def files(self) -> list[dict[str, Any]]:
        """Return the counts of each input file that holds many documents, and under the URI None those of all other documents together."""
        return [{"uri": uri, **{name: counts[name] for name in ("documents", *STATUSES, "skipped")}} for uri, counts in self._files.items()]

    def cpu_seconds(self) -> dict[str, float]:
        """Return CPU seconds by stage, in milliseconds' precision."""
        return {stage: round(seconds, 3) for stage, seconds in self.cpu.items()}


def imbalance(content: Mapping[str, Any], found: Mapping[str | None, int], lines: int | None) -> str | None:
    """Check that every document is accounted for, in each file and in all.

    Parameters
    ----------
    content
        A finished run's ``run.json``.
    found
        How many records were found in each file, documents and others, as counted when they were read; None stands for loose documents.
    lines
        How many lines the ledger holds; None where it is not one file.

    Returns
    -------
    str or None
        What is wrong, or None.
    """
    counts, files = content["counts"], content["files"]
    wrong = []
    for name, one in [(file["uri"] or "the documents that are files of their own", file) for file in files] + [("the run", counts)]:
        total = sum(one[status] for status in STATUSES)
        if total != one["documents"]:
            wrong.append(f"{name} has {one['documents']} documents, of which {total} have a status")
    for file in files:
        seen = found.get(file["uri"], 0)
        if seen != file["documents"] + file["skipped"]:
            wrong.append(
                f"{seen} records were found in {file['uri'] or 'files of their own'}, and {file['documents'] + file['skipped']} counted"
            )
    if counts["documents"] != sum(file["documents"] for file in files):
        wrong.append(f"{counts['documents']} documents were counted in all, and {sum(file['documents'] for file in files)} by file")
    if lines is not None and lines != counts["documents"]:
        wrong.append(f"{counts['documents']} documents were counted, and {lines} are in the ledger")
    if not wrong:
        return None
    return f"the run does not add up: {'; '.join(wrong)}; this is a defect, please report it with run.json and ledger.jsonl"


def number(count: int) -> str:
    """Write a count with its thousands apart."""
    return f"{count:,}"


def share(part: int, whole: int) -> str:
    """Write a share in percent, "-" where there is nothing to take one of."""
    return f"{100 * part / whole:.0f} %" if whole else "-"


Row = tuple[str, str, str]  # name, value, note


def status_rows(content: Mapping[str, Any]) -> list[Row]:
    """Return documents by status, and what was skipped."""
    counts = content["counts"]
    rows = [("documents", number(counts["documents"]), "")]
    rows += [(f"  {status}", number(counts[status]), share(counts[status], counts["documents"])) for status in STATUSES]
    if counts["skipped"]:
        rows.append(("skipped", number(counts["skipped"]), _listed(content["skipped"])))
    return rows


def time_row(content: Mapping[str, Any]) -> Row:
    """Return how long a run took, and how fast it was."""
    wall = content["seconds"]["wall"]
    return ("time", f"{wall:.1f} s", f"{content['counts']['documents'] / wall:.1f} documents/s" if wall > 0 else "")


def aligned(rows: Sequence[Row]) -> str:
    """Return rows as lines: names left, values right."""
    left = max(len(row[0]) for row in rows)
    middle = max(len(row[1]) for row in rows)
    return "\n".join(f"{name:<{left}}  {value:>{middle}}  {note}".rstrip() for name, value, note in rows)


def summary_text(content: Mapping[str, Any], show: Callable[[str], str] = str) -> str:
    """Return a run's summary for reading; `show` makes a scraped string fit for where it will be shown."""
    characters = content["characters"]
    rows = status_rows(content)
    reasons = dict(sorted(content["reasons"].items(), key=lambda pair: (-pair[1], pair[0])))
    if reasons:
        rows.append(("reasons", "", _listed(reasons)))
    whole = characters["kept"] + sum(characters["removed"].values())
    rows.append(("characters kept", number(characters["kept"]), share(characters["kept"], whole)))
    for label, removed in sorted(characters["removed"].items(), key=lambda pair: -pair[1]):
        rows.append((f"  removed: {label}", number(removed), share(removed, whole)))
    if content.get("duplicates"):
        repeats, documents = content["duplicates"]["repeats"], content["duplicates"]["documents"]
        rows.append(("repeated bodies", number(repeats), share(repeats, documents)))
    rows += [
        ("slowest" if place == 0 else "", f"{slow['seconds']:.2f} s", show(slow["uri"])) for place, slow in enumerate(content["slowest"])
    ]
    return aligned([*rows, time_row(content)])


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number(count)}" for name, count in counts.items())
