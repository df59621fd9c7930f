"""How extraction is scored, so that every figure means the same.

A page's score is the F1 of two bags of words, what was kept and the gold text. A set's score is the mean over its pages, once for the body alone
and once with the headline before it, and the better of the two: gold texts differ on whether the headline belongs.
"""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import mean
from typing import Any

import lxml.html
import numpy as np
import numpy.typing as npt

_WORD = re.compile(r"\w+")
_LINE_ELEMENTS = frozenset(
    "p div li ul ol h1 h2 h3 h4 h5 h6 br tr td th table section article header footer nav aside blockquote pre figure figcaption dd dt dl".split()
)
_UNSEEN = frozenset(("script", "style", "noscript", "template"))
_SENTENCE_LINE_END = re.compile(r"[.!?\"”’…]$")


def word_f1(kept: str, gold: str) -> float:
    """Return the F1 of the words of two texts, 0 to 1; 1 for two empty ones.

    >>> round(word_f1("köprü bugün açıldı", "köprü açıldı"), 2)
    0.8
    """
    kept_words, gold_words = Counter(_WORD.findall(kept.lower())), Counter(_WORD.findall(gold.lower()))
    if not kept_words or not gold_words:
        return float(not kept_words and not gold_words)
    common = (kept_words & gold_words).total()
    return 2 * common / (kept_words.total() + gold_words.total())


def set_f1(pages: Sequence[tuple[str, str, str]]) -> float:
    """Score a set from (headline, body, gold) of each page."""
    alone = mean(word_f1(body, gold) for _, body, gold in pages)
    headed = mean(word_f1(f"{headline}\n{body}", gold) for headline, body, gold in pages)
    return max(alone, headed)


def sentence_lines(text: str) -> str:
    """Keep the lines of five words and more that end a sentence and name neither cookies nor JavaScript: the rule to beat on plain text."""
    kept = []
    for line in text.split("\n"):
        low = line.lower()
        if len(line.split()) >= 5 and _SENTENCE_LINE_END.search(line) and "cookie" not in low and "javascript" not in low:
            kept.append(line)
    return "\n".join(kept)


def visible_text(html: str) -> str:
    """Return all text of a page, one block a line, as a careless scraper leaves it."""
    root = lxml.html.document_fromstring(html.encode("utf-8", "replace"), parser=lxml.html.HTMLParser(encoding="utf-8"))
    pieces: list[str] = []
    todo: list[lxml.html.HtmlElement | str] = [root]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        todo.append(item.tail or "")
        if not isinstance(item.tag, str) or item.tag in _UNSEEN:
            continue
        edge = "\n" if item.tag in _LINE_ELEMENTS else ""
        todo.append(edge)
        todo.extend(reversed(item))
        todo.append(edge + (item.text or ""))
    return "\n".join(line for raw in "".join(pieces).split("\n") if (line := " ".join(raw.split())))


def calibration_error(probabilities: npt.NDArray[np.floating[Any]], right: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error over bins of equal mass, 0 to 1; 0 for no blocks.

    Parameters
    ----------
    probabilities, right
        (n_blocks,) what the model gave its likeliest label, and whether that is the right one.
    bins
        How many; equal probabilities may fall into two.

    Examples
    --------
    >>> round(calibration_error(np.array([0.9, 0.9, 0.5, 0.5]), np.array([True, True, True, False]), bins=2), 3)
    0.05
    """
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    return float(sum(abs(probabilities[part].mean() - right[part].mean()) * part.size for part in parts) / max(order.size, 1))
