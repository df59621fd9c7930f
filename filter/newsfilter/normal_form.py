"""Text in a normal form that undoes evasions, as arrays of code points: what all text features are computed from."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from newsfilter.records import Block, Page

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Span = tuple[int, int]

POWERS_KEPT = 1 << 18  # characters of a page for which the powers of the hash are kept (4 MB); the largest of 200 pages has 130,000
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
SALTS = [
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
    inverse: npt.NDArray[np.uint64]  # (n_characters + 1 or more,) powers that make a stretch's hash the same wherever it stands
    positions: Ints | None = None  # (n_characters,) where each stands in the page's text; None where nothing was left out


def _powers(size: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the powers of the base and of its inverse, of at least `size` characters. Those of a page that is larger than most go with it."""
    if size <= POWERS_KEPT:
        return _small_powers()
    with np.errstate(over="ignore"):
        return np.cumprod(np.full(size, _BASE), dtype=np.uint64), np.cumprod(np.full(size, _INVERSE), dtype=np.uint64)


@lru_cache(maxsize=1)
def _small_powers() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    with np.errstate(over="ignore"):
        return np.cumprod(np.full(POWERS_KEPT, _BASE), dtype=np.uint64), np.cumprod(np.full(POWERS_KEPT, _INVERSE), dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Joined:
    """Pages as if they were one, with a line break between two: what costs by the array costs once.

    Nothing that is computed from these arrays reaches over a line break between pages, so that each page's numbers are its own.
    """

    pages: Sequence[Page]
    codes: PageCodes  # block numbers and places count through all pages
    characters: Ints  # (n_pages + 1,) where each page begins in `codes`, and where a further one would
    blocks: Ints  # (n_pages + 1,) the number of each page's first block, and of all
    texts: Ints  # (n_pages + 1,) where each page's text begins in all texts, joined

    def page_of(self) -> Ints:
        """Return which page each block is of, (n_blocks,)."""
        return np.repeat(np.arange(len(self.pages)), np.diff(self.blocks))

    def own(self, page: int) -> slice:
        """Return which blocks are a page's."""
        return slice(int(self.blocks[page]), int(self.blocks[page + 1]))

    def places(self, page: int) -> tuple[Span, Span]:
        """Return which characters of `codes` are a page's, and which blocks."""
        return (
            (int(self.characters[page]), int(self.characters[page + 1]) - 1),
            (int(self.blocks[page]), int(self.blocks[page + 1])),
        )

    def part(self, page: int) -> PageCodes:
        """Return the arrays of one page."""
        codes = self.codes
        if len(self.pages) == 1:
            return codes
        (first, end), (first_block, end_block) = self.places(page)
        first_word, end_word = np.searchsorted(codes.word_starts, (first, end)).tolist()
        words, own = slice(first_word, end_word), slice(first_block, end_block)
        return PageCodes(
            codes.folded[first:end],
            codes.kinds[first:end],
            codes.starts[own] - first,
            codes.ends[own] - first,
            codes.hashes[first : end + 1],
            codes.word_starts[words] - first,
            codes.word_ends[words] - first,
            codes.word_blocks[words] - first_block,
            codes.block_of[first:end] - first_block,
            codes.evasions[own],
            codes.inverse[first:],
            None if codes.positions is None else codes.positions[first:end] - self.texts[page],
        )


def page_codes(page: Page, tables: Tables) -> PageCodes:
    """Turn a page's text into arrays."""
    return join_pages([page], tables).codes


def join_pages(pages: Sequence[Page], tables: Tables) -> Joined:
    """Turn the texts of pages into arrays."""
    letters = np.frombuffer("\n".join([page.text for page in pages]).encode("utf-32-le", "replace"), np.uint32)
    plane = np.where(letters < PLANES, letters, 0xD800)
    folded, kinds = tables.fold.take(plane), tables.kind.take(plane)  # copies
    texts = np.array([0, *accumulate(len(page.text) + 1 for page in pages)], np.int64)
    sizes = np.array([len(page.blocks) for page in pages], np.int64)
    offsets = np.repeat(texts[:-1], sizes)
    starts = np.array([block.start for page in pages for block in page.blocks], np.int64) + offsets
    ends = np.array([block.end for page in pages for block in page.blocks], np.int64) + offsets
    changed = kinds == INVISIBLE
    positions = None
    if changed.any():
        positions = np.flatnonzero(~changed)
        letters, folded, kinds = letters[positions], folded[positions], kinds[positions]
        changed[positions] = _undo_evasions(letters, folded, kinds, _borders(positions, texts))
    else:
        changed = _undo_evasions(letters, folded, kinds, texts)
    evasions = np.zeros(len(starts), np.int64)
    if changed.any():
        running = np.concatenate(([0], np.cumsum(changed)))
        evasions = running[ends] - running[starts]
    left = np.flatnonzero(kinds != INVISIBLE)
    if len(left) < len(kinds):
        positions = left if positions is None else positions[left]
        folded, kinds = folded[left], kinds[left]
    borders = texts
    if positions is not None:
        starts, ends = np.searchsorted(positions, starts), np.searchsorted(positions, ends)
        borders = _borders(positions, texts)
    wide = folded.astype(np.uint64)
    power, inverse = _powers(len(wide) + 1)
    hashes = np.zeros(len(wide) + 1, np.uint64)
    np.cumsum(wide * power[: len(wide)], out=hashes[1:])
    word_starts, word_ends = _words(kinds)
    block_of = np.zeros(len(wide), np.int64)
    firsts = np.concatenate(([0], np.cumsum(sizes)))
    if len(starts):
        begins = starts.copy()
        begins[firsts[:-1][sizes > 0]] = borders[:-1][sizes > 0]  # what stands before a page's first block is the first block's
        np.add.at(block_of, begins[1:][begins[1:] < len(wide)], 1)
        block_of = np.cumsum(block_of)
    codes = PageCodes(
        wide, kinds, starts, ends, hashes, word_starts, word_ends, block_of[word_starts], block_of, evasions, inverse, positions
    )
    return Joined(pages, codes, borders, firsts, texts)


def _borders(positions: Ints, texts: Ints) -> Ints:
    """Return where pages begin among the characters that are left, and where a further one would; `texts` says it of all characters."""
    return np.append(np.searchsorted(positions, texts[:-1]), len(positions) + 1)


def _words(kinds: npt.NDArray[np.uint8]) -> tuple[Ints, Ints]:
    in_word = (kinds >= LOWER) & (kinds <= LETTER)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], in_word, [False])).astype(np.int8)))
    return edges[::2].astype(np.int64), edges[1::2].astype(np.int64)


