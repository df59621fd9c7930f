"""Below the block: spam glued to an honest paragraph is cut out of it, and the paragraph stays."""

from collections.abc import Sequence
from dataclasses import replace

from newsfilter.classifier import Model, Scored
from newsfilter.cuts import MIN_CHARACTERS, Piece, page_pieces, piece_matrix
from newsfilter.ngrams import spam_profile
from newsfilter.records import Decision, Page
from newsfilter.verdict import count_words

MIN_SPAM_WORDS, MIN_SPAM_CHARACTERS = 2, 12  # of a piece that is cut out
MIN_KEPT = 20  # characters that must stay of a block that is cut; with fewer it is no paragraph with spam in it


def trim(model: Model, page: Page, scored: Scored, decisions: Sequence[Decision]) -> list[Decision]:
    """Cut spam out of the blocks that stay.

    A block that holds some becomes several decisions with one block number, in order: its honest stretches keep what was decided for the
    block, the others have the likeliest kind of spam as their label, with the probability of being spam at all.
    """
    chosen = [
        d
        for d in decisions
        if d.kept and d.label == "body" and d.by == "model" and d.end - d.start >= MIN_CHARACTERS and scored.view is not None
    ]
    if not chosen or scored.view is None:
        return list(decisions)
    view = scored.view
    profile = spam_profile(view.grams, model.text.margins(model.base_labels), len(view.codes.kinds))
    numbers = [d.block for d in chosen]
    pieces = list(zip(numbers, page_pieces(page, [page.blocks[n] for n in numbers], view.codes, profile), strict=True))
    limit = model.threshold("cut")
    likely = model.cut_probabilities(piece_matrix(page, view.codes, profile, pieces))
    at = 0
    found: dict[int, list[tuple[Piece, float]]] = {}
    for number, block in pieces:
        own = likely[at : at + len(block)].tolist()
        at += len(block)
        spam = [p >= limit and _is_worth_cutting(page, piece) for piece, p in zip(block, own, strict=True)]
        honest = sum(piece.end - piece.start for piece, is_spam in zip(block, spam, strict=True) if not is_spam)
        if any(spam) and honest >= MIN_KEPT:
            found[number] = [(piece, p if is_spam else 0.0) for piece, p, is_spam in zip(block, own, spam, strict=True)]
    result = []
    for decision in decisions:
        if decision.block in found:
            result += _parts(model, decision, found[decision.block], limit)
        else:
            result.append(decision)
    return result


def _is_worth_cutting(page: Page, piece: Piece) -> bool:
    """A word alone is no spam: it takes two, or a brand or address that is long."""
    text = page.text[piece.start : piece.end]
    return count_words(text) >= MIN_SPAM_WORDS or len(text) >= MIN_SPAM_CHARACTERS


def _parts(model: Model, decision: Decision, pieces: Sequence[tuple[Piece, float]], limit: float) -> list[Decision]:
    kind = max((label for label in model.labels if label.startswith("spam-")), key=lambda label: decision.probabilities.get(label, 0.0))
    parts: list[Decision] = []
    for piece, likely in pieces:
        if likely >= limit:
            part = replace(decision, start=piece.start, end=piece.end, label=kind, probabilities={kind: likely}, kept=False)
        else:
            part = replace(decision, start=piece.start, end=piece.end)
        last = parts[-1] if parts else None
        if last is not None and last.kept == part.kept:
            lower = {kind: min(last.probabilities.get(kind, 1.0), likely)} if not part.kept else part.probabilities
            parts[-1] = replace(last, end=part.end, probabilities=lower)
        else:
            parts.append(part)
    return parts
