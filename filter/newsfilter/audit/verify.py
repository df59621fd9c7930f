"""Whether a run is as it was left: every body against its record, the accounts against each other, the sources against what was cleaned."""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from newsfilter.audit.reapply import Policy, policy_of
from newsfilter.audit.spill import DiskMap
from newsfilter.audit.verify_document import UNJUDGED, Finding, check_document
from newsfilter.audit.verify_ledger import Tell, check_counts, check_duplicates, check_ledger, check_markers, known_lines
from newsfilter.audit.verify_sources import check_sources, key_of
from newsfilter.dumps.duplicates import NAME as DUPLICATES
from newsfilter.dumps.inputs import NAME as INPUTS
from newsfilter.dumps.ledger import NAME as LEDGER
from newsfilter.dumps.ledger import Line
from newsfilter.dumps.names import BODY_SUFFIX, RECORD_SUFFIX
from newsfilter.dumps.outputs_marker import ARTICLES, DONE, RECORDS, WORK, ledger_name, marker_name
from newsfilter.dumps.outputs_rows import stem
from newsfilter.dumps.outputs_store import LocalStore, Store, open_store
from newsfilter.dumps.readers import ReadOptions
from newsfilter.dumps.remote import is_url
from newsfilter.dumps.results import Run, Stored, part_numbers, stem_of, stored_files, stored_rows
from newsfilter.dumps.runfile import NAME as RUN
from newsfilter.dumps.runfile import SCHEMA
from newsfilter.dumps.sources import STDIN
from newsfilter.dumps.summary import Totals
from newsfilter.dumps.unread import NAME as UNREAD
from newsfilter.dumps.writing import FOLDERS, StoppedError
from newsfilter.errors import InputError, RecordError, SettingsError

Watch = Callable[[int, int], None]
FORMATS = ("parquet", "jsonl.zst", "jsonl")


@dataclass(slots=True)
class Summary:
    """What a check came to."""

    documents: int = 0
    sources: int | None = None  # source documents that were read again; None: none were looked for
    findings: Counter[str] = field(default_factory=Counter)  # by code
    notes: list[str] = field(default_factory=list)

    @property
    def unjudged(self) -> int:
        """How many things nobody can judge."""
        return sum(self.findings[code] for code in UNJUDGED)


def verify(out: str, tell: Tell, *, sources: Sequence[str] | None = None, watch: Watch = lambda _done, _total: None) -> Summary:
    """Check a run.

    Parameters
    ----------
    out
        Its OUT.
    tell
        Called with each finding, as it is found.
    sources
        Where the sources are; None: where run.json says they were, if they are there; empty: they are not read.
    watch
        Called with documents done and in all.

    Raises
    ------
    InputError
        When OUT holds no run, or one of `sources` does not exist.
    """
    store = open_store(out)
    try:
        return _Check(out, store, tell, watch).run(sources)
    finally:
        store.close()


