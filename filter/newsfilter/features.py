"""A Page to numbers: one row a block, the same whatever batch the block was in.

Everything that is summed is summed in integers, so that no order of addition shows; everything that is divided is divided once, element by
element. Text is read by hashed n-grams of words and characters, computed for a whole page at a time on an array of code points.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from newsfilter.normal_form import (
    AT,
    BAR,
    COLON,
    COMMA,
    DIGIT,
    INVISIBLE,
    LETTER,
    LOWER,
    PUNCTUATION,
    QUOTE,
    SPACE,
    SPACELESS,
    STOP,
    SYMBOL,
    UPPER,
    Floats,
    Ints,
    PageCodes,
    Tables,
    hashed,
    word_hashes,
)
from newsfilter.records import Page

FEATURE_VERSION = 2

WINDOW = 5  # blocks on each side that the widest neighbour features look at

_TAG_FLAGS = ("p", "li", "td", "a", "figcaption", "blockquote", "button", "option", "label", "time")
_INSIDE = ("article", "main", "nav", "header", "footer", "aside", "form", "section", "figure", "table", "ul", "ol", "noscript", "body")


_MARKUP_COLUMNS = (
    "link_density", "outward", "hidden", "kept_share", "depth", "run", "heading", *(f"tag_{tag}" for tag in _TAG_FLAGS),
    *(f"in_{tag}" for tag in _INSIDE),
)  # fmt: skip


@lru_cache(maxsize=20_000)
def _tag_facts(tags: tuple[str, ...]) -> tuple[int, ...]:
    """Heading level, and which elements a path ends in and goes through; the blocks of a page share a few dozen paths."""
    near = tags[-3:]
    heading = next((int(tag[1]) for tag in reversed(near) if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit()), 0)
    return (heading, *(tag in near for tag in _TAG_FLAGS), *(tag in tags for tag in _INSIDE))


def shape_matrix(page: Page, codes: PageCodes) -> tuple[list[str], Floats]:
    """Numbers of each block alone: its characters, its words, its place in the markup."""
    n = len(page.blocks)
    size = np.maximum(codes.ends - codes.starts, 1)
    here = np.arange(len(codes.kinds))
    inside = (here >= codes.starts[codes.block_of]) & (here < codes.ends[codes.block_of]) if len(here) else np.zeros(0, np.bool_)
    counts = np.bincount(codes.block_of[inside] * INVISIBLE + codes.kinds[inside], minlength=INVISIBLE * n).reshape(n, INVISIBLE).T
    words = np.bincount(codes.word_blocks[codes.word_blocks >= 0], minlength=n)[:n] + counts[SPACELESS] // 2
    capital = (
        np.bincount(codes.word_blocks, weights=codes.kinds[codes.word_starts] == UPPER, minlength=n)[:n]
        if len(codes.word_starts)
        else np.zeros(n)
    )
    letters = np.maximum(counts[LOWER] + counts[UPPER] + counts[LETTER] + counts[SPACELESS], 1)
    # A block of which the normal form leaves nothing has its neighbour's characters here; its counts are all zero.
    kinds = np.append(codes.kinds, SPACE)
    first, last = kinds[codes.starts], kinds[np.maximum(codes.ends - 1, 0)]
    before_last = kinds[np.maximum(codes.ends - 2, codes.starts)]
    ends_sentence = (last == STOP) | (((last == QUOTE) | (last == PUNCTUATION)) & (before_last == STOP))
    columns: dict[str, npt.ArrayLike] = {
        "log_characters": np.round(np.log2(size), 3),
        "log_words": np.round(np.log2(words + 1), 3),
        "word_length": letters / np.maximum(words, 1),
        "digits": counts[DIGIT] / size,
        "capitals": counts[UPPER] / letters,
        "capital_words": capital / np.maximum(words, 1),
        "stops": counts[STOP],
        "stop_rate": counts[STOP] / np.maximum(words, 1),
        "commas": counts[COMMA] / np.maximum(words, 1),
        "quotes": counts[QUOTE],
        "bars": counts[BAR],
        "symbols": counts[SYMBOL],
        "punctuation": counts[PUNCTUATION] / size,
        "at": counts[AT],
        "colons": counts[COLON],
        "spaceless": counts[SPACELESS] / size,
        "caseless": counts[LETTER] / size,
        "first_kind": first,
        "last_kind": last,
        "ends_sentence": ends_sentence,
        "starts_quote": first == QUOTE,
        "evasions": codes.evasions,
        "evasion_rate": codes.evasions / size,
        "no_letters": counts[LOWER] + counts[UPPER] + counts[LETTER] + counts[SPACELESS] == 0,
    }
    if page.html:
        paths: dict[tuple[str, ...], int] = {}
        path_of = [paths.setdefault(block.tags, len(paths)) for block in page.blocks]
        of_paths = np.array([_tag_facts(path) for path in paths], np.float64)
        own = [(block.link_density, block.outward, block.hidden, block.kept_share, len(block.tags), block.run) for block in page.blocks]
        facts = np.hstack([np.array(own, np.float64), of_paths[path_of]])
    else:
        facts = np.full((n, len(_MARKUP_COLUMNS)), -1.0)
    columns |= {name: facts[:, number] for number, name in enumerate(_MARKUP_COLUMNS)}
    columns["html"] = np.full(n, float(page.html))
    return list(columns), np.stack([np.asarray(column, np.float64) for column in columns.values()], axis=1).astype(np.float32)


def place_matrix(page: Page, codes: PageCodes, words: Ints, tables: Tables) -> tuple[list[str], Floats]:
    """Numbers of each block's place: in the page, in its container, beside the headline, among its own repetitions."""
    n = len(page.blocks)
    index = np.arange(n)
    before = np.concatenate(([0], np.cumsum(words)))
    total = max(int(before[-1]), 1)
    columns: dict[str, npt.ArrayLike] = {
        "index": index,
        "index_share": index / max(n - 1, 1),
        "words_before": before[:-1] / total,
        "from_end": n - 1 - index,
        "n_blocks": np.full(n, n),
        "log_page_words": np.full(n, round(float(np.log2(total + 1)), 3)),
    }
    _, same_as, seen = np.unique(hashed(codes, codes.starts, codes.ends), return_inverse=True, return_counts=True)
    columns["repeats"] = np.minimum(seen[same_as], 9)
    title = np.unique(word_hashes(page.metadata.title or "", tables))
    heading = None
    if len(title):
        in_title = np.isin(hashed(codes, codes.word_starts, codes.word_ends), title)
        common = np.bincount(codes.word_blocks[in_title], minlength=n)[:n]
        all_words = np.maximum(np.bincount(codes.word_blocks, minlength=n)[:n], 1)
        columns["title_share"] = np.minimum(common / len(title), 1.0)
        columns["share_in_title"] = common / all_words
        whole = np.flatnonzero((common >= len(title)) & (common == all_words))
        heading = int(whole[0]) if len(whole) else None
    else:
        columns |= dict.fromkeys(("title_share", "share_in_title"), np.full(n, -1.0))
    if page.html:
        h1 = [number for number, block in enumerate(page.blocks) if "h1" in block.tags[-3:]]
        heading = h1[-1] if len(h1) == 1 else heading
        kept = np.array([block.kept_share >= 0.5 for block in page.blocks])
        kept_at = np.flatnonzero(kept & (words >= 8))
        first, last = (int(kept_at[0]), int(kept_at[-1])) if len(kept_at) else (n, -1)
        shares = np.array([(round(block.link_density * 1000), round(block.kept_share * 1000)) for block in page.blocks], np.int64)
    else:
        shares = np.zeros((n, 2), np.int64)
        first, last = n, -1
    columns["from_heading"] = np.clip(index - heading, -50, 200) if heading is not None else np.full(n, -99)
    columns["from_first_kept"] = np.clip(index - first, -50, 200) if last >= 0 else np.full(n, -99)
    columns["from_last_kept"] = np.clip(index - last, -200, 50) if last >= 0 else np.full(n, -99)
    for level in (1, 2, 3):
        columns |= _container(page, words, total, level, shares)
    return list(columns), np.stack([np.asarray(column, np.float64) for column in columns.values()], axis=1).astype(np.float32)


