"""Real pages with gold texts, and how their sites are split."""

import json
import lzma
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsfilter.cuts import SPACES, cut_at, sentence_spans
from newsfilter.decode import decode
from newsfilter.extract import extract
from newsfilter.metadata import host_of
from newsfilter.records import Page
from newsfilter.segment import segment
from newsfilter.training.alignment import gold_labels, segment_labels
from newsfilter.training.labels import LabelledDocument

PAGE_SETS = ("wcxb", "fundus", "daniel")
PAGE_WEIGHT = 2.0  # of a real page with a gold text, where a labelled document of our own has 4
SEGMENT_SET = "trafilatura-eval"

# Hosts whose last two labels are a registry's, not a site's.
_SECOND_LEVEL = frozenset("co com org net gov ac edu gen".split())


Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Example:
    """One page with a label for each block ("" where none is known)."""

    page: Page
    labels: tuple[str, ...]
    site: str
    source: str  # the set it comes from
    lang: str
    gold: str = ""
    title: str = ""
    weight: float = 1.0
    kind: str = "article"  # one of KINDS; "" where it is not known


def site_of(row: dict[str, Any], source: str) -> str:
    """Name the site of a data row: splits never part one site's pages."""
    if row.get("url"):
        host = host_of(row["url"]) or ""
        parts = host.split(".")
        keep = 3 if len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND_LEVEL else 2
        return ".".join(parts[-keep:])
    if source == "fundus":
        return "_".join(str(row["id"]).lower().split("_")[:2])  # country and publisher; dates, versions and digests follow
    if source == "trafilatura-eval":
        found = re.match(r"(?:www\.)?(.+?\.(?:[a-z]{2,3}|info|news))(?:\.|$)", str(row["id"]).lower())
        return found.group(1) if found else str(row["id"]).lower()
    if source == "daniel":
        return ".".join(str(row["id"]).split("_")[1].removeprefix("www.").split(".")[-2:])
    return str(row["id"])


def page_rows(data: Path, source: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield (raw page, its row) of one set of ``DATA/pages``."""
    with lzma.open(data / "pages" / f"{source}.jsonl.xz", "rt", encoding="utf-8") as lines:
        rows = {row["id"]: row for row in map(json.loads, lines)}
    with tarfile.open(data / "pages" / f"{source}.tar.xz") as archive:
        for member in archive:
            handle = archive.extractfile(member)
            if handle is not None:
                yield handle.read(), rows[member.name.removesuffix(".html")]


def html_examples(data: Path, source: str) -> Iterator[Example]:
    """Yield each article page of a set, its blocks labelled by its gold text."""
    for raw, row in page_rows(data, source):
        if row["page_type"] != "article" or not row.get("text"):
            continue
        page = extract(decode(raw).text, url=row.get("url"))
        if page.blocks:
            title = row.get("title") or ""
            labels = tuple(gold_labels(page, row["text"], title))
            yield Example(page, labels, site_of(row, source), source, row["lang"], row["text"], title, PAGE_WEIGHT)


def segment_examples(data: Path) -> Iterator[Example]:
    """Yield the pages of trafilatura's evaluation: a few blocks of each are known, by the strings that an extraction must hold or must not."""
    for raw, row in page_rows(data, SEGMENT_SET):
        page = extract(decode(raw).text)
        labels = segment_labels(page, row.get("must") or (), row.get("must_not") or (), row.get("comments") or ())
        if any(labels):
            yield Example(page, tuple(labels), site_of(row, SEGMENT_SET), SEGMENT_SET, row["lang"])


def other_examples(data: Path) -> Iterator[Example]:
    """Yield pages that are no articles, as HTML and as visible text, without labels: what they teach is what kind of document they are.

    Labelling their furniture was tried: text F1 on the validation pages fell by two points, because half of each page stays unlabelled.
    """
    for raw, row in page_rows(data, "wcxb"):
        if row["page_type"] == "article" or not row.get("text"):
            continue
        page = extract(decode(raw).text, url=row.get("url"))
        if page.blocks:
            kind = "listing" if row["page_type"] in ("listing", "collection") else "other"
            text, _ = as_text([(page.text_of(block), "") for block in page.blocks])
            for form in (page, text):
                yield Example(form, ("",) * len(form.blocks), site_of(row, "wcxb"), "wcxb-other", row["lang"], kind=kind)


def as_text(lines: Sequence[tuple[str, str]], separator: str = "\n") -> tuple[Page, tuple[str, ...]]:
    """Segment labelled lines the way a plain-text document is, and hand each block the label of the line that it begins in."""
    starts, parts, position = [], [], 0
    for text, _ in lines:
        starts.append(position)
        parts.append(text)
        position += len(text) + len(separator)
    page = segment(separator.join(parts))
    labels, line = [], 0
    for block in page.blocks:
        while line + 1 < len(starts) and starts[line + 1] <= block.start:
            line += 1
        labels.append(lines[line][1])
    return page, tuple(labels)


def document_lines(document: LabelledDocument, *, cut: bool) -> list[tuple[str, str]]:
    """Return a document's blocks; with `cut`, those that hold spam in the pieces that they are cut into."""
    lines: list[tuple[str, str]] = []
    for number, (text, label) in enumerate(document.blocks):
        spans = document.spans.get(number, ())
        if not spans or not cut:
            lines.append((text, label))
            continue
        borders = [place for start, end, _ in spans for place in (start, end)]
        inside = {start + len(text[start:end]) - len(text[start:end].lstrip(SPACES)): kind for start, end, kind in spans}
        for start, end in cut_at(text, borders):
            if start in inside:
                lines.append((text[start:end], inside[start]))
            else:
                lines += [(text[start + a : start + b], label) for a, b in sentence_spans(text[start:end])]
    return lines
