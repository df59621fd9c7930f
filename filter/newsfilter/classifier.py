"""The model: plain arrays and JSON, read without trusting them, scored without scikit-learn.

Three stages. Sparse linear weights over hashed text n-grams, and over class, id and tag words, give each label a score of the words alone and one
of the markup alone. The context trees weigh these with shape, place and neighbours, and say how likely each block is body. The label trees, one
forest a label against the rest, see all that and the page as a sequence: where its stretches of body lie. Scikit-learn fits all three; here they
are integer sums and comparisons, so that a block's numbers do not depend on its batch, and a cold start does not wait for an import.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from newsfilter.forest import Trees
from newsfilter.linear import Correction, Linear
from newsfilter.ngrams import markup_rows, weighted_sums
from newsfilter.normal_form import Floats, Ints, Tables
from newsfilter.records import KINDS, Page
from newsfilter.view import View, group_pages, sequences, view_pages

DEFAULT_THRESHOLD = 0.5
SURELY_BODY = 0.7  # probability of body from which on a line is kept that is likelier spam
MAYBE_BODY = 0.25  # the same for a sentence
SUREST, SURE_PAGE = 5, 0.8  # blocks whose mean says how sure the model can be on a page; from where on it is one whose make it knows
PLAIN_BODY = 0.5  # the share that is enough in plain text, where a subhead has nothing but its words to show that it is one
NEVER_BODY = 0.2  # probability of body below which nothing is, on no page
SUBHEAD, SUBHEAD_BETWEEN = 0.5, 0.3  # probability of body of a plain text's line that stands above a paragraph; of one between two
HARDLY_SPAM = 0.3  # probability of spam below which it says nothing of a block, even where no label has more
HARDLY_BODY, HARDLY_FURNITURE = 0.15, 0.3  # a sentence of a plain text stays that may be body, and of which no furniture is likely
PROSE_CHARACTERS = 40
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff]")
_PROSE_END = re.compile(r"[.!?…。！？؟।۔][\"”’'»)\]]*\s*$")
DECIMALS = 4  # of probabilities; everything that depends on them sees them rounded


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted classifier."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    tables: Tables
    text: Linear
    markup: Linear
    context: Trees  # of one label, body
    trees: Trees
    cut: Trees  # of one label: a piece of a block is spam
    kind: Trees  # of each of `KINDS`: what the document is as a whole
    thresholds: Mapping[str, float]  # label, or "cut" -> probability from which on it is believed
    correction: Correction | None  # what a user taught the model on top
    manifest: dict[str, Any]
    folder: Path | None = None  # where it was read from

    def predict(self, pages: Sequence[Page]) -> list[npt.NDArray[np.float64]]:
        """Return for each page (n_blocks, n_labels) probabilities, each label against the rest, rounded to four decimals."""
        return [scored.probabilities for scored in self.score(pages)]

    @property
    def base_labels(self) -> tuple[str, ...]:
        """The labels that the trees score; a correction may add to them."""
        return self.labels[: len(self.trees.base)]

    def _corrected(
        self, correction: Correction, log_odds: npt.NDArray[np.float64], base: npt.NDArray[np.float64], views: Sequence[View]
    ) -> npt.NDArray[np.float64]:
        """Put in what the correction says of its labels; what it took away from the chance of all others, they lose in proportion."""
        parts = [
            weighted_sums([(kind.rows, kind.blocks) for kind in view.grams], correction.text.weights, len(view.matrix)) for view in views
        ]
        sums, counts = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        corrected = 1 / (1 + np.exp(-correction.scores(log_odds, sums, counts)))
        result = np.hstack([base, np.zeros((len(base), len(self.labels) - base.shape[1]))])
        chosen = [self.labels.index(label) for label in correction.labels]
        before, after = result[:, chosen].max(axis=1), corrected.max(axis=1)
        result *= np.minimum((1 - after) / np.maximum(1 - before, 1e-6), 1.0)[:, None]
        result[:, chosen] = corrected
        return result

    def threshold(self, label: str) -> float:
        """Return the probability from which on the label is believed: chosen when the model was made (training/thresholds.py)."""
        return self.thresholds.get(label, DEFAULT_THRESHOLD)

    def word_weights(self, rows: Ints, label: str) -> npt.NDArray[np.float64]:
        """Return how much each row of the text weights speaks for a label, in units of its score."""
        result = np.zeros(len(rows))
        if label in self.base_labels:
            number = self.labels.index(label)
            result += self.text.weights[rows, number] * self.text.scale[number]
        if self.correction is not None and label in self.correction.labels:
            number = self.correction.labels.index(label)
            result += self.correction.text.weights[rows, number] * self.correction.text.scale[number]
        return result

    def hint_weight(self, hint: str, label: str) -> int:
        """Return how much a class or id word speaks for a label."""
        if label not in self.base_labels:
            return 0
        return sum(int(self.markup.weights[row, self.labels.index(label)]) for row in markup_rows((), (hint,)))

    def opinion(self, scored: "Scored") -> list[tuple[str, float, float]]:
        """Return (kind of document, its probability, the probability from which on it is believed) for each of `KINDS`."""
        if scored.kinds is None:
            return []
        return [(kind, likely, self.threshold(f"kind:{kind}")) for kind, likely in zip(KINDS, scored.kinds.tolist(), strict=True)]

    def cut_probabilities(self, matrix: Floats) -> npt.NDArray[np.float64]:
        """Return how likely each piece of a block is spam, (n_pieces,), four decimals; `matrix` is that of `cuts.piece_matrix`."""
        return np.round(1 / (1 + np.exp(-self.cut.scores(matrix)[:, 0])), DECIMALS)

    def score(self, pages: Sequence[Page]) -> list["Scored"]:
        """Return for each page what the model says of its blocks."""
        log_odds, views, body = self.log_odds(pages)
        if not views:
            return [Scored(np.zeros((0, len(self.labels)))) for _ in pages]
        probabilities = 1 / (1 + np.exp(-log_odds))
        if self.correction is not None:
            probabilities = self._corrected(self.correction, log_odds, probabilities, views)
        probabilities = np.round(probabilities, DECIMALS)
        found = np.split(probabilities, np.cumsum([len(view.matrix) for view in views])[:-1])
        summaries = np.stack([view.summary(own) for view, own in zip(views, body, strict=True)])
        kinds = np.round(1 / (1 + np.exp(-self.kind.scores(summaries))), DECIMALS)
        scored = iter([Scored(*item) for item in zip(found, views, kinds, strict=True)])
        return [next(scored) if page.blocks else Scored(np.zeros((0, len(self.labels)))) for page in pages]

    def log_odds(self, pages: Sequence[Page]) -> tuple[npt.NDArray[np.float64], list[View], list[npt.NDArray[np.float64]]]:
        """Return the trees' log odds of all blocks of all pages, (n_blocks, n_base_labels), and of each page with blocks its view and context scores."""
        views = [
            view
            for group in group_pages([page for page in pages if page.blocks])
            for view in view_pages(group, self.tables, self.text, self.markup, self.base_labels)
        ]
        if not views:
            return np.zeros((0, len(self.base_labels))), [], []
        borders = np.cumsum([len(view.matrix) for view in views])[:-1]
        stacked = np.concatenate([view.matrix for view in views])
        body = np.split(self.context.scores(stacked)[:, 0], borders)
        return self.trees.scores(np.hstack([stacked, sequences(views, body)[1]])), views, body


