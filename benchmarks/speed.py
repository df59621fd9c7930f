"""CPU time a page: newsfilter, stage by stage, against trafilatura's default `extract` on the same pages, in turn, in one process.

    python benchmarks/speed.py FOLDER [--rounds 3] [--limit 200]

FOLDER holds HTML pages (the suffix .html), or is a DATA folder as docs/benchmarks.md describes. One thread.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from newsfilter.decode import decode
from newsfilter.document import BATCH_SIZE, Cleaner
from newsfilter.provenance import encode_record
from newsfilter.records import Source
from newsfilter.training.corpus import PAGE_SETS, page_rows
from newsfilter.training.scoring import visible_text


def pages(folder: Path, limit: int) -> list[bytes]:
    if (folder / "pages").is_dir():
        each = limit // len(PAGE_SETS)
        return [raw for source in PAGE_SETS for _, (raw, _) in zip(range(each), page_rows(folder, source), strict=False)]
    return [path.read_bytes() for path in sorted(folder.rglob("*.html"))[:limit]]


def newsfilter_run(raw: list[bytes] | list[str], cleaner: Cleaner) -> None:
    for start in range(0, len(raw), BATCH_SIZE):
        for article in cleaner.clean_batch([Source(page) for page in raw[start : start + BATCH_SIZE]]):
            if isinstance(article, Exception):
                raise article
            encode_record(article.record)


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=240)
    options = parser.parse_args()
    from trafilatura import extract

    raw = pages(options.folder, options.limit)
    text = [visible_text(decode(page).text) for page in raw]
    cleaner, text_cleaner = Cleaner(), Cleaner()
    newsfilter_run(raw[:20], cleaner)
    newsfilter_run(text[:20], text_cleaner)
    for page in raw[:20]:
        extract(page)
    cleaner.seconds = dict.fromkeys(cleaner.seconds, 0.0)
    text_cleaner.seconds = dict.fromkeys(text_cleaner.seconds, 0.0)
    ours, theirs, plain = [], [], []
    for _ in range(options.rounds):
        theirs.append(timed(lambda: [extract(page) for page in raw]))
        ours.append(timed(lambda: newsfilter_run(raw, cleaner)))
        plain.append(timed(lambda: newsfilter_run(text, text_cleaner)))
    count = len(raw)
    print(f"{count} pages of {sum(map(len, raw)) / count / 1000:.0f} KB, {options.rounds} rounds, CPU ms a page, one thread\n")
    print("| | ms a page | of trafilatura's default |\n|---|---|---|")
    base = median(theirs)
    for name, seconds in (("trafilatura extract", theirs), ("newsfilter, HTML", ours), ("newsfilter, the visible text", plain)):
        print(f"| {name} | {1000 * median(seconds) / count:.1f} | {median(seconds) / base:.2f} |")
    for stage, total in cleaner.seconds.items():
        print(f"| · {stage} | {1000 * total / count / options.rounds:.1f} | {total / options.rounds / base:.2f} |")
    print(f"\npair by pair: {', '.join(f'{a / b:.2f}' for a, b in zip(ours, theirs, strict=True))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
