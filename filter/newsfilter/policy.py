"""What a user's policy makes of decisions: which labels stay, from which probability on one is believed, and what the document comes to.

`conclude` is the one way from decisions to a body and a record's entries, for cleaning and for applying another policy later.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from newsfilter.damage import find_damage
from newsfilter.language import NOT_TOLD, detect_language
from newsfilter.provenance import assemble, digest, edit_rows
from newsfilter.records import Damage, Decision, Edit, Language, Page, Verdict
from newsfilter.settings import Settings
from newsfilter.verdict import count_words


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a document comes to."""

    body: str  # "" where the document is rejected
    entries: list[dict[str, Any]]  # the record's ``blocks``
    edits: list[Edit]
    damage: tuple[Damage, ...]

    def as_record(self) -> dict[str, Any]:
        """Return the keys of a record that it decides, in the record's order."""
        return {
            "body": {"sha256": digest(self.body), "characters": len(self.body), "words": count_words(self.body)},
            "blocks": self.entries,
            "edits": edit_rows(self.edits),
            "damage": [{"start": fault.start, "end": fault.end, "code": fault.code} for fault in self.damage],
        }


def conclude(page: Page, decisions: Sequence[Decision], verdict: Verdict, *, repair: bool) -> Conclusion:
    """Put a page's body and its record's entries together."""
    rejected = verdict.decision == "reject"
    body, entries, edits = assemble(page, decisions, repair=repair, written=not rejected)
    return Conclusion("" if rejected else body, entries, edits, find_damage(page, tuple(decisions)))


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as a record holds it."""
    return {
        "decision": verdict.decision,
        "reasons": [{"code": reason.code, "value": reason.value, "limit": reason.limit} for reason in verdict.reasons],
    }


def language_of(page: Page, decisions: Sequence[Decision], settings: Settings) -> Language:
    """Tell the language of the paragraphs that stay."""
    if not settings.language:
        return NOT_TOLD
    return detect_language("\n\n".join(page.text[d.start : d.end] for d in decisions if d.kept and d.label == "body"))


def keep_labels(decisions: Sequence[Decision], wanted: Collection[str]) -> list[Decision]:
    """Keep body and the labels that the user wants, and nothing else; of a headline's copies only the first."""
    result, headline_kept = [], False
    for decision in decisions:
        keep = decision.label == "body" or (decision.label in wanted and not (decision.label == "headline" and headline_kept))
        headline_kept = headline_kept or (keep and decision.label == "headline")
        if keep == decision.kept:
            result.append(decision)
        elif keep:
            result.append(replace(decision, kept=True, by="policy", evidence=()))
        else:
            result.append(replace(decision, kept=False))
    return result


def limit_of(label: str, thresholds: Mapping[str, float]) -> float:
    """Return the probability from which on a label counts: its own, else its family's (``spam`` for ``spam-adult``), else 0.

    >>> limit_of("spam-adult", {"spam": 0.9, "teaser": 0.5}), limit_of("notice", {"spam": 0.9})
    (0.9, 0.0)
    """
    return thresholds.get(label, thresholds.get(label.partition("-")[0], 0.0))


def with_thresholds(decisions: Sequence[Decision], thresholds: Mapping[str, float], *, certain: Collection[int] = ()) -> list[Decision]:
    """Take back the model's removals that are less likely than the user asks for.

    A block that the model removed as L stays removed as L only if its probability of L is at least L's threshold. Else it is what else is most
    probable, where a label below its own threshold does not count; if nothing else is known of it, it is body. So a threshold gives text back, and
    never removes what the model kept. What a rule decided stays.

    Spam that was cut out of a block, and does not reach its threshold, is a stretch of that block again.

    Parameters
    ----------
    decisions
        In page order.
    thresholds
        Label, or family of labels (``spam``), to probability.
    certain
        Numbers of blocks that are certainly not body and of which no other probability is known, as a record merges them: they stay.
    """
    if not thresholds:
        return list(decisions)
    whole = {d.block: d for d in decisions if d.kept and d.label == "body"}
    result: list[Decision] = []
    for decision in decisions:
        new = decision if decision.block in certain else _with_threshold(decision, thresholds, whole.get(decision.block))
        last = result[-1] if result else None
        if last is not None and last.block == new.block and last.kept and new.kept:
            by = "policy" if "policy" in (last.by, new.by) else last.by
            result[-1] = replace(last, end=new.end, by=by)
        else:
            result.append(new)
    return result


def _with_threshold(decision: Decision, thresholds: Mapping[str, float], rest: Decision | None) -> Decision:
    """`rest` is the part of a block that stayed when the decision's stretch was cut out of it."""
    label, likely = decision.label, decision.probabilities
    if decision.by != "model" or label == "body" or likely.get(label, 0.0) >= limit_of(label, thresholds):
        return decision
    if rest is not None:
        return replace(decision, label="body", probabilities=rest.probabilities, kept=True, by="policy", evidence=())
    others = {name: p for name, p in likely.items() if name != label and p >= limit_of(name, thresholds)}
    new = max(others, key=others.__getitem__, default="body")
    return replace(decision, label=new, kept=new == "body", by="policy", evidence=())
