import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import newsfilter
from newsfilter.classifier import Scored
from newsfilter.records import KINDS, LABELS, Block, Damage, Decision, Language, Page, Reason, Verdict
from newsfilter.settings import Settings, with_values
from newsfilter.verdict import REASONS, count_words, judge

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/verdicts.json").read_text(encoding="utf-8"))
BY_READING = {"too-large"}  # given before there is a page: see test_too_large
BY_KIND = set(KINDS) - {"article", "other"} | {"unlike-an-article"}  # given by what the document is as a whole: see test_kinds
NOBODY = cast(
    Any,
    SimpleNamespace(
        name="none",
        sha256="0",
        labels=LABELS,
        score=lambda pages: [Scored(np.zeros((0, len(LABELS)))) for _ in pages],
        threshold=lambda _: 0.5,
        opinion=lambda _: [],
    ),
)


def made_up(case: dict[str, Any]) -> tuple[Page, list[Decision]]:
    """A page of so many words a block, and its decisions: body is kept, all else is not."""
    parts, blocks, decisions, position = [], [], [], 0
    for number, row in enumerate(case["blocks"]):
        text = " ".join(["köprü"] * row["words"]) + ("." if row["sentence"] else "")
        if number == 0:
            text = f"{text[:-1]}{case.get('text', '')}{text[-1:]}"
        blocks.append(Block(position, position + len(text), kept_share=row["kept_share"] if case["html"] else 0.0))
        kept = row["label"] == "body"
        decisions.append(Decision(position, position + len(text), number, row["label"], {row["label"]: row["probability"]}, kept, "model"))
        parts.append(text)
        position += len(text) + 2
    page_text = "\n\n".join(parts)
    damage = tuple(Damage(0, len(page_text), code) for code in case["damage"])
    return Page(page_text, tuple(blocks), html=case["html"], damage=damage), decisions


