"""A Page to numbers: one row a block, the same whatever batch the block was in.

Everything that is summed is summed in integers, so that no order of addition shows; everything that is divided is divided once, element by
element. Text is read by hashed n-grams of words and characters, computed for a whole page at a time on an array of code points.
"""

import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from newsfilter.records import Block, Page

FEATURE_VERSION = 2

TEXT_BITS = 18  # rows of the text weights: 262,144
MARKUP_BITS = 13  # rows of the class, id and tag weights: 8,192
WINDOW = 5  # blocks on each side that the widest neighbour features look at

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

PLANES = 1 << 17  # code points with a row in the tables: the basic plane, and the one of emoji and mathematical letters

# Character kinds. What a block's shape is made of.
OTHER, LOWER, UPPER, DIGIT, LETTER, SPACELESS, SPACE, STOP, COMMA, QUOTE, BAR, SYMBOL, PUNCTUATION, AT, COLON, INVISIBLE = range(16)
_STOPS, _COMMAS, _QUOTES, _BARS = ".!?…。！？؟।", ",;、，؛،", "\"'“”‘’«»„‹›「」『』", "|/\\›»>•·→–—*#"
_UNLISTED = 0x2606  # what every sign above the basic plane folds to
SPACED_LETTERS = 4  # single letters in a row from which on they are one word that was spaced out
_LATIN, _CYRILLIC, _GREEK = "aeopcyxijshkmtbdgqwlv", "аеорсухіјѕһкмтвԁɡԛԝӏѵ", "αεορςγχιϳ  κμτβδ    ν"
_TO_LATIN = {
    ord(foreign): ord(latin) for script in (_CYRILLIC, _GREEK) for foreign, latin in zip(script, _LATIN, strict=False) if foreign != " "
}
_TO_LATIN |= {ord(foreign): ord(latin) for foreign, latin in zip("пньυρωη", "nhbupwn", strict=True)}
_TO_CYRILLIC = {ord(latin): ord(foreign) for latin, foreign in zip(_LATIN[:16], _CYRILLIC, strict=False)} | {
    ord("h"): ord("н"),
    ord("b"): ord("в"),
}
_LETTER_FOR = np.zeros(128, np.uint16)
_LETTER_FOR[[ord(sign) for sign in "0123456789@$"]] = [ord(letter) for letter in "oizeasgtbgas"]
_LATIN_LOOK_ALIKES = dict(zip("ɑɡɩɴʀʟʏꜱ", "aginrlys", strict=True))
# Marks that can be put on letters, or that a decomposed letter has and its composed form has not; blanks that take no room.
_MARKS = frozenset(
    (*range(0x300, 0x370), *range(0x610, 0x61B), *range(0x64B, 0x660), 0x670, *range(0x6D6, 0x6DD), *range(0x6DF, 0x6E9), *range(0x6EA, 0x6EE), 0x93C,
     0x9BC, 0xA3C, 0x3099, 0x309A, *range(0xFE00, 0xFE10), 0x115F, 0x1160, 0x3164, 0x2800)
)  # fmt: skip
_LINE_ENDS = np.array([0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029], np.uint32)
_BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_SALTS = [
    np.uint64(value)
    for value in (0x8CB92BA72F3D8DD7, 0xA24BAED4963EE407, 0x9FB21C651E98DF25, 0xD6E8FEB86659FD93, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
]


@dataclass(frozen=True, slots=True)
class Tables:
    """What each code point of the first two planes folds to, and its kind. Kept in the model file: they must not change with Python's Unicode."""

    fold: npt.NDArray[np.uint16]  # (PLANES,)
    kind: npt.NDArray[np.uint8]  # (PLANES,)


@lru_cache(maxsize=1)
def build_tables() -> Tables:
    """Make the tables: letters lower-cased without their marks (so that Turkish typed in ASCII meets itself), all digits one, white space one.

    Mathematical, enclosed and full-width letters fold to the plain ones. What cannot be seen, and marks that can be put on any letter, are of the
    kind that the normal form leaves out.
    """
    fold = np.zeros(PLANES, np.uint16)
    kind = np.zeros(PLANES, np.uint8)
    for code in range(PLANES):
        if 0xD800 <= code < 0xE000:
            kind[code], fold[code] = SYMBOL, _UNLISTED
            continue
        character = chr(code)
        base = unicodedata.normalize("NFKD", character)[0] if character not in "İı" else "i"
        if 0xAC00 <= code < 0xD7A4:
            base = character  # a Hangul syllable is a letter, not its first consonant
        base = _LATIN_LOOK_ALIKES.get(base, base)
        if 0x1F130 <= code < 0x1F190:
            base = chr(ord("a") + (code - 0x1F130) % 32 % 26)  # letters in black squares and circles have no decomposition
        lower = base.lower()[0]
        category = unicodedata.category(character)
        if category == "Cf" or code in _MARKS:
            kind[code], fold[code] = INVISIBLE, 0
        elif character.isspace() or category in ("Cc", "Zs", "Zl", "Zp"):
            kind[code], fold[code] = SPACE, 32
        elif category == "Nd" and code < 0x10000:
            kind[code], fold[code] = DIGIT, ord("0")
        elif category[0] in "LM" or category == "Nl" or (code > 0xFFFF and base.isalpha()) or 0x24B6 <= code < 0x24EA:
            cased = character if category[0] == "L" else base
            kind[code] = SPACELESS if _spaceless(code) else LOWER if cased.islower() else UPPER if cased.isupper() else LETTER
            fold[code] = min(ord(lower), 0xFFFF)
        else:
            kind[code] = (
                STOP if character in _STOPS else COMMA if character in _COMMAS else QUOTE if character in _QUOTES else BAR if character in _BARS
                else AT if character == "@" else COLON if character in ":：" else SYMBOL if category[0] == "S" else PUNCTUATION
            )  # fmt: skip
            fold[code] = (_UNLISTED if code > 0xFFFF else min(ord(lower), 0xFFFF)) if kind[code] != QUOTE else ord('"')
    return Tables(fold, kind)


def _spaceless(code: int) -> bool:
    return (
        0x2E80 <= code <= 0xA4CF
        or 0xF900 <= code <= 0xFAFF
        or 0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
    )


@dataclass(frozen=True, slots=True)
class PageCodes:
    """A page as arrays, in the normal form that undoes evasions: what all text features are computed from."""

    folded: npt.NDArray[np.uint64]  # (n_characters,)
    kinds: npt.NDArray[np.uint8]  # (n_characters,)
    starts: Ints  # (n_blocks,)
    ends: Ints  # (n_blocks,)
    hashes: npt.NDArray[np.uint64]  # (n_characters + 1,) prefix sums of the rolling hash
    word_starts: Ints  # (n_words,)
    word_ends: Ints  # (n_words,)
    word_blocks: Ints  # (n_words,) the block each word is in
    block_of: Ints  # (n_characters,) the block that each character is in or behind; the first one before any
    evasions: Ints  # (n_blocks,) characters that were left out or put back
    positions: Ints | None = None  # (n_characters,) where each stands in the page's text; None where nothing was left out


@lru_cache(maxsize=4)
def _powers(size: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    with np.errstate(over="ignore"):
        return np.cumprod(np.full(size, _BASE), dtype=np.uint64), np.cumprod(np.full(size, _INVERSE), dtype=np.uint64)


def _size_class(n_characters: int) -> int:
    return 1 << max(16, (n_characters + 1).bit_length())


def page_codes(page: Page, tables: Tables) -> PageCodes:
    """Turn a page's text into arrays."""
    codes = np.frombuffer(page.text.encode("utf-32-le", "replace"), np.uint32)
    plane = np.where(codes < PLANES, codes, 0xD800)
    folded, kinds = tables.fold.take(plane), tables.kind.take(plane)  # copies
    starts = np.array([block.start for block in page.blocks], np.int64)
    ends = np.array([block.end for block in page.blocks], np.int64)
    changed = kinds == INVISIBLE
    positions = None
    if changed.any():
        positions = np.flatnonzero(~changed)
        codes, folded, kinds = codes[positions], folded[positions], kinds[positions]
        changed[positions] = _undo_evasions(codes, folded, kinds)
    else:
        changed = _undo_evasions(codes, folded, kinds)
    evasions = np.zeros(len(starts), np.int64)
    if changed.any():
        running = np.concatenate(([0], np.cumsum(changed)))
        evasions = running[ends] - running[starts]
    left = np.flatnonzero(kinds != INVISIBLE)
    if len(left) < len(kinds):
        positions = left if positions is None else positions[left]
        folded, kinds = folded[left], kinds[left]
    if positions is not None:
        starts, ends = np.searchsorted(positions, starts), np.searchsorted(positions, ends)
    wide = folded.astype(np.uint64)
    power, _ = _powers(_size_class(len(wide)))
    hashes = np.zeros(len(wide) + 1, np.uint64)
    np.cumsum(wide * power[: len(wide)], out=hashes[1:])
    word_starts, word_ends = _words(kinds)
    block_of = np.zeros(len(wide), np.int64)
    if len(starts):
        np.add.at(block_of, starts[1:][starts[1:] < len(wide)], 1)
        block_of = np.cumsum(block_of)
    return PageCodes(wide, kinds, starts, ends, hashes, word_starts, word_ends, block_of[word_starts], block_of, evasions, positions)


def _words(kinds: npt.NDArray[np.uint8]) -> tuple[Ints, Ints]:
    in_word = (kinds >= LOWER) & (kinds <= LETTER)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], in_word, [False])).astype(np.int8)))
    return edges[::2].astype(np.int64), edges[1::2].astype(np.int64)


