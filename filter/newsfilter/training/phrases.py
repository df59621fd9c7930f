"""Stock phrases of news sites' furniture, and how a page is dressed with them.

Labelled documents show furniture in its variety, each line once. Real sites say the same few hundred lines over and over; a model that met
"İlgili Haberler" four times among half a million lines does not know it. The phrases are in ``fixtures/phrases``, a file a language.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from newsfilter.cuts import sentence_spans
from newsfilter.errors import InputError
from newsfilter.records import LABELS
from newsfilter.walk import hint_words

SUBHEAD = 60  # characters that a body line has less than, to be taken for a subhead
RELATED_SHARE = 0.3  # of the boxes of teasers whose headlines share the article's words

Lines = list[tuple[str, str]]
Bank = Mapping[str, Mapping[str, Sequence[str]]]  # language -> kind -> phrases
ClassWords = Mapping[str, Mapping[str, Sequence[tuple[str, ...]]]]  # language -> label -> class and id words of blocks

KINDS = ("teaser", "prefix", "navigation", "reaction", "comment", "notice", "byline")
_DECORATIONS = ("{}", "{}", "{}", "{}", "{}:", "{} »", "{} ›", "► {}", "• {}", "[{}]", "{} (0)", "{} >")


def read_phrases(folder: Path) -> Bank:
    """Read ``LANG.txt`` files: a line a kind, ``kind|phrase; phrase; …``.

    Raises
    ------
    InputError
        For a line of another form or an unknown kind; the message names file and line.
    """
    bank: dict[str, dict[str, list[str]]] = {}
    for file in sorted(folder.glob("*.txt")):
        kinds = bank.setdefault(file.stem, {})
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            kind, bar, phrases = line.partition("|")
            if not bar or kind not in KINDS:
                raise InputError(f"{file}:{number}: no line of phrases; write 'kind|phrase; phrase', with a kind of {', '.join(KINDS)}")
            kinds[kind] = [phrase for raw in phrases.split("; ") if (phrase := raw.strip(" " if kind == "prefix" else None))]
    return bank


def read_class_words(folder: Path) -> ClassWords:
    """Read ``LANG.txt`` files of class and id words: a line a label, ``label|words of one block; words of another; …``, innermost element first.

    Raises
    ------
    InputError
        For a line of another form or an unknown label; the message names file and line.
    """
    result: dict[str, dict[str, list[tuple[str, ...]]]] = {}
    for file in sorted(folder.glob("*.txt")):
        labels = result.setdefault(file.stem, {})
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            label, bar, entries = line.partition("|")
            if not bar or label not in LABELS:
                raise InputError(f"{file}:{number}: no line of class words; write 'label|words; words', with one of the labels")
            labels[label] = [words for entry in entries.split(";") if (words := hint_words(entry))]
    return result


def dressed(lines: Sequence[tuple[str, str]], lang: str, bank: Bank, headlines: Sequence[str], rng: random.Random) -> Lines:
    """Put stock furniture into and around an article: teasers between paragraphs, counters and comment prompts below, a menu above."""
    kinds = bank.get(lang)
    result = list(lines)
    body = [number for number, (_, label) in enumerate(result) if label == "body"]
    if kinds is None or len(body) < 2:
        return result
    below = body[-1] + 1
    parts: list[tuple[int, Lines]] = []
    # A box above a subhead: what follows a box of headlines and reads like one need not be one more.
    subheads = [
        number for number in body[1:-1] if len(lines[number][0]) < SUBHEAD and not lines[number][0].rstrip().endswith((".", "!", "…", "。"))
    ]
    related = _as_headlines([text for text, label in lines if label == "body"], rng)
    for _ in range(rng.choice((0, 1, 1, 2))):
        place = rng.choice(subheads if subheads and rng.random() < 0.4 else body[1:]) if rng.random() < 0.6 else below
        parts.append((place, _teasers(kinds, lang, related if related and rng.random() < RELATED_SHARE else headlines, rng)))
    if rng.random() < 0.4:
        parts.append((below if rng.random() < 0.8 else body[0], _reactions(kinds, lang, rng)))
    for kind, chance in (("comment", 0.4), ("notice", 0.4)):
        if rng.random() < chance:
            place = below if rng.random() < 0.8 else rng.choice(body)
            parts.append((place, [(_varied(rng.choice(kinds[kind]), lang, rng), kind) for _ in range(rng.randint(1, 3))]))
    if rng.random() < 0.3:
        parts.append(
            (
                0,
                [
                    (_varied(phrase, lang, rng), "navigation")
                    for phrase in rng.sample(list(kinds["navigation"]), rng.randint(2, min(6, len(kinds["navigation"]))))
                ],
            )
        )
    if rng.random() < 0.3:
        parts.append((rng.choice((body[0], below)), [(rng.choice(kinds["byline"]), "byline")]))
    for place, part in sorted(parts, key=lambda item: -item[0]):
        result[place:place] = part
    return result


def _as_headlines(paragraphs: Sequence[str], rng: random.Random) -> list[str]:
    """Make headlines that speak of what the article speaks of, as those of related stories do: short sentences of it without their full stop."""
    found = []
    for text in paragraphs:
        for start, end in sentence_spans(text):
            words = text[start:end].rstrip(".。।۔").split()
            if 5 <= len(words) <= 14:
                found.append(" ".join(words))
    return rng.sample(found, min(len(found), 3))


def _teasers(kinds: Mapping[str, Sequence[str]], lang: str, headlines: Sequence[str], rng: random.Random) -> Lines:
    drawn = rng.sample(list(headlines), min(len(headlines), rng.choice((0, 1, 1, 2, 3, 5))))
    if drawn and rng.random() < 0.35:
        return [(f"{rng.choice(kinds['prefix'])} {drawn[0]}", "teaser")]
    return [(_varied(rng.choice(kinds["teaser"]), lang, rng), "teaser"), *((headline, "teaser") for headline in drawn)]


def _reactions(kinds: Mapping[str, Sequence[str]], lang: str, rng: random.Random) -> Lines:
    counted = rng.random()
    lines: Lines = []
    for phrase in rng.sample(list(kinds["reaction"]), rng.randint(1, min(6, len(kinds["reaction"])))):
        word = _varied(phrase, lang, rng) if counted < 0.3 else phrase
        number = str(rng.choice((0, 0, 0, 1, 2, 3, 7, 12, 48, 131, 1204)))
        if counted < 0.4:
            lines += [(word, "reaction"), (number, "reaction")]
        elif counted < 0.6:
            lines.append((rng.choice((f"{word} {number}", f"{word} ({number})", f"{number} {word}", f"{word}: {number}")), "reaction"))
        else:
            lines.append((word, "reaction"))
    return lines


def _varied(phrase: str, lang: str, rng: random.Random) -> str:
    """A phrase as different themes write it: capitals, a colon, an arrow."""
    shape = rng.random()
    if shape < 0.3:
        phrase = (phrase.replace("i", "İ").replace("ı", "I") if lang == "tr" else phrase).upper()
    elif shape < 0.4:
        phrase = (phrase.replace("İ", "i").replace("I", "ı") if lang == "tr" else phrase).lower()
    return rng.choice(_DECORATIONS).format(phrase)
