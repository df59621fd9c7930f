"""Pages made of pages: as visible text, with lines put in, labelled texts in the markup of real pages."""

import gzip
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from newsfilter.cuts import sentence_spans
from newsfilter.dateline import read_dateline
from newsfilter.records import Block, Metadata, Page
from newsfilter.training.corpus import Example, as_text, document_lines
from newsfilter.training.labels import LabelledDocument
from newsfilter.training.splits import fold_of
from newsfilter.training.wardrobe import Lines, Wardrobe
from newsfilter.walk import HINT_WORDS

COPY_WEIGHT, HARD_COPY_WEIGHT = 2.0, 4.0  # of a labelled document amid other furniture; of one that speaks of what spam sells
LABELLED_WEIGHT, HARD_WEIGHT = 4.0, 8.0  # of labelled documents as they are
INJECTED_WEIGHT = 1.5  # what is put among an article's paragraphs is rare beside them, and what this is for
OWN_LANGUAGE = 0.7  # share of the widgets put into a page that come from a document in its language, if there is one
CLEAN_TEXTS = 1600  # of the clean Turkish texts; their furniture repeats itself beyond that
CLEAN_TRANSPLANTS = 4  # of so many clean Turkish texts, one is put into the markup of a real page
MIN_SLOTS = 3  # body blocks that a page needs to lend its markup
LONG = 60  # characters of a line that takes a paragraph's markup, not a subhead's
TAIL_SHARE = 0.6  # of the labelled texts whose lines below the last paragraph go into the article's container, too
STYLED_SHARE = 0.6  # of the texts in a real page's markup, whose class and id words are drawn anew
OWN_CLASS_SHARE = 0.4  # of the widgets in them that have class words of their own
TRANSPLANTED = "transplanted"
WIDGETS = frozenset({"teaser", "reaction", "comment", "notice", "caption", "byline"})


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


def labelled_examples(documents: Sequence[LabelledDocument], wardrobe: Wardrobe, rng: random.Random, copies: int = 1) -> Iterator[Example]:
    """Yield labelled documents as plain text, then as many recombinations: one document's article amid another's furniture."""
    pools: dict[tuple[str, int], list[LabelledDocument]] = {}
    for document in documents:
        pools.setdefault((document.lang, fold_of(document.site)), []).append(document)
        for cut in (False, True) if document.spans else (False,):
            page, labels = as_text(document_lines(document, cut=cut), rng.choice(["\n", "\n\n"]))
            yield Example(
                page,
                labels,
                document.site,
                "labelled",
                document.lang,
                weight=HARD_WEIGHT if document.hard else LABELLED_WEIGHT,
                kind=document.kind,
            )
    for _ in range(copies):
        for document in documents:
            if document.kind != "article":
                continue
            other = rng.choice(pools[document.lang, fold_of(document.site)])
            lines = wardrobe.dress(recombined(document, other, rng), document.lang, document.site, rng)
            lines = wardrobe.soil(lines, document.lang, document.site, rng)
            page, labels = as_text(lines, rng.choice(["\n", "\n\n"]))
            yield Example(page, labels, document.site, "labelled", document.lang, weight=HARD_COPY_WEIGHT if document.hard else COPY_WEIGHT)


