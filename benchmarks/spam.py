"""What is left of injected spam and widgets, by newsfilter and its peers; what is lost of honest reporting on spam's subjects; calibration.

    python benchmarks/spam.py DATA [--held-out DIR] [--templates DIR] [--pages 120] [--seed 1] [--model PATH] [--verbose] [--json FILE]

DATA is as docs/benchmarks.md describes. Lines from documents and families of spam that no training sees are put among the paragraphs of pages
of sites that no training sees. Both the page without them and the page with them went through the parser once, so that they alone differ.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from benchmarks.injection import (
    GoldPage,
    HeldOut,
    Injected,
    as_visible_text,
    injected_pages,
    make_stock,
    normal,
    read_held_out,
    validation_pages,
)
from benchmarks.peers import Extractor, commit, kept, peers, versions
from tqdm import tqdm

from newsfilter.classifier import Model
from newsfilter.document import BATCH_SIZE, Cleaner
from newsfilter.model_file import load_model
from newsfilter.records import Article, MediaType, Page, Source
from newsfilter.settings import Settings
from newsfilter.training.corpus import as_text
from newsfilter.training.labels import read_labelled
from newsfilter.training.scoring import calibration_error, sentence_lines
from newsfilter.training.splits import in_validation

FIXTURES = Path(__file__).parents[1] / "fixtures"
EVERYTHING = Settings(max_bytes=0, min_words=0)
BINS = 15


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


def unseen_texts(held_out: Path) -> list[tuple[Page, Sequence[str]]]:
    """The labelled documents that no training saw, as plain text: those held out by folder and those by site."""
    own = [document for document in read_labelled(FIXTURES / "labelled") if in_validation(document.site)]
    return [as_text(document.blocks, "\n\n") for document in (*read_labelled(held_out), *own)]


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
        "labelled documents": calibration(unseen_texts(options.held_out), model, "texts"),
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
