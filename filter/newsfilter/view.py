"""Pages as the trees see them: the features of many pages at once, each page's own whatever the others are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np
import numpy.typing as npt

from newsfilter.features import neighbour_matrix, place_matrix, shape_matrix, summary_row
from newsfilter.linear import Linear
from newsfilter.ngrams import Grams, markup_rows, part_grams, text_rows, weighted_sums
from newsfilter.normal_form import Floats, Joined, PageCodes, Tables, join_pages
from newsfilter.records import Page
from newsfilter.sequence import SEQUENCE_LABELS, sequence_matrix

VIEWED_AT_A_TIME = 1 << 16  # characters of pages whose features are computed together, some 5 MB; a page that has more goes alone
_NEIGHBOUR_COLUMNS = ("log_words", "kept_share", "link_density", "ends_sentence", "digits")
_NEIGHBOUR_LABELS = ("body", "headline", "byline", "caption", "teaser", "navigation", "reaction", "comment", "notice")


@dataclass(frozen=True, slots=True)
class View:
    """A page as the trees see it."""

    page: Page
    names: list[str]
    matrix: Floats  # (n_blocks, n_features)
    words: npt.NDArray[np.int64]  # (n_blocks,)
    text_scores: Floats  # (n_blocks, n_labels)
    codes: PageCodes
    grams: list[Grams]
    labels: tuple[str, ...]
    joined: Joined  # with the pages that were viewed with it
    joined_grams: list[Grams]
    number: int  # the page's among them

    def summary(self, body: npt.NDArray[np.float64]) -> Floats:
        """Return what the trees see that tell what kind of document the page is."""
        return summary_row(self.page, self.matrix, self.names, self.text_scores, self.words, body)


def sequences(views: Sequence[View], body: Sequence[npt.NDArray[np.float64]]) -> tuple[list[str], Floats]:
    """Return names and values of the features that the label trees see beside the matrices of some pages; `body` is what the context trees say."""
    labels, names = views[0].labels, views[0].names
    spam = [number for number, label in enumerate(labels) if label.startswith("spam-")]
    scores = np.concatenate([view.text_scores for view in views])
    return sequence_matrix(
        np.concatenate(body),
        scores[:, [labels.index(label) for label in SEQUENCE_LABELS]],
        scores[:, spam].max(axis=1),
        np.concatenate([view.words for view in views]),
        np.concatenate([view.matrix[:, names.index("repeats")] for view in views]),
        np.array([0, *accumulate(len(view.matrix) for view in views)]),
    )


def group_pages(pages: Sequence[Page]) -> Iterator[list[Page]]:
    """Put pages together until they have `VIEWED_AT_A_TIME` characters."""
    group: list[Page] = []
    size = 0
    for page in pages:
        if group and size + len(page.text) > VIEWED_AT_A_TIME:
            yield group
            group, size = [], 0
        group.append(page)
        size += len(page.text)
    if group:
        yield group


def view_page(page: Page, tables: Tables, text: Linear, markup: Linear, labels: tuple[str, ...], *, mute_text: bool = False) -> View:
    """Compute all features of a page that need no trees, as `view_pages` does of several."""
    return view_pages([page], tables, text, markup, labels, mute_text=mute_text)[0]


def view_pages(
    pages: Sequence[Page], tables: Tables, text: Linear, markup: Linear, labels: tuple[str, ...], *, mute_text: bool = False
) -> list[View]:
    """Compute all features of pages that need no trees; each has blocks.

    `mute_text` is for training: it hides what the words say, as if the language were unknown.
    """
    joined = join_pages(pages, tables)
    n = len(joined.codes.starts)
    shape_names, shape = shape_matrix(joined)
    grams = text_rows(joined.codes)
    text_sums, counts, known = weighted_sums([(kind.rows, kind.blocks) for kind in grams], text.weights, n)
    if mute_text:
        text_sums, known = np.zeros_like(text_sums), np.zeros_like(known)
    text_scores = text.scores(text_sums, counts)
    markup_scores = np.full((n, len(labels)), -9, np.float32)
    for number, page in enumerate(pages):
        if page.html:
            markup_scores[joined.own(number)] = _markup_scores(page, markup)
    column = {name: shape[:, number] for number, name in enumerate(shape_names)}
    words = np.round(np.exp2(column["log_words"].astype(np.float64)) - 1).astype(np.int64)
    place_names, place = place_matrix(joined, words, tables)
    near = {name: column[name] for name in _NEIGHBOUR_COLUMNS}
    near |= {f"text_{label}": text_scores[:, labels.index(label)] for label in _NEIGHBOUR_LABELS}
    near["text_spam"] = text_scores[:, [number for number, label in enumerate(labels) if label.startswith("spam-")]].max(axis=1)
    near["markup_body"] = markup_scores[:, labels.index("body")]
    near_names, nearby = neighbour_matrix(near, joined.blocks)
    known_share = np.round(known / np.maximum(counts, 1), 3).astype(np.float32)
    firsts = joined.blocks[:-1]
    known_of, count_of = np.add.reduceat(known, firsts).tolist(), np.add.reduceat(counts, firsts).tolist()
    shares = [round(own / max(of, 1), 3) for own, of in zip(known_of, count_of, strict=True)]
    page_known = np.array(shares, np.float32)[joined.page_of()]
    names = [
        *shape_names,
        *place_names,
        *(f"text_{label}" for label in labels),
        *(f"markup_{label}" for label in labels),
        "known_share",
        "page_known_share",
        *near_names,
    ]
    matrix = np.hstack([shape, place, text_scores, markup_scores, known_share[:, None], page_known[:, None], nearby])
    views = []
    for number, page in enumerate(pages):
        own = joined.own(number)
        views.append(
            View(
                page,
                names,
                matrix[own],
                words[own],
                text_scores[own],
                joined.part(number),
                part_grams(joined, grams, number),
                labels,
                joined,
                grams,
                number,
            )
        )
    return views


def _markup_scores(page: Page, markup: Linear) -> Floats:
    places: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}  # blocks of one place in the markup are scored once
    place_of = [places.setdefault((block.tags, block.hints), len(places)) for block in page.blocks]
    found = [markup_rows(*markup_place) for markup_place in places]
    owners = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
    rows = np.fromiter(chain.from_iterable(found), np.int64, len(owners))
    sums, counts, _ = weighted_sums([(rows, owners)], markup.weights, len(found))
    return markup.scores(sums, counts)[place_of]
