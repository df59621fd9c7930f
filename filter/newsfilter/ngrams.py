"""Hashed n-grams of words, characters, tags and class words, and sums of their weights."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from newsfilter.normal_form import LETTER, LOWER, SALTS, SPACELESS, Ints, Joined, PageCodes, hashed

TEXT_BITS = 18  # rows of the text weights: 262,144
MARKUP_BITS = 13  # rows of the class, id and tag weights: 8,192
_HASHED_AT_A_TIME = 1 << 16  # runs of characters; 4 MB
_WEIGHED_AT_A_TIME = 1 << 16  # n-grams; 8 MB, as their weights are widened to be summed
TOKENS_KEPT = 50_000  # class words and tags whose rows are kept, at most 10 MB
PLACES_KEPT = 10_000  # paths with their class words whose rows are kept, at most 30 MB, in fact some 10: a page's blocks share a few dozen


def _rows(values: npt.NDArray[np.uint64], salt: int) -> Ints:
    with np.errstate(over="ignore"):
        mixed = (values ^ SALTS[salt]) * SALTS[1]
    return (mixed >> np.uint64(64 - TEXT_BITS)).astype(np.int64)


def _runs(codes: PageCodes, begins: Ints, span: int, salt: int) -> Ints:
    """Hash runs of `span` characters, not all at once: what that takes on the way is ten times as large as what comes out."""
    rows = np.empty(len(begins), np.int64)
    for start in range(0, len(begins), _HASHED_AT_A_TIME):
        begin = begins[start : start + _HASHED_AT_A_TIME]
        rows[start : start + _HASHED_AT_A_TIME] = _rows(hashed(codes, begin, begin + span), salt)
    return rows


class Grams(NamedTuple):
    """The hashed n-grams of one kind."""

    rows: Ints  # (n,) into the text weights
    blocks: Ints  # (n,) in which block each stands, ascending
    begins: Ints  # (n,) its first character
    span: int = 0  # characters of each, in scripts without spaces


def part_grams(joined: Joined, grams: Sequence[Grams], page: int) -> list[Grams]:
    """Return the n-grams of one of the joined pages."""
    if len(joined.pages) == 1:
        return list(grams)
    codes, blocks = joined.places(page)
    found = []
    for kind in grams:
        first, end = np.searchsorted(kind.blocks, blocks).tolist()
        found.append(Grams(kind.rows[first:end], kind.blocks[first:end] - blocks[0], kind.begins[first:end] - codes[0], kind.span))
    return found


def text_rows(codes: PageCodes) -> list[Grams]:
    """Hash every n-gram of the page: words, pairs of words, runs of four characters, pairs of characters in scripts without spaces, and each block as a whole."""
    words = hashed(codes, codes.word_starts, codes.word_ends)
    found = [Grams(_rows(words, 0), codes.word_blocks, codes.word_starts)]
    same = codes.word_blocks[1:] == codes.word_blocks[:-1]
    with np.errstate(over="ignore"):
        pairs = (words[:-1] * SALTS[2] + words[1:])[same]
    found.append(Grams(_rows(pairs, 1), codes.word_blocks[:-1][same], codes.word_starts[:-1][same]))
    size = len(codes.kinds)
    if size >= 4:
        # Runs of four characters that lie in one block and hold a letter second and third: the others say what the counts say.
        lettered = (codes.kinds >= LOWER) & (codes.kinds <= LETTER)
        begin = np.flatnonzero(lettered[1 : size - 2] & lettered[2 : size - 1])
        block = codes.block_of[begin]
        inside = begin + 4 <= codes.ends[block]
        begin, block = begin[inside], block[inside]
        found.append(Grams(_runs(codes, begin, 4, 2), block, begin))
    spaceless = codes.kinds == SPACELESS
    if spaceless.any():
        for span, salt in ((2, 3), (3, 3), (1, 3)):
            begin = np.flatnonzero(spaceless[: max(size - span + 1, 0)])
            block = codes.block_of[begin]
            inside = begin + span <= codes.ends[block]
            begin, block = begin[inside], block[inside]
            found.append(Grams(_runs(codes, begin, span, salt), block, begin, span))
    found.append(Grams(_rows(hashed(codes, codes.starts, codes.ends), 4), np.arange(len(codes.starts), dtype=np.int64), codes.starts))
    return found


@dataclass(frozen=True, slots=True)
class Profile:
    """How much each stretch of a page speaks for spam rather than body, by running sums over its characters."""

    sums: npt.NDArray[np.float64]  # (n_characters + 1,) of the margins of the n-grams that begin before; whole numbers, exact in any order
    counts: npt.NDArray[np.float64]  # (n_characters + 1,) of these n-grams
    rises: npt.NDArray[np.float64]  # (n_characters + 1,) as `sums`, of what speaks for spam alone: no stretch sums to more

    def margins(self, starts: Ints, ends: Ints) -> npt.NDArray[np.float64]:
        """Return the margins of stretches, in units of a linear stage's scores."""
        sums, counts = self.sums[ends] - self.sums[starts], self.counts[ends] - self.counts[starts]
        return np.round(sums / np.sqrt(np.maximum(counts, 1)) / 100, 2)


