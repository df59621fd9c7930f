"""The language of a text, by langdetect's profiles and its way of weighing them, with the guards that it needs.

The weighing is done here, a word and five draws at a time, which takes an eighth of the time of langdetect's own detector and gives the same
numbers to the last bit; a test holds it to that.
"""

import random
import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from newsfilter.records import Language

SAMPLE = 400  # characters; langdetect takes 3 ms on so many and 8 ms on a whole article, and is as right
TRIALS = 3  # of langdetect's random starts, whose mean it gives; with its 7, no labelled document's language is another, and it takes half as long again
MIN_LETTERS = 40  # below, it guesses
NOT_TOLD = Language("unknown", 0.0, "off")
SEED = 0
LOOKED_AT = 5  # draws after which langdetect looks whether it is certain; the first time after one
WORDS_KEPT = 20_000  # words whose n-grams are kept, at most 5 MB: texts of a language share most of theirs
CHARACTERS_KEPT = 20_000  # characters whose normal form is kept, at most 3 MB
WORD_CHARACTERS = 40  # of a word that is kept
_LETTERS = re.compile(r"[^\W\d_]")
_BLANKS = re.compile(" {2,}")
_LATIN, _NOT_LATIN = re.compile("[A-z]"), re.compile("[\u0300-\u1dff\u1f00-\U0010ffff]")


class _Normal(dict[int, str]):
    """langdetect's normal form of each character, looked up once, for `str.translate`."""

    def __missing__(self, code: int) -> str:
        from langdetect.utils.ngram import NGram  # noqa: PLC0415 - loaded with the profiles

        normal = str(NGram.normalize(chr(code)))
        if len(self) < CHARACTERS_KEPT:
            self[code] = normal
        return normal


class _Profiles(NamedTuple):
    """What langdetect knows of its languages."""

    languages: list[str]
    row_of: dict[str, int]  # n-gram -> its row in `likely`
    likely: npt.NDArray[np.float64]  # (n_grams, n_languages), how likely each n-gram is in each language
    normal: _Normal
    detector: Any  # langdetect's detector class, for its constants and patterns


@lru_cache(maxsize=1)
def _profiles() -> _Profiles:
    from langdetect.detector import Detector  # noqa: PLC0415 - loading its 55 profiles takes .3 s
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory  # noqa: PLC0415

    row_of: dict[str, int] = {}
    languages: list[str] = []
    found: list[tuple[list[int], list[float]]] = []  # of each language: rows, and how likely it makes them

    def keep(profile: Any, _index: int, _size: int) -> None:
        grams = {gram: times for gram, times in profile.freq.items() if 1 <= len(gram) <= 3 and gram != " "}
        rows = [row_of.setdefault(gram, len(row_of)) for gram in grams]
        found.append((rows, [1.0 * times / profile.n_words[len(gram) - 1] for gram, times in grams.items()]))
        languages.append(profile.name)

    factory = DetectorFactory()  # one of our own, so that what others do with langdetect's in this process does not show
    factory.add_profile = keep  # its own makes a list of 55 numbers for each n-gram, which stays behind as holes in the memory
    factory.load_profile(PROFILES_DIRECTORY)
    likely = np.zeros((len(row_of), len(languages)))
    for number, (rows, shares) in enumerate(found):
        likely[rows, number] = shares
    return _Profiles(languages, row_of, likely, _Normal(), Detector)


