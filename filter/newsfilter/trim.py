"""Below the block: spam glued to an honest paragraph is cut out of it, and the paragraph stays."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from newsfilter.classifier import Model, Scored
from newsfilter.cuts import MIN_CHARACTERS, Cut, Piece, cut_blocks, piece_matrix
from newsfilter.ngrams import spam_profile
from newsfilter.normal_form import Floats
from newsfilter.records import Decision, Page
from newsfilter.verdict import count_words
from newsfilter.view import View

MIN_SPAM_WORDS, MIN_SPAM_CHARACTERS = 2, 12  # of a piece that is cut out
MIN_KEPT = 20  # characters that must stay of a block that is cut; with fewer it is no paragraph with spam in it


def trim(model: Model, judged: Sequence[tuple[Scored, Sequence[Decision]]]) -> list[list[Decision]]:
    """Cut spam out of the blocks that stay, of pages that were scored together.

    A block that holds some becomes several decisions with one block number, in order: its honest stretches keep what was decided for the
    block, the others have the likeliest kind of spam as their label, with the probability of being spam at all.
    """
    result = [list(decisions) for _, decisions in judged]
    together: dict[int, list[int]] = {}  # pages that were viewed together, by their place in `judged`
    for place, (scored, _) in enumerate(judged):
        if scored.view is not None:
            together.setdefault(id(scored.view.joined), []).append(place)
    cuts: list[tuple[int, View, Cut]] = []
    matrices: list[Floats] = []
    for places in together.values():
        views = {view.number: (place, view) for place in places if (view := judged[place][0].view) is not None}
        chosen = [(page, number) for page, (place, _) in views.items() for number in _looked_into(judged[place][1])]
        if not chosen:
            continue
        view = views[chosen[0][0]][1]
        profile = spam_profile(view.joined_grams, model.text.margins(model.base_labels), len(view.joined.codes.kinds))
        found = cut_blocks(view.joined, profile, chosen)
        cuts += [(*views[cut.page], cut) for cut in found]
        matrices.append(piece_matrix(view.joined, profile, found))
    if not matrices:
        return result
    limit = model.threshold("cut")
    likely = iter(model.cut_probabilities(np.concatenate(matrices)).tolist())
    for place, view, cut in cuts:
        pieces = [
            (piece, p if p >= limit and _is_worth_cutting(view.page, piece) else 0.0)
            for piece, p in zip(cut.pieces, islice(likely, len(cut.pieces)), strict=True)
        ]
        honest = sum(piece.end - piece.start for piece, p in pieces if p < limit)
        if honest >= MIN_KEPT and any(p >= limit for _, p in pieces):
            at = next(number for number, decision in enumerate(result[place]) if decision.block == cut.block)
            result[place][at : at + 1] = _parts(model, result[place][at], pieces, limit)
    return result


def _looked_into(decisions: Sequence[Decision]) -> list[int]:
    """Return the numbers of blocks that may hold spam and have room for it."""
    return [d.block for d in decisions if d.kept and d.label == "body" and d.by == "model" and d.end - d.start >= MIN_CHARACTERS]


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
