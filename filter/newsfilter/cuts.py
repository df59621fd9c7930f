"""Where a block can be cut, and what its pieces look like: so that spam glued to an honest paragraph goes, and the paragraph stays.

Sentences are taken apart, and links and hidden stretches. A piece is judged by its own words, and by how they differ from the rest of the
block and of the page: an article about betting speaks of betting throughout.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from newsfilter.ngrams import Profile
from newsfilter.normal_form import DIGIT, INVISIBLE, LOWER, SPACELESS, STOP, UPPER, Floats, Ints, PageCodes
from newsfilter.records import Block, Page

Span = tuple[int, int]

MIN_CHARACTERS = 40  # of a block that is looked into
MIN_WORDS = 4  # of a sentence that a phrase is cut out of
PHRASE_SUM = 500  # hundredths of score that the words of a phrase must have together
WHOLE_SHARE = 0.85  # of a sentence's characters, from which on its phrase is the sentence
MAX_PIECES = 200  # of a block; one with more is a list, or no prose
_SENTENCE = re.compile(
    r"(?=[.!?…。！？｡؟।۔\s])(?:"  # what all of these begin with, asked once a character
    r"[.!?…]+[\"”’»'\)\]]*(?=\s)"  # an end that white space follows
    r"|[。！？｡]+[」』”’\)]*"  # scripts that put none behind it
    r"|[؟।۔]+"
    r"|\s(?:[|•►▶→👉✅⭐]+(?=\s)"  # what spammers put between a text and a link
    r"|(?=(?:https?://|www\.)\S))"
    r"|\n)"
)
_INITIAL = re.compile(r"(?:^|[\s.(])\w{1,2}\.$")  # "M. Kaya", "Dr. Ada": no end of a sentence
SPACES = " \t\r\n\v\f\xa0\u2028\u2029\u3000"
_DOMAIN_END = r"\.(?:com|net|org|info|bet|casino|club|vip|xyz|top|site|online|live|pro|co|me|io|biz|shop|win)\b"
_ADDRESS = re.compile(rf"https?://|www\.|\b[\w-]{{3,}}{_DOMAIN_END}", re.IGNORECASE)
_NUMBERED = re.compile(r"[^\W\d_]{3,}\d{2,}")  # a brand with a number
# What every match holds, found without looking at each word: hardly a block has either.
_MAYBE_ADDRESS = re.compile(rf"://|{_DOMAIN_END}|www\.", re.IGNORECASE)
_MAYBE_NUMBERED = re.compile(r"\d(?<=[^\W\d_]\d)\d")
CUT_FEATURES = (
    "margin", "over_block", "over_page", "page_margin", "rest_of_block", "characters", "share_of_block", "from_start", "from_end", "pieces",
    "capitals", "digits", "ends_sentence", "starts_small", "before_ends_sentence", "linked", "outward", "hidden", "inline", "address", "numbered",
    "evasions", "html", "largest_margin_of_page", "phrase",
)  # fmt: skip


def sentence_spans(text: str) -> list[Span]:
    """Cut a text behind its sentences.

    >>> [text[a:b] for text in ["Yol açıldı. M. Kaya geldi. www.x.bet giriş"] for a, b in sentence_spans(text)]
    ['Yol açıldı.', 'M. Kaya geldi.', 'www.x.bet giriş']
    """
    return cut_at(text, _sentence_ends(text))


def _sentence_ends(text: str) -> list[int]:
    return [match.end() for match in _SENTENCE.finditer(text) if not _INITIAL.search(text, max(0, match.end() - 5), match.end())]


def cut_at(text: str, places: Sequence[int]) -> list[Span]:
    """Cut a text at the given places; white space at the edges of the pieces belongs to none, empty pieces are left out."""
    result = []
    start = 0
    for end in sorted({*places, len(text)}):
        core = text[start:end].strip(SPACES)
        if core:
            begin = text.index(core, start)
            result.append((begin, begin + len(core)))
        start = end
    return result


class Piece(NamedTuple):
    """A stretch of a block."""

    start: int  # code points into Page.text, inclusive
    end: int  # exclusive
    phrase: bool  # cut out of a sentence by its words alone


def block_pieces(page: Page, block: Block, codes: PageCodes, profile: Profile) -> list[Piece]:
    """Cut a block behind its sentences, around its outward links and hidden stretches, and around the words of a sentence that speak most for spam."""
    return page_pieces(page, [block], codes, profile)[0]


def page_pieces(page: Page, blocks: Sequence[Block], codes: PageCodes, profile: Profile) -> list[list[Piece]]:
    """Cut each of some blocks of a page, as `block_pieces` says."""
    found = [_spans(page, block) for block in blocks]
    phrases = iter(_phrases(codes, profile, [span for spans in found for span in spans]))
    result = []
    for block, spans in zip(blocks, found, strict=True):
        pieces: list[Piece] = []
        for start, end in spans:
            inner = next(phrases)
            if inner is None:
                pieces.append(Piece(start, end, phrase=False))
                continue
            cuts = cut_at(page.text[start:end], [inner[0] - start, inner[1] - start])
            pieces += [Piece(start + a, start + b, start + a >= inner[0] and start + b <= inner[1]) for a, b in cuts]
        if pieces:  # what was too much to be cut stays with the last piece
            last = pieces[-1]
            pieces[-1] = Piece(last.start, block.start + len(page.text_of(block).rstrip(SPACES)), last.phrase)
        result.append(pieces)
    return result


def _spans(page: Page, block: Block) -> list[Span]:
    """Cut a block where its form says so, all but its phrases; spans are given in page offsets."""
    text = page.text_of(block)
    places = _sentence_ends(text)
    for inline in block.inline:
        if inline.outward or inline.hidden:
            places += [inline.start - block.start, inline.end - block.start]
    return [(block.start + start, block.start + end) for start, end in cut_at(text, places)[:MAX_PIECES]]


def _phrases(codes: PageCodes, profile: Profile, spans: Sequence[Span]) -> list[Span | None]:
    """Find in each stretch the run of words with the largest sum of margins, in page offsets; None when it is small, or the stretch as a whole."""
    found: list[Span | None] = [None] * len(spans)
    whole = np.array(spans, np.int64).reshape(-1, 2).T
    starts, ends = _in_codes(codes, whole)
    rising = np.flatnonzero(profile.rises[ends] - profile.rises[starts] >= PHRASE_SUM)
    if not len(rising):
        return found
    starts, ends = starts[rising], ends[rising]
    firsts, lasts = np.searchsorted(codes.word_starts, (starts, ends))
    few = lasts - firsts < MIN_WORDS
    for place in np.flatnonzero(few).tolist():
        number = int(rising[place])
        found[number] = _spaceless_phrase(codes, profile, int(starts[place]), int(ends[place]), spans[number][1])
    asked = np.flatnonzero(~few)
    if not len(asked):
        return found
    sizes = (lasts - firsts)[asked] + 1  # the words' beginnings, and the end
    begins = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(asked)), sizes)
    word = firsts[asked][owner] + np.arange(len(owner)) - begins[owner]
    borders = np.append(codes.word_starts, 0)[word]
    borders[begins + sizes - 1] = ends[asked]
    # Each stretch lies below the one before it, so that the lowest sum so far is its own. Whole numbers: nothing is rounded.
    sums = profile.sums[borders] - owner * (np.abs(profile.sums).max() * 2 + 1)
    lowest = np.minimum.accumulate(sums)
    largest = np.maximum.reduceat(sums - lowest, begins)
    stop = _first_of_each(sums - lowest == largest[owner], owner)
    begin = _first_of_each(sums == lowest[stop][owner], owner)
    left, right = borders[begin], borders[stop]
    held = np.flatnonzero((largest >= PHRASE_SUM) & (right - left <= WHOLE_SHARE * (ends - starts)[asked]))
    for place, first, last in zip(rising[asked[held]].tolist(), left[held].tolist(), right[held].tolist(), strict=True):
        found[place] = _on_page(codes, first, last, spans[place][1])
    return found


def _first_of_each(found: npt.NDArray[np.bool_], owner: Ints) -> Ints:
    """Of each owner: the first place that was found, and one was. `owner` rises from 0, one by one."""
    at = np.flatnonzero(found)
    return at[np.searchsorted(owner[at], np.arange(owner[-1] + 1))]


def _spaceless_phrase(codes: PageCodes, profile: Profile, start: int, end: int, page_end: int) -> Span | None:
    """Find the phrase of a stretch of a script without spaces, in which any character may begin a word."""
    if end - start < 4 * MIN_WORDS or not (codes.kinds[start:end] == SPACELESS).any():
        return None
    sums = profile.sums[start : end + 1]
    stop = int((sums - np.minimum.accumulate(sums)).argmax())
    begin = int(sums[: stop + 1].argmin())
    if sums[stop] - sums[begin] < PHRASE_SUM or stop - begin > WHOLE_SHARE * (end - start):
        return None
    return _on_page(codes, start + begin, start + stop, page_end)


def _on_page(codes: PageCodes, left: int, right: int, page_end: int) -> Span:
    """Return a stretch in page offsets; `page_end` is where the page ends for one that goes up to what the normal form has last."""
    raw = codes.positions
    return (left, right) if raw is None else (int(raw[left]), int(raw[right]) if right < len(raw) else page_end)


def piece_matrix(page: Page, codes: PageCodes, profile: Profile, pieces: Sequence[tuple[int, Sequence[Piece]]]) -> Floats:
    """Compute the features of pieces.

    Parameters
    ----------
    pieces
        (block number, its pieces) of every block that is looked into; all that stays of the page should be.

    Returns
    -------
    (n_pieces, len(CUT_FEATURES))
    """
    spans = [piece for _, block_pieces in pieces for piece in block_pieces]
    sizes = np.array([len(block_pieces) for _, block_pieces in pieces])
    raw_starts, raw_ends = np.array([piece.start for piece in spans], np.int64), np.array([piece.end for piece in spans], np.int64)
    starts, ends = _in_codes(codes, raw_starts), _in_codes(codes, raw_ends)
    firsts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    lasts = np.cumsum(sizes) - 1
    owner = np.repeat(np.arange(len(pieces)), sizes)
    place = np.arange(len(spans)) - firsts[owner]
    margin = profile.margins(starts, ends)
    block_start, block_end = starts[firsts][owner], ends[lasts][owner]
    inside = profile.sums[block_end] - profile.sums[block_start] - (profile.sums[ends] - profile.sums[starts])
    number = profile.counts[block_end] - profile.counts[block_start] - (profile.counts[ends] - profile.counts[starts])
    rest = np.round(inside / np.sqrt(np.maximum(number, 1)) / 100, 2)
    page_margin = float(np.median(margin)) if len(margin) else 0.0
    characters = np.maximum(ends - starts, 1)
    digits, capitals, letters = (_count(codes, starts, ends, kinds) for kinds in ((DIGIT,), (UPPER,), (LOWER, UPPER, SPACELESS)))
    kinds = np.append(codes.kinds, 0)
    stops = kinds[np.maximum(ends - 1, 0)] == STOP
    linked, outward, hidden, inline = _inline_shares(page, pieces)
    columns = (
        margin, margin - rest, margin - page_margin, np.full(len(spans), page_margin), rest, characters,
        characters / np.maximum(block_end - block_start, 1), place, sizes[owner] - 1 - place, sizes[owner],
        capitals / np.maximum(letters, 1), digits / characters, stops, kinds[starts] == LOWER,
        np.where(place > 0, np.concatenate(([False], stops[:-1])), True), linked, outward, hidden, inline,
        _holds(_ADDRESS, _MAYBE_ADDRESS, page, pieces), _holds(_NUMBERED, _MAYBE_NUMBERED, page, pieces),
        codes.evasions[[number for number, _ in pieces]][owner] / characters, np.full(len(spans), page.html),
        np.full(len(spans), margin.max(initial=-99.0)), [piece.phrase for piece in spans],
    )  # fmt: skip
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1).astype(np.float32)


def _in_codes(codes: PageCodes, places: Ints) -> Ints:
    return places if codes.positions is None else np.searchsorted(codes.positions, places)


def _count(codes: PageCodes, starts: Ints, ends: Ints, kinds: tuple[int, ...]) -> Ints:
    counted = np.zeros(INVISIBLE + 1, np.int64)
    counted[list(kinds)] = 1
    running = np.concatenate(([0], np.cumsum(counted.take(codes.kinds))))
    return running[ends] - running[starts]


def _holds(pattern: re.Pattern[str], maybe: re.Pattern[str], page: Page, pieces: Sequence[tuple[int, Sequence[Piece]]]) -> list[bool]:
    """Of each piece: whether a match of the pattern in its block begins in it. `maybe` finds something wherever the pattern does."""
    result = []
    for _, block_pieces in pieces:
        start, end = (block_pieces[0].start, block_pieces[-1].end) if block_pieces else (0, 0)
        if maybe.search(page.text, start, end) is None:
            result += [False] * len(block_pieces)
            continue
        found = [match.start() for match in pattern.finditer(page.text, start, end)]
        result += [any(first <= place < last for place in found) for first, last, _ in block_pieces]
    return result


def _inline_shares(page: Page, pieces: Sequence[tuple[int, Sequence[Piece]]]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Of each piece: the shares that are linked, linked to another host, hidden; and whether it is just one inline stretch."""
    linked: list[float] = []
    outward: list[float] = []
    hidden: list[float] = []
    whole: list[float] = []
    for number, block_pieces in pieces:
        block = page.blocks[number]
        if not block.inline:
            for shares in (linked, outward, hidden, whole):
                shares.extend([0.0] * len(block_pieces))
            continue
        for start, end, _ in block_pieces:
            size = max(end - start, 1)
            over = [(min(mark.end, end) - max(mark.start, start), mark) for mark in block.inline if mark.start < end and mark.end > start]
            linked.append(sum(part for part, mark in over if mark.linked) / size)
            outward.append(sum(part for part, mark in over if mark.outward) / size)
            hidden.append(sum(part for part, mark in over if mark.hidden) / size)
            whole.append(float(any(part >= size * 0.9 for part, _ in over)))
    return linked, outward, hidden, whole
