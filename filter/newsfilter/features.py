"""A Page to numbers: one row a block, the same whatever batch the block was in.

Everything that is summed is summed in integers, so that no order of addition shows; everything that is divided is divided once, element by
element. Text is read by hashed n-grams of words and characters, computed for a whole page at a time on an array of code points.
"""

import unicodedata
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from newsfilter.records import Block, Page

FEATURE_VERSION = 1

TEXT_BITS = 18  # rows of the text weights: 262,144
MARKUP_BITS = 13  # rows of the class, id and tag weights: 8,192
WINDOW = 5  # blocks on each side that the widest neighbour features look at

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

# Character kinds. What a block's shape is made of.
OTHER, LOWER, UPPER, DIGIT, LETTER, SPACELESS, SPACE, STOP, COMMA, QUOTE, BAR, SYMBOL, PUNCTUATION, AT, COLON = range(15)
_STOPS, _COMMAS, _QUOTES, _BARS = ".!?…。！？؟।", ",;、，؛،", "\"'“”‘’«»„‹›「」『』", "|/\\›»>•·→–—*#"
_BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_SALTS = [
    np.uint64(value)
    for value in (0x8CB92BA72F3D8DD7, 0xA24BAED4963EE407, 0x9FB21C651E98DF25, 0xD6E8FEB86659FD93, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
]


@dataclass(frozen=True, slots=True)
class Tables:
    """What each code point of the basic plane folds to, and its kind. Kept in the model file: they must not change with Python's Unicode."""

    fold: npt.NDArray[np.uint16]  # (65536,)
    kind: npt.NDArray[np.uint8]  # (65536,)


@lru_cache(maxsize=1)
def build_tables() -> Tables:
    """Make the tables: letters lower-cased without their marks (so that Turkish typed in ASCII meets itself), all digits one, white space one."""
    fold = np.zeros(65536, np.uint16)
    kind = np.zeros(65536, np.uint8)
    for code in range(65536):
        if 0xD800 <= code < 0xE000:
            kind[code], fold[code] = SYMBOL, 0x2606  # stands for every code point above the basic plane
            continue
        character = chr(code)
        base = unicodedata.normalize("NFKD", character)[0] if character not in "İı" else "i"
        lower = base.lower()[0]
        category = unicodedata.category(character)
        spaceless = (
            0x2E80 <= code <= 0xA4CF
            or 0xF900 <= code <= 0xFAFF
            or 0x0E00 <= code <= 0x0EFF
            or 0x1000 <= code <= 0x109F
            or 0x1780 <= code <= 0x17FF
        )
        if character.isspace() or category in ("Cc", "Zs", "Zl", "Zp"):
            kind[code], fold[code] = SPACE, 32
        elif category == "Nd":
            kind[code], fold[code] = DIGIT, ord("0")
        elif category[0] in "LM" or category == "Nl":
            kind[code] = SPACELESS if spaceless else LOWER if character.islower() else UPPER if character.isupper() else LETTER
            fold[code] = min(ord(lower), 0xFFFF)
        else:
            kind[code] = (
                STOP if character in _STOPS else COMMA if character in _COMMAS else QUOTE if character in _QUOTES else BAR if character in _BARS
                else AT if character == "@" else COLON if character in ":：" else SYMBOL if category[0] == "S" else PUNCTUATION
            )  # fmt: skip
            fold[code] = min(ord(lower), 0xFFFF) if kind[code] != QUOTE else ord('"')
    return Tables(fold, kind)


@dataclass(frozen=True, slots=True)
class PageCodes:
    """A page as arrays: what all text features are computed from."""

    folded: npt.NDArray[np.uint64]  # (n_characters,)
    kinds: npt.NDArray[np.uint8]  # (n_characters,)
    starts: Ints  # (n_blocks,)
    ends: Ints  # (n_blocks,)
    hashes: npt.NDArray[np.uint64]  # (n_characters + 1,) prefix sums of the rolling hash
    word_starts: Ints  # (n_words,)
    word_ends: Ints  # (n_words,)
    word_blocks: Ints  # (n_words,) the block each word is in


@lru_cache(maxsize=1)
def _powers(size: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    with np.errstate(over="ignore"):
        return np.cumprod(np.full(size, _BASE), dtype=np.uint64), np.cumprod(np.full(size, _INVERSE), dtype=np.uint64)


def page_codes(page: Page, tables: Tables) -> PageCodes:
    """Turn a page's text into arrays."""
    codes = np.frombuffer(page.text.encode("utf-32-le", "replace"), np.uint32)
    plane = np.where(codes < 65536, codes, 0xD800)
    folded, kinds = tables.fold[plane].astype(np.uint64), tables.kind[plane]
    starts = np.array([block.start for block in page.blocks], np.int64)
    ends = np.array([block.end for block in page.blocks], np.int64)
    power, _ = _powers(1 << max(16, len(codes).bit_length()))
    hashes = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(folded * power[: len(codes)], out=hashes[1:])
    in_word = (kinds >= LOWER) & (kinds <= LETTER)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], in_word, [False])).astype(np.int8)))
    word_starts, word_ends = edges[::2].astype(np.int64), edges[1::2].astype(np.int64)
    word_blocks = np.searchsorted(starts, word_starts, side="right") - 1
    return PageCodes(folded, kinds, starts, ends, hashes, word_starts, word_ends, word_blocks)


