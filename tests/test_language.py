import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.language import MIN_LETTERS, SEED, TRIALS, _gram_rows, _prepared, _profiles, _weighed, detect_language

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/language.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    # Each text's language is told, or said to be unknown, and by what.
    found = detect_language(case["text"])
    assert (found.code, found.by) == (case["code"], case["by"])
    assert (found.probability == 0.0) is (case["code"] == "unknown")


def test_the_same_every_time() -> None:
    # langdetect draws random numbers: seeded, a text's answer does not depend on what was asked before.
    texts = [case["text"] for case in CASES]
    forwards = [detect_language(text) for text in texts]
    backwards = [detect_language(text) for text in reversed(texts)]
    assert forwards == backwards[::-1]


def test_an_ambiguous_text_has_one_answer() -> None:
    # Half of one language and half of another, where unseeded draws differ from call to call.
    text = "Belediye köprüyü bugün törenle açtı. The council opened the bridge today. Der Rat hat die Brücke heute eröffnet."
    assert len({detect_language(text) for _ in range(20)}) == 1


def test_the_end_of_a_long_text_counts_for_nothing() -> None:
    # Only a sample is read, so that a whole article costs no more than a paragraph.
    text = next(case["text"] for case in CASES if case["label"] == "turkish")
    assert detect_language(text * 4 + "\n\n" + "The council voted to keep the old ferry. " * 200) == detect_language(text * 4)


def test_letters_below_the_limit() -> None:
    # One letter fewer than the limit is too short, however much else there is.
    word = "köprü"
    enough, few = " ".join([word] * (MIN_LETTERS // 5)), " ".join([word] * (MIN_LETTERS // 5 - 1)) + " köpr 1234567890"
    assert detect_language(enough).by == "langdetect"
    assert detect_language(few).by == "too-short"


def by_langdetect(text: str) -> list[float]:
    """What langdetect's own detector says of a text, for each language in the order of its profiles."""
    from langdetect import detector_factory
    from langdetect.lang_detect_exception import LangDetectException

    detector_factory.init_factory()
    detector = detector_factory._factory.create()
    detector.seed, detector.n_trial = SEED, TRIALS
    detector.append(text)
    try:
        detector.get_probabilities()
    except LangDetectException:
        return []
    return list(detector.langprob)


def weighed(text: str) -> list[float]:
    profiles = _profiles()
    rows = _gram_rows(profiles, _prepared(profiles, text))
    return list(_weighed(profiles, rows)) if rows else []


ODD = (
    "Fatura e-posta a.b@c.com http://x.example/a?b ile GELDİ,  ΑΒΓ  αβγ МОСКВА 北京電 にほん カタカナ 한국 ệ e\u0323 ș ی ıİ ǅ \u00a0 \u2014"
)


@pytest.mark.parametrize(
    "text", [*(case["text"] for case in CASES), ODD, "新华社北京电 " * 3 + "abc", ODD * 3, "x" * 90, "A Bb CC dD " * 9]
)
def test_the_same_as_langdetect(text: str) -> None:
    # To the last bit: what is computed here is langdetect's own answer, of all languages.
    assert weighed(text) == by_langdetect(text)


@given(st.text(st.characters(codec="utf-8"), max_size=200) | st.text("aAéİı мМ中にア한 \u0300@.:/", max_size=200))
def test_the_same_as_langdetect_for_anything(text: str) -> None:
    assert weighed(text) == by_langdetect(text)


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    # No text raises; the answer is a two-letter code or unknown.
    found = detect_language(text)
    assert found.code == "unknown" or len(found.code) == 2
    assert 0 <= found.probability <= 1
