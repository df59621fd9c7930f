import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuts import SPAMMY, TABLES

from newsfilter.cuts import CUT_FEATURES, MIN_CHARACTERS
from newsfilter.ngrams import text_rows
from newsfilter.normal_form import join_pages
from newsfilter.provenance import JOINER, assemble, digest, edit_rows, encode_record, restore
from newsfilter.records import LABELS, Block, Decision, Page
from newsfilter.trim import MIN_KEPT, trim

FIRST = "Başkan yeni köprünün gelecek yıl açılacağını söyledi."
SECOND = "Halk töreni sevinçle izledi ve alkışladı."
SPAM = "deneme bonusu veren casino siteleri"
OTHER_SPAM = "escort bahis giriş casino"
BODY = {"body": 0.97, "teaser": 0.01, "spam-adult": 0.02, "spam-gambling": 0.04, "spam-other": 0.01}


@dataclass
class FakeModel:
    """A model for which a piece is spam when its words are those of test_cuts.SPAM."""

    labels: tuple[str, ...] = LABELS
    limit: float = 0.6
    text: Any = field(default_factory=lambda: SimpleNamespace(margins=lambda _: SPAMMY))

    @property
    def base_labels(self) -> tuple[str, ...]:
        return self.labels[: len(LABELS)]

    def threshold(self, name: str) -> float:
        assert name == "cut"
        return self.limit

    def cut_probabilities(self, matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.where(
            matrix[:, CUT_FEATURES.index("margin")] > 0, np.where(matrix[:, CUT_FEATURES.index("from_start")] > 0, 0.9, 0.8), 0.05
        )


def page_of(*texts: str) -> tuple[Page, list[Decision]]:
    """A page of blocks with a blank line between two, all of them body."""
    blocks, decisions, position = [], [], 0
    for number, text in enumerate(texts):
        end = position + len(text)
        blocks.append(Block(position, end))
        decisions.append(Decision(position, end, number, "body", BODY, kept=True, by="model"))
        position = end + 2
    return Page("\n\n".join(texts), tuple(blocks), html=False), decisions


def trimmed(page: Page, decisions: list[Decision], model: FakeModel | None = None) -> list[Decision]:
    """What trim makes of decisions."""
    joined = join_pages([page], TABLES)
    scored = SimpleNamespace(view=SimpleNamespace(page=page, joined=joined, joined_grams=text_rows(joined.codes), number=0))
    return trim(cast(Any, model or FakeModel()), [(cast(Any, scored), decisions)])[0]


def parts(*texts: str) -> list[tuple[str, str, bool]]:
    """(text, label, kept) of each decision about a page of these blocks."""
    page, decisions = page_of(*texts)
    return [(page.text[d.start : d.end], d.label, d.kept) for d in trimmed(page, decisions)]


def body_of(*texts: str) -> str:
    """The body of a page of these blocks, from which its record leads back to the page."""
    page, decisions = page_of(*texts)
    return body_and_back(page, trimmed(page, decisions))


def body_and_back(page: Page, decisions: list[Decision]) -> str:
    body, entries, edits = assemble(page, decisions, repair=True)
    record = {"page": {"sha256": digest(page.text)}, "body": {"sha256": digest(body)}, "blocks": entries, "edits": edit_rows(edits)}
    assert restore(json.loads(encode_record(record)), body) == page.text
    return body


def honest(text: str) -> tuple[str, str, bool]:
    return text, "body", True


def spam(text: str) -> tuple[str, str, bool]:
    return text, "spam-gambling", False


@pytest.mark.parametrize(
    ("text", "expected", "body"),
    [
        pytest.param(f"{FIRST} {SPAM}", [honest(FIRST), spam(SPAM)], FIRST, id="end"),
        pytest.param(f"{SPAM}. {FIRST}", [spam(f"{SPAM}."), honest(FIRST)], FIRST, id="beginning"),
        pytest.param(f"{FIRST} {SPAM}. {SECOND}", [honest(FIRST), spam(f"{SPAM}."), honest(SECOND)], f"{FIRST} {SECOND}", id="middle"),
        pytest.param(
            f"{FIRST} {SPAM}. {SECOND} {OTHER_SPAM}",
            [honest(FIRST), spam(f"{SPAM}."), honest(SECOND), spam(OTHER_SPAM)],
            f"{FIRST} {SECOND}",
            id="two",
        ),
        pytest.param(
            f"{SPAM}. {FIRST} {SECOND} {SPAM}",
            [spam(f"{SPAM}."), honest(f"{FIRST} {SECOND}"), spam(SPAM)],
            f"{FIRST} {SECOND}",
            id="both ends",
        ),
        pytest.param(f"{FIRST} {SPAM}! {OTHER_SPAM}", [honest(FIRST), spam(f"{SPAM}! {OTHER_SPAM}")], FIRST, id="neighbours are one"),
        pytest.param(
            f"Başkan yeni köprünün {SPAM} gelecek yıl açılacağını söyledi.",
            [honest("Başkan yeni köprünün"), spam(SPAM), honest("gelecek yıl açılacağını söyledi.")],
            FIRST,
            id="inside a sentence",
        ),
        pytest.param(f"{FIRST}\n{SPAM}\n{SECOND}", [honest(FIRST), spam(SPAM), honest(SECOND)], f"{FIRST} {SECOND}", id="lines"),
        pytest.param(f"{FIRST} {SECOND}", [honest(f"{FIRST} {SECOND}")], f"{FIRST} {SECOND}", id="none"),
    ],
)
def test_spam_goes_and_the_paragraph_stays(text: str, expected: list[tuple[str, str, bool]], body: str) -> None:
    # Wherever the spam stands, only it goes, and what stays reads on as one paragraph.
    assert parts(text) == expected
    assert body_of(text) == body


def test_without_spaces_nothing_is_put_between() -> None:
    # Where the page has no white space around the spam, the sentences of a Chinese paragraph touch in the body as they did before.
    first, second = "市政府昨天宣布新桥将于明年春季正式通车。", "届时东西两岸之间的交通状况将大为改善。"
    text = f"{first}娱乐城官网博彩。{second}"
    assert parts(text) == [honest(first), spam("娱乐城官网博彩。"), honest(second)]
    assert body_of(text) == first + second


@pytest.mark.parametrize("gap", [" ", "\xa0", "\n", "\u3000"])
def test_white_space_on_one_side_is_enough_for_a_space(gap: str) -> None:
    # Two words never grow together because of what stood between them.
    first = "市政府昨天宣布新桥将于明年春季正式通车。"
    for text, body in ((f"{FIRST}{gap}{SPAM}。{SECOND}", f"{FIRST} {SECOND}"), (f"{first}{SPAM}。{gap}{SECOND}", f"{first} {SECOND}")):
        assert [part[1:] for part in parts(text)] == [("body", True), ("spam-gambling", False), ("body", True)]
        assert body_of(text) == body


def test_a_block_of_which_nothing_honest_would_stay_is_left_alone() -> None:
    # It is no paragraph with spam in it: what it is, the block's label says.
    short = "Evet. " + SPAM + ". " + OTHER_SPAM
    assert len("Evet.") < MIN_KEPT
    assert parts(short) == [honest(short)]
    assert parts(f"{SPAM}! {OTHER_SPAM}") == [honest(f"{SPAM}! {OTHER_SPAM}")]


def test_honest_characters_are_counted_together() -> None:
    # Two short sentences around spam are a paragraph; one of them alone is none.
    stays, goes = "Halk bugün. " + SPAM + "! Sevindi çok.", "Halk bugün. " + SPAM
    assert [part[2] for part in parts(stays)] == [True, False, True]
    assert [part[2] for part in parts(goes)] == [True]


def test_a_short_block_is_not_looked_into() -> None:
    # Of fewer characters than a cut is worth.
    text = "Halk sevindi bugün çok. casino"
    assert len(text) < MIN_CHARACTERS
    assert parts(text) == [honest(text)]


@pytest.mark.parametrize(
    "change",
    [{"kept": False}, {"label": "caption"}, {"by": "policy"}, {"by": "repeated-headline/1"}, {"label": "spam-other", "kept": False}],
)
def test_only_what_the_model_keeps_is_looked_into(change: dict[str, Any]) -> None:
    # A rule's decision stands, and what goes anyway needs no cut.
    page, decisions = page_of(f"{FIRST} {SPAM}")
    values: dict[str, Any] = {"label": "body", "kept": True, "by": "model"} | change
    decision = Decision(decisions[0].start, decisions[0].end, 0, values["label"], BODY, values["kept"], values["by"])
    assert trimmed(page, [decision]) == [decision]


def test_no_page_no_cut() -> None:
    # A page without blocks has no view.
    assert trim(cast(Any, FakeModel()), [(cast(Any, SimpleNamespace(view=None)), [])]) == [[]]


def test_other_blocks_keep_their_decisions_and_places() -> None:
    # Decisions stay in page order; those of one block have its number.
    page, decisions = page_of(FIRST, f"{SECOND} {SPAM}. {FIRST}", SECOND)
    result = trimmed(page, decisions)
    assert [decision.block for decision in result] == [0, 1, 1, 1, 2]
    assert (result[0], result[-1]) == (decisions[0], decisions[2])
    assert [decision.start for decision in result] == sorted(decision.start for decision in result)
    assert body_and_back(page, result) == JOINER.join([FIRST, f"{SECOND} {FIRST}", SECOND])


def test_blocks_on_either_side_of_a_cut_end_are_parted_as_paragraphs() -> None:
    # Spam at the end of one block and at the beginning of the next leaves two paragraphs.
    assert body_of(f"{FIRST} {SPAM}", f"{OTHER_SPAM}! {SECOND}") == FIRST + JOINER + SECOND


def test_what_a_cut_says_of_itself() -> None:
    # The honest part keeps the block's probabilities; the spam has the likeliest kind, and of merged pieces the lowest probability.
    page, decisions = page_of(f"{SPAM}! {OTHER_SPAM}! {FIRST}")
    cut, kept = trimmed(page, decisions)
    assert cut.probabilities == {"spam-gambling": 0.8}
    assert (cut.by, kept.by, kept.probabilities) == ("model", "model", BODY)
    adult = {**BODY, "spam-adult": 0.2}
    assert trimmed(page, [Decision(0, len(page.text), 0, "body", adult, kept=True, by="model")])[0].label == "spam-adult"


def test_a_label_that_was_taught_on_top_has_no_text_weights() -> None:
    # The profile is that of the labels that the base knows; the label of a cut may be the new one.
    def margins(labels: tuple[str, ...]) -> np.ndarray[Any, Any]:
        assert labels == LABELS
        return SPAMMY

    model = FakeModel(labels=(*LABELS, "spam-pills"), text=SimpleNamespace(margins=margins))
    page, _ = page_of(f"{FIRST} {SPAM}")
    decision = Decision(0, len(page.text), 0, "body", {**BODY, "spam-pills": 0.3}, kept=True, by="model")
    assert [part.label for part in trimmed(page, [decision], model)] == ["body", "spam-pills"]


@pytest.mark.parametrize(("limit", "cut"), [(0.9, True), (0.91, False)])
def test_the_threshold_is_the_models(limit: float, *, cut: bool) -> None:
    # A piece is cut from the threshold on.
    page, decisions = page_of(f"{FIRST} {SPAM}")
    assert any(not decision.kept for decision in trimmed(page, decisions, FakeModel(limit=limit))) is cut


SENTENCES = st.sampled_from(
    [FIRST, SECOND, SPAM, f"{SPAM}.", OTHER_SPAM, "casino!", "娱乐城官网博彩。", "新桥明年春季正式通车。", "Evet.", "e\u0301t\u0301", "dene\u00adme bonu\u200bsu", "Ä±ÅŸ"]
)  # fmt: skip
GAPS = st.sampled_from([" ", "", "  ", "\n", "\r\n", "\xa0", "\u3000", " \u200b "])
BLOCKS = st.lists(st.tuples(SENTENCES, GAPS), min_size=1, max_size=8).map(lambda pairs: "".join(text + gap for text, gap in pairs).strip())


@settings(deadline=None)
@given(st.lists(BLOCKS, min_size=1, max_size=4))
def test_any_page_comes_back(texts: list[str]) -> None:
    # Whatever is cut, decisions lie in order inside their blocks, only white space lies in none, and body and record are the page.
    page, decisions = page_of(*texts)
    result = trimmed(page, decisions)
    position = 0
    for decision in result:
        block = page.blocks[decision.block]
        assert max(position, block.start) <= decision.start < decision.end <= block.end
        assert not page.text[position : decision.start].strip()
        position = decision.end
    assert not page.text[position:].strip()
    assert {decision.block for decision in result if decision.kept} == set(range(len(texts)))
    body_and_back(page, result)