def _hash(codes: PageCodes, starts: Ints, ends: Ints) -> npt.NDArray[np.uint64]:
    """Hash the stretches [start, end), each by its characters alone."""
    _, inverse = _powers(1 << max(16, len(codes.kinds).bit_length()))
    with np.errstate(over="ignore"):
        mixed = (codes.hashes[ends] - codes.hashes[starts]) * inverse[starts]
        mixed ^= mixed >> np.uint64(29)
        return mixed * _SALTS[0]


def _rows(hashed: npt.NDArray[np.uint64], salt: int) -> Ints:
    with np.errstate(over="ignore"):
        mixed = (hashed ^ _SALTS[salt]) * _SALTS[1]
    return (mixed >> np.uint64(64 - TEXT_BITS)).astype(np.int64)


def text_rows(codes: PageCodes) -> list[tuple[Ints, Ints]]:
    """Hash every n-gram of the page.

    Returns
    -------
    list of (rows, blocks)
        One pair a kind of n-gram: words, pairs of words, runs of four characters, pairs of characters in scripts without spaces, and each
        block as a whole. ``rows`` index the text weights, ``blocks``, ascending, say in which block each stands.
    """
    words = _hash(codes, codes.word_starts, codes.word_ends)
    found = [(_rows(words, 0), codes.word_blocks)]
    same = codes.word_blocks[1:] == codes.word_blocks[:-1]
    with np.errstate(over="ignore"):
        pairs = (words[:-1] * _SALTS[2] + words[1:])[same]
    found.append((_rows(pairs, 1), codes.word_blocks[:-1][same]))
    size = len(codes.kinds)
    if size > 4:
        # Runs of four characters that lie in one block and hold a letter first or second: the others say what the counts say.
        begin = np.arange(size - 3, dtype=np.int64)
        lettered = (codes.kinds >= LOWER) & (codes.kinds <= LETTER)
        block = np.searchsorted(codes.starts, begin, side="right") - 1
        inside = (begin + 4 <= codes.ends[block]) & (block >= 0) & lettered[1 : size - 2] & lettered[2 : size - 1]
        begin, block = begin[inside], block[inside]
        found.append((_rows(_hash(codes, begin, begin + 4), 2), block))
    if (codes.kinds == SPACELESS).any():
        spaceless = codes.kinds == SPACELESS
        for span, salt in ((2, 3), (3, 3), (1, 3)):
            if size <= span:
                continue
            begin = np.flatnonzero(spaceless[: size - span + 1]).astype(np.int64)
            block = np.searchsorted(codes.starts, begin, side="right") - 1
            inside = (block >= 0) & (begin + span <= codes.ends[block])
            found.append((_rows(_hash(codes, begin[inside], begin[inside] + span), salt), block[inside]))
    found.append((_rows(_hash(codes, codes.starts, codes.ends), 4), np.arange(len(codes.starts), dtype=np.int64)))
    return found


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


