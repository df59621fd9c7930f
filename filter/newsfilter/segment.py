"""Plain text to a Page: hard-wrapped lines joined, glued paragraphs taken apart, a dateline cut off a paragraph's end.

Nothing is changed here: a block is a stretch of the text as it came. What the body needs otherwise (a line break that becomes a space) is an edit.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from newsfilter.dateline import trailing_dateline
from newsfilter.records import Block, Page

Span = tuple[int, int]

MIN_WRAP, MAX_WRAP = 40, 160  # columns between which people and mail programs wrap lines
WRAPPED_SHARE = 0.6  # of the line pairs that must be one sentence, how many one width must explain; link-word footers have none
RAGGED = 0.9  # of the width, from which on a line counts as full: proportional fonts wrap unevenly
GLUED_SENTENCE = 4  # words in front of a joint, so that an abbreviation at a sentence's start is none
LOOK_BACK = 400  # characters before a joint in which its sentence must begin
MAX_HEADING = 160  # characters of a quoted heading between two glued paragraphs
EDGES = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u200b\ufeff\u3000\0"  # what no block begins or ends with

_SENTENCE_END = re.compile(r"[.!?…:;。！？؟][\"”’'»)\]]*$")
_JOINT = re.compile(r"[.!?…]+[”’»)\]]{0,2}(?=[^\s.!?…”’»)\],;:])")
_SENTENCE_BREAK = re.compile(r"[.!?…][\"”’»)]*\s+")
_TOKEN = re.compile(r"\w+")
_LAST_WORD = re.compile(r"[^\W\d_]+$")
_TOP_LEVEL = frozenset("com net org gov edu tr de ru uk eu info biz tv io co az id fr es gr html htm php pdf jpg png".split())
_CLOSING_QUOTE = {"'": "'", '"': '"', "“": "”", "‘": "’", "«": "»"}


class Line(NamedTuple):
    """A line without its outer white space."""

    start: int
    end: int
    after_blank: bool  # an empty line, or the document's beginning, stands before it


def segment(text: str) -> Page:
    r"""Cut plain text into blocks.

    Examples
    --------
    >>> page = segment("Bakan konuştu ve köprünün açıldığını söyledi.Halk sevindi ve alkışladı.\n\nAA")
    >>> [page.text_of(block) for block in page.blocks]
    ['Bakan konuştu ve köprünün açıldığını söyledi.', 'Halk sevindi ve alkışladı.', 'AA']
    """
    lines = list(_lines(text))
    spans = [piece for paragraph in _paragraphs(text, lines) for piece in _unglued(text, paragraph)]
    pieces: list[Span] = []
    for start, end in spans:
        cut = trailing_dateline(text[start:end])
        if cut is None:
            pieces.append((start, end))
        else:
            pieces += [_stripped(text, start, start + cut), _stripped(text, start + cut, end)]
    blocks = tuple(Block(start, end) for start, end in pieces if end > start)
    return Page(text, blocks, html=False, sentence_words=sum(_sentence_words(text[b.start : b.end]) for b in blocks))


def _sentence_words(text: str) -> int:
    """Words of a line that looks like an article's: five words and more, ending a sentence."""
    words = len(text.split())
    return words if words >= 5 and _SENTENCE_END.search(text) else 0


def _lines(text: str) -> Iterator[Line]:
    position, after_blank = 0, True
    for raw in text.splitlines(keepends=True):
        start, end = _stripped(text, position, position + len(raw))
        if end > start:
            yield Line(start, end, after_blank)
        after_blank = end <= start
        position += len(raw)


