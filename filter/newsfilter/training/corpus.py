"""What a model learns from: real pages with gold texts, clean texts, and the project's own labelled documents."""

import gzip
import hashlib
import json
import lzma
import random
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from newsfilter.dateline import read_dateline
from newsfilter.decode import decode
from newsfilter.extract import extract
from newsfilter.metadata import host_of
from newsfilter.records import Block, Page
from newsfilter.segment import segment
from newsfilter.training.alignment import gold_labels
from newsfilter.training.labels import LabelledDocument
from newsfilter.training.phrases import Bank, dressed

FOLDS = 3  # stage one scores the pages that stage two learns from by models that have not seen their sites
VALIDATION_SHARE = 0.2  # of the sites of each set
CLEAN_TEXTS = 1600  # of the clean Turkish texts; their furniture repeats itself beyond that
PAGE_SETS = ("wcxb", "fundus", "daniel")
WIDGETS = frozenset({"teaser", "reaction", "comment", "notice", "caption", "byline"})

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


def site_of(row: dict[str, Any], source: str) -> str:
    """Name the site of a data row: splits never part one site's pages."""
    if row.get("url"):
        host = host_of(row["url"]) or ""
        parts = host.split(".")
        keep = 3 if len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND_LEVEL else 2
        return ".".join(parts[-keep:])
    if source == "fundus":
        return "_".join(str(row["id"]).lower().split("_")[:2])  # country and publisher; dates, versions and digests follow
    if source == "daniel":
        return ".".join(str(row["id"]).split("_")[1].removeprefix("www.").split(".")[-2:])
    return str(row["id"])


def in_validation(site: str) -> bool:
    """Whether a site is kept out of all training. By digest, so that a new page of an old site stays on its side."""
    return int(hashlib.sha256(f"split-1:{site}".encode()).hexdigest()[:8], 16) < VALIDATION_SHARE * 0x100000000


def fold_of(site: str) -> int:
    """Which fold a site is in. Whatever is mixed into one page comes from one fold, so that no stage one has seen a part of it."""
    return int(hashlib.sha256(f"fold:{site}".encode()).hexdigest()[:8], 16) % FOLDS


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
            yield Example(page, tuple(gold_labels(page, row["text"], title)), site_of(row, source), source, row["lang"], row["text"], title)


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


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """Stock phrases, and headlines for teasers, which a page gets from documents of its own fold."""

    bank: Bank
    headlines: Mapping[tuple[str, int], Sequence[str]]  # (language, fold) -> headlines

    def dress(self, lines: Sequence[tuple[str, str]], lang: str, site: str, rng: random.Random) -> list[tuple[str, str]]:
        """Put furniture into and around labelled lines."""
        return dressed(lines, lang, self.bank, self.headlines.get((lang, fold_of(site)), ()), rng)


