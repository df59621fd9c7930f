"""Scores of a model on labels: figures, intervals, and what it lost against another model."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
from conftest import Ran, make_tree
from test_docs import DOCS, fences

from newsfilter.classifier import MAYBE_BODY, SURELY_BODY, Model, Scored
from newsfilter.cli import main
from newsfilter.document import Cleaner
from newsfilter.errors import InputError
from newsfilter.model_file import load_model
from newsfilter.records import LABELS, Block, Page
from newsfilter.settings import Settings
from newsfilter.terminal import visible
from newsfilter.training.evaluation import decided, evaluate, page_of
from newsfilter.training.labels import LabelledDocument, LabelsError, read_labelled, read_training
from newsfilter.training.scorecard import SHOWN, ClassScore, evaluation_text
from newsfilter.training.scoring import calibration_error

Run = Callable[..., Ran]
LABELLED = Path(__file__).parents[1] / "fixtures/labelled"
BODY, AD, BET = "The ferry stays.", "Buy pills now", "Bet 24 bonus"


class Fake:
    """A model that knows some texts by heart and takes all else for body; `sure` is what it gives the label that it chose."""

    def __init__(self, known: Mapping[str, str], labels: Sequence[str] = LABELS, sure: float = 0.8) -> None:
        self.labels, self._known, self._sure = tuple(labels), known, sure

    def predict(self, pages: Sequence[Page]) -> list[npt.NDArray[np.float64]]:
        return [self._rows(page) for page in pages]

    def threshold(self, label: str) -> float:
        return 0.7 if label == "spam-adult" else 0.5

    def _rows(self, page: Page) -> npt.NDArray[np.float64]:
        rows = np.full((len(page.blocks), len(self.labels)), 0.01)
        for row, block in zip(rows, page.blocks, strict=True):
            row[self.labels.index(self._known.get(page.text_of(block), "body"))] = self._sure
        return rows


def row(text: str, label: str, number: int = 0) -> LabelledDocument:
    return LabelledDocument(f"r{number}", "en", "", "article", ((text, label),), where=f"l.jsonl:{number + 1}", alone=True)


def document(*blocks: tuple[str, str], number: int = 0) -> LabelledDocument:
    return LabelledDocument(f"d{number}", "en", "one.example", "article", blocks, where=f"l.jsonl:{number + 1}")


def by_label(classes: Sequence[ClassScore]) -> dict[str, ClassScore]:
    return {one.label: one for one in classes}


def test_precision_recall_and_f1_are_those_of_the_blocks() -> None:
    documents = [document((BODY, "body"), (AD, "spam-other"), ("More pills", "spam-other"), ("Share", "reaction"))]
    score = evaluate(documents, Fake({AD: "spam-other", "Share": "spam-other"})).score
    spam = by_label(score.classes)["spam-other"]
    assert spam.blocks == 2
    assert spam.precision is not None
    assert spam.recall is not None
    assert spam.f1 is not None
    assert (spam.precision.value, spam.recall.value, spam.f1.value) == (0.5, 0.5, 0.5)
    assert score.accuracy == 0.5
    assert score.confusion == (("reaction", "spam-other", 1), ("spam-other", "body", 1))


def test_what_was_never_said_has_no_precision() -> None:
    reaction = by_label(evaluate([row("Share", "reaction")], Fake({})).score.classes)["reaction"]
    assert (reaction.precision, reaction.recall is not None and reaction.recall.value) == (None, 0.0)


def test_a_block_without_a_label_is_seen_and_not_scored() -> None:
    """It stands in the page, as context, and in no figure."""
    documents = [document(("What is this", ""), (AD, "spam-other"))]
    assert len(page_of(documents[0])[0].blocks) == 2
    evaluation = evaluate(documents, Fake({AD: "spam-other", "What is this": "notice"}))
    assert (evaluation.blocks, evaluation.score.accuracy, evaluation.score.removals) == (1, 1.0, ())


def test_a_row_is_a_page_of_one_block_however_many_lines_it_has() -> None:
    page, labels = page_of(row(" Ferry.\n\nIt stays. ", "body"))
    assert [page.text_of(block) for block in page.blocks] == ["Ferry.\n\nIt stays."]
    assert labels == ("body",)


def test_spam_inside_a_block_is_a_block_of_its_own() -> None:
    text = f"{BODY} {BET}"
    glued = LabelledDocument("g", "en", "", "article", ((text, "body"),), {0: ((len(BODY) + 1, len(text), "spam-gambling"),)})
    page, labels = page_of(glued)
    assert [(page.text_of(block), label) for block, label in zip(page.blocks, labels, strict=True)] == [
        (BODY, "body"),
        (BET, "spam-gambling"),
    ]


def test_the_projects_own_labels_survive_the_way_into_a_page() -> None:
    """Each labelled text is found in the page, with its label."""
    documents = list(read_labelled(LABELLED / "western.jsonl"))[:40]
    for one in documents:
        page, labels = page_of(one)
        found = {(" ".join(page.text_of(block).split()), label) for block, label in zip(page.blocks, labels, strict=True)}
        plain = [(" ".join(text.split()), label) for number, (text, label) in enumerate(one.blocks) if number not in one.spans]
        assert sum(block in found for block in plain) > 0.9 * len(plain), one.id


SENTENCE = "Polis, internette escort ilanı veren dört kişiyi yakaladı."
DECISIONS = [
    ("x", (SURELY_BODY, 0, 0.99, 0), "body"),
    ("x", (SURELY_BODY - 0.01, 0, 0.99, 0), "spam-other"),
    (SENTENCE, (MAYBE_BODY, 0, 0.99, 0), "body"),  # a sentence is let off sooner
    (SENTENCE, (MAYBE_BODY - 0.01, 0, 0.99, 0), "spam-other"),
    ("x", (0.5, 0.99, 0, 0), "body"),  # at its threshold
    ("x", (0.49, 0.2, 0, 0), "body"),  # below it, but the surest of its page
    ("x", (0.19, 0.1, 0, 0), "notice"),  # below what is body on any page
    ("x", (0.81, 0.9, 0, 0), "notice"),  # where the model is sure, what is likelier counts
    ("x", (0.49, 0.5, 0, 0), "body"),  # and where it is not, it does not
    ("x", (0.3, 0.2, 0.4, 0), "spam-other"),  # a line needs no threshold
    (SENTENCE, (0.2, 0.2, 0.5, 0), "spam-other"),  # a sentence does
    (SENTENCE, (0.2, 0.2, 0.49, 0), "body"),
    (SENTENCE, (0.2, 0.4, 0.6, 0.69), "body"),  # below spam-adult's, which is likelier than spam-other
    (SENTENCE, (0.2, 0.4, 0.6, 0.7), "spam-adult"),
    (SENTENCE, (0.4, 0.2, 0, 0), "body"),  # a sentence of plain text that is likeliest body
    ("x", (0, 0, 0, 0), "notice"),
]


@pytest.mark.parametrize(("text", "probabilities", "label"), DECISIONS)
def test_the_label_is_the_one_that_cleaning_gives(text: str, probabilities: tuple[float, ...], label: str) -> None:
    """Body from its threshold on; spam only above its own, and never what may be body; the cleaner says the same of the same numbers."""
    model = Fake({}, ("body", "notice", "spam-other", "spam-adult"))
    rows, page = np.array([probabilities]), Page(text, (Block(0, len(text)),), html=False)
    assert model.labels[decided(model, page, rows)[0]] == label
    cleaner = Cleaner(Settings(), cast("Model", model))
    assert cleaner._decide(page, Scored(rows))[0].label == label


def test_false_removals_are_named_surest_first_and_the_rest_counted() -> None:
    texts = [f"Honest line {number} \x1b[31m" for number in range(SHOWN + 5)]
    unsure, sure = Fake(dict.fromkeys(texts[1:], "spam-other"), sure=0.6), Fake({texts[0]: "notice"}, sure=0.9)

    class Both(Fake):
        def predict(self, pages: Sequence[Page]) -> list[npt.NDArray[np.float64]]:
            return [sure.predict([page])[0] if page.text == texts[0] else unsure.predict([page])[0] for page in pages]

    evaluation = evaluate([row(text, "body", number) for number, text in enumerate([*texts[1:], texts[0]])], Both({}))
    assert len(evaluation.score.removals) == SHOWN + 5
    text = evaluation_text(evaluation, "a", None, visible)
    shown = text[text.index("would be removed") :].splitlines()[1:]
    assert shown[0] == f"  notice 0.90  l.jsonl:{SHOWN + 5}  Honest line 0 \\x1b[31m"
    assert shown[-1] == "  and 5 more"
    assert len(shown) == SHOWN + 1


def test_a_long_block_is_shown_by_its_first_hundred_characters() -> None:
    long = "word " * 100
    (removal,) = evaluate([row(long, "body")], Fake({long.strip(): "notice"})).score.removals
    assert (len(removal.text), removal.text[-1]) == (100, "…")


def test_intervals_hold_the_value_narrow_with_more_documents_and_come_again() -> None:
    def interval(size: int, seed: int) -> tuple[float, float, float]:
        documents = [row(AD if number % 4 else "Other pills", "spam-other", number) for number in range(size)]
        recall = by_label(evaluate(documents, Fake({AD: "spam-other"}), seed=seed).score.classes)["spam-other"].recall
        assert recall is not None
        return recall.low, recall.value, recall.high

    low, value, high = interval(40, 1)
    assert low < value < high
    assert value == 0.75
    more = interval(4000, 1)
    assert more[2] - more[0] < (high - low) / 5
    assert interval(4000, 1) == more
    assert interval(4000, 2) != more


def test_the_interval_is_that_of_a_binomial_share() -> None:
    """Rows are independent draws, for which the interval is known: ±1.96 √(pq/n)."""
    documents = [row(AD if number % 4 else "Other pills", "spam-other", number) for number in range(400)]
    recall = by_label(evaluate(documents, Fake({AD: "spam-other"})).score.classes)["spam-other"].recall
    assert recall is not None
    assert (recall.high - recall.low) / 2 == pytest.approx(1.96 * (0.75 * 0.25 / 400) ** 0.5, rel=0.1)


def test_documents_are_drawn_not_blocks() -> None:
    """Ten blocks of one document that are all right or all wrong are one observation."""
    blocks = [[(f"{AD} {letter}", "spam-other") for letter in "abcdefghij"], [(f"Pills {letter}", "spam-other") for letter in "abcdefghij"]]
    model = Fake(dict(blocks[0]))
    together = [document(*blocks[number % 2], number=number) for number in range(20)]
    apart = [row(*block, number) for number, block in enumerate(block for one in together for block in one.blocks)]
    widths = []
    for documents in (together, apart):
        recall = by_label(evaluate(documents, model).score.classes)["spam-other"].recall
        assert recall is not None
        widths.append(recall.high - recall.low)
    assert widths[0] > 2 * widths[1]


def test_a_model_loses_nothing_against_itself() -> None:
    documents = [row(AD, "spam-other", number) for number in range(10)]
    evaluation = evaluate(documents, Fake({AD: "spam-other"}), Fake({AD: "spam-other"}))
    assert evaluation.lost == ()
    assert "no class is worse than with b by more than its interval" in evaluation_text(evaluation, "a", "b", visible)


def test_a_class_that_got_worse_is_named_with_both_figures() -> None:
    documents = [row(f"{AD} {number}", "spam-other", number) for number in range(40)] + [
        row(f"{BODY} {number}", "body", 40 + number) for number in range(40)
    ]
    before = Fake({f"{AD} {number}": "spam-other" for number in range(40)})
    after = Fake({f"{AD} {number}": "spam-other" for number in range(20)})
    evaluation = evaluate(documents, after, before)
    assert [(loss.label, loss.measure, loss.here, loss.there) for loss in evaluation.lost] == [
        ("body", "precision", pytest.approx(2 / 3), 1.0),
        ("spam-other", "recall", 0.5, 1.0),
    ]
    assert evaluate(documents, before, after).lost == ()
    assert "lost: recall of spam-other is 0.500, with b 1.000 (-0.500 [" in evaluation_text(evaluation, "a", "b", visible)


def test_a_class_that_one_of_many_blocks_fell_out_of_is_not_lost() -> None:
    """Within the interval a difference is chance."""
    documents = [row(f"{AD} {number}", "spam-other", number) for number in range(40)]
    before, after = ({f"{AD} {number}": "spam-other" for number in range(size)} for size in (40, 39))
    assert evaluate(documents, Fake(after), Fake(before)).lost == ()


def test_equal_errors_elsewhere_do_not_hide_a_loss() -> None:
    """Both models miss the same half; on the other half the difference is certain, which only pairs show."""
    documents = [row(f"{AD} {number}", "spam-other", number) for number in range(100)]
    before, after = ({f"{AD} {number}": "spam-other" for number in range(size)} for size in (50, 44))
    evaluation = evaluate(documents, Fake(after), Fake(before))
    assert evaluation.against is not None
    there = by_label(evaluation.against.classes)["spam-other"].recall
    assert there is not None
    assert there.low < 0.44  # the intervals of the two overlap
    assert [loss.label for loss in evaluation.lost] == ["spam-other"]


def test_a_class_that_the_other_model_does_not_know_it_never_found() -> None:
    documents = [row(BET, "spam-bets", number) for number in range(5)]
    evaluation = evaluate(documents, Fake({BET: "spam-bets"}, (*LABELS, "spam-bets")), Fake({BET: "spam-gambling"}))
    assert evaluation.against is not None
    bets = by_label(evaluation.against.classes)["spam-bets"]
    assert (bets.recall is not None and bets.recall.value, bets.precision) == (0.0, None)
    assert evaluation.lost == ()


def test_labels_that_the_model_does_not_know_are_each_named_with_the_way_out() -> None:
    documents = [row(BET, "spam-bets", 4), row(BET, "spam-bets", 5), document((BODY, "body"), (AD, "spam-pills"), number=6)]
    with pytest.raises(LabelsError) as caught:
        evaluate(documents, Fake({}))
    assert [fault.split(";")[0] for fault in caught.value.faults] == [
        "l.jsonl:5: the model does not know the label 'spam-bets', first seen here",
        "l.jsonl:7: the model does not know the label 'spam-pills', first seen here",
    ]
    assert "--map spam-bets=LABEL" in str(caught.value)


def test_nothing_to_score_is_said() -> None:
    with pytest.raises(InputError, match="no labelled documents to score"):
        evaluate([], Fake({}))


def test_the_watch_hears_of_every_document() -> None:
    heard: list[tuple[int, int]] = []
    evaluate([row(BODY, "body", number) for number in range(70)], Fake({}), watch=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (70, 70)
    assert len(heard) > 1


@pytest.mark.parametrize(
    ("probabilities", "right", "bins", "error"),
    [
        ([], [], 15, 0.0),
        ([1.0, 1.0], [True, True], 15, 0.0),
        ([0.8] * 10, [True] * 8 + [False] * 2, 1, 0.0),
        ([0.9] * 10, [True] * 5 + [False] * 5, 1, 0.4),
        ([0.1, 0.9], [True, False], 2, 0.9),
        ([0.1, 0.9], [True, False], 1, 0.0),  # the two errors cancel in one bin
    ],
)
def test_the_calibration_error_is_the_mean_gap_of_the_bins(probabilities: list[float], right: list[bool], bins: int, error: float) -> None:
    assert calibration_error(np.array(probabilities), np.array(right, bool), bins) == pytest.approx(error)


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty rows of a kind of spam, and a model folder for each of two models, in the working folder."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"text": f"{AD} {number}", "label": "spam-other"}) for number in range(40)]
    make_tree(tmp_path, {"labels.jsonl": "\n".join(lines), "good/model.npz": b"", "bad/model.npz": b""})

    class Named(Fake):
        def __init__(self, name: str, known: Mapping[str, str]) -> None:
            super().__init__(known)
            self.name, self.sha256 = name, "0" * 64

    every = {f"{AD} {number}": "spam-other" for number in range(40)}
    models = {"good": Named("good", every), "bad": Named("bad", {})}
    monkeypatch.setattr("newsfilter.model_file.load_model", lambda path=None: models[path.name if path else "good"])
    return tmp_path / "labels.jsonl"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--model", "good"], 0),
        (["--model", "bad"], 0),
        (["--model", "good", "--against", "bad"], 0),
        (["--model", "bad", "--against", "good"], 1),
        (["--model", "bad", "--against", "shipped"], 1),
        (["--model", "bad", "--against", "shipped", "--json"], 1),
        (["--model", "nowhere"], 2),
        (["--against", "nowhere"], 2),
        (["--map", "spam-oher=spam-other"], 2),
    ],
)
def test_the_exit_status_is_a_gate(labels: Path, arguments: list[str], status: int) -> None:
    assert main(["evaluate", str(labels), *arguments]) == status


def test_json_holds_what_the_text_says(labels: Path, run: Run) -> None:
    ran = run("evaluate", labels, "--model", "bad", "--against", "good", "--json")
    content = json.loads(ran.out)
    assert content["models"] == {"model": {"name": "bad", "sha256": "0" * 64}, "against": {"name": "good", "sha256": "0" * 64}}
    assert (content["blocks"], content["documents"], content["seed"]) == (40, 40, 1)
    assert [loss["label"] for loss in content["lost"]] == ["spam-other"]
    assert content["score"]["confusion"] == [["spam-other", "body", 40]]
    text = run("evaluate", labels, "--model", "bad", "--against", "good").out
    assert "bad (000000000000): 40 labelled blocks" in text
    assert "     40  spam-other for body" in text
    assert "lost: recall of spam-other is 0.000" in text


def test_the_labels_that_the_docs_show_are_read(tmp_path: Path) -> None:
    """Each form of docs/retraining.md, as it stands there, into blocks with the labels that it names."""
    shown = [(fence.language, fence.text) for fence in fences(DOCS / "retraining.md") if fence.language in ("json", "text")]
    names = [f"{number}.{'jsonl' if language == 'json' else 'csv'}" for number, (language, _) in enumerate(shown)]
    make_tree(tmp_path, {name: text for name, (_, text) in zip(names, shown, strict=True)})
    pages = [page_of(one) for name in names for one in read_training([tmp_path / name])]
    assert [labels for _, labels in pages] == [("spam-seo",), ("body",)] * 2 + [("headline", "body", "spam-seo"), ("body", "spam-seo")]
    assert [page.text_of(page.blocks[-1]) for page, _ in pages[-2:]] == ["Guest post slots open"] * 2


@pytest.mark.slow
def test_the_shipped_model_is_scored_on_the_projects_own_labels() -> None:
    """Real numbers come out, and it loses nothing against itself."""
    model = load_model()
    documents = list(read_labelled(LABELLED / "western.jsonl"))[:20]
    evaluation = evaluate(documents, model, model)
    assert evaluation.score.accuracy > 0.8
    assert evaluation.lost == ()
