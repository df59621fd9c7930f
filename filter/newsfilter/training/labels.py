"""Labelled documents and labelled rows: read, checked to the last fault, and split into training and validation part."""

import codecs
import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from newsfilter.errors import InputError, json_fault
from newsfilter.records import LABELS
from newsfilter.settings import nearest
from newsfilter.training.splits import in_validation

LONGEST_LINE = 10_000_000  # bytes; what is longer is a file in one line, or a quote that was never closed
LONG = (
    40  # characters from which on an equal text is the same text; shorter ones ("Read more") are furniture in one place, words in another
)
NAMED = 20  # faults that a message spells out
SUFFIXES = (".jsonl", ".csv")
COLUMNS = ("text", "label", "lang", "site", "id")  # of a CSV; what else it has is not read

_OWN_LABEL = re.compile(r"spam-[a-z0-9][a-z0-9-]*")
_BROAD_SPACE = re.compile(r"[^\S ]\s*| \s+")  # white space that is not one plain space; str.split would hold every word of a long text
_OTHER_UNICODE = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


Span = tuple[int, int, str]  # start, end (exclusive) and label, in code points of a block's text


class LabelsError(InputError):
    """Faults in labels: all of them, so that one look mends them.

    Attributes
    ----------
    faults : tuple of str
        Each ``"FILE:LINE: what is wrong; what to do"``.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)  # what pickling hands back to __init__

    def __str__(self) -> str:
        if len(self.faults) == 1:
            return self.faults[0]
        more = [f"and {len(self.faults) - NAMED:,} more"] if len(self.faults) > NAMED else []
        return "\n  ".join([f"{len(self.faults):,} faults in the labels:", *self.faults[:NAMED], *more])


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """One document whose blocks somebody labelled, or one labelled text without a document around it."""

    id: str
    lang: str
    site: str
    kind: str
    blocks: tuple[tuple[str, str], ...]  # (text, label), in page order; "" where nobody gave a label
    spans: Mapping[int, tuple[Span, ...]] = field(default_factory=dict, hash=False)
    """Block number, from 0 -> (start, end, label) of the spam inside that block's text, which is honest otherwise."""
    hard: bool = False
    where: str = field(default="", compare=False)  # "FILE:LINE", for messages
    alone: bool = False  # a row of one text: nothing stands before or after it


def read_labelled(path: Path) -> Iterator[LabelledDocument]:
    """Read whole labelled documents from a JSONL file, or from every ``*.jsonl`` of a folder in order of name.

    Raises
    ------
    InputError
        At the first line that is not JSON, lacks a key, or has an unknown label; the message names file and line.
    """
    reader = _Reader({})
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        for row, where in reader.json_rows(file):
            document = reader.document(row, where)
            if reader.faults:
                break
            if document.alone or not all(label for _, label in document.blocks):
                raise InputError(f"{where}: no labelled document; each line is an object with 'id' and 'blocks' of 'text' and 'label'")
            yield document
        if reader.faults:
            raise InputError(reader.faults[0])


def read_training(paths: Sequence[Path], mapping: Mapping[str, str] | None = None) -> list[LabelledDocument]:
    """Read a user's labels: JSONL of documents or plain rows, and CSV of plain rows. Memory holds the documents and one line.

    Parameters
    ----------
    paths
        Files, or folders whose ``*.jsonl`` and ``*.csv`` are read in order of name.
    mapping
        Label as it stands in the files -> label to take it for.

    Raises
    ------
    LabelsError
        With every fault of every file.
    """
    reader = _Reader(mapping or {})
    documents = [document for file in reader.files(paths) for document in reader.documents(file)]
    faults = [*reader.mapping_faults(), *reader.faults, *_id_faults(documents), *_contradictions(documents)]
    if faults:
        raise LabelsError(faults)
    return documents


def split_of(document: LabelledDocument) -> bool:
    """Whether a document is in the validation part, which no training sees.

    By digest of its site, so that a new page of an old site stays on its side. A row without a site goes by its text: equal texts share a side.

    >>> row = LabelledDocument("1", "", "", "article", (("Casino  bonus", "spam-gambling"),), alone=True)
    >>> split_of(row) == split_of(LabelledDocument("2", "", "", "article", (("casino bonus", "spam-gambling"),), alone=True))
    True
    """
    key = document.site or (_folded(document.blocks[0][0]) if document.alone else document.id)
    return in_validation(key)


def duplicates(documents: Sequence[LabelledDocument]) -> int:
    """Count the documents and rows that say what an earlier one said: the same texts, but for case and white space, with the same labels."""
    return len(documents) - len({_content(document) for document in documents})


