"""Why the model thinks so: the words and the markup that speak most for a block's label."""

import re
from collections.abc import Sequence
from dataclasses import replace

from newsfilter.classifier import Model
from newsfilter.features import markup_rows, word_rows
from newsfilter.records import Decision, Page

WORDS, HINTS = 3, 2  # how many of each are named
_WORD = re.compile(r"\w+")
KEPT_BY_TRAFILATURA = 0.5  # share of a block's words from which on its removal wants a reason


def find_evidence(model: Model, page: Page, decisions: Sequence[Decision], *, everything: bool = False) -> list[Decision]:
    """Name evidence for each block that is spam or that trafilatura (in plain text: anyone) would have kept; with `everything`, for all.

    Words are weighed by the model's own text weights for the label, class and id words by its markup weights: what is named is what counted.
    """
    result = []
    for decision in decisions:
        block = page.blocks[decision.block]
        wanted = decision.by == "model" and (
            everything
            or (not decision.kept and (decision.label.startswith("spam-") or not page.html or block.kept_share >= KEPT_BY_TRAFILATURA))
        )
        result.append(
            replace(decision, evidence=block_evidence(model, page, decision)) if wanted and decision.label in model.labels else decision
        )
    return result


def block_evidence(model: Model, page: Page, decision: Decision) -> tuple[str, ...]:
    """Return the strongest words (``word:…``), then the strongest markup (``markup:…``) and facts (``links:…``, ``hidden``) of one block."""
    label = model.labels.index(decision.label)
    block = page.blocks[decision.block]
    words = list(dict.fromkeys(_WORD.findall(page.text[decision.start : decision.end][:2000])))
    weights = model.text.weights[word_rows(words, model.tables), label].tolist() if words else []
    strongest = sorted(zip(weights, words, strict=True), key=lambda pair: -pair[0])[:WORDS]
    evidence = [f"word:{word}" for weight, word in strongest if weight > 0]
    hints = [(sum(int(model.markup.weights[row, label]) for row in markup_rows((), (hint,))), hint) for hint in dict.fromkeys(block.hints)]
    evidence += [f"markup:{hint}" for weight, hint in sorted(hints, key=lambda pair: -pair[0])[:HINTS] if weight > 0]
    if block.link_density >= 0.5:
        evidence.append(f"links:{block.link_density:.2f}")
    if block.hidden:
        evidence.append("hidden")
    return tuple(evidence)
