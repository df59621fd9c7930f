"""What a run came to, counted once more from its ledger: more than the summary says, and a check of what ``run.json`` says."""

import heapq
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from newsfilter.dumps.ledger import Line
from newsfilter.dumps.ledger_lines import ledger_lines
from newsfilter.dumps.outputs_store import open_store
from newsfilter.dumps.runfile import read_run
from newsfilter.dumps.summary import STATUSES, Totals
from newsfilter.errors import OutputError

MOST_SITES = 1_000_000  # told apart; they take 190 MB; beyond, it says so
NAME_CHARACTERS = 255  # of a site's name: a host has no more, what a page calls itself may
ENOUGH = 20  # documents of a site whose removed share says something: below, one long comment thread is a third of it
_CHECKED = ("counts", "reasons", "characters")


class Site(NamedTuple):
    """What one site came to."""

    name: str
    documents: int  # that were cleaned
    accepted: int
    kept: int  # characters
    removed: int  # characters

    @property
    def removed_share(self) -> float:
        """Characters removed of all, 0 to 1."""
        return self.removed / max(self.kept + self.removed, 1)


class Sites:
    """Counts by site, exact for the first `most` names that come, with what belongs to none of them counted together.

    Plain arrays, because a million small records would take three times the memory.
    """

    def __init__(self, most: int = MOST_SITES) -> None:
        self._most = most
        self._rows: dict[str, int] = {}
        self._counts = [array("q") for _ in range(4)]
        self.nameless = 0  # cleaned documents without a site
        self.beyond = 0  # cleaned documents of sites that came when `most` were there

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, line: Line) -> None:
        """Count one document that was cleaned."""
        if not line["site"]:
            self.nameless += 1
            return
        name = line["site"][:NAME_CHARACTERS]
        row = self._rows.get(name)
        if row is None:
            if len(self._rows) == self._most:
                self.beyond += 1
                return
            row = self._rows[name] = len(self._rows)
            for column in self._counts:
                column.append(0)
        for column, number in zip(
            self._counts, (1, line["status"] == "accepted", line["characters"], sum(line["labels"].values())), strict=True
        ):
            column[row] += number

    def __iter__(self) -> Iterator[Site]:
        return (Site(name, *(column[row] for column in self._counts)) for name, row in self._rows.items())

    def largest(self, top: int) -> list[Site]:
        """Return the sites with the most documents, names in alphabetical order where that is even."""
        return heapq.nsmallest(top, self, key=lambda site: (-site.documents, site.name))

    def worst(self, top: int) -> list[Site]:
        """Return the sites that lost the largest share of their characters, of those with enough documents."""
        enough = (site for site in self if site.documents >= ENOUGH)
        return heapq.nsmallest(top, enough, key=lambda site: (-site.removed_share, site.name))

    def with_enough(self) -> int:
        """Count the sites with enough documents."""
        return sum(1 for count in self._counts[0] if count >= ENOUGH)


@dataclass(frozen=True, slots=True)
class Stats:
    """A run's figures."""

    out: str
    run: Mapping[str, Any]  # run.json, its counts those of the ledger
    languages: Mapping[str, tuple[int, int]]  # cleaned documents and accepted ones, most first
    sites: Sites
    wrong: str | None  # in what ledger and run.json of a finished run differ

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return bool(self.run["status"] == "finished")

    @property
    def ended(self) -> bool:
        """Whether ``run.json`` was written since the run began: what the ledger does not tell is known only then."""
        return bool(self.run["status"] != "running")

    def as_json(self, top: int) -> dict[str, Any]:
        """Return the figures as JSON, with at most `top` sites and files in a list; 0: all."""
        keys = ("status", "counts", "skipped", "reasons", "characters", "duplicates", "repeated_ids", "slowest", "seconds")
        most = top or max(len(self.sites), len(self.run["files"]), 1)
        sites = {
            "sites": len(self.sites),
            "nameless": self.sites.nameless,
            "beyond": self.sites.beyond,
            "enough": ENOUGH,
            "with_enough": self.sites.with_enough(),
        }
        return {
            "out": self.out,
            **{key: self.run.get(key) for key in keys},
            "files": by_documents(self.run["files"])[:most],
            "languages": [
                {"language": code, "documents": documents, "accepted": accepted} for code, (documents, accepted) in self.languages.items()
            ],
            "sites": sites
            | {
                "largest": [site._asdict() for site in self.sites.largest(most)],
                "most_removed": [site._asdict() for site in self.sites.worst(most)],
            },
            "wrong": self.wrong,
        }


def by_documents(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort the rows of files, most documents first, in source order where that is even."""
    return sorted(files, key=lambda file: -file["documents"])


def gather(out: str) -> Stats:
    """Read a run's ledger from end to end. Memory grows with the number of sites, up to `MOST_SITES`, and with nothing else.

    Raises
    ------
    OutputError
        When OUT holds no run, or a line of its ledger is none.
    """
    store = open_store(out)
    try:
        run = read_run(store)
    finally:
        store.close()
    if run is None:
        raise OutputError(f"{out}: holds no run (no run.json); give the OUT of newsfilter clean or merge")
    totals, languages, accepted, sites = Totals(), Counter[str](), Counter[str](), Sites()
    for line in ledger_lines(out, growing=run["status"] != "finished"):
        totals.add_line(line)
        if line["status"] != "failed":
            languages[line["language"]] += 1
            accepted[line["language"]] += line["status"] == "accepted"
            sites.add(line)
    counted = totals.content()
    counted["counts"]["skipped"] = run["counts"]["skipped"]
    wrong = _differences(out, run, counted) if run["status"] == "finished" else None
    by_language = {code: (languages[code], accepted[code]) for code in sorted(languages, key=lambda code: (-languages[code], code))}
    return Stats(out, {**run, **{key: counted[key] for key in _CHECKED}}, by_language, sites, wrong)


def _differences(out: str, run: Mapping[str, Any], counted: Mapping[str, Any]) -> str | None:
    """In what a finished run's two accounts differ."""
    wrong = [
        f"{status} documents ({run['counts'][status]:,} in run.json, {counted['counts'][status]:,} in the ledger)"
        for status in STATUSES
        if run["counts"][status] != counted["counts"][status]
    ]
    wrong += [key for key in _CHECKED[1:] if run[key] != counted[key]]
    if not wrong:
        return None
    return f"{out}: ledger and run.json do not agree: {'; '.join(wrong)}; the figures are the ledger's: clean once more with --resume, which writes both anew"
