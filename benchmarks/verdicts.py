"""What becomes of whole documents: verdicts and reasons on pages and labelled documents that no training saw, by kind.

python benchmarks/verdicts.py DATA
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from newsfilter.decode import decode
from newsfilter.document import clean_many
from newsfilter.records import KINDS, Source
from newsfilter.training.corpus import PAGE_SETS, page_rows, site_of
from newsfilter.training.labels import read_labelled
from newsfilter.training.scoring import visible_text
from newsfilter.training.splits import in_validation

FIXTURES = Path(__file__).parents[1] / "fixtures"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    pages = [
        (Source(raw, url=row.get("url"), media_type="text/html"), row["page_type"] == "article")
        for source in PAGE_SETS
        for raw, row in page_rows(data, source)
        if row.get("text") and in_validation(site_of(row, source))
    ]
    articles = [page for page, is_article in pages if is_article]
    print("| documents | accept | review | reject | reasons |\n|---|---|---|---|---|")
    show("article pages", articles)
    texts = (visible_text(decode(page.raw).text) for page in articles if isinstance(page.raw, bytes))
    show("the same as visible text", [Source(text, media_type="text/plain") for text in texts])
    show("other pages", [page for page, is_article in pages if not is_article])
    labelled = [document for document in read_labelled(FIXTURES / "labelled") if in_validation(document.site)]
    labelled += read_labelled(FIXTURES / "held-out")
    for kind in KINDS:
        chosen = ["\n\n".join(text for text, _ in document.blocks) for document in labelled if document.kind == kind]
        if chosen:
            show(f"labelled: {kind}", [Source(text, media_type="text/plain") for text in chosen])
    return 0


def show(name: str, sources: Iterable[Source]) -> None:
    decisions: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for article in clean_many(sources):
        if isinstance(article, Exception):
            raise article
        decisions[article.verdict.decision] += 1
        reasons.update(reason.code for reason in article.verdict.reasons)
    said = ", ".join(f"{code} {count}" for code, count in reasons.most_common())
    print(f"| {name} | {decisions['accept']} | {decisions['review']} | {decisions['reject']} | {said} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