def recombined(article: LabelledDocument, furniture: LabelledDocument, rng: random.Random) -> Lines:
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
    fold = fold_of(example.site)
    near = [document for document in documents if fold_of(document.site) == fold]
    own = [document for document in near if document.lang == example.lang]
    pool = [block for block in rng.choice(own if own and rng.random() < OWN_LANGUAGE else near).blocks if block[1] in WIDGETS]
    stock = wardrobe.dress([("", "body")] * 2, example.lang, example.site, rng)
    pool += [line for line in stock if line[1] in WIDGETS]
    headlines = wardrobe.headlines.get((example.lang, fold), ())
    if headlines and rng.random() < 0.5:  # the headline of another story, without a word that says so
        pool += [(headline, "teaser") for headline in rng.sample(list(headlines), min(len(headlines), rng.choice((1, 1, 2, 4))))]
    if rng.random() < 0.7:
        pool += wardrobe.spam_lines(example.lang, example.site, rng.choice((1, 2, 4, 7)), rng)
    rng.shuffle(pool)
    entries = [(page.text_of(block), block, label) for block, label in zip(page.blocks, example.labels, strict=True)]
    places = sorted((rng.choice(body) if rng.random() < 0.6 else body[-1] for _ in pool[: rng.randint(2, 14)]), reverse=True)
    added: set[str] = set()
    style = wardrobe.style(example.lang, rng)
    for place, (text, label) in zip(places, pool, strict=False):
        added.add(text)
        block = _like(page.blocks[place], label, rng)
        entries.insert(place + 1, (text, _styled(block, label, style, rng) if rng.random() < OWN_CLASS_SHARE / 2 else block, label))
    if rng.random() < 0.5:
        spam = wardrobe.spam_lines(example.lang, example.site, rng.choice((1, 1, 2)), rng)
        added.update(line for line, _ in spam)
        entries = _glued(entries, spam, rng)
    # What stands farther off is learned from where nothing was put in; here it would only be weighed again, and body more than furniture.
    new = [number for number, (text, _, _) in enumerate(entries) if text in added]
    close = {number + shift for number in new for shift in (-2, -1, 1, 2)}
    labels = tuple(
        label if text in added or (label == "body" and number in close) else "" for number, (text, _, label) in enumerate(entries)
    )
    injected = _page_of([(text, block) for text, block, _ in entries], page)
    return replace(example, page=injected, labels=labels, source=f"{example.source}-injected", weight=example.weight * INJECTED_WEIGHT)