def _container(page: Page, words: Ints, total: int, level: int, shares: Ints) -> dict[str, npt.ArrayLike]:
    """What stands in the element `level` steps above each block: how much, how linked, and how much of it trafilatura kept.

    `shares`, (n_blocks, 2), says in thousandths how much of each block is linked and was kept.
    """
    names = [f"{name}_{level}" for name in ("container_words", "container_links", "container_kept", "container_blocks")]
    if not page.html:
        return dict.fromkeys(names, np.full(len(page.blocks), -1.0))
    number: dict[str, int] = {}
    group = np.array([number.setdefault((block.xpath or "").rsplit("/", level)[0], len(number)) for block in page.blocks], np.int64)

    def summed(values: Ints) -> Ints:
        # Sums of whole numbers, exact as floats too: no page has 2**53 words.
        return np.bincount(group, weights=values).astype(np.int64)[group]

    linked, kept = shares.T
    in_container = summed(words)
    mass = np.maximum(in_container, 1)
    return dict(
        zip(
            names,
            (
                in_container / total,
                summed(words * linked) / mass / 1000,
                summed(words * kept) / mass / 1000,
                np.minimum(summed(np.ones_like(words)), 999),
            ),
            strict=True,
        )
    )


def neighbour_matrix(columns: dict[str, Floats]) -> tuple[list[str], Floats]:
    """Shift the given columns by one and two blocks either way, and take mean and maximum over `WINDOW` blocks on each side."""
    matrix = np.stack(list(columns.values()), axis=1)
    n, width = matrix.shape
    edge = np.full((WINDOW, width), -9, np.float32)
    padded = np.vstack([edge, matrix, edge])
    names = [f"{name}@{shift:+d}" for shift in (-2, -1, 1, 2) for name in columns]
    parts = [padded[WINDOW + shift : WINDOW + shift + n] for shift in (-2, -1, 1, 2)]
    running = np.vstack([np.zeros((1, width)), np.cumsum(matrix, axis=0, dtype=np.float64)])
    here = np.arange(n)
    for side, low, high in (("before", np.maximum(here - WINDOW, 0), here), ("after", here + 1, np.minimum(here + 1 + WINDOW, n))):
        mean = (running[high] - running[np.minimum(low, n)]) / np.maximum(high - low, 1)[:, None]
        start = 0 if side == "before" else WINDOW + 1
        largest = padded[start : start + n]
        for shift in range(start + 1, start + WINDOW):
            largest = np.maximum(largest, padded[shift : shift + n])
        names += [f"{name}:{kind}_{side}" for kind in ("mean", "max") for name in columns]
        parts += [np.round(mean, 2).astype(np.float32), largest]
    return names, np.hstack(parts)