def _undo_evasions(codes: npt.NDArray[np.uint32], folded: npt.NDArray[np.uint16], kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Put the letters back, in place, that look-alikes and digits stand for, and mark as invisible what was put between the letters of a word.

    Returns which characters were changed. Honest text is changed here and there ("H1N1" becomes a word); it is in training too.
    """
    changed = np.zeros(len(kinds), np.bool_)
    if len(kinds) < 3:
        return changed
    letter = (kinds == LOWER) | (kinds == UPPER) | (kinds == LETTER)
    inner = kinds[1:-1]
    # A digit or sign alone between two letters stands for one: "c4sino", "b0nus".
    between = letter[:-2] & letter[2:] & ~letter[1:-1]
    at = np.flatnonzero(between & ((inner == DIGIT) | (inner == AT) | (codes[1:-1] == ord("$")))) + 1
    at = at[codes[at] < 128]
    if len(at):
        folded[at], kinds[at], changed[at], letter[at] = _LETTER_FOR[codes[at]], LOWER, True, True
    foreign = letter & (folded >= 0x370) & (folded < 0x530)
    if foreign.any():
        _unmask_look_alikes(folded, kinds, foreign, changed)
    # Single letters, each with one sign or blank behind it, are one word: "c a s i n o", "b.e.t".
    lone = letter.copy()
    lone[1:] &= ~letter[:-1]
    lone[:-1] &= ~letter[1:]
    gap = codes[1:-1]
    pairs = np.flatnonzero(lone[:-2] & lone[2:] & (inner != DIGIT) & (inner != SPACELESS) & ~np.isin(gap, _LINE_ENDS))
    if len(pairs) >= SPACED_LETTERS - 1:
        # Pairs two characters apart, with the same sign between their letters, are of one run.
        run = np.cumsum(np.concatenate(([True], (np.diff(pairs) != 2) | (np.diff(gap[pairs].astype(np.int64)) != 0)))) - 1
        gaps = pairs[np.bincount(run)[run] >= SPACED_LETTERS - 1] + 1
        kinds[gaps], changed[gaps] = INVISIBLE, True
    return changed


def _unmask_look_alikes(
    folded: npt.NDArray[np.uint16], kinds: npt.NDArray[np.uint8], foreign: npt.NDArray[np.bool_], changed: npt.NDArray[np.bool_]
) -> None:
    """In words that mix Latin with Cyrillic or Greek letters, write the fewer in the script of the others."""
    starts, ends = _words(kinds)
    latin = (folded >= ord("a")) & (folded <= ord("z"))
    n_latin, n_foreign = (
        np.add.reduceat(np.append(flags, False).astype(np.int64), starts) if len(starts) else starts for flags in (latin, foreign)
    )
    # reduceat sums up to the next word's start; what lies between is no letter.
    for number in np.flatnonzero((n_latin > 0) & (n_foreign > 0)).tolist():
        word = slice(starts[number], ends[number])
        table = _TO_LATIN if n_latin[number] >= n_foreign[number] else _TO_CYRILLIC
        letters = folded[word]
        mapped = np.array([table.get(code, code) for code in letters.tolist()], np.uint16)
        changed[word] |= mapped != letters
        folded[word] = mapped


def _hash(codes: PageCodes, starts: Ints, ends: Ints) -> npt.NDArray[np.uint64]:
    """Hash the stretches [start, end), each by its characters alone."""
    _, inverse = _powers(_size_class(len(codes.kinds)))
    with np.errstate(over="ignore"):
        mixed = (codes.hashes[ends] - codes.hashes[starts]) * inverse[starts]
        mixed ^= mixed >> np.uint64(29)
        return mixed * _SALTS[0]


def _rows(hashed: npt.NDArray[np.uint64], salt: int) -> Ints:
    with np.errstate(over="ignore"):
        mixed = (hashed ^ _SALTS[salt]) * _SALTS[1]
    return (mixed >> np.uint64(64 - TEXT_BITS)).astype(np.int64)


class Grams(NamedTuple):
    """The hashed n-grams of one kind."""

    rows: Ints  # (n,) into the text weights
    blocks: Ints  # (n,) in which block each stands, ascending
    begins: Ints  # (n,) its first character
    span: int = 0  # characters of each, in scripts without spaces


def text_rows(codes: PageCodes) -> list[Grams]:
    """Hash every n-gram of the page: words, pairs of words, runs of four characters, pairs of characters in scripts without spaces, and each block as a whole."""
    words = _hash(codes, codes.word_starts, codes.word_ends)
    found = [Grams(_rows(words, 0), codes.word_blocks, codes.word_starts)]
    same = codes.word_blocks[1:] == codes.word_blocks[:-1]
    with np.errstate(over="ignore"):
        pairs = (words[:-1] * _SALTS[2] + words[1:])[same]
    found.append(Grams(_rows(pairs, 1), codes.word_blocks[:-1][same], codes.word_starts[:-1][same]))
    size = len(codes.kinds)
    if size >= 4:
        # Runs of four characters that lie in one block and hold a letter second and third: the others say what the counts say.
        lettered = (codes.kinds >= LOWER) & (codes.kinds <= LETTER)
        begin = np.flatnonzero(lettered[1 : size - 2] & lettered[2 : size - 1])
        block = codes.block_of[begin]
        inside = begin + 4 <= codes.ends[block]
        begin, block = begin[inside], block[inside]
        found.append(Grams(_rows(_hash(codes, begin, begin + 4), 2), block, begin))
    spaceless = codes.kinds == SPACELESS
    if spaceless.any():
        for span, salt in ((2, 3), (3, 3), (1, 3)):
            begin = np.flatnonzero(spaceless[: max(size - span + 1, 0)])
            block = codes.block_of[begin]
            inside = begin + span <= codes.ends[block]
            found.append(Grams(_rows(_hash(codes, begin[inside], begin[inside] + span), salt), block[inside], begin[inside], span))
    found.append(Grams(_rows(_hash(codes, codes.starts, codes.ends), 4), np.arange(len(codes.starts), dtype=np.int64), codes.starts))
    return found


@dataclass(frozen=True, slots=True)
class Profile:
    """How much each stretch of a page speaks for spam rather than body, by running sums over its characters."""

    sums: npt.NDArray[np.float64]  # (n_characters + 1,) of the margins of the n-grams that begin before; whole numbers, exact in any order
    counts: npt.NDArray[np.float64]  # (n_characters + 1,) of these n-grams

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
    return Profile(np.cumsum(sums), np.cumsum(counts))


@lru_cache(maxsize=200_000)
def _markup_row(token: str) -> int:
    return zlib.crc32(token.encode()) >> (32 - MARKUP_BITS)


@lru_cache(maxsize=50_000)
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
    for kind_rows, blocks in rows:
        if not len(kind_rows):
            continue
        firsts = np.flatnonzero(np.concatenate(([True], blocks[1:] != blocks[:-1])))
        gathered = weights.take(kind_rows, axis=0)  # five times as fast as weights[kind_rows]
        sums[blocks[firsts]] += np.add.reduceat(gathered, firsts, axis=0, dtype=np.int64)
        counts[blocks[firsts]] += np.diff(np.append(firsts, len(blocks)))
        known[blocks[firsts]] += np.add.reduceat(_any_of_row(gathered), firsts, dtype=np.int64)
    return sums, counts, known


def _any_of_row(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Whether a row holds anything but zeros; ``weights.any(axis=1)``, column by column, which is ten times as fast for few columns."""
    columns = weights.view(np.uint32) if weights.shape[1] % 4 == 0 else weights
    mixed = columns[:, 0].copy()
    for number in range(1, columns.shape[1]):
        mixed |= columns[:, number]
    found: npt.NDArray[np.bool_] = mixed != 0
    return found


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
        facts = np.array(
            [(b.link_density, b.outward, b.hidden, b.kept_share, len(b.tags), b.run, *_tag_facts(b.tags)) for b in page.blocks], np.float64
        )
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
    _, same_as, seen = np.unique(_hash(codes, codes.starts, codes.ends), return_inverse=True, return_counts=True)
    columns["repeats"] = np.minimum(seen[same_as], 9)
    title = np.unique(word_hashes(page.metadata.title or "", tables))
    heading = None
    if len(title):
        in_title = np.isin(_hash(codes, codes.word_starts, codes.word_ends), title)
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
    else:
        first, last = n, -1
    columns["from_heading"] = np.clip(index - heading, -50, 200) if heading is not None else np.full(n, -99)
    columns["from_first_kept"] = np.clip(index - first, -50, 200) if last >= 0 else np.full(n, -99)
    columns["from_last_kept"] = np.clip(index - last, -200, 50) if last >= 0 else np.full(n, -99)
    for level in (1, 2, 3):
        columns |= _container(page, words, total, level)
    return list(columns), np.stack([np.asarray(column, np.float64) for column in columns.values()], axis=1).astype(np.float32)


def _container(page: Page, words: Ints, total: int, level: int) -> dict[str, npt.ArrayLike]:
    """What stands in the element `level` steps above each block: how much, how linked, and how much of it trafilatura kept."""
    names = [f"{name}_{level}" for name in ("container_words", "container_links", "container_kept", "container_blocks")]
    if not page.html:
        return dict.fromkeys(names, np.full(len(page.blocks), -1.0))
    paths = [(block.xpath or "").rsplit("/", level)[0] for block in page.blocks]
    number = {path: place for place, path in enumerate(dict.fromkeys(paths))}
    group = np.array([number[path] for path in paths], np.int64)
    linked = np.array([round(block.link_density * 1000) for block in page.blocks], np.int64)
    kept = np.array([round(block.kept_share * 1000) for block in page.blocks], np.int64)

    def summed(values: Ints) -> Ints:
        sums = np.zeros(len(number), np.int64)
        np.add.at(sums, group, values)
        return sums[group]

    mass = np.maximum(summed(words), 1)
    return dict(
        zip(
            names,
            (
                summed(words) / total,
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


def word_hashes(text: str, tables: Tables) -> npt.NDArray[np.uint64]:
    """Hash the words of a text, as they are hashed on a page."""
    codes = page_codes(Page(text, (Block(0, len(text)),), html=False), tables)
    return _hash(codes, codes.word_starts, codes.word_ends)


def words_between(text: str, codes: PageCodes, grams: Sequence[Grams], start: int, end: int) -> tuple[list[str], Ints]:
    """Return the words of a stretch as they stand in the text, evasions and all, and the rows that they have in the text weights.

    In scripts without spaces, runs of two and three characters stand for words.
    """
    where = codes.positions
    low, high = (start, end) if where is None else np.searchsorted(where, [start, end]).tolist()
    first, last = np.searchsorted(codes.word_starts, [low, high]).tolist()
    starts, ends, rows = [codes.word_starts[first:last]], [codes.word_ends[first:last]], [grams[0].rows[first:last]]
    for kind in grams:
        if kind.span > 1:
            inside = (kind.begins >= low) & (kind.begins + kind.span <= high)
            begins = kind.begins[inside]
            starts.append(begins)
            ends.append(begins + kind.span)
            rows.append(kind.rows[inside])
    begin, stop = np.concatenate(starts), np.concatenate(ends) - 1
    if where is not None:
        begin, stop = where[begin], where[stop]
    return [text[left : right + 1] for left, right in zip(begin.tolist(), stop.tolist(), strict=True)], np.concatenate(rows)
