"""CPU time a page: newsfilter, stage by stage, against trafilatura's default `extract` on the same pages, batch by batch in turn, in one process.

    python benchmarks/speed.py FOLDER [--rounds 3] [--limit 200]

FOLDER holds HTML pages (the suffix .html), or is a DATA folder as docs/benchmarks.md describes. One thread.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from trafilatura import extract

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


def extract_all(raw: list[bytes]) -> None:
    for page in raw:
        extract(page)


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
    raw = pages(options.folder, options.limit)
    text = [visible_text(decode(page).text) for page in raw]
    cleaner, text_cleaner = Cleaner(), Cleaner()
    newsfilter_run(raw[:20], cleaner)
    newsfilter_run(text[:20], text_cleaner)
    extract_all(raw[:20])
    cleaner.seconds = dict.fromkeys(cleaner.seconds, 0.0)
    text_cleaner.seconds = dict.fromkeys(text_cleaner.seconds, 0.0)
    ours, theirs, plain = [0.0] * options.rounds, [0.0] * options.rounds, [0.0] * options.rounds
    count = len(raw)
    for number in range(options.rounds):
        # In turn after each batch, every second time in reverse: a machine that others slow down slows all of them.
        for turn, start in enumerate(range(0, count, BATCH_SIZE)):
            batch, texts = raw[start : start + BATCH_SIZE], text[start : start + BATCH_SIZE]
            subjects: list[tuple[list[float], Callable[[], object]]] = [
                (theirs, partial(extract_all, batch)),
                (ours, partial(newsfilter_run, batch, cleaner)),
                (plain, partial(newsfilter_run, texts, text_cleaner)),
            ]
            for totals, work in subjects[:: -1 if (turn + number) % 2 else 1]:
                totals[number] += timed(work)
    print(f"{count} pages of {sum(map(len, raw)) / count / 1000:.0f} KB, {options.rounds} rounds, CPU ms a page, one thread\n")
    print("| | ms a page | of trafilatura's default |\n|---|---|---|")
    base = median(theirs)
    for name, seconds in (("trafilatura extract", theirs), ("newsfilter, HTML", ours), ("newsfilter, the visible text", plain)):
        print(f"| {name} | {1000 * median(seconds) / count:.1f} | {median(seconds) / base:.2f} |")
    for stage, total in cleaner.seconds.items():
        print(f"| · {stage} | {1000 * total / count / options.rounds:.1f} | {total / options.rounds / base:.2f} |")
    print(f"\nround by round: {', '.join(f'{a / b:.2f}' for a, b in zip(ours, theirs, strict=True))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
