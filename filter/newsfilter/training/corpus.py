"""What a model learns from: real pages with gold texts, clean texts, and the project's own labelled documents."""

import gzip
import hashlib
import json
import lzma
import random
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from newsfilter.cuts import SPACES, cut_at, sentence_spans
from newsfilter.dateline import read_dateline
from newsfilter.decode import decode
from newsfilter.extract import extract
from newsfilter.metadata import host_of
from newsfilter.records import Block, Page
from newsfilter.segment import segment
from newsfilter.training.alignment import gold_labels, segment_labels
from newsfilter.training.generator import Generator, Templates
from newsfilter.training.labels import LabelledDocument
from newsfilter.training.phrases import Bank, dressed

FOLDS = 3  # stage one scores the pages that stage two learns from by models that have not seen their sites
PUBLISHER_LETTERS = 5  # of a publisher's name, from which on it is no accident in a host's name
VALIDATION_SHARE = 0.2  # of the sites of each set
INJECTED_WEIGHT = 2.0  # what is put among an article's paragraphs is rare beside them, and what this is for
HARD_WEIGHT = 8.0  # of honest documents that speak of what spam sells
CLEAN_TEXTS = 1600  # of the clean Turkish texts; their furniture repeats itself beyond that
PAGE_SETS = ("wcxb", "fundus", "daniel")
SEGMENT_SET = "trafilatura-eval"
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


def in_validation(site: str) -> bool:
    """Whether a site is kept out of all training. By digest, so that a new page of an old site stays on its side."""
    return int(hashlib.sha256(f"split-1:{site}".encode()).hexdigest()[:8], 16) < VALIDATION_SHARE * 0x100000000


def publisher_names(sites: Iterable[str]) -> frozenset[str]:
    """Return the names by which a publisher is known in other sets: ``us_techcrunch`` is ``techcrunch.com`` there."""
    return frozenset(
        name for site in sites if len(name := re.sub(r"[^a-z0-9]", "", site.split("_")[-1].split(".")[0])) >= PUBLISHER_LETTERS
    )


def is_of_publisher(site: str, names: frozenset[str]) -> bool:
    """Whether a host's name is, or begins or ends with, one of the publishers' names."""
    parts = [re.sub(r"[^a-z0-9]", "", part) for part in site.split(".")[:-1]]
    return any(part == name or part.startswith(name) or part.endswith(name) for part in parts for name in names if part)


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


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """What pages are mixed with: stock phrases, headlines for teasers, spam. A page gets what comes from documents of its own fold."""

    bank: Bank
    headlines: Mapping[tuple[str, int], Sequence[str]]  # (language, fold) -> headlines
    spam: Mapping[tuple[str, int], Sequence[tuple[str, str]]]  # (language, fold) -> labelled spam blocks; language "" holds all
    templates: Mapping[str, Templates]

    def dress(self, lines: Sequence[tuple[str, str]], lang: str, site: str, rng: random.Random) -> list[tuple[str, str]]:
        """Put furniture into and around labelled lines."""
        return dressed(lines, lang, self.bank, self.headlines.get((lang, fold_of(site)), ()), rng)

    def spam_lines(self, lang: str, site: str, size: int, rng: random.Random) -> list[tuple[str, str]]:
        """Draw spam: made up, or out of labelled documents; most of it in the page's language."""
        if rng.random() < 0.6:
            return self.generator(lang, rng).lines(size)
        pool = self.spam.get((lang, fold_of(site))) if rng.random() < 0.7 else None
        pool = pool or self.spam.get(("", fold_of(site))) or ()
        return rng.sample(list(pool), min(size, len(pool)))

    def generator(self, lang: str, rng: random.Random) -> Generator:
        """Return the generator of the page's language, at times of another: hijackers do not ask what language a site has."""
        if lang not in self.templates or rng.random() < 0.15:
            lang = rng.choice(("tr", "en", *self.templates))
        return Generator(self.templates[lang], rng)

    def soil(self, lines: Sequence[tuple[str, str]], lang: str, site: str, rng: random.Random) -> list[tuple[str, str]]:
        """Put spam into labelled lines: below the article, between its paragraphs, inside of them; and honest lines of the same shape."""
        result = list(lines)
        body = [number for number, (_, label) in enumerate(result) if label == "body"]
        if len(body) < 2:
            return result
        if rng.random() < 0.6:
            found = self.spam_lines(lang, site, rng.choice((1, 2, 3, 5, 8, 14)), rng)
            where = rng.random()
            if where < 0.6:
                place = len(result) if rng.random() < 0.5 else body[-1] + 1
                result[place:place] = found
            else:
                for line in found[:4]:
                    result.insert(rng.choice(body) + (where < 0.95), line)
        if rng.random() < 0.3:
            drawn = [self.generator(lang, rng).honest_line() for _ in range(rng.choice((1, 3, 6, 12)))]
            honest = [line for line in drawn if line is not None]
            lists, boxes = ([line for line in honest if line[1] == kind] for kind in ("body", "navigation"))
            place = next(number for number, (_, label) in enumerate(result) if label == "body") + 1
            result[place:place] = lists
            place = rng.choice((0, len(result)))
            result[place:place] = boxes
        if rng.random() < 0.5:
            result = self.glue(result, lang, site, rng)
        return result

    def glue(self, lines: Sequence[tuple[str, str]], lang: str, site: str, rng: random.Random) -> list[tuple[str, str]]:
        """Glue spam to honest paragraphs: once as the paragraph is met, body as a whole; once in the pieces that it is cut into."""
        paragraphs = [number for number, (text, label) in enumerate(lines) if label == "body" and len(text) > 80]
        result: list[tuple[str, str]] = []
        chosen = set(rng.sample(paragraphs, min(len(paragraphs), rng.choice((1, 1, 2, 3)))))
        for number, (text, label) in enumerate(lines):
            if number not in chosen:
                result.append((text, label))
                continue
            spans = sentence_spans(text)
            pieces = [(text[start:end], label) for start, end in spans]
            shape = rng.random()
            if shape < 0.7:
                spam = self.spam_lines(lang, site, rng.choice((1, 1, 1, 2, 3)), rng)
                pieces[(place := rng.randint(0, len(pieces)) if rng.random() < 0.4 else len(pieces)) : place] = spam
            if shape < 0.35:
                result.append((" ".join(piece for piece, _ in pieces), label))
            else:
                result += pieces
        return result


