"""Word F1 of newsfilter and its peers on pages with gold texts, HTML and plain visible text, in one run.

    python benchmarks/extraction.py DATA [--all] [--json FILE]

DATA holds ``pages/NAME.jsonl.xz`` and ``pages/NAME.tar.xz`` as docs/benchmarks.md describes. Only the sites that no training sees are scored,
unless --all is given.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import Extractor, commit, kept, peers, versions

from newsfilter.decode import decode
from newsfilter.document import clean_many
from newsfilter.records import Source
from newsfilter.settings import Settings
from newsfilter.training.corpus import PAGE_SETS, page_rows, site_of
from newsfilter.training.scoring import sentence_lines, set_f1, visible_text
from newsfilter.training.splits import in_validation

Rows = list[tuple[str, str, str]]
Table = dict[str, dict[str, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--all", action="store_true", help="score training sites too")
    parser.add_argument("--json", type=Path, help="write the table here as JSON")
    options = parser.parse_args()
    html, text = measured(options.data, peers(), everywhere=options.all)
    tables = {"html": html, "text": text}
    show("HTML pages", tables["html"])
    show("The same pages as visible text", tables["text"])
    if options.json:
        result = {**tables, "seed": None, "versions": versions(), "commit": commit()}  # nothing here is drawn
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def newsfilter_tables(data: Path) -> tuple[Table, Table]:
    """The tables of HTML pages and of their visible text, with no peer in them."""
    return measured(data, {}, everywhere=False)


def measured(data: Path, others: Mapping[str, Extractor], *, everywhere: bool) -> tuple[Table, Table]:
    """Score every system on every page; `everywhere`: on training sites too."""
    html: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    text: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    settings = Settings(max_bytes=0, min_words=0)
    for source in PAGE_SETS:
        rows = [
            (raw, row)
            for raw, row in page_rows(data, source)
            if row["page_type"] == "article" and row.get("text") and (everywhere or in_validation(site_of(row, source)))
        ]
        decoded = [decode(raw).text for raw, _ in rows]
        lines = [visible_text(page) for page in decoded]
        cleaned = clean_many([Source(raw, url=row.get("url"), media_type="text/html") for raw, row in rows], settings=settings)
        cleaned_text = clean_many([Source(line, media_type="text/plain") for line in lines], settings=settings)
        for (_, row), page, line, article, article_text in zip(rows, decoded, lines, cleaned, cleaned_text, strict=True):
            group, gold = f"{source} {row['lang']}", row["text"]
            for found, table in ((article, html), (article_text, text)):
                if isinstance(found, Exception):
                    raise found
                table[group]["newsfilter"].append((found.title or "", kept(found), gold))
            title = article.title or "" if not isinstance(article, Exception) else ""
            for name, extract in others.items():
                html[group][name].append((title, extract(page, row["lang"]), gold))
            text[group]["sentence lines"].append((title, sentence_lines(line), gold))
            text[group]["all"].append((title, line, gold))
    return scored(html), scored(text)


def scored(table: dict[str, dict[str, Rows]]) -> Table:
    result = {
        group: {"pages": len(systems["newsfilter"]), **{name: round(set_f1(rows), 4) for name, rows in systems.items()}}
        for group, systems in table.items()
    }
    joined: dict[str, Rows] = defaultdict(list)
    for systems in table.values():
        for name, rows in systems.items():
            joined[name] += rows
    total = sum(row["pages"] for row in result.values())
    result["all pages"] = {"pages": total} | {
        name: round(sum(row[name] * row["pages"] for row in result.values()) / total, 4) for name in joined
    }
    return result


def show(title: str, table: dict[str, dict[str, float]]) -> None:
    names = [name for name in next(iter(table.values())) if name != "pages"]
    print(f"\n{title}: word F1\n")
    print(f"| {'set':14} | pages | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    for group, row in table.items():
        best = max(row[name] for name in names)
        print(
            f"| {group:14} | {row['pages']:5.0f} | "
            + " | ".join(f"{'**' if row[name] == best else ''}{row[name]:.4f}{'**' if row[name] == best else ''}" for name in names)
            + " |"
        )


if __name__ == "__main__":
    sys.exit(main())
