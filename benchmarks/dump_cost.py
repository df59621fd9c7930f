"""What a page's CPU time grows with: stage by stage, in quarters by the number of blocks, and how closely it follows what can be counted in a page."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from benchmarks.dump_input import Page

from newsfilter.document import Cleaner
from newsfilter.dumps.keeper import BATCH_DOCUMENTS, Keeper
from newsfilter.dumps.process import vitals
from newsfilter.provenance import encode_record
from newsfilter.records import Source

WARM_UP = 5  # pages, which pay for what is loaded at first use
MEASURES = ("bytes", "tags", "blocks", "characters")


def costs(pages: Sequence[Page]) -> dict[str, Any]:
    """Clean pages one by one, and return what each took.

    A page alone has its blocks scored by themselves, which takes up to twice as long as in a batch.

    Returns
    -------
    dict
        ``quarters``: of the pages by their blocks, each with the mean CPU ms of each stage; ``correlation``: Pearson's, of CPU time with each
        of `MEASURES`; ``line``: CPU ms of a page without blocks and of 100 blocks more, by least squares.
    """
    cleaner = Cleaner()
    measures: list[list[float]] = []
    stages: list[list[float]] = []
    for number, (url, raw) in enumerate(pages):
        before, started = dict(cleaner.seconds), time.process_time()
        article = cleaner.clean_batch([Source(raw, url=url)])[0]
        if isinstance(article, Exception):
            raise article
        encode_record(article.record)
        spent = time.process_time() - started
        if number >= WARM_UP:
            blocks = len({decision.block for decision in article.decisions})
            measures.append([spent, len(raw), raw.count(b"<"), blocks, article.record["page"]["characters"]])
            stages.append([cleaner.seconds[stage] - before[stage] for stage in cleaner.seconds])
    table, spent_on = np.array(measures), 1000 * np.array(stages)
    line = np.polyfit(table[:, 3], 1000 * table[:, 0], 1)
    return {
        "quarters": [
            _quarter(table[part], spent_on[part], list(cleaner.seconds))
            for part in np.array_split(np.argsort(table[:, 3], kind="stable"), 4)
        ],
        "correlation": {name: float(np.corrcoef(table[:, 0], table[:, column])[0, 1]) for column, name in enumerate(MEASURES, start=1)},
        "line": {"page": float(line[1]), "hundred_blocks": float(100 * line[0])},
    }


def containment(pages: Sequence[Page]) -> dict[str, float]:
    """Clean pages in this process and in a child that a keeper watches, batch by batch in turn.

    Returns
    -------
    dict
        CPU seconds of both, the child's and its watcher's together; starts are left out.
    """
    cleaner = Cleaner()
    spent = {"here": 0.0, "contained": 0.0}
    sources = [Source(raw, url=url) for url, raw in pages]
    with Keeper(cleaner.settings, None, cleaner.model.sha256) as keeper:
        keeper.clean(sources[:WARM_UP])
        cleaner.clean_batch(sources[:WARM_UP])
        for number, start in enumerate(range(WARM_UP, len(sources), BATCH_DOCUMENTS)):
            batch = sources[start : start + BATCH_DOCUMENTS]
            for name in sorted(spent, reverse=bool(number % 2)):
                spent[name] += _here(cleaner, batch) if name == "here" else _contained(keeper, batch)
    return spent


def _here(cleaner: Cleaner, batch: Sequence[Source]) -> float:
    started = time.process_time()
    for article in cleaner.clean_batch(batch):
        if isinstance(article, Exception):
            raise article
        encode_record(article.record)
    return time.process_time() - started


def _contained(keeper: Keeper, batch: Sequence[Source]) -> float:
    keeper.start()  # a child that is due is replaced outside the count
    assert keeper.process is not None
    started, before = time.process_time(), vitals(keeper.process).cpu
    keeper.clean(batch)
    return time.process_time() - started + vitals(keeper.process).cpu - before


def _quarter(table: "np.ndarray[Any, Any]", spent_on: "np.ndarray[Any, Any]", stages: Sequence[str]) -> dict[str, Any]:
    return {
        "pages": len(table),
        "blocks": [int(table[:, 3].min()), int(table[:, 3].max())],
        "kilobytes": float(table[:, 1].mean() / 1000),
        "ms": float(1000 * table[:, 0].mean()),
        "stages": dict(zip(stages, spent_on.mean(axis=0).tolist(), strict=True)),
    }