def make_wardrobe(
    bank: Bank, examples: Sequence[Example], documents: Sequence[LabelledDocument], templates: Mapping[str, Templates]
) -> Wardrobe:
    """Gather the headlines of pages, and the headlines, teasers and spam of labelled documents."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    spam: dict[tuple[str, int], dict[tuple[str, str], None]] = {}
    for example in examples:
        if title := example.page.metadata.title:
            found.setdefault((example.lang, fold_of(example.site)), {})[title] = None
    for document in documents:
        fold = fold_of(document.site)
        for text, label in document.blocks:
            if label in ("headline", "teaser") and 4 <= len(text.split()) <= 20:
                found.setdefault((document.lang, fold), {})[text] = None
            if label.startswith("spam-"):
                spam.setdefault((document.lang, fold), {})[text, label] = None
                spam.setdefault(("", fold), {})[text, label] = None
    return Wardrobe(
        bank, {key: tuple(texts) for key, texts in found.items()}, {key: tuple(lines) for key, lines in spam.items()}, templates
    )


def visible_text_example(example: Example, wardrobe: Wardrobe, rng: random.Random) -> Example:
    """The same page as a scraper leaves it that keeps all text and no markup: one block a line, at times only the middle of the page."""
    lines = [(example.page.text_of(block), label) for block, label in zip(example.page.blocks, example.labels, strict=True)]
    body = [number for number, (_, label) in enumerate(lines) if label == "body"]
    if body and rng.random() < 0.4:
        first, last = max(0, body[0] - rng.randint(0, 12)), min(len(lines), body[-1] + 1 + rng.randint(0, 25))
        lines = lines[first:last]
    elif example.page.metadata.title and rng.random() < 0.5:
        lines.insert(0, (example.page.metadata.title, "headline"))
    if rng.random() < 0.3:
        lines = wardrobe.dress(lines, example.lang, example.site, rng)
    if rng.random() < 0.25:
        lines = wardrobe.soil(lines, example.lang, example.site, rng)
    page, labels = as_text(lines, rng.choice(["\n", "\n\n"]))
    return replace(example, page=page, labels=labels, source=f"{example.source}-text")


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


def labelled_examples(documents: Sequence[LabelledDocument], wardrobe: Wardrobe, rng: random.Random, copies: int = 1) -> Iterator[Example]:
    """Yield labelled documents as plain text, then as many recombinations: one document's article amid another's furniture."""
    pools: dict[tuple[str, int], list[LabelledDocument]] = {}
    for document in documents:
        pools.setdefault((document.lang, fold_of(document.site)), []).append(document)
        for cut in (False, True) if document.spans else (False,):
            page, labels = as_text(document_lines(document, cut=cut), rng.choice(["\n", "\n\n"]))
            yield Example(
                page, labels, document.site, "labelled", document.lang, weight=HARD_WEIGHT if document.hard else 4.0, kind=document.kind
            )
    for _ in range(copies):
        for document in documents:
            if document.kind != "article":
                continue
            other = rng.choice(pools[document.lang, fold_of(document.site)])
            lines = wardrobe.dress(recombined(document, other, rng), document.lang, document.site, rng)
            lines = wardrobe.soil(lines, document.lang, document.site, rng)
            page, labels = as_text(lines, rng.choice(["\n", "\n\n"]))
            yield Example(page, labels, document.site, "labelled", document.lang, weight=2.0)


def recombined(article: LabelledDocument, furniture: LabelledDocument, rng: random.Random) -> list[tuple[str, str]]:
    """Put one document's headline and body into another's furniture, some of which is dropped, in place."""
    own = [
        block
        for block in document_lines(article, cut=rng.random() < 0.5)
        if block[1] in ("body", "headline") or block[1].startswith("spam-")
    ]
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
    """Put spam and widgets among an HTML page's own paragraphs, in their container and inside of them, as hijackers and themes do."""
    page = example.page
    body = [number for number, label in enumerate(example.labels) if label == "body" and page.blocks[number].xpath]
    if len(body) < 3:
        return example
    near = [document for document in documents if fold_of(document.site) == fold_of(example.site)]
    pool = [block for block in rng.choice(near).blocks if block[1] in WIDGETS]
    stock = wardrobe.dress([("", "body")] * 2, example.lang, example.site, rng)
    pool += [line for line in stock if line[1] in WIDGETS]
    if rng.random() < 0.7:
        pool += wardrobe.spam_lines(example.lang, example.site, rng.choice((1, 2, 4, 7)), rng)
    rng.shuffle(pool)
    entries = [(page.text_of(block), block, label) for block, label in zip(page.blocks, example.labels, strict=True)]
    places = sorted((rng.choice(body) if rng.random() < 0.6 else body[-1] for _ in pool[: rng.randint(2, 14)]), reverse=True)
    added: set[str] = set()
    for place, (text, label) in zip(places, pool, strict=False):
        added.add(text)
        entries.insert(place + 1, (text, _like(page.blocks[place], label, rng), label))
    if rng.random() < 0.5:
        spam = wardrobe.spam_lines(example.lang, example.site, rng.choice((1, 1, 2)), rng)
        added.update(line for line, _ in spam)
        entries = _glued(entries, spam, rng)
    blocks, position = [], 0
    for text, block, _ in entries:
        blocks.append(replace(block, start=position, end=position + len(text)))
        position += len(text) + 1
    injected = replace(page, text="\n".join(text for text, _, _ in entries), blocks=tuple(blocks))
    # The page's own furniture is learned from where nothing was put in; here it would only be weighed again.
    known = tuple(label if label == "body" or text in added else "" for text, _, label in entries)
    return replace(example, page=injected, labels=known, source=f"{example.source}-injected", weight=INJECTED_WEIGHT)


