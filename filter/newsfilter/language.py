"""The language of a text, by langdetect, with the guards that it needs."""

import re
from functools import lru_cache
from typing import Any

from newsfilter.records import Language

SAMPLE = 400  # characters; langdetect takes 3 ms on so many and 8 ms on a whole article, and is as right
TRIALS = 3  # of langdetect's random starts, whose mean it gives; with its 7, no labelled document's language is another, and it takes half as long again
MIN_LETTERS = 40  # below, it guesses
NOT_TOLD = Language("unknown", 0.0, "off")
_LETTERS = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=1)
def _factory() -> Any:
    from langdetect import DetectorFactory, detector_factory  # noqa: PLC0415 - loading its 55 profiles takes .3 s

    DetectorFactory.seed = 0
    detector_factory.init_factory()
    return detector_factory._factory  # noqa: SLF001 - its public `detect` cannot be told apart from its setup


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
    if sum(letter in "əƏ" for letter in letters) >= max(2, len(letters) // 50):
        return Language("az", 1.0, "letters")
    if sum(letter.isupper() for letter in letters) > len(letters) / 2:
        sample = sample.replace("İ", "i").replace("I", "ı").lower() if re.search(r"[İŞĞ]", sample) else sample.lower()
    from langdetect.lang_detect_exception import LangDetectException  # noqa: PLC0415 - loaded with the factory

    detector = _factory().create()
    detector.n_trial = TRIALS
    detector.append(sample)
    try:
        found = detector.get_probabilities()
    except LangDetectException:  # letters of a script that none of its profiles knows
        return Language("unknown", 0.0, "langdetect")
    if not found:
        return Language("unknown", 0.0, "langdetect")
    return Language(found[0].lang.split("-")[0], round(float(found[0].prob), 4), "langdetect")


def _sample(text: str) -> str:
    """Up to `SAMPLE` characters from the first long paragraphs: a body's beginning may be a list of names."""
    paragraphs = [paragraph for paragraph in text.split("\n\n") if len(paragraph) >= 80] or [text]
    return " ".join(paragraphs)[:SAMPLE]
