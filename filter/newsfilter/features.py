"""A Page to numbers: one row a block, the same whatever batch the block was in.

Everything that is summed is summed in integers, so that no order of addition shows; everything that is divided is divided once, element by
element. Text is read by hashed n-grams of words and characters, computed for a whole page at a time on an array of code points.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

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
    Joined,
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


def shape_matrix(joined: Joined) -> tuple[list[str], Floats]:
    """Numbers of each block alone: its characters, its words, its place in the markup."""
    codes = joined.codes
    n = len(codes.starts)
    page_of = joined.page_of()
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
    first, last = kinds[codes.starts], kinds[np.maximum(codes.ends - 1, joined.characters[page_of])]
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
    facts = np.full((n, len(_MARKUP_COLUMNS)), -1.0)
    for number, page in enumerate(joined.pages):
        if page.html:
            facts[joined.own(number)] = _markup_facts(page)
    columns |= {name: facts[:, number] for number, name in enumerate(_MARKUP_COLUMNS)}
    columns["html"] = np.array([page.html for page in joined.pages], np.float64)[page_of]
    return list(columns), np.stack([np.asarray(column, np.float64) for column in columns.values()], axis=1).astype(np.float32)


def _markup_facts(page: Page) -> npt.NDArray[np.float64]:
    paths: dict[tuple[str, ...], int] = {}
    path_of = [paths.setdefault(block.tags, len(paths)) for block in page.blocks]
    of_paths = np.array([_tag_facts(path) for path in paths], np.float64)
    own = [(block.link_density, block.outward, block.hidden, block.kept_share, len(block.tags), block.run) for block in page.blocks]
    return np.hstack([np.array(own, np.float64), of_paths[path_of]])


_CONTAINERS = ("container_words", "container_links", "container_kept", "container_blocks")
_PLACE_COLUMNS = (
    "index", "index_share", "words_before", "from_end", "n_blocks", "log_page_words", "repeats", "title_share", "share_in_title",
    "from_heading", "from_first_kept", "from_last_kept", *(f"{name}_{level}" for level in (1, 2, 3) for name in _CONTAINERS),
)  # fmt: skip
_REPEATS = _PLACE_COLUMNS.index("repeats")


def place_matrix(joined: Joined, words: Ints, tables: Tables) -> tuple[list[str], Floats]:
    """Numbers of each block's place: in the page, in its container, beside the headline, among its own repetitions."""
    codes, page_of = joined.codes, joined.page_of()
    n = len(words)
    sizes, firsts = np.diff(joined.blocks)[page_of], joined.blocks[:-1][page_of]
    index = np.arange(n) - firsts
    before = np.concatenate(([0], np.cumsum(words)))
    totals = np.maximum(before[joined.blocks[1:]] - before[joined.blocks[:-1]], 1)
    matrix = np.empty((n, len(_PLACE_COLUMNS)))
    matrix[:, 0] = index
    matrix[:, 1] = index / np.maximum(sizes - 1, 1)
    matrix[:, 2] = (before[:-1] - before[firsts]) / totals[page_of]
    matrix[:, 3] = sizes - 1 - index
    matrix[:, 4] = sizes
    matrix[:, 5] = np.array([round(float(np.log2(total + 1)), 3) for total in totals.tolist()])[page_of]
    whole = hashed(codes, codes.starts, codes.ends).tolist()
    for number, page in enumerate(joined.pages):
        own = joined.own(number)
        seen = Counter(whole[own])
        matrix[own, _REPEATS] = [min(seen[value], 9) for value in whole[own]]
        matrix[own, _REPEATS + 1 : _REPEATS + 3], heading = _title_shares(joined, number, tables)
        matrix[own, _REPEATS + 3 :] = _page_places(page, words[own], int(totals[number]), heading)
    return list(_PLACE_COLUMNS), matrix.astype(np.float32)


def _title_shares(joined: Joined, number: int, tables: Tables) -> tuple[npt.NDArray[np.float64] | float, int | None]:
    """Of a page's blocks, (n_blocks, 2): the share of the title's words in each, and of its words in the title; and which one is the title, if any."""
    text = joined.pages[number].metadata.title
    if not text or not len(title := np.unique(word_hashes(text, tables))):
        return -1.0, None
    codes = joined.part(number)
    n = len(codes.starts)
    in_title = np.isin(hashed(codes, codes.word_starts, codes.word_ends), title)
    common = np.bincount(codes.word_blocks[in_title], minlength=n)[:n]
    all_words = np.maximum(np.bincount(codes.word_blocks, minlength=n)[:n], 1)
    whole = np.flatnonzero((common >= len(title)) & (common == all_words))
    shares = np.stack([np.minimum(common / len(title), 1.0), common / all_words], axis=1)
    return shares, int(whole[0]) if len(whole) else None