def _like(model: Block, label: str, rng: random.Random) -> Block:
    """Return the facts of a new block that stands beside `model`."""
    spam = label.startswith("spam-")
    linked = rng.choice([0.0, 0.6, 1.0]) if spam or label == "teaser" else rng.choice([0.0, 0.0, 0.5])
    parent = (model.xpath or "").rsplit("/", 1)[0]
    tag = rng.choice(["p", "div", "span", "li"])
    return Block(
        0, 0, f"{parent}/{tag}[{rng.randint(1, 40)}]", 0, (*model.tags[:-1], tag), model.hints, linked, linked if spam else 0.0,
        spam and rng.random() < 0.25, rng.choice([0.0, 1.0]) if spam else rng.choice([0.0, 1.0, 1.0]),
    )  # fmt: skip


def _glued(entries: list[tuple[str, Block, str]], spam: Sequence[tuple[str, str]], rng: random.Random) -> list[tuple[str, Block, str]]:
    """Cut one paragraph into its sentences, as a page is that is looked at for spam inside of paragraphs, and put spam between them."""
    long = [number for number, (text, _, label) in enumerate(entries) if label == "body" and len(text) > 80]
    if not long:
        return entries
    number = rng.choice(long)
    text, block, label = entries[number]
    pieces = [(text[start:end], block, label) for start, end in sentence_spans(text)]
    linked = rng.choice([0.0, 1.0, 1.0])
    facts = replace(block, link_density=linked, outward=linked, hidden=rng.random() < 0.2)
    place = len(pieces) if rng.random() < 0.6 else rng.randint(0, len(pieces))
    pieces[place:place] = [(line, facts, kind) for line, kind in spam] if rng.random() < 0.7 else []
    return [*entries[:number], *pieces, *entries[number + 1 :]]


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
            drawn = wardrobe.soil(drawn, "tr", furniture.site, rng) if rng.random() < 0.5 else drawn
            page, labels = as_text(drawn, rng.choice(["\n", "\n\n"]))
            yield Example(page, labels, furniture.site, "ttc", "tr", weight=1.0)
    with gzip.open(data / "text" / "escort-farm-tr.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            text = re.sub(r"<[^>]*>|\]\([^)]*\)|[*\[#|]+", " ", row["text"].split("---\n", 2)[-1])
            farm = [(line, "spam-adult") for raw in text.split("\n") if len(line := " ".join(raw.split())) > 12]
            host = rng.choice([document for document in turkish if fold_of(document.site) == fold_of("escort-farm")])
            page, labels = as_text([*host.blocks, *rng.sample(farm, min(len(farm), 12))])
            yield Example(page, labels, "escort-farm", "spam", "tr", weight=0.5, kind="")
            page, labels = as_text(farm)
            yield Example(page, labels, "escort-farm", "spam", "tr", weight=0.05, kind="link-farm")
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
        yield Example(page, labels, document.site, "spam", document.lang, weight=0.5, kind="")


def _ttc_label(text: str) -> str:
    dateline = read_dateline(text)
    return "byline" if dateline is not None and dateline.whole else "body"
