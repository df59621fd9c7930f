"""Spam that varies without end: places times services, brands with numbers, and the ways in which spammers hide a word from a filter.

Templates are in ``fixtures/spam``, a file a language: ``kind|template; template; …`` where a kind is ``place``, ``LABEL FAMILY``, ``honest-body NAME``
or ``honest-furniture NAME``. The honest ones have the shape of spam (a place and a service, a run of names), so that shape alone decides nothing.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsfilter.errors import InputError
from newsfilter.records import LABELS

Lines = list[tuple[str, str]]

HELD_OUT_FAMILIES = frozenset(("massage", "prediction", "fortune", "iptv", "diplomas", "crypto"))
"""Families of which the generator makes no line for training; benchmarks/spam.py measures with them. Labelled documents hold some lines of them."""

COMMON_FAMILIES = frozenset(("escort", "betting", "casino", "bonus", "slots"))
COMMON_SHARE = 0.5  # of the lines; the many other families share the rest
_HONEST = {"honest-body": "body", "honest-furniture": "navigation"}
_SYLLABLES = "ba be bo ca ce da de fi ga go ha jo ka ki la lu ma me mi mo na ne ni no pa pe po ra re ri ro sa se si so ta te ti to tu va vi xa ya za zi".split()
_ENDINGS = "bet bahis casino slot bets win play vip royal spin game gaming poker kazino bonus toto togel 88 77 365 pro club star gold max jet".split()
_TOP_LEVEL = "com net org info site online top xyz club vip live pro bet casino shop me co".split()

# What spammers write for a letter. Look-alikes of other scripts, marks, digits.
_LOOK_ALIKES = {"a": "аɑα", "b": "Ьв", "c": "сϲ", "e": "её", "h": "һн", "i": "іι", "j": "ј", "k": "кκ", "m": "м", "n": "п", "o": "оο0", "p": "рρ", "s": "ѕ", "t": "тτ",
                "u": "υ", "x": "хχ", "y": "уγ"}  # fmt: skip
_LEET = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "o": "0", "s": "5$", "t": "7"}
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_MATH_STARTS = (0x1D41A, 0x1D44E, 0x1D482, 0x1D4EA, 0x1D5BA, 0x1D5EE, 0x1D622, 0x1D656, 0x1D68A)  # small a of each mathematical alphabet


@dataclass(frozen=True, slots=True)
class Templates:
    """One language's templates."""

    places: Sequence[str]
    spam: Mapping[tuple[str, str], Sequence[str]]  # (label, family) -> templates
    honest: Sequence[tuple[str, str]]  # (template, label)


def read_templates(folder: Path) -> dict[str, Templates]:
    """Read ``LANG.txt`` files.

    Raises
    ------
    InputError
        For a line of another form or an unknown kind; the message names file and line.
    """
    result = {}
    for file in sorted(folder.glob("*.txt")):
        places: list[str] = []
        spam: dict[tuple[str, str], list[str]] = {}
        honest: list[tuple[str, str]] = []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            kind, bar, rest = line.partition("|")
            label, _, family = kind.partition(" ")
            items = [item.strip() for item in rest.split(";") if item.strip()]
            if bar and kind == "place":
                places += items
            elif bar and label in LABELS and label.startswith("spam-") and family:
                spam.setdefault((label, family), []).extend(items)
            elif bar and label in _HONEST:
                honest += [(item, _HONEST[label]) for item in items]
            else:
                raise InputError(
                    f"{file}:{number}: no line of templates; write 'kind|template; template' with a kind of place, 'LABEL FAMILY', "
                    "'honest-body NAME' or 'honest-furniture NAME'"
                )
        if not places or not spam:
            raise InputError(f"{file}: has no places or no spam; add a line 'place|…' and a line 'spam-gambling betting|…'")
        result[file.stem] = Templates(places, spam, honest)
    return result


