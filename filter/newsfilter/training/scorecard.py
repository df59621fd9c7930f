"""An evaluation's figures, and how they are written for people."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MEASURES = ("precision", "recall", "f1")
RESAMPLES = 1000  # of the documents, for an interval
BINS = 15  # of the calibration error
SHOWN = 20  # false removals that are spelled out


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share, or a difference of two, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One label's figures; None where there is nothing to take a share of."""

    label: str
    blocks: int  # that have it
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None


@dataclass(frozen=True, slots=True)
class Removal:
    """An honest block that the model would remove."""

    where: str
    text: str  # its beginning
    label: str  # what the model takes it for
    probability: float


@dataclass(frozen=True, slots=True)
class Score:
    """One model's figures."""

    classes: tuple[ClassScore, ...]
    accuracy: float
    calibration_error: float  # of the likeliest label
    confusion: tuple[tuple[str, str, int], ...]  # label, what it was mistaken for, how often; most often first
    removals: tuple[Removal, ...]  # surest first


@dataclass(frozen=True, slots=True)
class Loss:
    """A measure by which a class is worse off than with the other model, by more than chance."""

    label: str
    measure: str
    here: float
    there: float
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a model and, if it was held against another, of that one, the differences, and what was lost."""

    documents: int
    blocks: int
    seed: int
    score: Score
    against: Score | None
    differences: tuple[ClassScore, ...]  # this model less the other
    lost: tuple[Loss, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        content: dict[str, Any] = asdict(self)
        return content


def evaluation_text(evaluation: Evaluation, name: str, against: str | None, show: Callable[[str], str]) -> str:
    """Write an evaluation for people.

    Parameters
    ----------
    name, against
        What the two models are called.
    show
        Makes a labelled text safe for a terminal.
    """
    return "\n".join(_lines(evaluation, name, against, show))


def _lines(evaluation: Evaluation, name: str, against: str | None, show: Callable[[str], str]) -> Iterator[str]:
    score = evaluation.score
    yield f"{show(name)}: {evaluation.blocks:,} labelled blocks of {evaluation.documents:,} documents and rows"
    yield f"95 % intervals of {RESAMPLES:,} draws of as many documents, seed {evaluation.seed}"
    yield ""
    yield from _table(score.classes, "{:.3f}")
    yield ""
    yield _overall(score)
    if evaluation.against is not None:
        yield ""
        yield f"difference from {show(against or '')}"
        yield from _table(evaluation.differences, "{:+.3f}")
        yield f"its {_overall(evaluation.against)}"
    if score.confusion:
        yield ""
        yield "mistaken"
        yield from (f"{count:>7,}  {label} for {taken}" for label, taken, count in score.confusion)
    yield ""
    yield from _removal_lines(score.removals, show)
    if evaluation.against is not None:
        yield ""
        yield from _loss_lines(evaluation.lost, against or "", show)


def _overall(score: Score) -> str:
    return f"accuracy {score.accuracy:.4f}, expected calibration error {score.calibration_error:.4f} ({BINS} bins of equal mass)"


def _table(classes: Sequence[ClassScore], form: str) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("label", "blocks", *MEASURES)]
    rows += [(row.label, f"{row.blocks:,}", *(_cell(getattr(row, name), form) for name in MEASURES)) for row in classes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for label, blocks, *cells in rows:
        measures = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths[2:], strict=True))
        yield f"{label.ljust(widths[0])}  {blocks.rjust(widths[1])}  {measures}".rstrip()


def _cell(estimate: Estimate | None, form: str) -> str:
    if estimate is None:
        return "-"
    low, high = form.format(estimate.low), form.format(estimate.high)
    return f"{form.format(estimate.value)} [{low}, {high}]"


def _removal_lines(removals: Sequence[Removal], show: Callable[[str], str]) -> Iterator[str]:
    if not removals:
        yield "no block of label body would be removed"
        return
    yield f"{len(removals):,} of label body would be removed"
    for removal in removals[:SHOWN]:
        yield f"  {removal.label} {removal.probability:.2f}  {show(removal.where)}  {show(removal.text)}"
    if len(removals) > SHOWN:
        yield f"  and {len(removals) - SHOWN:,} more"


def _loss_lines(lost: Sequence[Loss], against: str, show: Callable[[str], str]) -> Iterator[str]:
    if not lost:
        yield f"no class is worse than with {show(against)} by more than its interval"
    for loss in lost:
        interval = f"[{loss.difference.low:+.3f}, {loss.difference.high:+.3f}]"
        yield (
            f"lost: {loss.measure} of {loss.label} is {loss.here:.3f}, with {show(against)} {loss.there:.3f} "
            f"({loss.difference.value:+.3f} {interval})"
        )
