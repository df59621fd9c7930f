"""What is left of injected spam and widgets, by newsfilter and its peers; what is lost of honest reporting on spam's subjects; calibration.

    python benchmarks/spam.py DATA [--held-out DIR] [--templates DIR] [--pages 120] [--seed 1] [--model PATH] [--verbose] [--json FILE]

DATA is as docs/benchmarks.md describes. Lines from documents and families of spam that no training sees are put among the paragraphs of pages
of sites that no training sees. Both the page without them and the page with them went through the parser once, so that they alone differ.
"""

import argparse
import json
import random
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import lxml.html
import numpy as np
from benchmarks.peers import Extractor, commit, kept, peers, versions
from lxml import etree
from tqdm import tqdm

from newsfilter.classifier import Model, load_model
from newsfilter.decode import decode
from newsfilter.document import BATCH_SIZE, Cleaner
from newsfilter.errors import InputError
from newsfilter.extract import extract, parse
from newsfilter.records import Article, MediaType, Page, Source
from newsfilter.settings import Settings
from newsfilter.training.alignment import gold_labels
from newsfilter.training.corpus import PAGE_SETS, as_text, in_validation, page_rows, site_of
from newsfilter.training.scoring import calibration_error, sentence_lines, visible_text

FIXTURES = Path(__file__).parents[1] / "fixtures"
EVERYTHING = Settings(max_bytes=0, min_words=0)
WIDGETS = ("reaction", "comment", "teaser", "notice")
LINES = (2, 6)  # of spam, and of widgets, that a page gets
LETTERS = 8  # that a line must have: a shorter one stands in a page by accident
OWN_ENOUGH = 8  # lines in the page's language from which on no other language's are drawn
TRIES = 60  # draws after which a page goes with fewer lines
HIDDEN, NEIGHBOUR_CLASS, LAST = 0.25, 0.3, 0.5  # shares: hidden spam, a paragraph's class taken over, lines below the last paragraph
BINS = 15

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
    from newsfilter.training.generator import Generator, Templates, read_templates

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


System = Callable[[str, GoldPage], str]


def newsfilter_system(model: Model, media_type: MediaType) -> System:
    cleaner = Cleaner(EVERYTHING, model)
    return lambda text, page: kept(cleaned(cleaner, Source(text, url=page.url, media_type=media_type)))


def cleaned(cleaner: Cleaner, source: Source) -> Article:
    article = cleaner.clean_batch([source])[0]
    if isinstance(article, Exception):
        raise article
    return article


def as_system(peer: Extractor) -> System:
    return lambda text, page: peer(text, page.lang)


@dataclass(slots=True)
class Tally:
    """What one system left and lost, over all pages."""

    spam: int = 0
    spam_left: int = 0
    widgets: int = 0
    widgets_left: int = 0
    gold_words: int = 0
    held_words: int = 0  # of the gold's, in the output without injections
    lost_words: int = 0  # of these, no longer in the output with them

    def add(self, item: Injected, before: str, after: str) -> None:
        gold, before_words, after_words = (Counter(normal(text).split()) for text in (item.page.gold, before, after))
        left = normal(after)
        self.spam += len(item.spam)
        self.spam_left += sum(normal(line) in left for line in item.spam)
        self.widgets += len(item.widgets)
        self.widgets_left += sum(normal(line) in left for line in item.widgets)
        self.gold_words += gold.total()
        self.held_words += (gold & before_words).total()
        self.lost_words += ((gold & before_words) - (gold & after_words)).total()

    def percent(self) -> dict[str, float]:
        return {
            "spam strings left %": share(self.spam_left, self.spam),
            "widget strings left %": share(self.widgets_left, self.widgets),
            "body words lost %": share(self.lost_words, self.gold_words),
        }


def share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def scored(items: Sequence[Injected], systems: Mapping[str, System], title: str) -> dict[str, Tally]:
    tallies = {name: Tally() for name in systems}
    for item in tqdm(items, desc=title, unit=" pages"):
        for name, system in systems.items():
            tallies[name].add(item, system(item.before, item.page), system(item.after, item.page))
    return tallies