SEQUENCE_LABELS = ("headline", "byline", "teaser", "navigation", "reaction", "comment", "notice")
_REACHES = (3, 8, 20)  # blocks on each side over which the surroundings are averaged
_GAP = 4  # blocks that may stand between two blocks of one stretch of body


def sequence_matrix(
    body: npt.NDArray[np.float64], text_scores: Floats, spam_scores: Floats, words: Ints, repeats: Floats
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
    """
    n = len(body)
    here = np.arange(n)
    scores = np.hstack([np.round(body, 3)[:, None], text_scores]).astype(np.float32)
    likely = np.round(1 / (1 + np.exp(-scores.astype(np.float64))), 3)
    names = [f"context_{name}" for name in ("body", *SEQUENCE_LABELS)]
    parts = [scores]
    padded = np.full((n + 4, 4), -9, np.float32)
    near = [0, 3, 4, 6]
    padded[2 : n + 2] = scores[:, near]
    for shift in (-2, -1, 1, 2):
        names += [f"{names[column]}@{shift:+d}" for column in near]
        parts.append(padded[2 + shift : 2 + shift + n])
    mass = np.maximum(words, 1)[:, None]
    by_word = np.vstack([np.zeros((1, 5)), np.cumsum(np.hstack([likely[:, [0, 3, 6, 7]] * mass, mass]), axis=0)])
    by_block = np.vstack([np.zeros((1, 7)), np.cumsum(np.hstack([likely[:, [0, 1, 2, 3, 5, 6]], repeats[:, None] > 1]), axis=0)])
    for reach in _REACHES:
        for side, low, high in (
            ("before", np.maximum(here - reach, 0), here),
            ("after", np.minimum(here + 1, n), np.minimum(here + 1 + reach, n)),
        ):
            summed = by_word[high] - by_word[low]
            parts.append(np.round(summed[:, :4] / np.maximum(summed[:, 4:], 1), 3).astype(np.float32))
            names += [f"words_{label}:{side}_{reach}" for label in ("body", "teaser", "comment", "notice")]
            parts.append(np.round((by_block[high] - by_block[low]) / np.maximum(high - low, 1)[:, None], 3).astype(np.float32))
            names += [
                f"blocks_{name}:{side}_{reach}" for name in ("body", "headline", "byline", "teaser", "reaction", "comment", "repeated")
            ]
    stretch_names, stretches = _stretches(likely[:, 0] >= 0.5, words)
    running = np.stack(
        [np.maximum.accumulate(scores[:, 6]), np.maximum.accumulate(scores[:, 3]), np.maximum.accumulate(scores[::-1, 6])[::-1]], axis=1
    )
    # What the rest of the article speaks of: in a report on betting every paragraph does, and in no other.
    weight = likely[:, 0] * words
    others = np.maximum(weight.sum() - weight, 1)
    spam = spam_scores.astype(np.float64)
    topic = np.round((float((weight * spam).sum()) - weight * spam) / others, 2)
    topics = np.stack([topic, np.round(spam - topic, 2), np.full(n, np.round(spam[likely[:, 0] >= 0.5].max(initial=-20), 2))], axis=1)
    names += [
        *stretch_names,
        "comment_so_far",
        "teaser_so_far",
        "comment_to_come",
        "spam_of_others",
        "spam_over_others",
        "most_spam_of_body",
    ]
    return names, np.hstack([*parts, stretches, running, topics.astype(np.float32)])


def _stretches(is_body: npt.NDArray[np.bool_], words: Ints) -> tuple[list[str], Floats]:
    """Where each block lies to the stretches of body: an article is one long one, comments and teasers lie outside it."""
    n = len(is_body)
    here, at = np.arange(n), np.flatnonzero(is_body)
    found = np.zeros((n, 9), np.float32)
    if len(at):
        body_words = np.where(is_body, words, 0)
        before = np.concatenate(([0], np.cumsum(body_words)))
        total = max(int(before[-1]), 1)
        breaks = np.flatnonzero(np.diff(at) > _GAP)
        first, last = at[np.concatenate(([0], breaks + 1))], at[np.concatenate((breaks, [len(at) - 1]))]
        mass = before[last + 1] - before[first]
        largest = int(mass.argmax())
        previous = np.clip(np.searchsorted(first, here, side="right") - 1, 0, len(first) - 1)
        following = np.minimum(previous + 1, len(first) - 1)
        to_previous = np.where(here <= last[previous], np.maximum(first[previous] - here, 0), here - last[previous])
        to_following = np.abs(first[following] - here)
        nearest = np.where(to_previous <= to_following, previous, following)
        columns = (
            np.minimum(np.minimum(to_previous, to_following), 99), np.round(mass[nearest] / total, 3),
            np.round(mass[nearest] / max(int(mass[largest]), 1), 3), nearest - largest, np.clip(here - first[largest], -99, 400),
            np.clip(here - last[largest], -400, 99), np.full(n, len(first)), np.full(n, np.round(np.log2(total), 3)), np.round(before[:-1] / total, 3),
        )  # fmt: skip
        found = np.stack(columns, axis=1).astype(np.float32)
    names = "from_stretch stretch_share stretch_of_largest stretch_number from_largest_start from_largest_end stretches log_body_words body_before"
    return names.split(), found


_TOP = 8  # blocks that a page begins with
_PARAGRAPH = 15  # words from which on a block that ends a sentence is a paragraph


def summary_row(
    page: Page, matrix: Floats, names: Sequence[str], text_scores: Floats, words: Ints, body: npt.NDArray[np.float64]
) -> Floats:
    """Numbers of a page as a whole, (n_summary_features,): what kind of document it is.

    Parameters
    ----------
    matrix, names
        What `shape_matrix` and its kin say of the blocks.
    text_scores : (n_blocks, n_labels)
    words : (n_blocks,)
    body : (n_blocks,)
        Log odds of body, from the context trees.
    """

    def column(name: str) -> npt.NDArray[np.float64]:
        return matrix[:, names.index(name)].astype(np.float64)

    def log(value: float) -> float:
        return round(float(np.log2(value + 1)), 3)

    mass = words.astype(np.float64)
    total = max(float(mass.sum()), 1.0)
    scores = text_scores.astype(np.float64)
    likely = np.round(1 / (1 + np.exp(-np.round(body, 3))), 3)
    is_body = likely >= 0.5
    body_words = float(mass[is_body].sum())
    paragraphs = (words >= _PARAGRAPH) & (column("ends_sentence") > 0)
    of_body = scores[is_body] * mass[is_body, None]
    kind = page.metadata.kind or ""
    values = [
        float(page.html), log(len(words)), log(total), log(body_words), body_words / total, log(int(is_body.sum())),
        float((likely * mass)[is_body].sum()) / max(body_words, 1.0), float((likely * mass).sum()) / total,
        log(int(paragraphs.sum())), float(mass[paragraphs].sum()) / total, float(mass.max(initial=0)) / total, log(float(mass.max(initial=0))),
        float((column("link_density") * mass).sum()) / total if page.html else -1.0,
        float((column("kept_share") * mass).sum()) / total if page.html else -1.0,
        log(float((np.maximum(column("kept_share"), 0) * mass).sum())) if page.html else -1.0,
        float((column("repeats") > 1).mean()), float(column("digits").mean()),
        float(bool(page.metadata.title)), float(bool(page.metadata.published)), float(bool(page.metadata.byline)),
        float("article" in kind or "posting" in kind), float(kind in ("website", "webpage")), float(bool(kind)),
        *((scores * mass[:, None]).sum(axis=0) / total), *scores[:_TOP].mean(axis=0), *scores.max(axis=0), *scores.mean(axis=0),
        *(of_body.sum(axis=0) / max(body_words, 1.0)),
    ]  # fmt: skip
    return np.round(np.array(values, np.float64), 3).astype(np.float32)