def check_classes(documents: Sequence[LabelledDocument], base_labels: Collection[str], minimum: int) -> None:
    """Make sure that every label can be learned, and that validation measures something else than memory.

    Parameters
    ----------
    base_labels
        Labels for which there are other examples, such as those of the shipped model; these need none here.
    minimum
        Blocks outside the validation part that each other label needs.

    Raises
    ------
    LabelsError
        Naming each label with too few blocks, and each text of `LONG` characters or more that stands on both sides of the split.
    """
    faults = [*_thin_classes(documents, base_labels, minimum), *_leaks(documents)]
    if faults:
        raise LabelsError(faults)


class _Reader:
    """Reads file after file and gathers what is wrong with them."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self.mapping = mapping
        self.faults: list[str] = []
        self.unmapped: dict[str, None] = {}  # labels as they stand in the files

    def fault(self, where: object, what: str) -> None:
        self.faults.append(f"{where}: {what}")

    def mapping_faults(self) -> Iterator[str]:
        for name, target in self.mapping.items():
            if not _valid(target):
                yield f"--map {name}={target}: {_unknown(target)}"
            if name not in self.unmapped:
                known = f"; {nearest(name, list(self.unmapped))}" if self.unmapped else ""
                yield f"--map {name}={target}: no row that could be read has the label {name!r}{known}; correct or drop this --map"

    def files(self, paths: Sequence[Path]) -> Iterator[Path]:
        for path in paths:
            try:
                if path.is_dir():
                    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
                    if not found:
                        self.fault(path, "the folder holds no *.jsonl and no *.csv; give the file or folder that has the labels")
                    yield from found
                elif path.suffix.lower() not in SUFFIXES and path.exists():
                    self.fault(path, "is no .jsonl and no .csv; convert it to one of them, or rename it")
                else:
                    yield path
            except OSError as error:
                self.unreadable(path, error)

    def unreadable(self, path: Path, error: OSError) -> None:
        self.fault(path, f"cannot be read ({error.strerror}); correct the path, or see whether you may read it")

    def documents(self, file: Path) -> Iterator[LabelledDocument]:
        faults, empty = len(self.faults), True
        for row, where in self.csv_rows(file) if file.suffix.lower() == ".csv" else self.json_rows(file):
            empty = False
            yield self.document(row, where)
        if empty and len(self.faults) == faults:
            self.fault(file, "holds no rows; label something in it, or leave it out")

    def lines(self, file: Path) -> Iterator[str]:
        """Yield the lines of a file; "" for one that is too long, and U+FFFD for what is not UTF-8, so that the rest is checked too."""
        try:
            with file.open("rb") as stream:
                yield from self._decoded(file, stream)
        except OSError as error:
            self.unreadable(file, error)

    def _decoded(self, file: Path, stream: BinaryIO) -> Iterator[str]:
        head = stream.read(4)
        for mark, name in _OTHER_UNICODE:
            if head.startswith(mark):
                self.fault(f"{file}:1", f"is {name}, not UTF-8; save it as UTF-8, or: iconv -f {name} -t UTF-8")
                return
        offset = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        stream.seek(offset)
        number = undecodable = place = 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            length = len(line)
            if length > LONGEST_LINE:
                self.fault(f"{file}:{number}", f"longer than {LONGEST_LINE:,} bytes; write each document or row on a line of its own")
                while line and not line.endswith(b"\n"):
                    line = stream.readline(LONGEST_LINE)
                    length += len(line)
                line = b""
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                if not undecodable:  # one fault a file: a file in another charset has it in every line
                    place = len(self.faults)
                    what = f"not UTF-8: byte 0x{line[error.start]:02x} at offset {offset + error.start:,}"
                    self.fault(f"{file}:{number}", f"{what}; save the file as UTF-8, or: iconv -f ITS-CHARSET -t UTF-8")
                undecodable += 1
                text = line.decode(errors="replace")
            offset += length
            yield text
        if undecodable > 1:
            self.faults[place] += f" ({undecodable:,} lines of it are so)"

    def json_rows(self, file: Path) -> Iterator[tuple[dict[str, Any], str]]:
        for number, line in enumerate(self.lines(file), 1):
            if not line.strip():
                continue
            where = f"{file}:{number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                column = min(error.pos, len(line.rstrip())) + 1  # what is cut short is missed after the line's end
                self.fault(where, f"not JSON ({json_fault(error)}, column {column}); write one whole object on each line")
            except (ValueError, RecursionError) as error:  # a number of more digits than Python reads, or brackets without end
                self.fault(where, f"JSON that cannot be read ({error}); write one plain object on each line")
            else:
                if isinstance(row, dict):
                    yield row, where
                else:
                    self.fault(where, f"{_short(row)} is no object; write {{'text': …, 'label': …}}, or 'id' and 'blocks'")

    def csv_rows(self, file: Path) -> Iterator[tuple[dict[str, Any], str]]:
        lines = self.lines(file)
        header = next(lines, "")
        columns, delimiter = _columns(header)
        if not columns:
            if header:
                self.fault(
                    f"{file}:1",
                    "no header with 'text' and 'label', and each column once; begin with a line such as text,label,lang,site,id",
                )
            return
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        before = csv.field_size_limit(LONGEST_LINE)
        try:
            while True:
                where = f"{file}:{rows.line_num + 2}"  # the header is line 1, and a row may take several lines
                try:
                    cells = next(rows)
                except StopIteration:
                    break
                except csv.Error as error:
                    self.fault(where, f"no CSV row ({error}); put each text in quotes, close them, and write a quote inside a text twice")
                    continue
                if len(cells) == len(columns):
                    yield {key: cell for key, cell in zip(columns, cells, strict=True) if key in COLUMNS}, where
                elif cells:
                    self.fault(where, f"{len(cells)} cells, the header has {len(columns)}; put a text that holds {delimiter!r} in quotes")
        finally:
            csv.field_size_limit(before)

    def document(self, row: dict[str, Any], where: str) -> LabelledDocument:
        faults = len(self.faults)
        alone = "blocks" not in row
        name = self.string(row, "id", where)
        blocks, spans = self.blocks(row, where, alone=alone)
        lang, site, kind = (self.string(row, key, where) for key in ("lang", "site", "kind"))
        hard = row.get("hard") or False
        if not isinstance(hard, bool):
            self.fault(where, f"'hard' is {_short(hard)}; write true or false")
        if not alone and not name:
            self.fault(where, "a document without 'id'; give each document an id of its own")
        if len(self.faults) == faults and not any(label for _, label in blocks):
            self.fault(where, "no label; fill it in" if alone else "no block has a label; fill in the 'label' of one or more")
        return LabelledDocument(name or where, lang, site, kind or "article", blocks, spans, hard is True, where, alone)

    def blocks(self, row: dict[str, Any], where: str, *, alone: bool) -> tuple[tuple[tuple[str, str], ...], dict[int, tuple[Span, ...]]]:
        blocks: list[tuple[str, str]] = []
        spans = {}
        if not alone and ("label" in row or not isinstance(row["blocks"], list) or not row["blocks"]):
            self.fault(where, "'blocks' is no list of blocks, or has a 'label' beside it; write either a document or a row")
            return (), {}
        for number, block in enumerate([row] if alone else row["blocks"]):
            place = where if alone else f"{where}: blocks[{number}]"
            if not isinstance(block, dict):
                self.fault(place, f"{_short(block)} is no block; write {{'text': …, 'label': …}}")
                continue
            if "text" not in block:
                self.fault(place, f"no 'text' among the keys {_short(', '.join(block))}; write {{'text': …, 'label': …}}")
                continue
            text, label = self.string(block, "text", place), self.string(block, "label", place).strip()
            if block["text"] is None or (isinstance(block["text"], str) and not block["text"].strip()):
                self.fault(place, "an empty text; remove it")
            blocks.append((text, self.label(label, place) if label else ""))
            if found := self.spans(block.get("spans"), text, place):
                spans[number] = found
        return tuple(blocks), spans

    def spans(self, rows: object, text: str, place: str) -> tuple[Span, ...]:
        spans = []
        for row in rows if isinstance(rows, list) else [] if rows is None else [rows]:
            start, end = (row.get("start"), row.get("end")) if isinstance(row, dict) else (None, None)
            if not isinstance(row, dict) or type(start) is not int or type(end) is not int:  # True is an int, and no offset
                self.fault(place, f"{_short(row)} is no span; write {{'start': 0, 'end': 5, 'label': 'spam-gambling'}}")
                continue
            label = self.label(self.string(row, "label", place), place)
            if label and not label.startswith("spam-"):
                self.fault(place, f"the span [{start}, {end}) is {label!r}; only spam is marked inside a block: correct its label")
            if not 0 <= start < end <= len(text):
                self.fault(place, f"the span [{start}, {end}) is not inside the text of {len(text)} characters; correct start and end")
            spans.append((start, end, label))
        spans.sort()
        for (start, end, _), (following, _, _) in pairwise(spans):
            if following < end:
                self.fault(place, f"the span at {start} reaches over the one at {following}; part them")
        return tuple(spans)

    def label(self, name: str, place: str) -> str:
        """Rename a label, and return "" for one that is unknown."""
        self.unmapped[name] = None
        if name in self.mapping:
            return self.mapping[name]  # checked once, with the mapping
        if _valid(name):
            return name
        self.fault(place, f"{_unknown(name)}; or rename it: --map {name}=LABEL")
        return ""

    def string(self, row: dict[str, Any], key: str, place: str) -> str:
        """Take a string; what is missing or null is ""."""
        value = row.get(key)
        if key == "id" and type(value) is int:
            return str(value)
        if value is not None and not isinstance(value, str):
            self.fault(place, f"{key!r} is {_short(value)}, no string; write it in quotes")
            return ""
        try:
            (value or "").encode()
        except UnicodeEncodeError:
            self.fault(place, f"{key!r} holds half a surrogate pair, which is no character; export it again, or remove the \\ud… escape")
            return ""
        return value or ""


def _valid(label: str) -> bool:
    return label in LABELS or _OWN_LABEL.fullmatch(label) is not None


def _unknown(label: str) -> str:
    return (
        f"unknown label {label!r}; {nearest(label, LABELS)}; a spam label of your own is 'spam-' and lower-case letters a-z, digits, dashes"
    )


def _columns(header: str) -> tuple[list[str], str]:
    """Split a header at the delimiter that gives it the columns that it must have, each once; none when no delimiter does."""
    for delimiter in ",;\t":
        columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter), [])]
        if {"text", "label"} <= set(columns) and all(columns.count(name) <= 1 for name in COLUMNS):
            return columns, delimiter
    return [], ""


def _short(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return repr(f"{value[:LONG]}…" if len(value) > LONG else value) if isinstance(value, str) else json.dumps(value)


def _folded(text: str) -> str:
    """Fold case and white space, so that two copies of one text are equal."""
    return _BROAD_SPACE.sub(" ", text.casefold()).strip()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()  # so that no text is held twice


def _content(document: LabelledDocument) -> bytes:
    parts = [[_folded(text), label, document.spans.get(number, ())] for number, (text, label) in enumerate(document.blocks)]
    return _digest(json.dumps([document.alone, parts]))


def _id_faults(documents: Sequence[LabelledDocument]) -> Iterator[str]:
    """Two documents of one id that differ: one of them was taken for the other."""
    first: dict[str, LabelledDocument] = {}
    for document in documents:
        earlier = first.setdefault(document.id, document)
        if earlier != document:
            yield f"{document.where}: the id {_short(document.id)} stands at {earlier.where} with other content; give each an id of its own"


def _contradict(one: tuple[str, LabelledDocument], other: tuple[str, LabelledDocument], length: int) -> bool:
    """Whether two labels of one text cannot both be right. In its place a short or a furniture text may be either."""
    labels = {one[0], other[0]}
    if len(labels) == 1:
        return False
    decisive = any(label == "body" or label.startswith("spam-") for label in labels)
    return (one[1].alone and other[1].alone) or (length >= LONG and decisive)


def _contradictions(documents: Sequence[LabelledDocument]) -> Iterator[str]:
    seen: dict[bytes, tuple[tuple[str, LabelledDocument], ...]] = {}  # the first place of each label that a text has
    for document in documents:
        for text, label in document.blocks:
            folded = _folded(text)
            if not label or not folded or (not document.alone and len(folded) < LONG):
                continue
            key, new = _digest(folded), (label, document)
            known = seen.get(key, ())
            for old in known:
                if _contradict(old, new, len(folded)):
                    yield f"{document.where}: {_short(text)} is {label!r} here and {old[0]!r} at {old[1].where}; give both the same label"
                    break
            if all(label != old or (document.alone and not place.alone) for old, place in known):
                seen[key] = (*known, new)


def _thin_classes(documents: Sequence[LabelledDocument], base_labels: Collection[str], minimum: int) -> Iterator[str]:
    first: dict[str, str] = {}
    counts: Counter[tuple[str, bool]] = Counter()
    for document in documents:
        held_out = split_of(document)
        for _, label in document.blocks:
            counts[label, held_out] += 1
        marked = [label for spans in document.spans.values() for _, _, label in spans]
        for label in [*(label for _, label in document.blocks), *marked]:
            first.setdefault(label, document.where)
    for label, where in first.items():
        count = counts[label, False]
        if label and label not in base_labels and count < minimum:
            yield (
                f"{where}: {label!r}, first seen here, has {count:,} blocks outside the validation part (and {counts[label, True]:,} in it), "
                f"fewer than {minimum:,}; label more of it, on other sites, or take it for another label: --map {label}=LABEL"
            )


def _leaks(documents: Sequence[LabelledDocument]) -> Iterator[str]:
    """Texts that validation would find learned by heart."""
    first: dict[bytes, tuple[bool, str]] = {}
    for document in documents:
        held_out = split_of(document)
        for text, label in document.blocks:
            folded = _folded(text)
            if not label or len(folded) < LONG:
                continue
            side, where = first.setdefault(_digest(f"{label}:{folded}"), (held_out, document.where))
            if side != held_out:
                yield (
                    f"{document.where}: duplicate across splits: {_short(text)} stands at {where} too, on the other side; "
                    "give both the same site, or remove one"
                )