def hard_negatives(documents: Sequence[HeldOut], model: Model) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Which body blocks of hard documents stand whole in what is kept, in all and by language; and a line for each that does not."""
    cleaner = Cleaner(EVERYTHING, model)
    counts: dict[str, list[int]] = {"all": []}
    lost = []
    for document in tqdm([document for document in documents if document.hard], desc="hard negatives", unit=" documents"):
        article = cleaned(cleaner, Source("\n\n".join(text for text, _, _ in document.blocks), media_type="text/plain"))
        left, start = normal(kept(article)), 0
        for text, label, honest in document.blocks:
            end = start + len(text)
            if label == "body":
                stands = all(normal(piece) in left for piece in honest)
                counts["all"].append(stands)
                counts.setdefault(document.lang, []).append(stands)
                if not stands:
                    lost.append(f"{document.id} ({document.lang}) {' '.join(text.split())!r}: {labels_between(article, start, end)}")
            start = end + 2
    return {lang: with_interval(sum(found), len(found)) for lang, found in counts.items()}, lost


def labels_between(article: Article, start: int, end: int) -> str:
    """Label, probability and decider of what was removed between two positions."""
    removed = [item for item in article.decisions if item.start < end and item.end > start and not item.kept]
    return ", ".join(f"{item.label} {item.probabilities.get(item.label, 1.0):.2f} by {item.by}" for item in removed) or "kept in pieces"


def with_interval(kept_blocks: int, blocks: int) -> dict[str, float]:
    low, high = wilson(kept_blocks, blocks)
    return {
        "blocks": blocks,
        "kept": kept_blocks,
        "kept %": share(kept_blocks, blocks),
        "low %": round(100 * low, 2),
        "high %": round(100 * high, 2),
    }


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the bounds of a share's Wilson score interval, at 95 % unless `z` says otherwise; 0 and 1 for no trials."""
    if not trials:
        return 0.0, 1.0
    rate, spread = successes / trials, z * z / trials
    middle = (rate + spread / 2) / (1 + spread)
    half = z * (rate * (1 - rate) / trials + spread / trials / 4) ** 0.5 / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def calibration(examples: Sequence[tuple[Page, Sequence[str]]], model: Model, title: str) -> dict[str, float]:
    """How far the top label's probability is from how often it is right. Gold labels of pages are weak but for body: see alignment.py."""
    top, right = [], []
    for start in tqdm(range(0, len(examples), BATCH_SIZE), desc=f"calibration, {title}", unit=" batches"):
        batch = examples[start : start + BATCH_SIZE]
        for (_, labels), rows in zip(batch, model.predict([page for page, _ in batch]), strict=True):
            top.append(rows.max(axis=1, initial=0))
            right.append(np.array([model.labels[best] for best in rows.argmax(axis=1)], str) == np.array(labels, str))
    confidence, correct = np.concatenate(top), np.concatenate(right)
    return {
        "blocks": len(correct),
        "right %": round(100 * float(correct.mean()), 2),
        "mean probability %": round(100 * float(confidence.mean()), 2),
        "expected calibration error": round(calibration_error(confidence, correct), 4),
    }


def show(title: str, first: str, table: Mapping[str, Mapping[str, float]]) -> None:
    columns = list(next(iter(table.values())))
    print(f"\n{title}\n\n| {first} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, row in table.items():
        print(f"| {name} | {' | '.join(f'{row[column]:g}' for column in columns)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--held-out", type=Path, default=FIXTURES / "held-out", help="labelled documents that nobody trains on")
    parser.add_argument(
        "--templates", type=Path, default=FIXTURES / "spam", help="templates of spam, of which the held-out families are used"
    )
    parser.add_argument("--pages", type=int, default=120, help="how many pages get injections")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, help="a model folder; the shipped one if not given")
    parser.add_argument("--verbose", action="store_true", help="print the hard body blocks that are lost")
    parser.add_argument("--json", type=Path, help="write all of it here as JSON")
    options = parser.parse_args()
    model, documents = load_model(options.model), read_held_out(options.held_out)
    pages = validation_pages(options.data)
    items = injected_pages(pages, make_stock(documents, options.templates), options.pages, options.seed)
    html = {"newsfilter": newsfilter_system(model, "text/html")} | {name: as_system(peer) for name, peer in peers().items()}
    text = {"newsfilter": newsfilter_system(model, "text/plain"), "sentence lines": lambda text, _: sentence_lines(text)}
    tallies = {"html": scored(items, html, "HTML"), "text": scored([as_visible_text(item) for item in items], text, "visible text")}
    hard, lost = hard_negatives(documents, model)
    errors = {
        "validation pages": calibration([page.labelled() for page in tqdm(pages, desc="labelling", unit=" pages")], model, "pages"),
        "held-out documents": calibration([as_text([block[:2] for block in item.blocks], "\n\n") for item in documents], model, "text"),
    }
    show(f"{len(items)} HTML pages with injected lines", "system", {name: tally.percent() for name, tally in tallies["html"].items()})
    show("The same pages as visible text", "system", {name: tally.percent() for name, tally in tallies["text"].items()})
    show("Hard body blocks kept, with a Wilson 95 % interval", "language", hard)
    if options.verbose:
        print("\nLost:", *lost, sep="\n")
    show(f"Calibration of the top label, {BINS} bins of equal mass", "blocks of", errors)
    if options.json:
        result: dict[str, Any] = {
            kind: {name: asdict(tally) | tally.percent() for name, tally in found.items()} for kind, found in tallies.items()
        }
        result["pages"] = Counter(f"{item.page.source} {item.page.lang}" for item in items)
        result |= {"hard": hard, "calibration": errors, "seed": options.seed, "model": {"name": model.name, "sha256": model.sha256}}
        result |= {"versions": versions(), "commit": commit()}
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