def transplanted_example(document: LabelledDocument, markup: Example, wardrobe: Wardrobe, rng: random.Random) -> Example | None:
    """Put a labelled text into the markup of a real page: its blocks keep their markup, and say what blocks of their label say elsewhere.

    Pages of few languages come with gold texts. So the model meets markup, and what trafilatura made of it, in all languages that it has texts of.
    Both must be of one fold. None where the page has too few paragraphs, or the document has.
    """
    lines = document_lines(document, cut=rng.random() < 0.5)
    slots = [number for number, label in enumerate(markup.labels) if label == "body"]
    own = [number for number, (_, label) in enumerate(lines) if label == "body"]
    if len(slots) < MIN_SLOTS or len(own) < 2:
        return None
    page, headline = markup.page, next((text for text, label in lines if label == "headline"), None)
    style = wardrobe.style(document.lang, rng) if rng.random() < STYLED_SHARE else {}

    def refilled(first: int, last: int) -> Iterator[tuple[str, Block, str]]:
        """The page's furniture, each block with another text of its label; it goes where there is none."""
        for block, label in zip(page.blocks[first:last], markup.labels[first:last], strict=True):
            text = headline if label == "headline" else wardrobe.furniture_line(label, document.lang, document.site, rng)
            if text is not None:
                yield text, _styled(replace(block, inline=()), label, style, rng), label

    inside = lines[own[0] :] if rng.random() < TAIL_SHARE else lines[own[0] : own[-1] + 1]
    long = [number for number in slots if len(page.text_of(page.blocks[number])) >= LONG] or slots
    short = [number for number in slots if len(page.text_of(page.blocks[number])) < LONG] or slots
    chosen = sorted(rng.sample(long, min(len(long), len(own))))
    last = page.blocks[chosen[0]]
    entries = list(refilled(max(0, slots[0] - rng.choice((5, 15, 40))), slots[0]))
    for place, (text, label) in enumerate(inside):
        if label == "body":
            last = page.blocks[chosen[place * len(chosen) // len(inside)] if len(text) >= LONG else rng.choice(short)]
            last = _styled(replace(last, inline=()), label, style, rng)
            entries.append((text, last, label))
        elif label != "headline":
            inserted = _like(last, label, rng)
            entries.append((text, _styled(inserted, label, style, rng) if rng.random() < OWN_CLASS_SHARE else inserted, label))
    entries += refilled(slots[-1] + 1, slots[-1] + 1 + rng.choice((5, 15, 40)))
    moved = _page_of([(text, block) for text, block, _ in entries], replace(page, metadata=Metadata(title=headline)))
    weight = HARD_COPY_WEIGHT if document.hard else COPY_WEIGHT
    return Example(moved, tuple(label for _, _, label in entries), document.site, TRANSPLANTED, document.lang, weight=weight)


def _styled(block: Block, label: str, style: Mapping[str, Sequence[tuple[str, ...]]], rng: random.Random) -> Block:
    """Return the block with class and id words of the style, and some of its own."""
    entries = style.get(label)
    if not entries:
        return block
    kept = block.hints[len(block.hints) - rng.choice((0, 0, 2, 4)) :] if len(block.hints) > 4 else ()
    return replace(block, hints=(*rng.choice(entries), *kept)[:HINT_WORDS])


def transplanted_examples(
    documents: Sequence[LabelledDocument], pages: Sequence[Example], wardrobe: Wardrobe, rng: random.Random
) -> Iterator[Example]:
    """Yield each labelled article in the markup of a real page of its fold, and once more with lines put in."""
    by_fold: dict[int, list[Example]] = {}
    for page in pages:
        by_fold.setdefault(fold_of(page.site), []).append(page)
    for document in documents:
        moved = transplanted_example(document, rng.choice(by_fold[fold_of(document.site)]), wardrobe, rng)
        if moved is not None and document.kind == "article":
            yield moved
            yield injected_example(moved, documents, wardrobe, rng)


def _page_of(lines: Sequence[tuple[str, Block]], page: Page) -> Page:
    """Return the page with these blocks, one below the other."""
    blocks, position = [], 0
    for text, block in lines:
        blocks.append(replace(block, start=position, end=position + len(text)))
        position += len(text) + 1
    return replace(page, text="\n".join(text for text, _ in lines), blocks=tuple(blocks))


def _like(model: Block, label: str, rng: random.Random) -> Block:
    """Return the facts of a new block that stands beside `model`."""
    spam = label.startswith("spam-")
    shape = rng.choice((("p",), ("p",), ("div",), ("div", "span"), ("ul", "li"), ("p", "a"), ("div", "a"), ("p", "strong")))
    linked = 1.0 if shape[-1] == "a" else rng.choice((0.0, 0.6, 1.0)) if spam or label == "teaser" else rng.choice((0.0, 0.0, 0.5))
    parent = (model.xpath or "").rsplit("/", 1)[0]
    hints = model.hints if rng.random() < 0.6 else model.hints[rng.choice((1, 2)) :]
    return Block(
        0, 0, f"{parent}/{shape[0]}[{rng.randint(1, 40)}]", 0, (*model.tags[:-1], *shape), hints, linked, linked if spam else 0.0,
        spam and rng.random() < 0.25, rng.choice((0.0, 1.0)) if spam else rng.choice((0.0, 1.0, 1.0)),
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


def turkish_examples(
    data: Path, documents: Sequence[LabelledDocument], pages: Sequence[Example], wardrobe: Wardrobe, rng: random.Random
) -> Iterator[Example]:
    """Clean Turkish news texts amid Turkish furniture and in the markup of real pages; and the escort farm's lines and betting hosts, as spam."""
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
            if number % CLEAN_TRANSPLANTS == 0:
                markup = rng.choice([page for page in pages if fold_of(page.site) == fold_of(furniture.site)])
                moved = transplanted_example(replace(article, site=furniture.site, blocks=tuple(drawn)), markup, wardrobe, rng)
                if moved is not None:
                    yield moved
                    yield injected_example(moved, documents, wardrobe, rng)
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