def spam_profile(grams: Sequence[Grams], margins: npt.NDArray[np.int16], n_characters: int) -> Profile:
    """Sum over the n-grams of a page how much more they speak for spam than for body; `margins` are those of `Linear.margins`."""
    sums, counts = np.zeros(n_characters + 1), np.zeros(n_characters + 1)
    for kind in grams[:-1]:  # but not the blocks as a whole
        if len(kind.rows):
            sums[1:] += np.bincount(kind.begins, weights=margins[kind.rows], minlength=n_characters)
            counts[1:] += np.bincount(kind.begins, minlength=n_characters)
    return Profile(np.cumsum(sums), np.cumsum(counts), np.cumsum(np.maximum(sums, 0)))


@lru_cache(maxsize=TOKENS_KEPT)
def _markup_row(token: str) -> int:
    return zlib.crc32(token.encode()) >> (32 - MARKUP_BITS)


@lru_cache(maxsize=PLACES_KEPT)
def markup_rows(tags: tuple[str, ...], hints: tuple[str, ...]) -> tuple[int, ...]:
    """Hash a block's class and id words, the nearest once more by themselves, and the last four elements of its path."""
    tokens = {f"c:{word}" for word in hints}
    tokens.update(f"n:{word}" for word in hints[:4])
    tokens.update(f"t:{tag}" for tag in tags[-4:])
    if tags:
        tokens.update((f"l:{tags[-1]}", f"p:{'/'.join(tags[-2:])}", f"q:{'/'.join(tags[-3:])}"))
    return tuple(sorted({_markup_row(token) for token in tokens}))


def weighted_sums(
    rows: Sequence[tuple[Ints, Ints]], weights: npt.NDArray[np.int8], n_blocks: int
) -> tuple[npt.NDArray[np.int64], Ints, Ints]:
    """Sum the weights of each block's n-grams.

    Returns
    -------
    sums : (n_blocks, n_labels), in units of the weights
    counts : (n_blocks,), n-grams
    known : (n_blocks,), n-grams that have a weight
    """
    sums = np.zeros((n_blocks, weights.shape[1]), np.int64)
    counts, known = np.zeros(n_blocks, np.int64), np.zeros(n_blocks, np.int64)
    parts = (
        (kind_rows[start : start + _WEIGHED_AT_A_TIME], blocks[start : start + _WEIGHED_AT_A_TIME])
        for kind_rows, blocks in rows
        for start in range(0, len(kind_rows), _WEIGHED_AT_A_TIME)
    )
    for part_rows, part_blocks in parts:
        firsts = np.flatnonzero(np.concatenate(([True], part_blocks[1:] != part_blocks[:-1])))
        owners = part_blocks[firsts]
        gathered = weights.take(part_rows, axis=0)  # five times as fast as weights[part_rows]
        sums[owners] += np.add.reduceat(gathered, firsts, axis=0, dtype=np.int64)
        counts[owners] += np.diff(np.append(firsts, len(part_blocks)))
        known[owners] += np.add.reduceat(_any_of_row(gathered), firsts, dtype=np.int64)
    return sums, counts, known


def _any_of_row(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Whether a row holds anything but zeros; ``weights.any(axis=1)``, column by column, which is ten times as fast for few columns."""
    columns = weights.view(np.uint32) if weights.shape[1] % 4 == 0 else weights
    mixed = columns[:, 0].copy()
    for number in range(1, columns.shape[1]):
        mixed |= columns[:, number]
    found: npt.NDArray[np.bool_] = mixed != 0
    return found


def words_between(text: str, codes: PageCodes, grams: Sequence[Grams], spans: Sequence[tuple[int, int]]) -> list[tuple[list[str], Ints]]:
    """Return of each stretch its words as they stand in the text, evasions and all, and the rows that they have in the text weights.

    In scripts without spaces, runs of two and three characters stand for words.
    """
    where = codes.positions
    borders = np.array(spans, np.int64).reshape(-1, 2)
    if where is not None:
        borders = np.searchsorted(where, borders)
    begins, stops, rows = codes.word_starts, codes.word_ends - 1, grams[0].rows
    if where is not None:
        begins, stops = where[begins], where[stops]
    lefts, rights = begins.tolist(), stops.tolist()
    spaceless = [kind for kind in grams if kind.span > 1]
    found = []
    for (low, high), (first, last) in zip(borders.tolist(), np.searchsorted(codes.word_starts, borders).tolist(), strict=True):
        words = [text[left : right + 1] for left, right in zip(lefts[first:last], rights[first:last], strict=True)]
        runs = [rows[first:last]]
        for kind in spaceless:
            inside = (kind.begins >= low) & (kind.begins + kind.span <= high)
            begin, stop = kind.begins[inside], kind.begins[inside] + kind.span - 1
            if where is not None:
                begin, stop = where[begin], where[stop]
            words += [text[left : right + 1] for left, right in zip(begin.tolist(), stop.tolist(), strict=True)]
            runs.append(kind.rows[inside])
        found.append((words, np.concatenate(runs) if spaceless else runs[0]))
    return found
