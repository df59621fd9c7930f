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
from newsfilter.normal_form import DIGIT, INVISIBLE, LOWER, SPACELESS, STOP, UPPER, Floats, Ints, Joined, PageCodes
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


class Cut(NamedTuple):
    """A block, cut."""

    page: int  # its number among the joined pages
    block: int  # its number on the page
    pieces: list[Piece]


def cut_blocks(joined: Joined, profile: Profile, blocks: Sequence[tuple[int, int]]) -> list[Cut]:
    """Cut blocks behind their sentences, around their outward links and hidden stretches, and around the words of a sentence that speak most for spam.

    Parameters
    ----------
    joined, profile
        Pages, and how their stretches speak for spam.
    blocks
        Numbers of pages, and of blocks on them, in order.
    """
    found = [_spans(joined.pages[page], joined.pages[page].blocks[number]) for page, number in blocks]
    owners = np.repeat(np.array([page for page, _ in blocks], np.int64), [len(spans) for spans in found])
    phrases = iter(_phrases(joined, profile, owners, [span for spans in found for span in spans]))
    result = []
    for (number, block_number), spans in zip(blocks, found, strict=True):
        page = joined.pages[number]
        block = page.blocks[block_number]
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
        result.append(Cut(number, block_number, pieces))
    return result


def _spans(page: Page, block: Block) -> list[Span]:
    """Cut a block where its form says so, all but its phrases; spans are given in page offsets."""
    text = page.text_of(block)
    places = _sentence_ends(text)
    for inline in block.inline:
        if inline.outward or inline.hidden:
            places += [inline.start - block.start, inline.end - block.start]
    return [(block.start + start, block.start + end) for start, end in cut_at(text, places)[:MAX_PIECES]]


def _phrases(joined: Joined, profile: Profile, owners: Ints, spans: Sequence[Span]) -> list[Span | None]:
    """Find in each stretch the run of words with the largest sum of margins, in page offsets; None when it is small, or the stretch as a whole.

    `owners` says of each stretch which page it is on.
    """
    found: list[Span | None] = [None] * len(spans)
    codes = joined.codes
    starts, ends = _in_codes(codes, np.array(spans, np.int64).reshape(-1, 2).T + joined.texts[owners])
    rising = np.flatnonzero(profile.rises[ends] - profile.rises[starts] >= PHRASE_SUM)
    if not len(rising):
        return found
    starts, ends = starts[rising], ends[rising]
    firsts, lasts = np.searchsorted(codes.word_starts, (starts, ends))
    few = lasts - firsts < MIN_WORDS
    for place in np.flatnonzero(few).tolist():
        number = int(rising[place])
        phrase = _spaceless_phrase(codes, profile, int(starts[place]), int(ends[place]))
        found[number] = phrase and _on_page(joined, int(owners[number]), *phrase, spans[number][1])
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
        found[place] = _on_page(joined, int(owners[place]), first, last, spans[place][1])
    return found


def _first_of_each(found: npt.NDArray[np.bool_], owner: Ints) -> Ints:
    """Of each owner: the first place that was found, and one was. `owner` rises from 0, one by one."""
    at = np.flatnonzero(found)
    return at[np.searchsorted(owner[at], np.arange(owner[-1] + 1))]


def _spaceless_phrase(codes: PageCodes, profile: Profile, start: int, end: int) -> Span | None:
    """Find the phrase of a stretch of a script without spaces, in which any character may begin a word."""
    if end - start < 4 * MIN_WORDS or not (codes.kinds[start:end] == SPACELESS).any():
        return None
    sums = profile.sums[start : end + 1]
    stop = int((sums - np.minimum.accumulate(sums)).argmax())
    begin = int(sums[: stop + 1].argmin())
    if sums[stop] - sums[begin] < PHRASE_SUM or stop - begin > WHOLE_SHARE * (end - start):
        return None
    return start + begin, start + stop


def _on_page(joined: Joined, page: int, left: int, right: int, page_end: int) -> Span:
    """Return a stretch in page offsets; `page_end` is where the page ends for one that goes up to what the normal form has last."""
    raw, before = joined.codes.positions, int(joined.texts[page])
    if raw is None:
        return left - before, right - before
    return int(raw[left]) - before, int(raw[right]) - before if right < joined.characters[page + 1] - 1 else page_end