def detect_language(text: str) -> Language:
    """Tell the language of a body.

    Upper-case text is lower-cased the Turkish way first, since langdetect gets only 43 % of upper-case Turkish right. Azerbaijani, which it
    calls Turkish, is told by its letter ə.

    >>> detect_language("Kısa bir metin")
    Language(code='unknown', probability=0.0, by='too-short')
    """
    sample = _sample(text)
    letters = _LETTERS.findall(sample)
    if len(letters) < MIN_LETTERS:
        return Language("unknown", 0.0, "too-short")
    if sample.count("ə") + sample.count("Ə") >= max(2, len(letters) // 50):
        return Language("az", 1.0, "letters")
    if sum(map(str.isupper, letters)) > len(letters) / 2:
        sample = sample.replace("İ", "i").replace("I", "ı").lower() if re.search(r"[İŞĞ]", sample) else sample.lower()
    profiles = _profiles()
    rows = _gram_rows(profiles, _prepared(profiles, sample))
    if not rows:  # letters of a script that none of its profiles knows
        return Language("unknown", 0.0, "langdetect")
    likely = _weighed(profiles, rows)
    best = int(likely.argmax())
    if not likely[best] > profiles.detector.PROB_THRESHOLD:
        return Language("unknown", 0.0, "langdetect")
    return Language(profiles.languages[best].split("-")[0], round(float(likely[best]), 4), "langdetect")


def _sample(text: str) -> str:
    """Up to `SAMPLE` characters from the first long paragraphs: a body's beginning may be a list of names."""
    paragraphs = [paragraph for paragraph in text.split("\n\n") if len(paragraph) >= 80] or [text]
    return " ".join(paragraphs)[:SAMPLE]


def _prepared(profiles: _Profiles, sample: str) -> str:
    """Take addresses out, and Latin letters out of a text that is mostly written in others; write each character in its normal form."""
    from langdetect.utils.ngram import NGram  # noqa: PLC0415 - loaded with the profiles

    if "://" in sample:
        sample = profiles.detector.URL_RE.sub(" ", sample)
    if "@" in sample:
        sample = profiles.detector.MAIL_RE.sub(" ", sample)
    sample = _BLANKS.sub(" ", NGram.normalize_vi(sample))
    if 2 * len(_LATIN.findall(sample)) < len(_NOT_LATIN.findall(sample)):
        sample = _LATIN.sub("", sample)
    return sample.translate(profiles.normal)


def _gram_rows(profiles: _Profiles, text: str) -> list[int]:
    """Return the rows of the n-grams of a text, in its order."""
    *words, last = text.split(" ")
    rows: list[int] = []
    for word in words:
        if word:
            rows += _word_rows(f" {word} ") if len(word) <= WORD_CHARACTERS else _rows_of(profiles, f" {word} ")
    return rows + _rows_of(profiles, f" {last}")


@lru_cache(maxsize=WORDS_KEPT)
def _word_rows(word: str) -> list[int]:
    return _rows_of(_profiles(), word)


def _rows_of(profiles: _Profiles, word: str) -> list[int]:
    """Return the rows of a word's n-grams that have one; `word` begins with a blank. None end in a capital behind another one."""
    capitals = None if word.islower() else list(map(str.isupper, word))
    grams = [word[1:2], word[:2]]
    for end in range(3, len(word) + 1):
        if capitals is None or not (capitals[end - 1] and capitals[end - 2]):
            grams += (word[end - 1], word[end - 2 : end], word[end - 3 : end])
    return [row for gram in grams if (row := profiles.row_of.get(gram)) is not None]


def _weighed(profiles: _Profiles, rows: list[int]) -> npt.NDArray[np.float64]:
    """Return how likely each language is, (n_languages,): the mean over trials, each of which draws n-grams until one language is all but certain."""
    constants = profiles.detector
    draw = random.Random(SEED)  # noqa: S311 - what is drawn need not be secret, only the same every time
    size = len(rows)
    next_bits, bits = draw.getrandbits, size.bit_length()
    n_languages = len(profiles.languages)
    mean = np.zeros(n_languages)
    factors = np.empty((LOOKED_AT + 1, n_languages))  # what is known so far, and what each draw says
    for _ in range(TRIALS):
        likely = factors[0]
        likely[:] = 1.0 / n_languages
        weight = (constants.ALPHA_DEFAULT + draw.gauss(0.0, 1.0) * constants.ALPHA_WIDTH) / constants.BASE_FREQ
        drawn, number = 0, 1
        while True:
            chosen: list[int] = []
            while len(chosen) < number:  # `draw.choice(rows)`, `number` times, as Python writes it, without its three calls each
                if (place := next_bits(bits)) < size:
                    chosen.append(rows[place])
            np.add(profiles.likely.take(chosen, axis=0), weight, out=factors[1 : number + 1])
            products = np.multiply.reduce(factors[: number + 1], axis=0)  # one after another: the last bits depend on it
            values = products.tolist()
            total = sum(values)
            np.divide(products, total, out=likely)
            if max(values) / total > constants.CONV_THRESHOLD or drawn >= constants.ITERATION_LIMIT:
                break
            drawn, number = drawn + LOOKED_AT, LOOKED_AT
        mean += likely / TRIALS
    return mean
