"""Faults that scraping left and nothing can mend: found, named, and left alone."""

import re
from collections.abc import Iterator

from newsfilter.records import Damage, Decision, Page

# Turkish case endings that stand alone where the word they belonged to was a link: "yer alan [haber]e göre". Endings that are words of their
# own ("de", "da", "ya", "ne", "ten", "on") are left out. Cost: the letters e, a, ı, i in an enumeration, which rarely stand without a bracket.
_ENDING = re.compile(
    r" (?<=[^\W\d_] )(?P<lost>e|ı|i|u|ü|ye|yi|yı|yu|yü|nin|nın|nun|nün|ndan|nden|nda|nde|deki|daki|ler|lar|lere|lara|lerin|ların)(?= [^\W\d_]{2,})"
)
# A postposition right behind an adverbial of time or place, which cannot be its noun: "Son aylarda [Kuzey Kore] ile ilişkilerini".
_POSTPOSITION = re.compile(r"\b\w+(?:larda|lerde|lardan|lerden)\s+(?:ile|için|gibi|adlı|isimli)\s+\w+", re.IGNORECASE)
_ADVERBIALS = ("larda", "lerde")  # what each match of it holds, lower-cased
# In languages with prepositions and articles: one of them right before a full stop or comma, or "of and". English, German, Spanish, French, Italian.
_PREPOSITION = re.compile(
    r"(?<![\w'’])(?:(?:the|of the|to the|in the|for the|according to|del|della|des|einem|einer|eines|della) ?(?= [,.;](?:\s|$))"
    r"|(?:according to the|of the|by the) (?=(?:and|which|that|said|has|was|is)\b))"
)
_REPLACED = re.compile("\ufffd+")
_TURKISH = re.compile(r"[ğışİĞŞ]|\b(?:ve|bir|için|ile|olarak)\b")
_ENDS = re.compile(r"[.!?…:;。！？؟।][\"”’'»)\]]*$|[\"”’»)\]]$")
TRUNCATED_WORDS = 8  # a shorter last line without a full stop is a heading, a name or a list item


def find_damage(page: Page, decisions: tuple[Decision, ...]) -> tuple[Damage, ...]:
    """Name what is wrong with the kept text, in page order, behind what extraction itself reported."""
    kept = [decision for decision in decisions if decision.kept and decision.label == "body"]
    found = [damage for decision in kept for damage in _lost_link_text(page.text, decision)]
    found += _unbalanced_quotes(page.text, kept)
    found += _truncated(page.text, kept)
    found += [Damage(match.start(), match.end(), "undecodable") for match in _REPLACED.finditer(page.text)]
    return (*page.damage, *sorted(found, key=lambda damage: (damage.start, damage.end, damage.code)))


def _lost_link_text(text: str, decision: Decision) -> Iterator[Damage]:
    piece = text[decision.start : decision.end]
    if not _TURKISH.search(piece):
        found = [match.span() for match in _PREPOSITION.finditer(piece)]
    else:
        found = [match.span("lost") for match in _ENDING.finditer(piece)]
        lowered = piece.lower()
        if any(adverbial in lowered for adverbial in _ADVERBIALS):  # the pattern begins anew at each word, and takes as long as all others
            found += [match.span() for match in _POSTPOSITION.finditer(piece)]
    for start, end in found:
        yield Damage(decision.start + start, decision.start + end, "lost-link-text")


def _unbalanced_quotes(text: str, kept: list[Decision]) -> Iterator[Damage]:
    """A paragraph whose quotation marks do not pair, unless the next one goes on quoting, as English does over paragraphs."""
    for number, decision in enumerate(kept):
        piece = text[decision.start : decision.end]
        if piece.count('"') % 2 == 0 and _curly_pair(piece) and piece.count("«") == piece.count("»"):
            continue
        following = text[kept[number + 1].start : kept[number + 1].start + 1] if number + 1 < len(kept) else ""
        opener = piece[0]
        goes_on = following in ("“", "«", '"') and piece.count('"') <= 1
        came_on = opener in ('"', "“", "«") and number > 0 and piece.count(opener) == 1
        if not goes_on and not came_on:
            yield Damage(decision.start, decision.end, "unbalanced-quote")


def _curly_pair(piece: str) -> bool:
    """Whether curly quotation marks pair, in any of the ways in which languages use them: “…”, „…“, „…”, ”…”."""
    opened, closed, low = piece.count("“"), piece.count("”"), piece.count("„")
    if low:
        return opened + closed == low
    return opened == closed or (not opened and closed % 2 == 0)


def _truncated(text: str, kept: list[Decision]) -> Iterator[Damage]:
    if kept:
        piece = text[kept[-1].start : kept[-1].end].rstrip()
        if len(piece.split()) >= TRUNCATED_WORDS and not _ENDS.search(piece):
            yield Damage(kept[-1].start, kept[-1].end, "truncated")
