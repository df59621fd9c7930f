"""Build the shipped model: ``python -m newsfilter.training DATA`` from the project's root, or ``make model DATA=...``."""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

# One thread: on several, sums end in other last digits, and the file in other bytes.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from newsfilter.classifier import Model
from newsfilter.extract import extract
from newsfilter.features import build_tables
from newsfilter.records import LABELS, Page
from newsfilter.training import corpus
from newsfilter.training.fit import SEED, Hyperparameters, fit
from newsfilter.training.labels import LabelledDocument, read_labelled
from newsfilter.training.phrases import Bank, read_phrases
from newsfilter.training.save import save_model

INJECTED = 500  # training pages that get spam and widgets put among their paragraphs
COPIES = 3  # recombinations of each labelled document

# A page of ours whose blocks are stored in the manifest, so that a loaded model is checked on markup too.
_CHECK_HTML = """<html><head><title>Sahilde yeni iskele açıldı</title></head><body><nav><ul class="menu"><li><a href="/">Ana Sayfa</a></li>
<li><a href="/spor">Spor</a></li></ul></nav><article class="haber-detay"><h1>Sahilde yeni iskele açıldı</h1><span class="tarih">12.05.2023 10:40</span>
<p>Balıkçı barınağının yanına yapılan iskele, dün düzenlenen törenle hizmete girdi. İskeleye aynı anda on iki tekne yanaşabilecek.</p>
<p>Kooperatif başkanı, yıllardır bekledikleri iskelenin kışın fırtınalarda tekneleri koruyacağını söyledi.</p>
<div class="paylas"><span>Beğendim</span> <span>3</span></div><p><a href="https://ornek-bahis724.example/">ornekbet724 güncel giriş</a></p></article>
<footer class="footer">© 2023 Sahil Postası</footer></body></html>"""


def gather(data: Path, labelled: Sequence[LabelledDocument], bank: Bank, say: corpus.Say) -> list[corpus.Example]:
    """Collect all training pages; the sites of the validation part are left out."""
    rng = random.Random(SEED)  # noqa: S311 - draws pages, guards nothing
    documents = [document for document in labelled if not corpus.in_validation(document.site)]
    html = []
    for source in corpus.PAGE_SETS:
        html += [example for example in corpus.html_examples(data, source) if not corpus.in_validation(example.site)]
        say(f"{source}: {len(html):,} pages so far")
    wardrobe = corpus.make_wardrobe(bank, html, documents)
    examples = [*html, *(corpus.visible_text_example(example, wardrobe, rng) for example in html)]
    examples += [corpus.injected_example(example, documents, wardrobe, rng) for example in rng.sample(html, min(INJECTED, len(html)))]
    examples += corpus.labelled_examples(documents, wardrobe, rng, COPIES)
    examples += corpus.turkish_examples(data, documents, wardrobe, rng)
    return examples


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
    parser.add_argument("-o", "--out", type=Path, default=Path("models/shipped"))
    parser.add_argument("--name", default="newsfilter-1")
    options = parser.parse_args(argv)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", file=sys.stderr, flush=True)

    labelled = list(read_labelled(options.labelled))
    examples = gather(options.data, labelled, read_phrases(options.phrases), say)
    tables, hyperparameters = build_tables(), Hyperparameters()
    fitted = fit(examples, tables, hyperparameters, say)
    held_out = [document for document in labelled if corpus.in_validation(document.site)]
    check: list[Page] = [extract(_CHECK_HTML), *(corpus.as_text(document.blocks[:16])[0] for document in held_out[:3])]
    about = {
        "hyperparameters": asdict(hyperparameters),
        "training": dict(sorted(Counter(example.source for example in examples).items())),
        "labelled_blocks": sum(len(document.blocks) for document in labelled),
    }
    model = save_model(options.out, options.name, fitted, tables, about, check)
    report = labelled_report(model, held_out)
    model = save_model(options.out, options.name, fitted, tables, about | {"held_out": report}, check)
    for label, row in report.items():
        say(f"{label:14} {row['blocks']:5.0f} blocks held out, precision {row['precision']:.3f}, recall {row['recall']:.3f}")
    say(f"{options.out}: {model.name}, sha256 {model.sha256[:16]}…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