@dataclass(frozen=True, slots=True)
class Scored:
    """What the model says of a page."""

    probabilities: npt.NDArray[np.float64]  # (n_blocks, n_labels), each label against the rest, four decimals
    view: View | None = None  # None for a page without blocks
    kinds: npt.NDArray[np.float64] | None = None  # (len(KINDS),) what the document is as a whole, each against the rest


class Believer(Protocol):
    """What is asked of a model by those who have its probabilities already."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, ``body`` among them."""

    def threshold(self, label: str) -> float:
        """Return the probability from which on a label is believed."""


def decide(model: Believer, page: Page, probabilities: npt.NDArray[np.float64]) -> list[str]:
    """Return the label of each block.

    Where a kind of spam is likeliest, a line is spam unless it is surely body. A sentence is spam only where the model is as sure as its card says,
    and not where it may be body at all: reporting on what spam sells reads like both. Else a block is body from a share of the probability of the
    page's surest blocks on, which the card gives, since on a page of a make that the model does not know nothing is surely body; a sentence of a
    plain text also where body is likeliest, or nothing is likely, and a line of one above a paragraph where body is about as likely as anything.
    What is neither is the likeliest kind of furniture.
    """
    labels = model.labels
    body = labels.index("body")
    spam = [number for number, label in enumerate(labels) if label.startswith("spam-")]
    furniture = [number for number, label in enumerate(labels) if number not in (body, *spam)]
    limits = {number: model.threshold(labels[number]) for number in (body, *spam)}
    surest = float(np.sort(probabilities[:, body])[-SUREST:].mean()) if len(probabilities) else 0.0
    enough = max((limits[body] if page.html else min(limits[body], PLAIN_BODY)) * surest, NEVER_BODY)
    result = []
    for block, row in zip(page.blocks, probabilities.tolist(), strict=True):
        best = max(range(len(row)), key=row.__getitem__)
        prose = (not page.html or best in spam) and is_prose(page.text_of(block))
        if best in spam and row[best] >= HARDLY_SPAM:
            honest = row[body] >= MAYBE_BODY or row[best] < limits[best] if prose else row[body] >= SURELY_BODY
            result.append("body" if honest else labels[best])
            continue
        likeliest = max(furniture, key=row.__getitem__, default=body)
        # Plain text has no markup that says what a sentence is if it is not body.
        spared = prose and not page.html and (best == body or (row[body] >= HARDLY_BODY and row[likeliest] < HARDLY_FURNITURE))
        is_body = row[body] >= enough and (row[body] >= row[likeliest] or surest < SURE_PAGE)
        result.append("body" if spared or is_body else labels[likeliest])
    return result if page.html else _with_subheads(page, probabilities, body, result)


def _with_subheads(page: Page, probabilities: npt.NDArray[np.float64], body: int, chosen: Sequence[str]) -> list[str]:
    """Keep the lines of a plain text that may be subheads: what stands above a paragraph, and below one, has only its words to say what it is."""
    result = list(chosen)
    prose = [label == "body" and is_prose(page.text_of(block)) for block, label in zip(page.blocks, chosen, strict=True)]
    for number in range(len(result) - 1):
        line = chosen[number]
        if line == "body" or line.startswith("spam-") or not prose[number + 1]:
            continue
        likely = probabilities[number, body]
        between = number > 0 and prose[number - 1] and likely == probabilities[number].max()
        if likely >= (SUBHEAD_BETWEEN if between else SUBHEAD):
            result[number] = "body"
    return result


def is_prose(text: str) -> bool:
    """Whether a text is a sentence or more: long enough, and ends as one. Scripts without spaces say as much in half the characters."""
    if 2 * len(text) < PROSE_CHARACTERS or _PROSE_END.search(text) is None:
        return False
    return len(text) >= PROSE_CHARACTERS or len(text) + len(_SPACELESS.findall(text)) >= PROSE_CHARACTERS
