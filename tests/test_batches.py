"""A page's numbers are its own: the same computed alone as among the other pages of a batch."""

from dataclasses import replace
from itertools import accumulate

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from newsfilter.features import neighbour_matrix, place_matrix, shape_matrix
from newsfilter.ngrams import part_grams, text_rows
from newsfilter.normal_form import build_tables, join_pages, page_codes
from newsfilter.records import Block, Metadata, Page
from newsfilter.sequence import SEQUENCE_LABELS, sequence_matrix

TABLES = build_tables()
# Letters of several scripts, what evasions are made of, what is left out, and what takes no room at an edge.
LETTERS = 'aBcİı0 4.!"@:пα中にア\u200b\u0301\ufe0f\n\t🅰'


@st.composite
def pages(draw: st.DrawFn) -> Page:
    """A page of up to eight blocks, some empty, some of which its normal form leaves nothing, HTML or not, with a title or none."""
    text = draw(st.text(LETTERS, max_size=60))
    places = sorted(min(place, len(text)) for place in draw(st.lists(st.integers(0, 60), max_size=14)))
    html = draw(st.booleans())
    path = st.sampled_from(["/html/body/p", "/html/body/div/p[2]", "/html", "p"]) if html else st.none()
    share = st.sampled_from([0.0, 0.3, 1.0])
    spans = [(0, places[0] if places else len(text)), *zip(places[::2], places[1::2], strict=False)]
    blocks = [
        Block(start, end, draw(path), 0, tuple((draw(path) or "").split("/")), (), draw(share), 0.0, draw(st.booleans()), draw(share))
        for start, end in spans
    ]
    return Page(text, tuple(blocks), html=html, metadata=Metadata(title=draw(st.none() | st.text("aBc 中", max_size=8))))


@settings(deadline=None)
@given(st.lists(pages(), min_size=1, max_size=5))
def test_arrays_and_features(several: list[Page]) -> None:
    # Its arrays, n-grams and what is computed from them do not show that there were other pages.
    joined = join_pages(several, TABLES)
    grams = text_rows(joined.codes)
    words = np.arange(len(joined.codes.starts)) * 3 % 20
    shape, place = shape_matrix(joined)[1], place_matrix(joined, words, TABLES)[1]
    for number, page in enumerate(several):
        own = joined.own(number)
        alone, part = page_codes(page, TABLES), joined.part(number)
        for name in ("folded", "kinds", "starts", "ends", "word_starts", "word_ends", "word_blocks", "block_of", "evasions"):
            assert np.array_equal(getattr(alone, name), getattr(part, name)), name
        if alone.positions is not None:
            assert part.positions is not None
            assert np.array_equal(alone.positions, part.positions)
        of_part = [kind for kind in part_grams(joined, grams, number) if len(kind.rows)]
        of_page = [kind for kind in text_rows(alone) if len(kind.rows)]
        assert len(of_part) == len(of_page)
        for one, other in zip(of_part, of_page, strict=True):
            assert one.span == other.span
            assert np.array_equal([one.rows, one.blocks, one.begins], [other.rows, other.blocks, other.begins])
        single = join_pages([page], TABLES)
        assert np.array_equal(shape_matrix(single)[1], shape[own])
        assert np.array_equal(place_matrix(single, words[own], TABLES)[1], place[own])


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_surroundings(sizes: list[int], seed: int) -> None:
    # Neighbours, running sums and stretches end at the page's edge, to the last bit.
    draw = np.random.default_rng(seed)
    borders = np.array([0, *accumulate(sizes)])
    n = int(borders[-1])
    columns = {name: draw.normal(size=n).astype(np.float32) for name in ("a", "b")}
    body, spam = draw.normal(0, 3, n), draw.normal(0, 3, n).astype(np.float32)
    body[borders[0] : borders[1]] -= draw.choice([0, 50])  # a page may hold no body at all
    scores = draw.normal(0, 3, (n, len(SEQUENCE_LABELS))).astype(np.float32)
    words, repeats = draw.integers(0, 90, n), draw.integers(1, 4, n).astype(np.float32)
    near = neighbour_matrix(columns, borders)[1]
    around = sequence_matrix(body, scores, spam, words, repeats, borders)[1]
    for first, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        own, alone = slice(first, end), np.array([0, end - first])
        assert np.array_equal(neighbour_matrix({name: values[own] for name, values in columns.items()}, alone)[1], near[own])
        assert np.array_equal(sequence_matrix(body[own], scores[own], spam[own], words[own], repeats[own], alone)[1], around[own])


def test_nothing_reaches_over_the_border_of_a_page() -> None:
    # Letters spaced out, a digit between letters and a run of signs count only within a page: each half is honest alone.
    halves = ["c a", "s i", "b", "0", "n", "新", "华"]
    several = [Page(text, (Block(0, len(text)),), html=False) for text in halves]
    joined = join_pages(several, TABLES)
    assert joined.codes.evasions.tolist() == [0] * len(halves)
    assert join_pages([replace(several[0], text="c a s i", blocks=(Block(0, 7),))], TABLES).codes.evasions.tolist() == [3]
