import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from newsfilter.document import Cleaner
from newsfilter.model_file import load_model
from newsfilter.records import Decision, Page, Source
from newsfilter.settings import Settings

FIXTURES = Path(__file__).parents[1] / "fixtures"
BLOCKS = 200
KEPT_BY_TRAFILATURA = 0.5


def sources() -> Iterator[Source]:
    """The pages of the small dump, and the held-out documents as text."""
    for file in sorted((FIXTURES / "dump").rglob("*.html")):
        yield Source(file.read_bytes(), media_type="text/html")
    for file in sorted((FIXTURES / "held-out").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield Source("\n\n".join(block["text"] for block in json.loads(line)["blocks"]), media_type="text/plain")


def explained() -> list[tuple[Page, Decision]]:
    """Removed blocks that must say why: spam, and what trafilatura would have kept."""
    cleaner, found = Cleaner(Settings(max_bytes=0, min_words=0)), []
    for source in sources():
        page, article = cleaner.explain(source)
        for decision in article.decisions:
            block = page.blocks[decision.block]
            whole = (decision.start, decision.end) == (block.start, block.end)
            asked = decision.label.startswith("spam-") or (page.html and block.kept_share >= KEPT_BY_TRAFILATURA)
            if asked and whole and not decision.kept and decision.by == "model":
                found.append((page, decision))
    return found


def neutralised(page: Page, decision: Decision) -> Page:
    """The page without what the evidence names: the words blank, the class words gone, the links and the hiding undone."""
    block = page.blocks[decision.block]
    text = page.text_of(block)
    words, hints = ([item.split(":", 1)[1] for item in decision.evidence if item.startswith(kind)] for kind in ("word:", "markup:"))
    for word in words:
        text = text.replace(word, " " * len(word))
    changed = replace(block, hints=tuple(hint for hint in block.hints if hint not in hints))
    if any(item.startswith("links:") for item in decision.evidence):
        changed = replace(changed, link_density=0.0, outward=0.0)
    if "hidden" in decision.evidence:
        changed = replace(changed, hidden=False)
    blocks = (*page.blocks[: decision.block], changed, *page.blocks[decision.block + 1 :])
    return replace(page, text=page.text[: block.start] + text + page.text[block.end :], blocks=blocks)


@pytest.mark.slow
def test_what_is_named_is_what_counted() -> None:
    # Without the named words and markup, the block is less likely what it was removed as. Not so where its neighbours alone would have been enough:
    # a line amid thirty lines of links stays one, whatever it says.
    model = load_model()
    found = explained()
    drawn = random.Random(1).sample(found, BLOCKS)
    falls = []
    for page, decision in drawn:
        assert decision.evidence, page.text[decision.start : decision.end]
        column = model.labels.index(decision.label)
        after = float(model.predict([neutralised(page, decision)])[0][decision.block, column])
        falls.append(decision.probabilities[decision.label] - after)
    assert np.mean(falls) > 0.25
    assert np.mean(np.array(falls) > 0) > 0.8