def _stripped(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    core = piece.strip(EDGES)
    offset = piece.find(core) if core else 0
    return start + offset, start + offset + len(core)


def _goes_on(text: str, line: Line, following: Line) -> bool:
    """Whether a sentence plainly runs over the line's end: no full stop, and no capital behind it."""
    first = text[following.start]
    return not _SENTENCE_END.search(text[line.start : line.end]) and first.isalpha() and (first.islower() or first.lower() == first.upper())


def _next_word(text: str, line: Line) -> int:
    """Length of the line's first word; 1 in scripts without spaces, which wrap anywhere."""
    first = text[line.start]
    return 1 if first >= "\u2e80" else len(text[line.start : line.end].split(None, 1)[0])


def wrap_width(text: str, lines: list[Line]) -> int | None:
    """Find the column at which the document was hard-wrapped, None when it was not.

    A greedy wrap at width w leaves every line no longer than w, and too long (give or take a tenth, for proportional fonts) to take the next
    line's first word as well. The width that explains most of the line breaks inside sentences is taken, if it explains enough of them.
    """
    breaks = [(a.end - a.start, _next_word(text, b)) for a, b in pairwise(lines) if not b.after_blank and _goes_on(text, a, b)]
    widths = {size for size, _ in breaks if MIN_WRAP <= size <= MAX_WRAP}
    explained = {width: sum(RAGGED * width < size + 1 + word <= width + 1 + word for size, word in breaks) for width in widths}
    if not explained:
        return None
    width = max(explained, key=lambda w: (explained[w], w))
    return width if explained[width] >= max(2, WRAPPED_SHARE * len(breaks)) else None


def _paragraphs(text: str, lines: list[Line]) -> Iterator[Span]:
    """Join the lines that a wrap at one width took apart."""
    width = wrap_width(text, lines)
    spaced = sum(line.after_blank for line in lines) > 1
    start: int | None = None
    for number, line in enumerate(lines):
        start = line.start if start is None else start
        following = lines[number + 1] if number + 1 < len(lines) else None
        if width and following and not following.after_blank:
            size = line.end - line.start
            reach = size + 1 + _next_word(text, following)
            # Where blank lines part the paragraphs, a full stop at a line's end parts nothing.
            ragged = spaced or not _SENTENCE_END.search(text[line.start : line.end])
            limit = RAGGED * width if ragged else width
            if size <= width + 2 and reach > limit:
                continue
        yield start, line.end
        start = None


def _unglued(text: str, span: Span) -> Iterator[Span]:
    """Take apart paragraphs between which scraping lost the break: "…vurguladı.Lavrov, …".

    A joint is certain behind a word in small letters that ends a sentence of four words; behind a name ("…in Ankara.The …") it counts only where
    the same paragraph has two certain ones. "BM.Güvenlik", "Dr.Kaya", "www.x.com", "3.5" and initials are none. Cost: a full stop with a
    forgotten blank is taken for a lost break, and one paragraph becomes two.
    """
    start, end = span
    piece = text[start:end]
    certain, possible = [], []
    quotes = counted = 0  # straight quotation marks before the place that was last looked at
    for match in _JOINT.finditer(piece):
        at = match.end()
        quotes += piece.count('"', counted, at)
        counted = at
        cuts = _cuts(piece, at, quoted=quotes % 2 == 1)
        if not cuts:
            continue
        kind = _joint_kind(piece[max(0, match.start() - LOOK_BACK) : match.start()])
        if kind == "certain":
            certain += cuts
        elif kind == "possible":
            possible += cuts
    borders = sorted({*certain, *(possible if len(certain) >= 2 else [])})
    for left, right in zip([0, *borders], [*borders, len(piece)], strict=True):
        yield _stripped(text, start + left, start + right)


def _cuts(piece: str, at: int, *, quoted: bool) -> list[int]:
    """Where to cut behind the full stop that ends at `at`: there, or around a quoted heading. `quoted`: a quotation is open."""
    first = piece[at]
    if first not in _CLOSING_QUOTE:
        return [at] if _opens(piece, at) else []
    if first == '"' and quoted:  # it closes the quotation
        return [at + 1] if _opens(piece, at + 1) else []
    if (heading_end := _heading_end(piece, at)) is not None:
        return [at, heading_end]
    return [at] if _opens(piece, at + 1) else []


def _heading_end(piece: str, at: int) -> int | None:
    """Where a heading in quotes ends that the next paragraph is glued to: "'Masada kaldı'Heyetin …". An apostrophe has small letters behind it."""
    closing, limit = _CLOSING_QUOTE[piece[at]], min(len(piece), at + MAX_HEADING)
    position = piece.find(closing, at + 3, limit)
    while position > 0:
        if not piece[position - 1].isspace() and _opens(piece, position + 1):
            return position + 1
        position = piece.find(closing, position + 1, limit)
    return None


def _opens(piece: str, at: int) -> bool:
    """Whether a sentence can begin here: a capital, or a letter of a script without them, that is no initial and no domain's end."""
    first = piece[at : at + 1]
    if not (first.isupper() or (first.isalpha() and first.lower() == first.upper() and first < "\u2e80")):
        return False
    token = _TOKEN.match(piece, at, at + LOOK_BACK)
    word = token.group() if token else ""
    behind = piece[at + len(word) : at + len(word) + 1]
    if behind in ("@", ".") and "@" in piece[at : at + LOOK_BACK].split(None, 1)[0]:
        return False
    return not (word.lower() in _TOP_LEVEL or (len(word) == 1 and behind == "."))


def _joint_kind(before: str) -> str:
    """Whether a full stop behind `before`, a paragraph's last characters up to there, ends a sentence for certain, possibly, or not."""
    token = before[before.rfind(" ") + 1 :]
    if "@" in token or "/" in token or token.lower().startswith("www"):
        return "none"
    sentence = _SENTENCE_BREAK.split(before)[-1]
    if len(sentence.split()) < GLUED_SENTENCE:
        return "none"
    before = before.rstrip(")\"”’'»]")
    word = _LAST_WORD.search(before[-60:])
    if word is None:
        return "possible" if before[-1:].isdigit() else "none"
    letters = word.group()
    if len(letters) >= 2 and (letters.islower() or letters.lower() == letters.upper()):
        return "certain"
    return "possible" if len(letters) > 4 and not letters.isupper() else "none"
