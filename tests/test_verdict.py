import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import newsfilter
from newsfilter.records import LABELS, Block, Damage, Decision, Language, Page, Reason
from newsfilter.settings import Settings, with_values
from newsfilter.verdict import REASONS, count_words, judge

CASES = json.loads((Path(__file__).parents[1] / "fixtures/cases/verdicts.json").read_text(encoding="utf-8"))
BY_READING = {"too-large"}  # given before there is a page: see test_too_large
NOBODY = cast(
    Any, SimpleNamespace(name="none", sha256="0", labels=LABELS, predict=lambda pages: [np.zeros((0, len(LABELS))) for _ in pages])
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
    for code in REASONS.keys() - BY_READING:
        assert {case["gives"] for case in CASES if case["reason"] == code} == {True, False}, code
    assert {case["reason"] for case in CASES} == REASONS.keys() - BY_READING


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


ROWS = st.fixed_dictionaries(
    {
        "label": st.sampled_from([*LABELS, "spam-crypto"]),
        "words": st.integers(1, 120),
        "probability": st.floats(0, 1),
        "kept_share": st.floats(0, 1),
        "sentence": st.booleans(),
    }
)


@given(st.lists(ROWS, max_size=8), st.booleans(), st.sampled_from(["tr", "de", "unknown"]), st.sampled_from([(), ("tr",)]))
def test_any_decisions(rows: list[dict[str, Any]], html: bool, language: str, lang: tuple[str, ...]) -> None:
    # A verdict follows from its reasons: reject if one of them rejects, review if there are others, accept if there is none.
    verdict = judge(*made_up({"blocks": rows, "html": html, "damage": []}), Language(language, 0.9, "langdetect"), Settings(lang=lang))
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
