"""Why the model thinks so: the words and the markup that speak most for a block's label."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from newsfilter.classifier import Model
from newsfilter.ngrams import words_between
from newsfilter.records import Block, Decision, Page
from newsfilter.view import View

WORDS, HINTS = 3, 2  # how many of each are named
MAX_CHARACTERS = 2000  # of a block whose words are looked at
KEPT_BY_TRAFILATURA = 0.5  # share of a block's words from which on its removal wants a reason


def find_evidence(
    model: Model, page: Page, view: View | None, decisions: Sequence[Decision], *, everything: bool = False
) -> list[Decision]:
    """Name evidence for each block that is spam or that trafilatura (in plain text: anyone) would have kept; with `everything`, for all.

    Words are weighed by the model's own text weights for the label, class and id words by its markup weights: what is named is what counted.
    """
    if view is None:
        return list(decisions)
    wanted = []
    for place, decision in enumerate(decisions):
        # What stays, and what trafilatura did not keep either, wants no reason; nor does what a rule decided.
        if decision.by != "model" or decision.label not in model.labels:
            continue
        unasked = decision.kept or (
            not decision.label.startswith("spam-") and page.html and page.blocks[decision.block].kept_share < KEPT_BY_TRAFILATURA
        )
        if everything or not unasked:
            wanted.append(place)
    result = list(decisions)
    for place, words in zip(wanted, _strongest_words(model, page, view, [decisions[place] for place in wanted]), strict=True):
        found = (*words, *_markup(model, page.blocks[decisions[place].block], decisions[place].label))
        result[place] = replace(decisions[place], evidence=found or _neighbours(decisions, place))
    return result


def _neighbours(decisions: Sequence[Decision], place: int) -> tuple[str, ...]:
    """Return what stands above and below (``above:LABEL``, ``below:LABEL``): where neither words nor markup speak for the label, its place did."""
    above = (f"above:{decisions[place - 1].label}",) if place else ()
    return (*above, f"below:{decisions[place + 1].label}") if place + 1 < len(decisions) else above


def _strongest_words(model: Model, page: Page, view: View, decisions: Sequence[Decision]) -> list[list[str]]:
    """Return of each block the words that speak most for its label (``word:…``). All blocks of one label are weighed at once."""
    spans = [(decision.start, min(decision.end, decision.start + MAX_CHARACTERS)) for decision in decisions]
    found = words_between(page.text, view.codes, view.grams, spans)
    result: list[list[str]] = [[] for _ in decisions]
    for label in dict.fromkeys(decision.label for decision in decisions):
        places = [place for place, decision in enumerate(decisions) if decision.label == label]
        weights = model.word_weights(np.concatenate([found[place][1] for place in places]), label).tolist()
        at = 0
        for place in places:
            words = found[place][0]
            own = weights[at : at + len(words)]
            at += len(words)
            if max(own, default=0.0) > 0:
                strongest = sorted(dict(zip(words, own, strict=True)).items(), key=lambda pair: -pair[1])[:WORDS]
                result[place] = [f"word:{word}" for word, weight in strongest if weight > 0]
    return result


def _markup(model: Model, block: Block, label: str) -> list[str]:
    """Return the strongest markup (``markup:…``) and facts (``links:…``, ``hidden``) of a block."""
    hints = [(model.hint_weight(hint, label), hint) for hint in dict.fromkeys(block.hints)]
    evidence = [f"markup:{hint}" for weight, hint in sorted(hints, key=lambda pair: -pair[0])[:HINTS] if weight > 0]
    if block.link_density >= 0.5:
        evidence.append(f"links:{block.link_density:.2f}")
    if block.hidden:
        evidence.append("hidden")
    return evidence
