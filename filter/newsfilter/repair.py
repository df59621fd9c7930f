"""Edits that make a stretch of page fit for a body, in a table: each says what it mends and what goes wrong without it.

A function finds edits; nothing is changed in place. `apply` and `undo` are what replay rests on.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from newsfilter.records import Edit

Found = tuple[int, int, str, str]  # start, end, new, kind

# No reader sees these. Zero-width joiner and non-joiner stay: Persian and Indic words need them. So do left-to-right marks.
_UNSEEN = r"\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff"
_UNSEEN_RUN = re.compile(f"[{_UNSEEN}]+")
_LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_MARKS = r"[^\W_][\u0300-\u036f\u0653-\u0655\u3099\u309a]+|[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?"
# A single plain space is no fault: passing it over in the pattern, and not in Python, is most of the speed.
_FAULT = re.compile(rf"(?P<gap>[\s{_UNSEEN}]{{2,}}|[^\S ]|[{_UNSEEN}])|(?P<marks>{_MARKS})")
# What every fault but a doubled space holds: most paragraphs hold none of it, and are looked at no closer.
_SUSPECT = re.compile(
    rf"[\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000{_UNSEEN}\u0300-\u036f\u0653-\u0655\u3099\u309a\u1161-\u1175]"
)
_MOJIBAKE_SIGN = re.compile(r"[ÃÂÄÅÐÑØÙâãÎÏ\x80-\x9f]")
# A word as mojibake has them: what was a byte of a letter may have become a control character or a no-break space.
_MOJIBAKE_WORD = re.compile(r"[^\x00-\x20\u00ad\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]+")


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
    mend = repair and not text.isascii()
    found = list(_mojibake(text)) if mend else []
    if not found and _is_sound(text, 0, len(text)):  # most paragraphs
        return []
    compose = mend and not unicodedata.is_normalized("NFC", text)
    position = 0
    for begin, end, _, _ in [*found, (len(text), len(text), "", "")]:
        found += _faults(text, position, begin, compose=compose)
        position = end
    return [Edit(start + a, start + b, text[a:b], new, kind) for a, b, new, kind in sorted(found)]


def _faults(text: str, start: int, end: int, *, compose: bool) -> Iterator[Found]:
    """White space that is more than one space, what no reader sees, and letters in pieces, between `start` and `end`."""
    if _is_sound(text, start, end):
        return
    for match in _FAULT.finditer(text, start, end):
        piece = match.group()
        if match.lastgroup == "marks":
            new, kind = unicodedata.normalize("NFC", piece) if compose else piece, "nfc"
        elif _LINE_END.search(piece):
            both = text[match.start() - 1 : match.start()] + text[match.end() : match.end() + 1]
            new, kind = "" if len(both) == 2 and all(map(_spaceless, both)) else " ", "joined-lines"
        elif _UNSEEN_RUN.sub("", piece) in ("", " "):
            for unseen in _UNSEEN_RUN.finditer(text, match.start(), match.end()):
                yield unseen.start(), unseen.end(), "", "invisible-character"
            continue
        else:
            new, kind = " ", "white-space"
        if new != piece:
            yield match.start(), match.end(), new, kind


def _is_sound(text: str, start: int, end: int) -> bool:
    """Whether there is plainly nothing to mend between `start` and `end` but mojibake."""
    return text.find("  ", start, end) < 0 and _SUSPECT.search(text, start, end) is None


def _mojibake(text: str) -> Iterator[Found]:
    """UTF-8 read as windows-1252 and the like, mended by ftfy, word by word where its answer has as many words."""
    if not _MOJIBAKE_SIGN.search(text):
        return
    import ftfy  # noqa: PLC0415 - only pages with a sign of mojibake pay for it
    from ftfy.badness import is_bad  # noqa: PLC0415

    words = list(_MOJIBAKE_WORD.finditer(text))
    reread = [_reread(word.group()) for word in words]
    # A date of three words is too short for ftfy to find it bad; but hardly a word is by chance well-formed UTF-8 read as windows-1252.
    if not is_bad(text) and all(word.group() == new for word, new in zip(words, reread, strict=True)):
        return
    fixed = ftfy.fix_encoding("\n".join(reread)).split("\n")
    for word, new in zip(words, fixed if len(fixed) == len(words) else reread, strict=True):
        clean = _tidy(new)
        if word.group() != new and clean:
            yield word.start(), word.end(), clean, "mojibake"


def _tidy(word: str) -> str:
    """A mended word as it may stand in a body: composed, and what came out as white space one space, none at its edges."""
    return unicodedata.normalize(
        "NFC", apply(word, 0, (Edit(a, b, word[a:b], new, kind) for a, b, new, kind in _faults(word, 0, len(word), compose=False)))
    ).strip()


def _reread(word: str) -> str:
    """Read a word's bytes as UTF-8 if all of them are. Alone, since ftfy leaves a paragraph half done that also holds one sound "’"."""
    if not word.isascii():
        for codec in ("sloppy-windows-1252", "sloppy-windows-1254", "latin-1"):
            try:
                return word.encode(codec).decode("utf-8")
            except UnicodeError:
                continue
    return word


def _spaceless(character: str) -> bool:
    """Whether a character is of a script that puts no spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""
    return _SPACELESS.match(character) is not None


_SPACELESS = re.compile(r"[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003ffff]")


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
