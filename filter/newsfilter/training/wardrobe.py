"""What pages are mixed with: stock phrases, headlines, furniture and spam, each drawn from sites of the page's own fold."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from newsfilter.cuts import sentence_spans
from newsfilter.training.corpus import Example
from newsfilter.training.generator import Generator, Templates
from newsfilter.training.labels import LabelledDocument
from newsfilter.training.phrases import Bank, ClassWords, dressed
from newsfilter.training.splits import fold_of

Lines = list[tuple[str, str]]  # (text, label)

NATIVE_SHARE = 2 / 3  # of the sites whose class and id words are of their language
WRITTEN_SHARE = 0.6  # of furniture lines: out of labelled documents, the others out of the stock phrases


@dataclass(frozen=True, slots=True)
class Stock:
    """What was written for all languages alike, from ``fixtures/``."""

    phrases: Bank
    templates: Mapping[str, Templates]
    class_words: ClassWords


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """What pages are mixed with: stock phrases, headlines for teasers, spam. A page gets what comes from documents of its own fold."""

    bank: Bank
    headlines: Mapping[tuple[str, int], Sequence[str]]  # (language, fold) -> headlines
    furniture: Mapping[tuple[str, int], Mapping[str, Sequence[str]]]  # (language, fold) -> label -> lines of labelled documents
    spam: Mapping[tuple[str, int], Sequence[tuple[str, str]]]  # (language, fold) -> labelled spam blocks; language "" holds all
    templates: Mapping[str, Templates]
    class_words: ClassWords = field(default_factory=dict)

    def dress(self, lines: Sequence[tuple[str, str]], lang: str, site: str, rng: random.Random) -> Lines:
        """Put furniture into and around labelled lines."""
        return dressed(lines, lang, self.bank, self.headlines.get((lang, fold_of(site)), ()), rng)

    def spam_lines(self, lang: str, site: str, size: int, rng: random.Random) -> Lines:
        """Draw spam: made up, or out of labelled documents; most of it in the page's language."""
        if rng.random() < 0.6:
            return self.generator(lang, rng).lines(size)
        pool = self.spam.get((lang, fold_of(site))) if rng.random() < 0.7 else None
        pool = pool or self.spam.get(("", fold_of(site))) or ()
        return rng.sample(list(pool), min(size, len(pool)))

    def furniture_line(self, label: str, lang: str, site: str, rng: random.Random) -> str | None:
        """Draw a line of furniture in a language: out of labelled documents, or a stock phrase; None where neither has one."""
        written = self.furniture.get((lang, fold_of(site)), {}).get(label, ())
        stock = self.bank.get(lang, {}).get(label, ())
        if not written and not stock:
            return None
        return rng.choice(written if not stock or (written and rng.random() < WRITTEN_SHARE) else stock)

    def style(self, lang: str, rng: random.Random) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Draw a site's habits: for each label, class and id words that its blocks have. A third of them are English words, as everywhere."""
        known = self.class_words.get(lang if rng.random() < NATIVE_SHARE else "en") or self.class_words.get("en", {})
        return {label: tuple(rng.sample(list(entries), min(len(entries), rng.choice((1, 2, 3))))) for label, entries in known.items()}

    def generator(self, lang: str, rng: random.Random) -> Generator:
        """Return the generator of the page's language, at times of another: hijackers do not ask what language a site has."""
        if lang not in self.templates or rng.random() < 0.15:
            lang = rng.choice(("tr", "en", *self.templates))
        return Generator(self.templates[lang], rng)

    def soil(self, lines: Sequence[tuple[str, str]], lang: str, site: str, rng: random.Random) -> Lines:
        """Put spam into labelled lines: below the article, between its paragraphs, inside of them; and honest lines of the same shape."""
        result = list(lines)
        body = [number for number, (_, label) in enumerate(result) if label == "body"]
        if len(body) < 2:
            return result
        if rng.random() < 0.6:
            found = self.spam_lines(lang, site, rng.choice((1, 2, 3, 5, 8, 14)), rng)
            where = rng.random()
            if where < 0.6:
                place = len(result) if rng.random() < 0.5 else body[-1] + 1
                result[place:place] = found
            else:
                for line in found[:4]:
                    result.insert(rng.choice(body) + (where < 0.95), line)
        if rng.random() < 0.3:
            drawn = [self.generator(lang, rng).honest_line() for _ in range(rng.choice((1, 3, 6, 12)))]
            honest = [line for line in drawn if line is not None]
            lists, boxes = ([line for line in honest if line[1] == kind] for kind in ("body", "navigation"))
            place = next(number for number, (_, label) in enumerate(result) if label == "body") + 1
            result[place:place] = lists
            place = rng.choice((0, len(result)))
            result[place:place] = boxes
        if rng.random() < 0.5:
            result = self.glue(result, lang, site, rng)
        return result

    def glue(self, lines: Sequence[tuple[str, str]], lang: str, site: str, rng: random.Random) -> Lines:
        """Glue spam to honest paragraphs: once as the paragraph is met, body as a whole; once in the pieces that it is cut into."""
        paragraphs = [number for number, (text, label) in enumerate(lines) if label == "body" and len(text) > 80]
        result: list[tuple[str, str]] = []
        chosen = set(rng.sample(paragraphs, min(len(paragraphs), rng.choice((1, 1, 2, 3)))))
        for number, (text, label) in enumerate(lines):
            if number not in chosen:
                result.append((text, label))
                continue
            spans = sentence_spans(text)
            pieces = [(text[start:end], label) for start, end in spans]
            shape = rng.random()
            if shape < 0.7:
                spam = self.spam_lines(lang, site, rng.choice((1, 1, 1, 2, 3)), rng)
                pieces[(place := rng.randint(0, len(pieces)) if rng.random() < 0.4 else len(pieces)) : place] = spam
            if shape < 0.35:
                result.append((" ".join(piece for piece, _ in pieces), label))
            else:
                result += pieces
        return result


def make_wardrobe(stock: Stock, examples: Sequence[Example], documents: Sequence[LabelledDocument]) -> Wardrobe:
    """Gather the headlines of pages, and the headlines, teasers and spam of labelled documents."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    spam: dict[tuple[str, int], dict[tuple[str, str], None]] = {}
    furniture: dict[tuple[str, int], dict[str, dict[str, None]]] = {}
    for example in examples:
        if title := example.page.metadata.title:
            found.setdefault((example.lang, fold_of(example.site)), {})[title] = None
    for document in documents:
        fold = fold_of(document.site)
        for text, label in document.blocks:
            if label in ("headline", "teaser") and 4 <= len(text.split()) <= 20:
                found.setdefault((document.lang, fold), {})[text] = None
            if label != "body" and not label.startswith("spam-"):
                furniture.setdefault((document.lang, fold), {}).setdefault(label, {})[text] = None
            if label.startswith("spam-"):
                spam.setdefault((document.lang, fold), {})[text, label] = None
                spam.setdefault(("", fold), {})[text, label] = None
    return Wardrobe(
        stock.phrases,
        {key: tuple(texts) for key, texts in found.items()},
        {key: {label: tuple(texts) for label, texts in kinds.items()} for key, kinds in furniture.items()},
        {key: tuple(lines) for key, lines in spam.items()},
        stock.templates,
        stock.class_words,
    )