@pytest.mark.parametrize("case", [pytest.param(case, id=case["label"]) for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    # Each reason is given where its case says so, and not where it says not.
    page, decisions = made_up(case)
    settings = with_values(Settings(), case["settings"], case["label"])
    verdict = judge(page, decisions, Language(case["language"], 0.99, "langdetect"), settings)
    assert (case["reason"] in {reason.code for reason in verdict.reasons}) is case["gives"]
    if case["gives"]:
        assert verdict.decision in ("reject", REASONS[case["reason"]].decision)


def test_every_reason_both_ways() -> None:
    # The table of reasons is closed: each has a case for and a case against it, and no case names another.
    for code in REASONS.keys() - BY_READING - BY_KIND:
        assert {case["gives"] for case in CASES if case["reason"] == code} == {True, False}, code
    assert {case["reason"] for case in CASES} == REASONS.keys() - BY_READING - BY_KIND


def test_limits_are_settings() -> None:
    # A reason whose limit is a setting names one that exists.
    names = set(Settings.__dataclass_fields__)
    assert {kind.limit for kind in REASONS.values()} - {None} <= names


@pytest.mark.parametrize(("size", "rejected"), [(1000, False), (1001, True)])
def test_too_large(size: int, *, rejected: bool) -> None:
    # A document over max-bytes is rejected unread, with its size and the limit; one at the limit is read.
    (article,) = newsfilter.clean_many([b" " * size], settings=Settings(max_bytes=1000), model=NOBODY)
    assert not isinstance(article, Exception)
    assert article.verdict.decision == "reject"
    assert article.verdict.reasons == ((Reason("too-large", size, 1000),) if rejected else (Reason("empty"),))
    assert article.body == ""


def test_too_large_off() -> None:
    # With max-bytes 0 no size is too large.
    (article,) = newsfilter.clean_many([b" " * 5000], settings=Settings(max_bytes=0), model=NOBODY)
    assert not isinstance(article, Exception)
    assert [reason.code for reason in article.verdict.reasons] == ["empty"]


def test_accepted_without_a_reason() -> None:
    # An ordinary article is accepted, and there is nothing to say about it.
    case = next(case for case in CASES if case["label"] == "too short, not: at the limit")
    verdict = judge(*made_up(case), Language("tr", 0.99, "langdetect"), Settings())
    assert (verdict.decision, verdict.reasons) == ("accept", ())


def test_the_weightiest_reason_comes_first() -> None:
    # Several reasons stand in the order of the table, and one that rejects decides.
    case = {**next(case for case in CASES if case["label"] == "uncertain, not: limit off"), "settings": {}, "damage": ["parse-truncated"]}
    verdict = judge(*made_up(case), Language("de", 0.99, "langdetect"), Settings(lang=("tr",)))
    assert [reason.code for reason in verdict.reasons] == ["other-language", "uncertain", "unreadable-markup"]
    assert verdict.decision == "reject"


def test_reasons_carry_value_and_limit() -> None:
    # A reason says what was measured and what it was measured against.
    case = next(case for case in CASES if case["label"] == "too short, at the limit")
    verdict = judge(*made_up(case), Language("tr", 0.99, "langdetect"), Settings())
    assert verdict.reasons == (Reason("too-short", 39, 40),)
    assert verdict.decision == "review"


ORDINARY = next(case for case in CASES if case["label"] == "too short, not: at the limit")


def judged(*kinds: tuple[str, float, float], case: dict[str, Any] = ORDINARY) -> Verdict:
    """The verdict on an ordinary article of which the model says that it is of these kinds."""
    return judge(*made_up(case), Language("tr", 0.99, "langdetect"), Settings(), kinds)


SPAM_LINES = {"label": "spam-other", "words": 80, "probability": 0.9, "kept_share": 0.0, "sentence": False}
SPOILED = {**ORDINARY, "blocks": [*ORDINARY["blocks"], SPAM_LINES]}


@pytest.mark.parametrize("kind", sorted(BY_KIND - {"unlike-an-article"}))
def test_kinds(kind: str) -> None:
    # The likeliest kind is a reason from its limit on, and below it none.
    article = ("article", 0.7, 0.2)
    assert judged(article, (kind, 0.8, 0.8), case=SPOILED) == Verdict(REASONS[kind].decision, (Reason(kind, 0.8, 0.8),))
    assert judged(article, (kind, 0.79, 0.8), case=SPOILED) == Verdict("accept")


@pytest.mark.parametrize("kind", ["advertorial", "link-farm"])
def test_a_document_of_honest_blocks_is_no_advertising(kind: str) -> None:
    # An article on betting looks like advertising as a whole: somebody should look, and nothing goes.
    verdict = judged(("article", 0.1, 0.2), (kind, 0.95, 0.8))
    assert verdict == Verdict("review", (Reason("unlike-an-article", 0.1, 0.2),))


@pytest.mark.parametrize(("likely", "doubted"), [(0.19, True), (0.2, False), (0.9, False)])
def test_unlike_an_article(likely: float, *, doubted: bool) -> None:
    # Somebody should look at what hardly reads like an article, though it is not clear what else it is.
    expected = Verdict("review", (Reason("unlike-an-article", likely, 0.2),)) if doubted else Verdict("accept")
    assert judged(("article", likely, 0.2), ("listing", 0.6, 0.7)) == expected


def test_a_kind_that_is_not_the_likeliest_is_no_reason() -> None:
    # Each kind is scored against the rest, so that a page may be over two limits; what reads more like an article is one.
    assert judged(("article", 0.9, 0.2), ("listing", 0.85, 0.7)) == Verdict("accept")
    assert judged(("article", 0.1, 0.2), ("listing", 0.85, 0.7), ("other", 0.9, 0.95)).reasons == (Reason("unlike-an-article", 0.1, 0.2),)


def test_a_clear_kind_says_more_than_unlike_an_article() -> None:
    # One reason for what a document is: the kind that is surely there, and of several the likeliest, however far it lies over its limit.
    assert judged(("article", 0.01, 0.2), ("listing", 0.8, 0.7)).reasons == (Reason("listing", 0.8, 0.7),)
    assert judged(("listing", 0.8, 0.3), ("login-page", 0.9, 0.85)).reasons == (Reason("login-page", 0.9, 0.85),)


def test_other_is_no_reason() -> None:
    # A forum or a product page is doubted for not being like an article, and rejected for nothing.
    assert judged(("article", 0.9, 0.2), ("other", 0.99, 0.5)) == Verdict("accept")
    assert judged(("article", 0.1, 0.2), ("other", 0.99, 0.5)).decision == "review"


def test_without_an_opinion_there_is_no_kind() -> None:
    # A page of which the model has seen nothing is judged by its words alone.
    assert judged() == Verdict("accept")


def test_kinds_stand_among_the_other_reasons() -> None:
    # By weight: what rejects comes first, a kind before what was counted.
    short = next(case for case in CASES if case["label"] == "too short, at the limit")
    verdict = judged(("article", 0.1, 0.2), ("paywall-stub", 0.9, 0.8), case=short)
    assert [reason.code for reason in verdict.reasons] == ["paywall-stub", "too-short"]
    assert verdict.decision == "review"
    assert judged(("listing", 0.9, 0.8), case=short).decision == "reject"


def test_an_empty_page_is_of_no_kind() -> None:
    # There is nothing to have an opinion about.
    verdict = judge(Page("", (), html=False), [], Language("unknown", 0.0, "too-short"), Settings(), [("listing", 0.99, 0.5)])
    assert verdict.reasons == (Reason("empty"),)


def test_reasons_of_kinds() -> None:
    # Every kind has a reason but the article and what has no name, and the table ends with all that only asks for a look.
    assert set(KINDS) - set(REASONS) == {"article", "other"}
    decisions = [kind.decision for kind in REASONS.values()]
    assert decisions == sorted(decisions)  # "reject" before "review"
    assert {code for code in BY_KIND if REASONS[code].decision == "review"} == {"paywall-stub", "unlike-an-article"}
    assert all(kind.limit is None for code, kind in REASONS.items() if code in BY_KIND)


ROWS = st.fixed_dictionaries(
    {
        "label": st.sampled_from([*LABELS, "spam-crypto"]),
        "words": st.integers(1, 120),
        "probability": st.floats(0, 1),
        "kept_share": st.floats(0, 1),
        "sentence": st.booleans(),
    }
)


OPINIONS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.floats(0, 1), st.floats(0, 1)), max_size=len(KINDS), unique_by=lambda item: item[0]
)


