"""What a block's surroundings say, once the context trees have said how likely each block is body: the page as a sequence."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from newsfilter.features import running_sums
from newsfilter.normal_form import Floats, Ints

SEQUENCE_LABELS = ("headline", "byline", "teaser", "navigation", "reaction", "comment", "notice")
_REACHES = (3, 8, 20)  # blocks on each side over which the surroundings are averaged
_GAP = 4  # blocks that may stand between two blocks of one stretch of body


def sequence_matrix(
    body: npt.NDArray[np.float64], text_scores: Floats, spam_scores: Floats, words: Ints, repeats: Floats, blocks: Ints
) -> tuple[list[str], Floats]:
    """Numbers of each block's surroundings, once the context trees have said how likely each block is body.

    Parameters
    ----------
    body : (n_blocks,)
        Log odds of body, from the context trees.
    text_scores : (n_blocks, len(SEQUENCE_LABELS))
        What the words alone say for each of `SEQUENCE_LABELS`.
    spam_scores : (n_blocks,)
        What they say for the likeliest kind of spam.
    words, repeats : (n_blocks,)
        Words of each block, and how often the page says it.
    blocks : (n_pages + 1,)
        Where each page's blocks begin. No page's numbers depend on another's.
    """
    n = len(body)
    here = np.arange(n)
    page_of = np.repeat(np.arange(len(blocks) - 1), np.diff(blocks))
    first, end = blocks[:-1][page_of], blocks[1:][page_of]
    scores = np.hstack([np.round(body, 3)[:, None], text_scores]).astype(np.float32)
    likely = np.round(1 / (1 + np.exp(-scores.astype(np.float64))), 3)
    names = [f"context_{name}" for name in ("body", *SEQUENCE_LABELS)]
    parts = [scores]
    near = [0, 3, 4, 6]
    at = here + 2 * (page_of + 1)
    padded = np.full((n + 2 * len(blocks), 4), -9, np.float32)
    padded[at] = scores[:, near]
    for shift in (-2, -1, 1, 2):
        names += [f"{names[column]}@{shift:+d}" for column in near]
        parts.append(padded[at + shift])
    mass = np.maximum(words, 1)[:, None]
    by_word = running_sums(np.hstack([likely[:, [0, 3, 6, 7]] * mass, mass]), blocks)
    by_block = running_sums(np.hstack([likely[:, [0, 1, 2, 3, 5, 6]], repeats[:, None] > 1]), blocks)
    for reach in _REACHES:
        for side, low, high in (
            ("before", np.maximum(here - reach, first), here),
            ("after", np.minimum(here + 1, end), np.minimum(here + 1 + reach, end)),
        ):
            summed = by_word[high + page_of] - by_word[low + page_of]
            parts.append(np.round(summed[:, :4] / np.maximum(summed[:, 4:], 1), 3).astype(np.float32))
            names += [f"words_{label}:{side}_{reach}" for label in ("body", "teaser", "comment", "notice")]
            shares = (by_block[high + page_of] - by_block[low + page_of]) / np.maximum(high - low, 1)[:, None]
            parts.append(np.round(shares, 3).astype(np.float32))
            names += [
                f"blocks_{name}:{side}_{reach}" for name in ("body", "headline", "byline", "teaser", "reaction", "comment", "repeated")
            ]
    stretch_names, stretches = _stretches(likely[:, 0] >= 0.5, words, blocks)
    names += [
        *stretch_names,
        "comment_so_far",
        "teaser_so_far",
        "comment_to_come",
        "spam_of_others",
        "spam_over_others",
        "most_spam_of_body",
    ]
    return names, np.hstack([*parts, stretches, _so_far(scores, blocks), _topics(likely[:, 0], words, spam_scores, blocks)])


def _so_far(scores: Floats, blocks: Ints) -> Floats:
    """Return the largest score of comment and of teaser up to each block, and of comment from it on, (n_blocks, 3)."""
    found = np.empty((len(scores), 3), np.float32)
    both = scores[:, [6, 3]]
    for first, end in pairwise(blocks.tolist()):
        np.maximum.accumulate(both[first:end], axis=0, out=found[first:end, :2])
        found[first:end, 2] = np.maximum.accumulate(both[first:end, 0][::-1])[::-1]
    return found


def _topics(likely: npt.NDArray[np.float64], words: Ints, spam_scores: Floats, blocks: Ints) -> Floats:
    """Return what the rest of the article speaks of, (n_blocks, 3): in a report on betting every paragraph does, and in no other."""
    page_of = np.repeat(np.arange(len(blocks) - 1), np.diff(blocks))
    weight = likely * words
    spam = spam_scores.astype(np.float64)
    weighted = weight * spam
    pages = [slice(first, end) for first, end in pairwise(blocks.tolist())]
    # Each page's own sum: one over all pages would round otherwise.
    whole, of_spam = (np.array([float(values[page].sum()) for page in pages])[page_of] for values in (weight, weighted))
    most = np.maximum.reduceat(np.where(likely >= 0.5, spam, -20), blocks[:-1])[page_of]
    topic = np.round((of_spam - weighted) / np.maximum(whole - weight, 1), 2)
    return np.stack([topic, np.round(spam - topic, 2), np.round(most, 2)], axis=1).astype(np.float32)


def _stretches(is_body: npt.NDArray[np.bool_], words: Ints, blocks: Ints) -> tuple[list[str], Floats]:
    """Where each block lies to the stretches of body: an article is one long one, comments and teasers lie outside it."""
    found = np.zeros((len(is_body), 9), np.float32)
    names = "from_stretch stretch_share stretch_of_largest stretch_number from_largest_start from_largest_end stretches log_body_words body_before"
    at = np.flatnonzero(is_body)
    if not len(at):
        return names.split(), found
    page_of = np.repeat(np.arange(len(blocks) - 1), np.diff(blocks))
    before = np.concatenate(([0], np.cumsum(np.where(is_body, words, 0))))
    begins = np.flatnonzero(np.concatenate(([True], (np.diff(at) > _GAP) | (np.diff(page_of[at]) != 0))))
    first, last = at[begins], at[np.append(begins[1:], len(at)) - 1]
    mass = before[last + 1] - before[first]
    # Stretches of one page follow one another. Which are each page's, for those that have any, and which is its largest, the first of equals.
    of_page = page_of[first]
    lows = np.flatnonzero(np.concatenate(([True], of_page[1:] != of_page[:-1])))
    highs = np.append(lows[1:], len(first)) - 1
    largest_mass = np.maximum.reduceat(mass, lows)
    number = np.repeat(np.arange(len(lows)), highs - lows + 1)
    is_largest = np.flatnonzero(mass == largest_mass[number])
    largest = is_largest[np.searchsorted(number[is_largest], np.arange(len(lows)))]
    row = np.full(len(blocks) - 1, -1)
    row[of_page[lows]] = np.arange(len(lows))
    here = np.flatnonzero(row[page_of] >= 0)
    page, own = page_of[here], row[page_of[here]]
    low, high, most = lows[own], highs[own], largest[own]
    start = before[blocks[page]]
    total = np.maximum(before[blocks[page + 1]] - start, 1)
    previous = np.clip(np.searchsorted(first, here, side="right") - 1, low, high)
    following = np.minimum(previous + 1, high)
    to_previous = np.where(here <= last[previous], np.maximum(first[previous] - here, 0), here - last[previous])
    to_following = np.abs(first[following] - here)
    nearest = np.where(to_previous <= to_following, previous, following)
    columns = (
        np.minimum(np.minimum(to_previous, to_following), 99), np.round(mass[nearest] / total, 3),
        np.round(mass[nearest] / np.maximum(mass[most], 1), 3), nearest - most, np.clip(here - first[most], -99, 400),
        np.clip(here - last[most], -400, 99), high - low + 1, np.round(np.log2(total), 3), np.round((before[here] - start) / total, 3),
    )  # fmt: skip
    found[here] = np.stack(columns, axis=1)
    return names.split(), found
