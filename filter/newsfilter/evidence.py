"""Why the model thinks so: the words and the markup that speak most for a block's label."""

from collections.abc import Sequence
from dataclasses import replace

from newsfilter.classifier import Model, View
from newsfilter.ngrams import words_between
from newsfilter.records import Decision, Page

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
    result = []
    for place, decision in enumerate(decisions):
        block = page.blocks[decision.block]
        wanted = decision.by == "model" and (
            everything
            or (not decision.kept and (decision.label.startswith("spam-") or not page.html or block.kept_share >= KEPT_BY_TRAFILATURA))
        )
        if wanted and decision.label in model.labels:
            found = block_evidence(model, page, view, decision) or _neighbours(decisions, place)
            result.append(replace(decision, evidence=found))
        else:
            result.append(decision)
    return result


def _neighbours(decisions: Sequence[Decision], place: int) -> tuple[str, ...]:
    """Return what stands above and below (``above:LABEL``, ``below:LABEL``): where neither words nor markup speak for the label, its place did."""
    above = (f"above:{decisions[place - 1].label}",) if place else ()
    return (*above, f"below:{decisions[place + 1].label}") if place + 1 < len(decisions) else above


def block_evidence(model: Model, page: Page, view: View, decision: Decision) -> tuple[str, ...]:
    """Return the strongest words (``word:…``), then the strongest markup (``markup:…``) and facts (``links:…``, ``hidden``) of one block."""
    label = decision.label
    block = page.blocks[decision.block]
    end = min(decision.end, decision.start + MAX_CHARACTERS)
    words, rows = words_between(page.text, view.codes, view.grams, decision.start, end)
    weights = dict(zip(words, model.word_weights(rows, label).tolist(), strict=True))
    strongest = sorted(weights.items(), key=lambda pair: -pair[1])[:WORDS]
    evidence = [f"word:{word}" for word, weight in strongest if weight > 0]
    hints = [(model.hint_weight(hint, label), hint) for hint in dict.fromkeys(block.hints)]
    evidence += [f"markup:{hint}" for weight, hint in sorted(hints, key=lambda pair: -pair[0])[:HINTS] if weight > 0]
    if block.link_density >= 0.5:
        evidence.append(f"links:{block.link_density:.2f}")
    if block.hidden:
        evidence.append("hidden")
    return tuple(evidence)