@given(st.lists(ROWS, max_size=8), st.booleans(), st.sampled_from(["tr", "de", "unknown"]), st.sampled_from([(), ("tr",)]), OPINIONS)
def test_any_decisions(
    rows: list[dict[str, Any]], html: bool, language: str, lang: tuple[str, ...], kinds: list[tuple[str, float, float]]
) -> None:
    # A verdict follows from its reasons: reject if one of them rejects, review if there are others, accept if there is none.
    verdict = judge(
        *made_up({"blocks": rows, "html": html, "damage": []}), Language(language, 0.9, "langdetect"), Settings(lang=lang), kinds
    )
    decisions = [REASONS[reason.code].decision for reason in verdict.reasons]
    assert verdict.decision == ("reject" if "reject" in decisions else "review" if decisions else "accept")
    codes = [reason.code for reason in verdict.reasons]
    assert codes == sorted(codes, key=list(REASONS).index)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Köprü açıldı.", 2),
        ("3 ayda 12,5 milyon", 5),
        ("İstanbul'da", 2),
        ("新华社北京电", 3),
        ("東京で AP 通信", 3),
        ("สะพานใหม่", 4),
        ("— … !", 0),
        ("새 다리가 열린다", 3),
    ],
)
def test_count_words(text: str, words: int) -> None:
    # Words are runs of letters and digits; where a script has no blanks, two characters are one.
    assert count_words(text) == words
