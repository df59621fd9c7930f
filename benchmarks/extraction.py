"""Word F1 of newsfilter and its peers on pages with gold texts, HTML and plain visible text, in one run.

    python benchmarks/extraction.py DATA [--all] [--json FILE]

DATA holds ``pages/NAME.jsonl.xz`` and ``pages/NAME.tar.xz`` as docs/benchmarks.md describes. Only the sites that no training sees are scored,
unless --all is given.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from newsfilter.decode import decode
from newsfilter.document import clean_many
from newsfilter.records import Article, Source
from newsfilter.settings import Settings
from newsfilter.training.corpus import PAGE_SETS, in_validation, page_rows, site_of
from newsfilter.training.scoring import sentence_lines, set_f1, visible_text

Rows = list[tuple[str, str, str]]


def peers() -> dict[str, Callable[[str], str]]:
    """Every other extractor that is installed, as a function of the decoded page."""
    from trafilatura import extract

    found: dict[str, Callable[[str], str]] = {
        "trafilatura": lambda page: extract(page, include_comments=False) or "",
        "trafilatura fast": lambda page: extract(page, include_comments=False, fast=True) or "",
        "trafilatura precision": lambda page: extract(page, include_comments=False, favor_precision=True) or "",
        "trafilatura recall": lambda page: extract(page, include_comments=False, favor_recall=True) or "",
    }
    try:
        from readability import Document
    except ImportError:
        print("readability-lxml is not installed: pip install 'newsfilter[bench]'", file=sys.stderr)
    else:
        found["readability"] = lambda page: visible_text(Document(page).summary() or "<p></p>")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--all", action="store_true", help="score training sites too")
    parser.add_argument("--json", type=Path, help="write the table here as JSON")
    options = parser.parse_args()
    others = peers()
    html: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    text: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    everything = Settings(max_bytes=0, min_words=0)
    for source in PAGE_SETS:
        rows = [
            (raw, row)
            for raw, row in page_rows(options.data, source)
            if row["page_type"] == "article" and row.get("text") and (options.all or in_validation(site_of(row, source)))
        ]
        decoded = [decode(raw).text for raw, _ in rows]
        lines = [visible_text(page) for page in decoded]
        cleaned = clean_many([Source(raw, url=row.get("url"), media_type="text/html") for raw, row in rows], settings=everything)
        cleaned_text = clean_many([Source(line, media_type="text/plain") for line in lines], settings=everything)
        for (_, row), page, line, article, article_text in zip(rows, decoded, lines, cleaned, cleaned_text, strict=True):
            group, gold = f"{source} {row['lang']}", row["text"]
            for found, table in ((article, html), (article_text, text)):
                if isinstance(found, Exception):
                    raise found
                table[group]["newsfilter"].append((found.title or "", kept(found), gold))
            title = article.title or "" if not isinstance(article, Exception) else ""
            for name, extract in others.items():
                html[group][name].append((title, extract(page), gold))
            text[group]["sentence lines"].append((title, sentence_lines(line), gold))
            text[group]["all"].append((title, line, gold))
    tables = {"html": scored(html), "text": scored(text)}
    show("HTML pages", tables["html"])
    show("The same pages as visible text", tables["text"])
    if options.json:
        result = {**tables, "versions": versions(), "commit": commit()}
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def kept(article: Article) -> str:
    """The body, also of a document whose verdict is a rejection: what is scored here is the extraction, not the verdict."""
    if article.verdict.decision != "reject":
        return article.body
    return "\n\n".join(entry["text"] for entry in article.record["blocks"] if entry["kept"])


def scored(table: dict[str, dict[str, Rows]]) -> dict[str, dict[str, float]]:
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


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("trafilatura", "lxml", "numpy")}


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
