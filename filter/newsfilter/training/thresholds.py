"""Probabilities from which on a label, a cut or a kind of document is believed: chosen for a stated precision, on what no training saw."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from newsfilter.classifier import Model, is_prose
from newsfilter.records import KINDS
from newsfilter.training.corpus import Example
from newsfilter.training.fit import cut_design
from newsfilter.training.glue import GluedPage

SPAM_PRECISION, CUT_PRECISION, KIND_PRECISION = 0.99, 0.95, 0.95
ARTICLES_DOUBTED = 0.01  # share of articles that may be called unlike one
BODY = 0.65  # share of the surest blocks' probability of body from which on a block stays: the best word F1 on the validation pages (docs/decisions/0008)
LOWEST_SPAM = 0.96  # the same for a sentence to be spam: reporting that repeats a casino's offer gets up to .95
LOWEST, HIGHEST = 0.3, 0.98  # no threshold lies outside: the validation part is too small to speak for the edges


def choose(probabilities: npt.ArrayLike, right: npt.ArrayLike, precision: float) -> float:
    """Return the lowest threshold above which at least `precision` of the cases are right; `HIGHEST` when there is none.

    >>> choose([0.9, 0.8, 0.7, 0.4], [True, True, False, False], 0.9)
    0.8
    """
    likely, good = np.asarray(probabilities, np.float64), np.asarray(right, np.bool_)
    order = np.argsort(-likely, kind="stable")
    sorted_likely, sorted_good = likely[order], good[order]
    reached = np.cumsum(sorted_good) / np.arange(1, len(order) + 1) >= precision
    last_of_value = np.append(sorted_likely[1:] != sorted_likely[:-1], True) if len(order) else np.zeros(0, np.bool_)
    fits = np.flatnonzero(reached & last_of_value)
    found = float(sorted_likely[fits[-1]]) if len(fits) else HIGHEST
    return min(max(found, LOWEST), HIGHEST)  # not rounded: what lies between would be let in or shut out unmeasured


def choose_thresholds(model: Model, examples: Sequence[Example], glued: Sequence[GluedPage]) -> dict[str, float]:
    """Choose all thresholds of a model on validation pages.

    A kind of spam is right where the block is not body: what matters is that no article's text goes. Only sentences count, which these thresholds are
    for: lines of links are easy.
    """
    scored = [model.score([example.page])[0] for example in examples]
    rows = np.concatenate([item.probabilities for item in scored])
    labels = np.array([label for example in examples for label in example.labels])
    known, removable = labels != "", labels != "body"
    prose = np.array([is_prose(example.page.text_of(block)) for example in examples for block in example.page.blocks])
    top = rows.argmax(axis=1)
    thresholds = {"body": BODY}
    for number, label in enumerate(model.labels):
        if label.startswith("spam-"):
            chosen = known & prose & (top == number)
            thresholds[label] = max(choose(rows[chosen, number], removable[chosen], SPAM_PRECISION), LOWEST_SPAM)
    if glued:
        matrix, is_spam, _ = cut_design([(page, model.text) for page in glued], model.tables, model.labels)
        thresholds["cut"] = choose(model.cut_probabilities(matrix), is_spam, CUT_PRECISION)
    kinds = np.stack([item.kinds for item in scored if item.kinds is not None])
    there = np.array([example.kind for example, item in zip(examples, scored, strict=True) if item.kinds is not None])
    for number, kind in enumerate(KINDS):
        if kind == "article":
            thresholds["kind:article"] = round(float(np.quantile(kinds[there == "article", number], ARTICLES_DOUBTED)), 2)
        else:
            likeliest = kinds.argmax(axis=1) == number
            thresholds[f"kind:{kind}"] = choose(kinds[likeliest, number], there[likeliest] == kind, KIND_PRECISION)
    return thresholds