def piece_matrix(joined: Joined, profile: Profile, cuts: Sequence[Cut]) -> Floats:
    """Compute the features of pieces.

    Parameters
    ----------
    joined, profile
        Pages, and how their stretches speak for spam.
    cuts
        Every block that is looked into, in order; all that stays of a page should be. No page's numbers depend on another's.

    Returns
    -------
    (n_pieces, len(CUT_FEATURES))
    """
    codes = joined.codes
    spans = [piece for cut in cuts for piece in cut.pieces]
    sizes = np.array([len(cut.pieces) for cut in cuts], np.int64)
    owner = np.repeat(np.arange(len(cuts)), sizes)
    page_of = np.array([cut.page for cut in cuts], np.int64)
    offsets = joined.texts[page_of][owner]
    starts = _in_codes(codes, np.array([piece.start for piece in spans], np.int64) + offsets)
    ends = _in_codes(codes, np.array([piece.end for piece in spans], np.int64) + offsets)
    firsts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    lasts = np.cumsum(sizes) - 1
    place = np.arange(len(spans)) - firsts[owner]
    margin = profile.margins(starts, ends)
    block_start, block_end = starts[firsts][owner], ends[lasts][owner]
    inside = profile.sums[block_end] - profile.sums[block_start] - (profile.sums[ends] - profile.sums[starts])
    number = profile.counts[block_end] - profile.counts[block_start] - (profile.counts[ends] - profile.counts[starts])
    rest = np.round(inside / np.sqrt(np.maximum(number, 1)) / 100, 2)
    page_margin, largest_margin = _by_page(margin, page_of[owner])
    characters = np.maximum(ends - starts, 1)
    digits, capitals, letters = (_count(codes, starts, ends, kinds) for kinds in ((DIGIT,), (UPPER,), (LOWER, UPPER, SPACELESS)))
    kinds = np.append(codes.kinds, 0)
    stops = kinds[np.maximum(ends - 1, joined.characters[page_of][owner])] == STOP
    linked, outward, hidden, inline = _inline_shares(joined, cuts)
    evasions = codes.evasions[joined.blocks[page_of] + np.array([cut.block for cut in cuts], np.int64)]
    columns = (
        margin, margin - rest, margin - page_margin, page_margin, rest, characters,
        characters / np.maximum(block_end - block_start, 1), place, sizes[owner] - 1 - place, sizes[owner],
        capitals / np.maximum(letters, 1), digits / characters, stops, kinds[starts] == LOWER,
        np.where(place > 0, np.concatenate(([False], stops[:-1])), True), linked, outward, hidden, inline,
        _holds(_ADDRESS, _MAYBE_ADDRESS, joined, cuts), _holds(_NUMBERED, _MAYBE_NUMBERED, joined, cuts),
        evasions[owner] / characters, np.array([page.html for page in joined.pages])[page_of][owner],
        largest_margin, [piece.phrase for piece in spans],
    )  # fmt: skip
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1).astype(np.float32)


def _in_codes(codes: PageCodes, places: Ints) -> Ints:
    return places if codes.positions is None else np.searchsorted(codes.positions, places)


def _by_page(margin: npt.NDArray[np.float64], page_of: Ints) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return of each piece the median margin of its page's pieces, and the largest; pieces of a page stand together."""
    borders = np.flatnonzero(np.diff(page_of, prepend=-1))
    pages = np.split(margin, borders[1:])
    sizes = [len(page) for page in pages]
    return np.repeat([np.median(page) if len(page) else 0.0 for page in pages], sizes), np.repeat(
        [page.max(initial=-99.0) for page in pages], sizes
    )


def _count(codes: PageCodes, starts: Ints, ends: Ints, kinds: tuple[int, ...]) -> Ints:
    counted = np.zeros(INVISIBLE + 1, np.int64)
    counted[list(kinds)] = 1
    running = np.concatenate(([0], np.cumsum(counted.take(codes.kinds))))
    return running[ends] - running[starts]


def _holds(pattern: re.Pattern[str], maybe: re.Pattern[str], joined: Joined, cuts: Sequence[Cut]) -> list[bool]:
    """Of each piece: whether a match of the pattern in its block begins in it. `maybe` finds something wherever the pattern does."""
    result = []
    for page, _, pieces in cuts:
        text = joined.pages[page].text
        start, end = (pieces[0].start, pieces[-1].end) if pieces else (0, 0)
        if maybe.search(text, start, end) is None:
            result += [False] * len(pieces)
            continue
        found = [match.start() for match in pattern.finditer(text, start, end)]
        result += [any(first <= place < last for place in found) for first, last, _ in pieces]
    return result


def _inline_shares(joined: Joined, cuts: Sequence[Cut]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Of each piece: the shares that are linked, linked to another host, hidden; and whether it is just one inline stretch."""
    linked: list[float] = []
    outward: list[float] = []
    hidden: list[float] = []
    whole: list[float] = []
    for page, number, pieces in cuts:
        block = joined.pages[page].blocks[number]
        if not block.inline:
            for shares in (linked, outward, hidden, whole):
                shares.extend([0.0] * len(pieces))
            continue
        for start, end, _ in pieces:
            size = max(end - start, 1)
            over = [(min(mark.end, end) - max(mark.start, start), mark) for mark in block.inline if mark.start < end and mark.end > start]
            linked.append(sum(part for part, mark in over if mark.linked) / size)
            outward.append(sum(part for part, mark in over if mark.outward) / size)
            hidden.append(sum(part for part, mark in over if mark.hidden) / size)
            whole.append(float(any(part >= size * 0.9 for part, _ in over)))
    return linked, outward, hidden, whole