class Generator:
    """Draws lines of spam in one language.

    Parameters
    ----------
    templates
        The language's templates.
    rng
        Where all choices come from: the same seed gives the same lines.
    held_out
        Draw from the held-out families alone; else from all others.
    """

    def __init__(self, templates: Templates, rng: random.Random, *, held_out: bool = False) -> None:
        self.templates = templates
        self.rng = rng
        self.families = [key for key in templates.spam if (key[1] in HELD_OUT_FAMILIES) == held_out]
        self.common = [key for key in self.families if key[1] in COMMON_FAMILIES]

    def phrase(self, family: tuple[str, str]) -> str:
        """Fill in one template."""
        return self._filled(self.rng.choice(self.templates.spam[family]))

    def _filled(self, template: str) -> str:
        rng = self.rng
        draws: dict[str, Callable[[], str]] = {
            "{place}": lambda: rng.choice(self.templates.places),
            "{brand}": self.brand,
            "{host}": self.host,
            "{n}": lambda: str(rng.choice((7, 12, 18, 24, 30, 50, 77, 100, 250, 365, 500, 1000))),
            "{year}": lambda: str(rng.randint(2019, 2027)),
        }
        for name, draw in draws.items():
            while name in template:
                template = template.replace(name, draw(), 1)
        return template

    def brand(self) -> str:
        """Make up a betting brand, most with a number."""
        rng = self.rng
        name = "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(1, 3))) + rng.choice(_ENDINGS)
        name = name.capitalize() if rng.random() < 0.4 else name
        return name + rng.choice(("", "", str(rng.randint(1, 9999)), f" {rng.randint(10, 999)}"))

    def host(self) -> str:
        """Make up a spam domain."""
        rng = self.rng
        name = self.brand().replace(" ", "").lower()
        return (
            rng.choice(("", "", "https://", "www.", "m.", "giris.")) + f"{name}.{rng.choice(_TOP_LEVEL)}" + rng.choice(("", "", "/", "/tr"))
        )

    def line(self) -> tuple[str, str]:
        """Return (text, label) of one line: a phrase, or a run of phrases of one family."""
        rng = self.rng
        family = rng.choice(self.common if self.common and rng.random() < COMMON_SHARE else self.families)
        shape = rng.random()
        if shape < 0.4:
            text = self.phrase(family)
        elif shape < 0.85:
            text = rng.choice((" | ", " - ", ", ", " ", " • ", " / ", "  ", " # ")).join(
                self.phrase(family) for _ in range(rng.choice((2, 2, 3, 4, 6, 10, 18)))
            )
        elif family[0] == "spam-gambling" or shape > 0.95:
            text = self.host()
        else:
            text = f"{self.phrase(family)} {rng.choice(('→', '>', ':', '-', '👉'))} {self.host()}"
        return self.varied(text), family[0]

    def lines(self, size: int) -> Lines:
        """Return a footer: lines, most of one label, as one network sells them."""
        first = [self.line() for _ in range(size)]
        label = first[0][1] if first else ""
        return [item if item[1] == label or self.rng.random() < 0.4 else self.line() for item in first]

    def honest_line(self) -> tuple[str, str] | None:
        """Return an honest line that has the shape of spam, None where the language has none."""
        if not self.templates.honest:
            return None
        template, label = self.rng.choice(self.templates.honest)
        return self._filled(template), label

    def varied(self, text: str) -> str:
        """Write a line as spammers do: in capitals, with hashes, at times with an evasion."""
        rng = self.rng
        shape = rng.random()
        if shape < 0.12:
            text = text.replace("i", rng.choice(("İ", "I"))).upper()
        elif shape < 0.2:
            text = text.title()
        elif shape < 0.24:
            text = " ".join(f"#{word}" for word in text.split() if word.isalnum()) or text
        return evaded(text, rng) if rng.random() < 0.25 else text


def evaded(text: str, rng: random.Random) -> str:
    """Hide words from a filter: look-alike letters, digits for letters, invisible characters, blanks between letters, marks."""
    way = rng.choice(("look-alike", "leet", "invisible", "spaced", "dotted", "mathematical", "marked", "wide"))
    if way == "look-alike":
        return "".join(rng.choice(_LOOK_ALIKES[c]) if c in _LOOK_ALIKES and rng.random() < 0.4 else c for c in text)
    if way == "leet":
        return "".join(rng.choice(_LEET[c]) if c in _LEET and rng.random() < 0.4 else c for c in text)
    if way == "invisible":
        return "".join(c + rng.choice(_INVISIBLE) if c.isalpha() and rng.random() < 0.3 else c for c in text)
    if way in ("spaced", "dotted"):
        gap = " " if way == "spaced" else rng.choice((".", "-", "_", "*"))
        words = text.split()
        chosen = rng.randrange(len(words)) if words else 0
        return " ".join(gap.join(word) if number == chosen or rng.random() < 0.3 else word for number, word in enumerate(words))
    if way == "mathematical":
        start = rng.choice(_MATH_STARTS)
        return "".join(chr(start + ord(c) - 97) if "a" <= c <= "z" and not (c == "h" and start == 0x1D44E) else c for c in text)
    if way == "marked":
        return "".join(c + rng.choice("\u0301\u0307\u0323\u0336\u0308") if c.isalpha() and rng.random() < 0.25 else c for c in text)
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