def _page_places(page: Page, words: Ints, total: int, heading: int | None) -> npt.NDArray[np.float64]:
    """Return the last columns of `place_matrix` for one page; `heading` is its title's block, where there is one."""
    n = len(page.blocks)
    found = np.full((n, 3 + 3 * len(_CONTAINERS)), -1.0)
    found[:, :3] = -99
    if page.html:
        h1 = [number for number, block in enumerate(page.blocks) if "h1" in block.tags[-3:]]
        heading = h1[-1] if len(h1) == 1 else heading
        index = np.arange(n)
        kept = np.array([block.kept_share >= 0.5 for block in page.blocks])
        kept_at = np.flatnonzero(kept & (words >= 8))
        if len(kept_at):
            found[:, 1] = np.clip(index - int(kept_at[0]), -50, 200)
            found[:, 2] = np.clip(index - int(kept_at[-1]), -200, 50)
        found[:, 3:] = _containers(page, words, total)
    if heading is not None:
        found[:, 0] = np.clip(np.arange(n) - heading, -50, 200)
    return found


def _containers(page: Page, words: Ints, total: int) -> npt.NDArray[np.float64]:
    """What stands in the elements one, two and three steps above each block: how much, how linked, and how much of it trafilatura kept, how many blocks."""
    n = len(page.blocks)
    linked = words * np.array([round(block.link_density * 1000) for block in page.blocks], np.int64)  # in thousandths
    kept = words * np.array([round(block.kept_share * 1000) for block in page.blocks], np.int64)
    columns: list[npt.NDArray[np.float64]] = []
    paths = [block.xpath or "" for block in page.blocks]
    group = np.arange(n)
    for _ in range(3):
        # One step up from a path that has none is itself. Each level asks only for the paths that the one below left apart.
        number: dict[str, int] = {}
        above = [number.setdefault(path[:cut] if (cut := path.rfind("/")) >= 0 else path, len(number)) for path in paths]
        group, paths = np.array(above, np.int64)[group], list(number)
        # Sums of whole numbers, exact as floats too: no page has 2**53 words.
        in_container, links, keeps = (np.bincount(group, weights=values).astype(np.int64)[group] for values in (words, linked, kept))
        mass = np.maximum(in_container, 1)
        columns += [in_container / total, links / mass / 1000, keeps / mass / 1000, np.minimum(np.bincount(group), 999)[group]]
    return np.stack(columns, axis=1)


def neighbour_matrix(columns: dict[str, Floats], blocks: Ints) -> tuple[list[str], Floats]:
    """Shift the given columns by one and two blocks either way, and take mean and maximum over `WINDOW` blocks on each side.

    `blocks`, (n_pages + 1,), says where each page's blocks begin: what lies beyond a page's edge is -9, whatever page it is of.
    """
    matrix = np.stack(list(columns.values()), axis=1)
    n, width = matrix.shape
    page_of = np.repeat(np.arange(len(blocks) - 1), np.diff(blocks))
    here = np.arange(n)
    at = here + WINDOW * (page_of + 1)
    padded = np.full((n + WINDOW * len(blocks), width), -9, np.float32)
    padded[at] = matrix
    names = [f"{name}@{shift:+d}" for shift in (-2, -1, 1, 2) for name in columns]
    parts = [padded[at + shift] for shift in (-2, -1, 1, 2)]
    running = running_sums(matrix, blocks)
    largest = padded[: len(padded) - WINDOW + 1]  # of `WINDOW` rows from each on
    for shift in range(1, WINDOW):
        largest = np.maximum(largest, padded[shift : len(padded) - WINDOW + 1 + shift])
    first, end = blocks[:-1][page_of], blocks[1:][page_of]
    for side, low, high, window in (
        ("before", np.maximum(here - WINDOW, first), here, at - WINDOW),
        ("after", here + 1, np.minimum(here + 1 + WINDOW, end), at + 1),
    ):
        mean = (running[high + page_of] - running[low + page_of]) / np.maximum(high - low, 1)[:, None]
        names += [f"{name}:{kind}_{side}" for kind in ("mean", "max") for name in columns]
        parts += [np.round(mean, 2).astype(np.float32), largest[window]]
    return names, np.hstack(parts)


def running_sums(matrix: npt.NDArray[Any], blocks: Ints) -> npt.NDArray[np.float64]:
    """Sum the rows of each page one after another, (n_blocks + n_pages, n_columns): that of a page's row `i` less and its page's number more.

    Begun anew for each page, so that what stands before in the batch changes no last bit.
    """
    found = np.zeros((len(matrix) + len(blocks) - 1, matrix.shape[1]))
    for page, (first, end) in enumerate(pairwise(blocks.tolist())):
        np.cumsum(matrix[first:end], axis=0, dtype=np.float64, out=found[first + page + 1 : end + page + 1])
    return found


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