def _undo_evasions(
    codes: npt.NDArray[np.uint32], folded: npt.NDArray[np.uint16], kinds: npt.NDArray[np.uint8], borders: Ints
) -> npt.NDArray[np.bool_]:
    """Put the letters back, in place, that look-alikes and digits stand for, and mark as invisible what was put between the letters of a word.

    `borders`, (n_pages + 1,): where each page begins; on one of fewer than three characters nothing is changed.

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
    for page in np.flatnonzero(np.diff(borders) <= 3).tolist():  # with the line break behind it
        foreign[borders[page] : borders[page + 1]] = False
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


def hashed(codes: PageCodes, starts: Ints, ends: Ints) -> npt.NDArray[np.uint64]:
    """Hash the stretches [start, end), each by its characters alone."""
    with np.errstate(over="ignore"):
        mixed = (codes.hashes[ends] - codes.hashes[starts]) * codes.inverse[starts]
        mixed ^= mixed >> np.uint64(29)
        return mixed * SALTS[0]


def word_hashes(text: str, tables: Tables) -> npt.NDArray[np.uint64]:
    """Hash the words of a text, as they are hashed on a page."""
    codes = page_codes(Page(text, (Block(0, len(text)),), html=False), tables)
    return hashed(codes, codes.word_starts, codes.word_ends)