def make_wardrobe(bank: Bank, examples: Sequence[Example], documents: Sequence[LabelledDocument]) -> Wardrobe:
    """Gather the headlines of pages and the headlines and teasers of labelled documents."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    for example in examples:
        if title := example.page.metadata.title:
            found.setdefault((example.lang, fold_of(example.site)), {})[title] = None
    for document in documents:
        for text, label in document.blocks:
            if label in ("headline", "teaser") and 4 <= len(text.split()) <= 20:
                found.setdefault((document.lang, fold_of(document.site)), {})[text] = None
    return Wardrobe(bank, {key: tuple(texts) for key, texts in found.items()})


def visible_text_example(example: Example, wardrobe: Wardrobe, rng: random.Random) -> Example:
    """The same page as a scraper leaves it that keeps all text and no markup: one block a line, at times only the middle of the page."""
    lines = [(example.page.text_of(block), label) for block, label in zip(example.page.blocks, example.labels, strict=True)]
    body = [number for number, (_, label) in enumerate(lines) if label == "body"]
    if body and rng.random() < 0.5:
        first, last = max(0, body[0] - rng.randint(0, 12)), min(len(lines), body[-1] + 1 + rng.randint(0, 25))
        lines = lines[first:last]
    elif example.page.metadata.title:
        lines.insert(0, (example.page.metadata.title, "headline"))
    if rng.random() < 0.4:
        lines = wardrobe.dress(lines, example.lang, example.site, rng)
    page, labels = as_text(lines, rng.choice(["\n", "\n\n"]))
    return replace(example, page=page, labels=labels, source=f"{example.source}-text")


def labelled_examples(documents: Sequence[LabelledDocument], wardrobe: Wardrobe, rng: random.Random, copies: int = 1) -> Iterator[Example]:
    """Yield labelled documents as plain text, then as many recombinations: one document's article amid another's furniture."""
    pools: dict[tuple[str, int], list[LabelledDocument]] = {}
    for document in documents:
        pools.setdefault((document.lang, fold_of(document.site)), []).append(document)
        page, labels = as_text(document.blocks, rng.choice(["\n", "\n\n"]))
        yield Example(page, labels, document.site, "labelled", document.lang, weight=4.0)
    for _ in range(copies):
        for document in documents:
            other = rng.choice(pools[document.lang, fold_of(document.site)])
            lines = wardrobe.dress(recombined(document, other, rng), document.lang, document.site, rng)
            page, labels = as_text(lines, rng.choice(["\n", "\n\n"]))
            yield Example(page, labels, document.site, "labelled", document.lang, weight=2.0)


def recombined(article: LabelledDocument, furniture: LabelledDocument, rng: random.Random) -> list[tuple[str, str]]:
    """Put one document's headline and body into another's furniture, some of which is dropped, in place."""
    own = [block for block in article.blocks if block[1] in ("body", "headline")]
    body_at = [number for number, (_, label) in enumerate(furniture.blocks) if label == "body"]
    first, last = (body_at[0], body_at[-1]) if body_at else (0, 0)
    before = [block for block in furniture.blocks[:first] if block[1] != "headline"]
    inside = [block for block in furniture.blocks[first:last] if block[1] not in ("body", "headline")]
    after = [block for block in furniture.blocks[last:] if block[1] not in ("body", "headline")]
    keep = rng.choice([0.3, 0.7, 1.0])
    before, inside, after = ([block for block in part if rng.random() < keep] for part in (before, inside, after))
    middle = list(own)
    for block in inside:
        middle.insert(rng.randint(min(2, len(middle)), len(middle)), block)
    return [*before, *middle, *after] or list(article.blocks)


def injected_example(example: Example, documents: Sequence[LabelledDocument], wardrobe: Wardrobe, rng: random.Random) -> Example:
    """Put spam and widgets among an HTML page's own paragraphs, in their container, as hijackers and themes do."""
    page = example.page
    body = [number for number, label in enumerate(example.labels) if label == "body" and page.blocks[number].xpath]
    if len(body) < 3:
        return example
    near = [document for document in documents if fold_of(document.site) == fold_of(example.site)]
    pool = [block for block in rng.choice(near).blocks if block[1] in WIDGETS or block[1].startswith("spam-")]
    stock = wardrobe.dress([("", "body")] * 2, example.lang, example.site, rng)
    pool += [line for line in stock if line[1] in WIDGETS]
    rng.shuffle(pool)
    entries = [(page.text_of(block), block, label) for block, label in zip(page.blocks, example.labels, strict=True)]
    places = sorted((rng.choice(body) if rng.random() < 0.4 else body[-1] for _ in pool[: rng.randint(1, 8)]), reverse=True)
    for place, (text, label) in zip(places, pool, strict=False):
        like = page.blocks[place]
        spam = label.startswith("spam-")
        linked = rng.choice([0.0, 0.6, 1.0]) if spam or label == "teaser" else rng.choice([0.0, 0.0, 0.5])
        parent = (like.xpath or "").rsplit("/", 1)[0]
        tag = rng.choice(["p", "div", "span", "li"])
        facts = Block(
            0, 0, f"{parent}/{tag}[{rng.randint(1, 40)}]", 0, (*like.tags[:-1], tag), like.hints, linked, linked if spam else 0.0,
            spam and rng.random() < 0.25, rng.choice([0.0, 1.0]) if spam else rng.choice([0.0, 1.0, 1.0]),
        )  # fmt: skip
        entries.insert(place + 1, (text, facts, label))
    blocks, position = [], 0
    for text, block, _ in entries:
        blocks.append(replace(block, start=position, end=position + len(text)))
        position += len(text) + 1
    injected = replace(page, text="\n".join(text for text, _, _ in entries), blocks=tuple(blocks))
    return replace(example, page=injected, labels=tuple(label for _, _, label in entries), source=f"{example.source}-injected")


def turkish_examples(data: Path, documents: Sequence[LabelledDocument], wardrobe: Wardrobe, rng: random.Random) -> Iterator[Example]:
    """Clean Turkish news texts amid Turkish furniture; and the escort farm's lines and betting hosts, as spam."""
    turkish = [document for document in documents if document.lang == "tr" and document.kind == "article"]
    with gzip.open(data / "text" / "ttc3600-train.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
        for number, row in enumerate(rng.sample(rows, min(len(rows), CLEAN_TEXTS))):
            blocks = [(text, _ttc_label(text)) for line in row["text"].split("\n") if (text := " ".join(line.split()))]
            article = LabelledDocument(row["id"], "tr", f"ttc-{number}", "article", tuple(blocks))
            furniture = rng.choice(turkish)
            drawn = wardrobe.dress(recombined(article, furniture, rng), "tr", furniture.site, rng)
            page, labels = as_text(drawn, rng.choice(["\n", "\n\n"]))
            yield Example(page, labels, furniture.site, "ttc", "tr", weight=1.0)
    with gzip.open(data / "text" / "escort-farm-tr.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            text = re.sub(r"<[^>]*>|\]\([^)]*\)|[*\[#|]+", " ", row["text"].split("---\n", 2)[-1])
            farm = [(line, "spam-adult") for raw in text.split("\n") if len(line := " ".join(raw.split())) > 12]
            host = rng.choice([document for document in turkish if fold_of(document.site) == fold_of("escort-farm")])
            page, labels = as_text([*host.blocks, *rng.sample(farm, min(len(farm), 12))])
            yield Example(page, labels, "escort-farm", "spam", "tr", weight=0.5)
    with gzip.open(data / "text" / "gambling-hosts-ut1.txt.gz", "rt", encoding="utf-8") as lines:
        hosts = rng.sample([line.strip() for line in lines], 2400)
    for number in range(0, len(hosts), 12):
        spam = []
        batch = hosts[number : number + 12]
        while batch:
            size = rng.randint(1, 4)
            spam.append((rng.choice([" ", " | ", ", ", " - "]).join(batch[:size]), "spam-gambling"))
            batch = batch[size:]
        document = rng.choice(documents)
        page, labels = as_text([*document.blocks, *spam])
        yield Example(page, labels, document.site, "spam", document.lang, weight=0.5)


def _ttc_label(text: str) -> str:
    dateline = read_dateline(text)
    return "byline" if dateline is not None and dateline.whole else "body"
