"""Edits that make a stretch of page fit for a body, in a table: each says what it mends and what goes wrong without it.

A function finds edits; nothing is changed in place. `apply` and `undo` are what replay rests on.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from newsfilter.records import Edit

_BREAK = re.compile(r"[^\S\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_SPACE = re.compile(r"[^\S ]+| {2,}|[^\S ]")
# No reader sees these. Zero-width joiner and non-joiner stay: Persian and Indic words need them. So do left-to-right marks.
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff]+")
_DECOMPOSED = re.compile(r"[^\W_][\u0300-\u036f\u0653-\u0655\u3099\u309a]+")
_MOJIBAKE_SIGN = re.compile(r"[ÃÂÄÅÐÑØÙâãÎÏ\x80-\x9f]")


def find_edits(text: str, start: int = 0, *, repair: bool = True) -> list[Edit]:
    r"""Find every edit that a block needs, in order, none overlapping another.

    Parameters
    ----------
    text
        The block's text.
    start
        Where it begins in the page; edits are given in page offsets.
    repair
        Whether to mend mojibake and compose letters.

    Examples
    --------
    >>> [(edit.old, edit.new, edit.kind) for edit in find_edits("Kent\nmeydanı  açıldı")]
    [('\n', ' ', 'joined-lines'), ('  ', ' ', 'white-space')]
    """
    finders: list[Callable[[str], Iterator[tuple[int, int, str, str]]]] = [_breaks, _spaces, _invisible]
    if repair and not text.isascii():
        finders = [_mojibake, *finders, _decomposed]
    taken: list[tuple[int, int, str, str]] = []
    for finder in finders:
        found = [edit for edit in finder(text) if edit[2] != text[edit[0] : edit[1]]]
        if taken and found:
            found = [edit for edit in found if not any(edit[0] < other[1] and other[0] < edit[1] for other in taken)]
        taken += found
    return [Edit(start + a, start + b, text[a:b], new, kind) for a, b, new, kind in sorted(taken)]


def _mojibake(text: str) -> Iterator[tuple[int, int, str, str]]:
    """UTF-8 read as windows-1252 and the like, mended by ftfy, word by word where its answer has as many words."""
    if not _MOJIBAKE_SIGN.search(text):
        return
    import ftfy  # noqa: PLC0415 - only pages with a sign of mojibake pay for it
    from ftfy.badness import is_bad  # noqa: PLC0415

    if not is_bad(text):
        return
    fixed = ftfy.fix_encoding(" ".join(map(_reread, text.split(" "))))
    if fixed == text:
        return
    old_words, new_words = list(re.finditer(r"[^ \n\r]+", text)), re.findall(r"[^ \n\r]+", fixed)
    if len(old_words) != len(new_words):
        yield 0, len(text), unicodedata.normalize("NFC", " ".join(fixed.split())), "mojibake"
        return
    for old, new in zip(old_words, new_words, strict=True):
        if old.group() != new:
            yield old.start(), old.end(), unicodedata.normalize("NFC", new), "mojibake"


def _reread(word: str) -> str:
    """Read a word's bytes as UTF-8 if all of them are. Alone, since ftfy leaves a paragraph half done that also holds one sound "’"."""
    if not word.isascii():
        for codec in ("sloppy-windows-1252", "sloppy-windows-1254", "latin-1"):
            try:
                return word.encode(codec).decode("utf-8")
            except UnicodeError:
                continue
    return word


def _breaks(text: str) -> Iterator[tuple[int, int, str, str]]:
    for match in _BREAK.finditer(text):
        both = text[match.start() - 1 : match.start()] + text[match.end() : match.end() + 1]
        yield match.start(), match.end(), "" if len(both) == 2 and all(map(_spaceless, both)) else " ", "joined-lines"


def _spaceless(character: str) -> bool:
    """Whether a character is of a script that puts no spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""
    return "\u2e80" <= character <= "\ua4cf" or "\uf900" <= character <= "\ufaff" or "\uff00" <= character <= "\uffef" or "\u0e00" <= character <= "\u0eff" or "\u1000" <= character <= "\u109f" or "\u1780" <= character <= "\u17ff" or character >= "\U00020000"  # fmt: skip


def _spaces(text: str) -> Iterator[tuple[int, int, str, str]]:
    for match in _SPACE.finditer(text):
        yield match.start(), match.end(), " ", "white-space"


def _invisible(text: str) -> Iterator[tuple[int, int, str, str]]:
    for match in _INVISIBLE.finditer(text):
        yield match.start(), match.end(), "", "invisible-character"


def _decomposed(text: str) -> Iterator[tuple[int, int, str, str]]:
    if unicodedata.is_normalized("NFC", text):
        return
    for match in _DECOMPOSED.finditer(text):
        yield match.start(), match.end(), unicodedata.normalize("NFC", match.group()), "nfc"


def apply(text: str, start: int, edits: Iterable[Edit]) -> str:
    """Return `text`, which begins at page offset `start`, with `edits` made. They must be in order and lie within it."""
    parts, position = [], start
    for edit in edits:
        parts += [text[position - start : edit.start - start], edit.new]
        position = edit.end
    parts.append(text[position - start :])
    return "".join(parts)


def undo(text: str, start: int, edits: Iterable[Edit]) -> str:
    """Return the page's own stretch from the body's: the inverse of `apply`.

    Raises
    ------
    ValueError
        When the body does not hold what an edit says it wrote there.
    """
    parts, position, at = [], start, 0
    for edit in edits:
        size = edit.start - position
        parts += [text[at : at + size], edit.old]
        at += size
        if text[at : at + len(edit.new)] != edit.new:
            raise ValueError(f"the body does not hold {edit.new!r} at {at}, where an edit of kind {edit.kind} put it")
        at += len(edit.new)
        position = edit.end
    parts.append(text[at:])
    return "".join(parts)