def weighted_sums(rows: list[tuple[Ints, Ints]], weights: npt.NDArray[np.int8], n_blocks: int) -> tuple[npt.NDArray[np.int64], Ints, Ints]:
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
        gathered = weights[kind_rows]
        sums[blocks[firsts]] += np.add.reduceat(gathered, firsts, axis=0, dtype=np.int64)
        counts[blocks[firsts]] += np.diff(np.append(firsts, len(blocks)))
        known[blocks[firsts]] += np.add.reduceat(gathered.any(axis=1), firsts, dtype=np.int64)
    return sums, counts, known


_TAG_FLAGS = ("p", "li", "td", "a", "figcaption", "blockquote", "button", "option", "label", "time")
_INSIDE = ("article", "main", "nav", "header", "footer", "aside", "form", "section", "figure", "table", "ul", "ol", "noscript", "body")


def shape_matrix(page: Page, codes: PageCodes) -> tuple[list[str], Floats]:
    """Numbers of each block alone: its characters, its words, its place in the markup."""
    n = len(page.blocks)
    size = np.maximum(codes.ends - codes.starts, 1)
    counts = np.zeros((15, n), np.int64)
    for kind in range(15):
        running = np.concatenate(([0], np.cumsum(codes.kinds == kind)))
        counts[kind] = running[codes.ends] - running[codes.starts]
    words = np.bincount(codes.word_blocks[codes.word_blocks >= 0], minlength=n)[:n] + counts[SPACELESS] // 2
    capital = (
        np.bincount(codes.word_blocks, weights=codes.kinds[codes.word_starts] == UPPER, minlength=n)[:n]
        if len(codes.word_starts)
        else np.zeros(n)
    )
    letters = np.maximum(counts[LOWER] + counts[UPPER] + counts[LETTER] + counts[SPACELESS], 1)
    first, last = codes.kinds[codes.starts], codes.kinds[codes.ends - 1]
    before_last = codes.kinds[np.maximum(codes.ends - 2, codes.starts)]
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
        "no_letters": counts[LOWER] + counts[UPPER] + counts[LETTER] + counts[SPACELESS] == 0,
    }
    if page.html:
        blocks = page.blocks
        columns |= {
            "link_density": [block.link_density for block in blocks],
            "outward": [block.outward for block in blocks],
            "hidden": [block.hidden for block in blocks],
            "kept_share": [block.kept_share for block in blocks],
            "depth": [len(block.tags) for block in blocks],
            "run": [block.run for block in blocks],
            "heading": [
                next((int(tag[1]) for tag in reversed(block.tags[-3:]) if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit()), 0)
                for block in blocks
            ],
        }
        last_tags = [block.tags[-3:] for block in blocks]
        columns |= {f"tag_{tag}": [tag in tags for tags in last_tags] for tag in _TAG_FLAGS}
        columns |= {f"in_{tag}": [tag in block.tags for block in blocks] for tag in _INSIDE}
    else:
        absent = np.full(n, -1.0)
        names = ["link_density", "outward", "hidden", "kept_share", "depth", "run", "heading"]
        columns |= dict.fromkeys([*names, *(f"tag_{tag}" for tag in _TAG_FLAGS), *(f"in_{tag}" for tag in _INSIDE)], absent)
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


def word_hashes(text: str, tables: Tables) -> npt.NDArray[np.uint64]:
    """Hash the words of a text, as they are hashed on a page."""
    codes = page_codes(Page(text, (Block(0, len(text)),), html=False), tables)
    return _hash(codes, codes.word_starts, codes.word_ends)


def word_rows(words: list[str], tables: Tables) -> Ints:
    """Hash words one by one, to the rows that they have as words of a page."""
    page = Page("\n".join(words), (Block(0, sum(map(len, words)) + len(words) - 1),), html=False)
    codes = page_codes(page, tables)
    starts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])], dtype=np.int64)
    ends = starts + np.array([len(word) for word in words], np.int64)
    return _rows(_hash(codes, starts, ends), 0)
