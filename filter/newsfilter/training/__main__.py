"""Build the shipped model: ``python -m newsfilter.training DATA`` from the project's root, or ``make model DATA=...``."""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

# One thread: on several, sums end in other last digits, and the file in other bytes.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from newsfilter.classifier import Model
from newsfilter.extract import extract
from newsfilter.normal_form import build_tables
from newsfilter.records import LABELS, Page
from newsfilter.training import corpus, mixing
from newsfilter.training.fit import SEED, Hyperparameters, fit
from newsfilter.training.generator import read_templates
from newsfilter.training.glue import GluedPage, glued_pages
from newsfilter.training.labels import LabelledDocument, read_labelled
from newsfilter.training.phrases import read_class_words, read_phrases
from newsfilter.training.save import save_model
from newsfilter.training.splits import in_validation, is_of_publisher, publisher_names
from newsfilter.training.thresholds import choose_thresholds
from newsfilter.training.wardrobe import Stock, make_wardrobe

TEXTS = frozenset(f"{source}-text" for source in corpus.PAGE_SETS)
INJECTIONS = 2  # times that spam and widgets are put among the paragraphs of each training page
COPIES = 2  # recombinations of each labelled document

# A page of ours whose blocks are stored in the manifest, so that a loaded model is checked on markup too.
_CHECK_HTML = """<html><head><title>Sahilde yeni iskele açıldı</title></head><body><nav><ul class="menu"><li><a href="/">Ana Sayfa</a></li>
<li><a href="/spor">Spor</a></li></ul></nav><article class="haber-detay"><h1>Sahilde yeni iskele açıldı</h1><span class="tarih">12.05.2023 10:40</span>
<p>Balıkçı barınağının yanına yapılan iskele, dün düzenlenen törenle hizmete girdi. İskeleye aynı anda on iki tekne yanaşabilecek.</p>
<p>Kooperatif başkanı, yıllardır bekledikleri iskelenin kışın fırtınalarda tekneleri koruyacağını söyledi.</p>
<div class="paylas"><span>Beğendim</span> <span>3</span></div><p><a href="https://ornek-bahis724.example/">ornekbet724 güncel giriş</a></p></article>
<footer class="footer">© 2023 Sahil Postası</footer></body></html>"""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Pages to learn from, and those of the validation sites."""

    examples: list[corpus.Example]
    glued: list[GluedPage]
    validation: list[corpus.Example]
    validation_glued: list[GluedPage]


def gather(data: Path, labelled: Sequence[LabelledDocument], stock: Stock, say: corpus.Say) -> Gathered:
    """Collect all pages. What is mixed into a training page comes from training sites, too."""
    rng = random.Random(SEED)  # noqa: S311 - draws pages, guards nothing
    html: list[corpus.Example] = []
    validation: list[corpus.Example] = []
    for source in corpus.PAGE_SETS:
        for example in corpus.html_examples(data, source):
            (validation if in_validation(example.site) else html).append(example)
        say(f"{source}: {len(html):,} pages so far")
    # A publisher of the validation part has pages in other sets, too, under its host's name.
    names = publisher_names(example.site for example in validation)

    def unseen(site: str) -> bool:
        return in_validation(site) or is_of_publisher(site, names)

    html = [example for example in html if not unseen(example.site)]
    partly = [example for example in corpus.segment_examples(data) if not unseen(example.site)]
    others: list[corpus.Example] = []
    for example in corpus.other_examples(data):
        if in_validation(example.site):
            validation.append(example)
        elif not unseen(example.site):
            others.append(example)
    say(f"{len(html):,} pages, {len(partly):,} of which a part is labelled, {len(others):,} that are no articles")
    documents = [document for document in labelled if not in_validation(document.site)]
    wardrobe = make_wardrobe(stock, html, documents)
    pages = [*html, *partly]
    examples = [*pages, *(mixing.visible_text_example(example, wardrobe, rng) for example in pages)]
    injected = [mixing.injected_example(example, documents, wardrobe, rng) for _ in range(INJECTIONS) for example in html]
    examples += [*injected, *(mixing.visible_text_example(example, wardrobe, rng) for example in injected[: len(html)])]
    examples += mixing.labelled_examples(documents, wardrobe, rng, COPIES)
    examples += mixing.transplanted_examples(documents, html, wardrobe, rng)
    turkish = list(mixing.turkish_examples(data, documents, html, wardrobe, rng))
    texts = [example for example in examples if example.source in TEXTS]
    whole = [*html, *rng.sample(texts, len(texts) // 2), *(example for example in turkish if example.source == "ttc")]
    held_out = [document for document in labelled if in_validation(document.site)]
    own_wardrobe = make_wardrobe(stock, validation, held_out)
    validation_glued = list(glued_pages([page for page in validation if page.kind == "article"], held_out, own_wardrobe, rng))
    validation += mixing.labelled_examples(held_out, own_wardrobe, rng, 0)
    return Gathered([*examples, *others, *turkish], list(glued_pages(whole, documents, wardrobe, rng)), validation, validation_glued)


def labelled_report(model: Model, documents: Sequence[LabelledDocument]) -> dict[str, dict[str, float]]:
    """Precision and recall of each label on the labelled documents that no training saw, as plain text."""
    right: Counter[str] = Counter()
    said: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for document in documents:
        page, labels = corpus.as_text(document.blocks, "\n\n")
        for label, row in zip(labels, model.predict([page])[0], strict=True):
            guess = model.labels[int(row.argmax())]
            there[label] += 1
            said[guess] += 1
            right[label] += guess == label
    return {
        label: {
            "blocks": there[label],
            "precision": round(right[label] / max(said[label], 1), 4),
            "recall": round(right[label] / max(there[label], 1), 4),
        }
        for label in LABELS
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Train, save, report. Returns 0."""
    parser = argparse.ArgumentParser(prog="python -m newsfilter.training", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with pages/ and text/")
    parser.add_argument("--labelled", type=Path, default=Path("fixtures/labelled"))
    parser.add_argument("--phrases", type=Path, default=Path("fixtures/phrases"))
    parser.add_argument("--markup", type=Path, default=Path("fixtures/markup"))
    parser.add_argument("--spam", type=Path, default=Path("fixtures/spam"))
    parser.add_argument("-o", "--out", type=Path, default=Path("models/shipped"))
    parser.add_argument("--name", default="newsfilter-1")
    options = parser.parse_args(argv)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", file=sys.stderr, flush=True)

    labelled = list(read_labelled(options.labelled))
    stock = Stock(read_phrases(options.phrases), read_templates(options.spam), read_class_words(options.markup))
    gathered = gather(options.data, labelled, stock, say)
    tables, hyperparameters = build_tables(), Hyperparameters()
    fitted = fit(gathered.examples, gathered.glued, tables, hyperparameters, say)
    held_out = [document for document in labelled if in_validation(document.site)]
    check: list[Page] = [extract(_CHECK_HTML), *(corpus.as_text(document.blocks[:16])[0] for document in held_out[:3])]
    about = {
        "hyperparameters": asdict(hyperparameters),
        "training": dict(sorted(Counter(example.source for example in gathered.examples).items())),
        "labelled_blocks": sum(len(document.blocks) for document in labelled),
    }
    model = save_model(options.out, options.name, fitted, tables, about, check)
    fitted = replace(fitted, thresholds=choose_thresholds(model, gathered.validation, gathered.validation_glued))
    model = save_model(options.out, options.name, fitted, tables, about, check)
    say(f"thresholds: {fitted.thresholds}")
    report = labelled_report(model, held_out)
    model = save_model(options.out, options.name, fitted, tables, about | {"held_out": report}, check)
    for label, row in report.items():
        say(f"{label:14} {row['blocks']:5.0f} blocks held out, precision {row['precision']:.3f}, recall {row['recall']:.3f}")
    say(f"{options.out}: {model.name}, sha256 {model.sha256[:16]}…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