class _Check:
    """One check, under way."""

    def __init__(self, out: str, store: Store, tell: Tell, watch: Watch) -> None:
        self.summary = Summary()
        self._tell_user, self._watch = tell, watch
        self.store = store
        self.run_ = Run(out, store, self._content())
        self.told = "model" in self.run_.content  # whether run.json says what it should
        self.policy = self._policy()
        self.totals, self.files = Totals(), dict[str | None, Counter[str]]()
        self.containers = {file["uri"] for file in self.run_.content.get("files") or () if isinstance(file, dict)}
        self.mismatched = False  # whether run.json's settings or model were found not to be the records'

    def tell(self, finding: Finding) -> None:
        """Count a finding and hand it on."""
        self.summary.findings[finding.code] += 1
        self._tell_user(finding)

    def run(self, sources: Sequence[str] | None) -> Summary:
        """Check everything."""
        numbers = sorted({*part_numbers(self.store), *self.run_.numbers()})
        with DiskMap() as names, DiskMap() as expected, DiskMap() as more:
            skipped = check_markers(self.run_, numbers, self.tell, told=self.told)
            for line in check_ledger(self.store, numbers, self.tell):
                more.put(line["id"], json.dumps(line))
            known = (self.run_.content.get("counts") or {}).get("documents") or 0
            for document in self._documents(numbers, more, known or math.inf):
                self._document(document, names, expected)
                self.summary.documents += 1
                if self.summary.documents % 100 == 0:
                    self._watch(self.summary.documents, known)
            self._watch(self.summary.documents, known)
            if self.run_.content.get("counts"):
                check_counts(self.run_, self.totals, self.files, skipped, self.tell)
            check_duplicates(self.run_, self.tell)
            self._added(numbers, names)
            self._sources(sources, expected)
        return self.summary

    def _content(self) -> dict[str, Any]:
        """Read run.json as far as it can be; where it says no format, the files do."""
        path = self.store.name(RUN)
        data = self.store.read(RUN)
        found: Any = None
        if data is None:
            if not part_numbers(self.store) and self.store.size(LEDGER) is None:
                raise InputError(f"{path.removesuffix('/' + RUN)}: holds no run; give the OUT that newsfilter clean wrote to")
            self.tell(Finding(path, "run-missing", "run.json is gone"))
        else:
            try:
                found = json.loads(data)
                if found["schema"] != SCHEMA:
                    self.tell(Finding(path, "record-newer", f"its schema is {found['schema']!r}, this newsfilter reads {SCHEMA!r}"))
                elif found["status"] != "finished":
                    self.tell(Finding(path, "run-unfinished", f"its status is {found['status']!r}; newsfilter clean --resume goes on"))
            except (ValueError, KeyError, TypeError):
                self.tell(Finding(path, "run-changed", "not as newsfilter writes it"))
        content: dict[str, Any] = found if isinstance(found, dict) else {}
        settings = content.get("settings")
        if not isinstance(settings, dict) or settings.get("to") not in (*FORMATS, "files"):
            if data is not None:
                self.tell(Finding(path, "run-changed", "it does not say what format its outputs have"))
            names = self.store.names(ARTICLES)
            form = next((form for form in FORMATS if any(name.endswith("." + form) for name in names)), "files")
            content["settings"] = {**(settings if isinstance(settings, dict) else {}), "to": form}
        return content

    def _policy(self) -> Policy | None:
        if not self.told:
            return None
        try:
            return policy_of(self.run_.content)
        except (SettingsError, KeyError, TypeError) as error:
            self.tell(Finding(self.store.name(RUN), "run-changed", f"its settings are none: {error}"))
            return None

    def _documents(self, numbers: Sequence[int], more: DiskMap, documents: float) -> Iterator[Stored]:
        for number in numbers:
            lines = known_lines(self.store, number, lambda _finding: None)
            if self.run_.format == "files":
                yield from (document for line in lines for document in self._readable(line))
            else:
                yield from stored_rows(self.run_, number, self._counted(lines), self._stray)
        if self.run_.format == "files" and self.summary.documents < documents:  # a shard's own ledger is gone
            for value in more.values():
                yield from self._readable(json.loads(value))

    def _readable(self, line: Line) -> Iterator[Stored]:
        self._count(line)
        try:
            yield stored_files(self.store, line)
        except StoppedError as error:
            self.tell(Finding(str(line.get("output")), "unreadable", str(error)))

    def _counted(self, lines: Iterator[Line]) -> Iterator[Line]:
        for line in lines:
            self._count(line)
            yield line

    def _count(self, line: Line) -> None:
        try:
            self.totals.add_line(line)
        except (KeyError, TypeError, AttributeError):
            return  # it lacks what a line has, which its record says next
        uri = line["uri"] if line["uri"] in self.containers else None
        self.files.setdefault(uri, Counter()).update({"documents": 1, line["status"]: 1})

    def _stray(self, file: str, identity: str) -> None:
        self.tell(Finding(f"{file}#{identity}", "added", "the ledger knows no such row"))

    def _document(self, document: Stored, names: DiskMap, expected: DiskMap) -> None:
        line = document.line
        checked = check_document(document)
        for finding in checked.findings:
            self.tell(finding)
        if self.run_.format == "files" and line["status"] != "failed":
            try:
                place = FOLDERS[line["status"]] + stem_of(line)
            except RecordError:
                return  # it was told of
            names.put(place + RECORD_SUFFIX)
            if line["status"] != "rejected":
                names.put(place + BODY_SUFFIX)
        if checked.record is not None:
            self._check_makers(document, checked.record)
            source = checked.record["source"]
            expected.put(key_of(checked.record["id"], source["uri"], source["member"], source["offset"]), source["sha256"] or "")

    def _check_makers(self, document: Stored, record: dict[str, Any]) -> None:
        """Records are as they were written; where they name other settings or another model than run.json, that was changed. It is told once."""
        if self.mismatched or self.policy is None:
            return
        said = self.run_.content["model"]
        wrong = [] if record["settings"]["sha256"] == self.policy.sha256 else ["settings"]
        if not isinstance(said, dict) or record["model"] != {"name": said.get("name"), "sha256": said.get("sha256")}:
            wrong.append("model")
        if wrong:
            self.mismatched = True
            self.tell(
                Finding(
                    self.store.name(RUN),
                    "run-changed",
                    f"its {' and '.join(wrong)} are not those that records name, such as {document.name}",
                )
            )

    def _added(self, numbers: Sequence[int], names: DiskMap) -> None:
        """Name the files that no ledger line and no marker speaks of."""
        ours = {RUN, LEDGER, INPUTS, UNREAD}
        if self.run_.content.get("duplicates") or not self.told:
            ours.add(DUPLICATES)
        ours.update(name(number) for number in numbers for name in (marker_name, ledger_name))
        if self.run_.format != "files":
            ours.update(f"{folder}/{stem(number)}.{self.run_.format}" for number in numbers for folder in (ARTICLES, RECORDS))
        for name in _files(self.store):
            if name in ours or names.has(name):
                continue
            left = name.startswith(f"{WORK}/") or Path(name).name.startswith(".newsfilter-")
            what = "a process that was killed left it" if left else "no run wrote it here, or its ledger line is gone"
            self.tell(Finding(self.store.name(name), "added", what))

    def _sources(self, given: Sequence[str] | None, expected: DiskMap) -> None:
        places = self.run_.content.get("sources") if given is None else given
        if not places or not expected:
            return
        try:
            options = ReadOptions(**{name: self.run_.content["settings"][name] for name in ReadOptions.__dataclass_fields__})
        except (KeyError, TypeError):
            self.summary.notes.append("sources are not checked: run.json does not say how they were read")
            return
        readable = [place for place in places if given is not None or _there(place)]
        for place in places:
            if place not in readable:
                why = "standard input is gone" if place == STDIN else "it is not here; give --sources"
                self.summary.notes.append(f"{place}: its documents are not checked against their sources: {why}")
        if len(readable) == len(places):
            shard = self.run_.content["settings"].get("shard") or (1, 1)
            self.summary.sources = check_sources(readable, options, (shard[0], shard[1]), expected, self.tell, self._watch)


def _there(place: str) -> bool:
    return place != STDIN and (is_url(place) or Path(place).exists())


def _files(store: Store) -> Iterator[str]:
    """The names of all files below OUT; of remote storage those in the folders that a run writes to."""
    if not isinstance(store, LocalStore):
        for folder in (ARTICLES, RECORDS, DONE, WORK):
            yield from (f"{folder}/{name}" for name in store.names(folder))
        return
    for folder, folders, names in os.walk(store.root):
        folders.sort()
        below = Path(folder).relative_to(store.root)
        yield from ((below / name).as_posix() for name in sorted(names))
