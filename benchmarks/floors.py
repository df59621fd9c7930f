"""Hold the validation figures against their floors: exit status 1 where one is missed.

    python benchmarks/floors.py [DATA] [--write]

Without DATA only what the fixtures tell is measured: the labelled documents of the validation sites, and fixtures/held-out. With DATA, the pages
of the validation sites too. The floors are in benchmarks/floors.json; --write prints what was measured in its form. Only a commit that says why
may lower one.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.extraction import newsfilter_tables
from benchmarks.injection import injected_pages, make_stock, read_held_out, validation_pages
from benchmarks.spam import FIXTURES, calibration, hard_negatives, newsfilter_system, scored, unseen_texts

from newsfilter.classifier import Model
from newsfilter.model_file import load_model
from newsfilter.training.evaluation import evaluate
from newsfilter.training.labels import read_labelled, split_of

FLOORS = Path(__file__).parent / "floors.json"
LOWER_IS_BETTER = ("error", "left", "lost")  # words in the name of a figure that is a ceiling
PAGES, SEED = 120, 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--write", action="store_true", help="print the figures as floors")
    options = parser.parse_args()
    floors = json.loads(FLOORS.read_text(encoding="utf-8"))
    model = load_model()
    measured = {"fixtures": fixture_figures(model)}
    if options.data:
        measured["pages"] = page_figures(options.data, model)
    if options.write:
        print(json.dumps(measured, indent=1))
        return 0
    missed = list(misses(measured, floors))
    for part, figures in measured.items():
        for name, value in figures.items():
            print(f"{part:8}  {name:44} {value:8.4f}  floor {floors[part].get(name, float('nan')):8.4f}")
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


def misses(measured: Mapping[str, Mapping[str, float]], floors: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Name every figure on the wrong side of its floor, every floor that nothing measures, and every figure without a floor."""
    for part, figures in measured.items():
        wanted = floors.get(part, {})
        for name in sorted({*figures, *wanted}):
            if name not in figures or name not in wanted:
                yield f"{part}: {name}: {'no floor' if name in figures else 'not measured'}; mend benchmarks/floors.json"
            elif is_worse(name, figures[name], wanted[name]):
                yield f"{part}: {name}: {figures[name]:.4f} is worse than {wanted[name]:.4f}; find out why, or say in the commit why the floor moves"


def is_worse(name: str, value: float, floor: float) -> bool:
    return value > floor if any(word in name for word in LOWER_IS_BETTER) else value < floor


def fixture_figures(model: Model) -> dict[str, float]:
    """What the labelled documents tell that no training saw."""
    own = [document for document in read_labelled(FIXTURES / "labelled") if split_of(document)]
    held_out = read_held_out(FIXTURES / "held-out")
    figures = {}
    for name, documents in (("labelled", own), ("held-out", list(read_labelled(FIXTURES / "held-out")))):
        score = evaluate(documents, model).score
        for row in score.classes:
            for measure, estimate in (("precision", row.precision), ("recall", row.recall)):
                if estimate is not None and row.label in ("body", "teaser", "spam-adult", "spam-gambling", "spam-other"):
                    figures[f"{name} {row.label} {measure}"] = round(estimate.value, 4)
    kept, _ = hard_negatives(held_out, model)
    figures["hard negatives kept"] = round(kept["all"]["kept"] / kept["all"]["blocks"], 4)
    figures["calibration error of texts"] = calibration(unseen_texts(FIXTURES / "held-out"), model, "texts")["expected calibration error"]
    return figures


def page_figures(data: Path, model: Model) -> dict[str, float]:
    """What the pages of the validation sites tell."""
    html, text = newsfilter_tables(data)
    figures = {f"HTML {group} word F1": row["newsfilter"] for group, row in html.items() if row["pages"] >= PAGES / 10}
    figures |= {f"text {group} word F1": row["newsfilter"] for group, row in text.items() if row["pages"] >= PAGES / 10}
    pages = validation_pages(data)
    items = injected_pages(pages, make_stock(read_held_out(FIXTURES / "held-out"), FIXTURES / "spam"), PAGES, SEED)
    tally = scored(items, {"newsfilter": newsfilter_system(model, "text/html")}, "HTML")["newsfilter"]
    figures |= {name.removesuffix(" %"): value for name, value in tally.percent().items()}
    figures["calibration error of pages"] = calibration([page.labelled() for page in pages], model, "pages")["expected calibration error"]
    return figures


if __name__ == "__main__":
    sys.exit(main())
