"""Spam and widgets put among the paragraphs of pages, both from sites, documents and families of spam that no training sees."""

import json
import random
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lxml.html
from lxml import etree
from tqdm import tqdm

from newsfilter.decode import decode
from newsfilter.errors import InputError
from newsfilter.extract import extract, parse
from newsfilter.records import Page
from newsfilter.training.alignment import gold_labels
from newsfilter.training.corpus import PAGE_SETS, page_rows, site_of
from newsfilter.training.generator import Generator, Templates, read_templates
from newsfilter.training.scoring import visible_text
from newsfilter.training.splits import in_validation

WIDGETS = ("reaction", "comment", "teaser", "notice")
LINES = (2, 6)  # of spam, and of widgets, that a page gets
LETTERS = 8  # that a line must have: a shorter one stands in a page by accident
OWN_ENOUGH = 8  # lines in the page's language from which on no other language's are drawn
TRIES = 60  # draws after which a page goes with fewer lines
HIDDEN, NEIGHBOUR_CLASS, LAST = 0.25, 0.3, 0.5  # shares: hidden spam, a paragraph's class taken over, lines below the last paragraph

_WORD = re.compile(r"\w+")
_CONTAINERS = frozenset("article aside blockquote body center dd div fieldset footer form header li main section td".split())
_SHAPES = ("p", "div", "div/span", "ul/li", "p/a", "div/a")
_HIDING = ("display:none", "font-size:0", "position:absolute;left:-9999px", "text-indent:-9999px;overflow:hidden", "visibility:hidden")
_SENTENCE_END = (".", "!", "?", "…", ":", "”", '"', "»")
# Marks and invisible characters, by which spammers break words apart and which some extractors remove.
_UNHEARD = dict.fromkeys(code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Mn", "Cf"))


def normal(text: str) -> str:
    r"""Return a text's words with a blank before, between and behind, so that `in` compares whole words in order.

    Case, marks, invisible characters and compatibility forms are folded: a system that only mends "es\u200bcort" has not removed it.
    """
    folded = unicodedata.normalize("NFKD", text).translate(_UNHEARD).lower()
    return f" {' '.join(_WORD.findall(folded))} "


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A held-out document: blocks as (text, label, the stretches of the text that are body when the block is body)."""

    id: str
    lang: str
    hard: bool
    blocks: tuple[tuple[str, str, tuple[str, ...]], ...]


def read_held_out(folder: Path) -> list[HeldOut]:
    documents = []
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                blocks = tuple((block["text"], block["label"], outside(block["text"], block.get("spans", ()))) for block in row["blocks"])
                documents.append(HeldOut(row["id"], row["lang"], bool(row.get("hard")), blocks))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{file}:{number}: no held-out document ({error!r}); fixtures/README.md has the form") from error
    if not documents:
        raise InputError(f"{folder}: holds no labelled documents (*.jsonl); give --held-out the folder that does")
    return documents


def outside(text: str, spans: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The stretches of a text that stand in no span."""
    edges = [0, *(edge for span in sorted(spans, key=lambda span: span["start"]) for edge in (span["start"], span["end"])), len(text)]
    pieces = (text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    return tuple(piece for piece in pieces if normal(piece).strip())


@dataclass(frozen=True, slots=True)
class GoldPage:
    """A page of a site that no training sees, with its gold text."""

    source: str
    id: str
    lang: str
    url: str | None
    text: str  # decoded
    gold: str
    title: str

    def labelled(self) -> tuple[Page, list[str]]:
        """The page's blocks and their labels by the gold text."""
        page = extract(self.text, url=self.url)
        return page, gold_labels(page, self.gold, self.title)


def validation_pages(data: Path) -> list[GoldPage]:
    return [
        GoldPage(source, str(row["id"]), row["lang"], row.get("url"), decode(raw).text, row["text"], row.get("title") or "")
        for source in PAGE_SETS
        for raw, row in tqdm(page_rows(data, source), desc=f"reading {source}", unit=" pages")
        if row["page_type"] == "article" and row.get("text") and in_validation(site_of(row, source))
    ]


def in_turn(pages: Sequence[GoldPage], rng: random.Random) -> Iterator[GoldPage]:
    """Yield pages in random order, one of each set and language in turn, until all have been."""
    groups: dict[tuple[str, str], list[GoldPage]] = {}
    for page in pages:
        groups.setdefault((page.source, page.lang), []).append(page)
    for group in groups.values():
        rng.shuffle(group)
    while any(groups.values()):
        for group in groups.values():
            if group:
                yield group.pop()


@dataclass(frozen=True, slots=True)
class Stock:
    """Where injected lines come from, each by language."""

    spam: Mapping[str, Sequence[str]]
    widgets: Mapping[str, Sequence[str]]
    generators: Mapping[str, Callable[[random.Random], str]]


def make_stock(documents: Sequence[HeldOut], templates: Path) -> Stock:
    spam: dict[str, list[str]] = defaultdict(list)
    widgets: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        for text, label, _ in document.blocks:
            if label.startswith("spam-"):
                spam[document.lang].append(text)
            elif label in WIDGETS:
                widgets[document.lang].append(text)
    return Stock(spam, widgets, spam_generators(templates))


def spam_generators(folder: Path) -> dict[str, Callable[[random.Random], str]]:
    """For each language with templates of held-out families, what draws a line of them."""
    if not any(folder.glob("*.txt")):
        print(
            f"{folder}: no templates; all spam comes from the held-out documents. Give --templates the folder that has some",
            file=sys.stderr,
        )
        return {}

    def line(templates: Templates, rng: random.Random) -> str:
        return Generator(templates, rng, held_out=True).line()[0]

    read = read_templates(folder)
    return {lang: partial(line, found) for lang, found in read.items() if Generator(found, random.Random(0), held_out=True).families}


def fitting(stock: Mapping[str, Sequence[str]], lang: str) -> Sequence[str]:
    """The lines in a language if they are enough, else with the Turkish and English ones."""
    own = stock.get(lang, ())
    return own if len(own) >= OWN_ENOUGH else [*own, *(line for other in ("tr", "en") if other != lang for line in stock.get(other, ()))]


def draw_lines(stock: Stock, lang: str, page_text: str, rng: random.Random) -> list[tuple[str, bool]]:
    """Draw (text, whether it is spam), none of which stands in the page or in another one."""
    generators = (
        [stock.generators[lang]] if lang in stock.generators else [stock.generators[k] for k in ("tr", "en") if k in stock.generators]
    )
    spam, widgets = fitting(stock.spam, lang), fitting(stock.widgets, lang)
    taken: dict[str, tuple[str, bool]] = {}
    here = normal(page_text)
    for is_spam, pool in ((True, spam), (False, widgets)):
        wanted = len(taken) + rng.randint(*LINES)
        for _ in range(TRIES):
            if len(taken) == wanted:
                break
            text = rng.choice(generators)(rng) if is_spam and generators and rng.random() < 0.5 else rng.choice(pool)
            key = normal(text)
            new = key not in here and not any(key in other or other in key for other in taken)
            if new and sum(map(str.isalpha, text)) >= LETTERS:
                taken[key] = (" ".join(text.split()), is_spam)
    return rng.sample(list(taken.values()), len(taken))


def places(root: lxml.html.HtmlElement, body: Sequence[tuple[str, int]]) -> list[lxml.html.HtmlElement]:
    """The elements behind which a line can be put: in the one container that directly holds most words of the gold text.

    Parameters
    ----------
    body
        XPath of the holding element, and number of words, of each block of the gold text.
    """
    runs = Counter(path for path, _ in body)
    words: Counter[lxml.html.HtmlElement] = Counter()
    found: dict[lxml.html.HtmlElement, dict[lxml.html.HtmlElement, None]] = defaultdict(dict)
    for path, size in body:
        child = root.xpath(path)[0]
        parent = child.getparent()
        breaks = line_breaks(child) if runs[path] > 1 and child.tag in _CONTAINERS else []
        if breaks:  # paragraphs without elements, parted by <br>
            below = [child] if parent is not None and parent.tag in _CONTAINERS else []
            words[child] += size
            found[child] |= dict.fromkeys([*breaks, *below])
            continue
        while parent is not None and parent.tag not in _CONTAINERS:
            child, parent = parent, parent.getparent()
        if parent is not None:
            words[parent] += size
            found[parent][child] = None
    return list(found[words.most_common(1)[0][0]]) if words else []


def line_breaks(element: lxml.html.HtmlElement) -> list[lxml.html.HtmlElement]:
    """The <br> children of an element that part two paragraphs: doubled, or behind the end of a sentence."""
    result = []
    for child in element.iterchildren("br"):
        previous = child.getprevious()
        before = ((element.text if previous is None else previous.tail) or "").strip()
        doubled = not before and previous is not None and previous.tag == "br"
        if (child.tail or "").strip() and (doubled or before.endswith(_SENTENCE_END)):
            result.append(child)
    return result


def put(line: str, place: lxml.html.HtmlElement, rng: random.Random, *, spam: bool) -> None:
    """Put a line behind an element, ahead of the text that follows it, in the way that hijackers or themes do."""
    outer_tag, _, inner_tag = rng.choice(_SHAPES).partition("/")
    outer = place.makeelement(outer_tag)
    inner = etree.SubElement(outer, inner_tag) if inner_tag else outer
    inner.text = line
    if inner_tag == "a":
        name = "".join(rng.choices("abcdefghiklmnoprstuvyz", k=rng.randint(6, 12)))
        inner.set("href", f"https://{name}.example/" if spam else f"/{name}-{rng.randint(1000, 999_999)}")
    look = place.get("class")
    if look and rng.random() < NEIGHBOUR_CLASS:
        outer.set("class", look)
    if spam and rng.random() < HIDDEN:
        outer.set("style", rng.choice(_HIDING))
    place.addnext(outer)


@dataclass(frozen=True, slots=True)
class Injected:
    """A page without and with injected lines."""

    page: GoldPage
    before: str
    after: str
    spam: tuple[str, ...]
    widgets: tuple[str, ...]


def inject(page: GoldPage, stock: Stock, rng: random.Random) -> Injected | None:
    """Put lines into a page; None where its gold text stands in no element."""
    cut, labels = page.labelled()
    body = [(block.xpath or "", block.end - block.start) for block, label in zip(cut.blocks, labels, strict=True) if label == "body"]
    root, _ = parse(page.text)
    after = places(root, body) if root is not None else []
    if root is None or not after:
        return None
    before = serialised(root)
    lines = draw_lines(stock, page.lang, f"{visible_text(before)} {' '.join(map(str, root.itertext()))}", rng)
    for line, spam in lines:
        put(line, after[-1] if rng.random() < LAST else rng.choice(after), rng, spam=spam)
    spam_lines, widgets = (tuple(line for line, spam in lines if spam is wanted) for wanted in (True, False))
    return Injected(page, before, serialised(root), spam_lines, widgets)


def serialised(root: lxml.html.HtmlElement) -> str:
    return str(lxml.html.tostring(root.getroottree(), encoding="utf-8").decode("utf-8"))


def injected_pages(pages: Sequence[GoldPage], stock: Stock, number: int, seed: int) -> list[Injected]:
    """Draw pages evenly and inject into each; one that no line can be put into makes room for the next."""
    result: list[Injected] = []
    with tqdm(total=min(number, len(pages)), desc="injecting", unit=" pages") as progress:
        for page in in_turn(pages, random.Random(seed)):
            if len(result) == number:
                break
            injected = inject(page, stock, random.Random(f"{seed}:{page.source}:{page.id}"))
            if injected is None:
                tqdm.write(f"{page.source} {page.id}: its gold text stands in no element, left out", file=sys.stderr)
                continue
            result.append(injected)
            progress.update()
    return result


def as_visible_text(item: Injected) -> Injected:
    """The same pages as a scraper leaves them that keeps all text; a line that is not among it does not count."""
    before, after = visible_text(item.before), visible_text(item.after)
    here = normal(after)
    spam, widgets = (tuple(line for line in lines if normal(line) in here) for lines in (item.spam, item.widgets))
    return replace(item, before=before, after=after, spam=spam, widgets=widgets)
