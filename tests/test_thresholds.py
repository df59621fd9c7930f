import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.training.thresholds import HIGHEST, LOWEST, choose


@pytest.mark.parametrize(
    ("cases", "precision", "expected"),
    [
        pytest.param([(0.9, 1), (0.8, 1), (0.7, 0), (0.4, 0)], 0.9, 0.8, id="behind the last right one"),
        pytest.param([(0.9, 1), (0.8, 1), (0.7, 0), (0.4, 0)], 0.6, 0.7, id="a lower precision reaches further"),
        pytest.param([(0.9, 1), (0.8, 1), (0.7, 1)], 0.99, 0.7, id="all right"),
        pytest.param([(0.9, 0), (0.8, 0)], 0.5, HIGHEST, id="all wrong"),
        pytest.param([], 0.5, HIGHEST, id="no cases"),
        pytest.param([(0.9, 0), (0.8, 1), (0.7, 1), (0.6, 1)], 0.75, 0.6, id="a wrong one on top is outweighed"),
        pytest.param([(0.9, 0), (0.8, 1), (0.7, 1), (0.6, 1)], 0.8, HIGHEST, id="or is not"),
        pytest.param([(0.4, 0), (0.9, 1), (0.7, 0), (0.8, 1)], 0.9, 0.8, id="in any order"),
        pytest.param([(0.9, 1), (0.8, 1), (0.8, 0)], 0.9, 0.9, id="equal probabilities go together"),
        pytest.param([(0.9, 1), (0.8, 0), (0.8, 1)], 0.9, 0.9, id="whichever comes first"),
        pytest.param([(0.9, 1), (0.1, 1)], 0.9, LOWEST, id="none below the lowest"),
        pytest.param([(0.999, 1), (0.998, 0)], 0.9, HIGHEST, id="none above the highest"),
        pytest.param([(0.9, 1), (0.8442, 1), (0.8438, 0), (0.842, 0)], 0.9, 0.8442, id="not rounded to where wrong ones are"),
        pytest.param([(0.9, 1), (0.8473, 1), (0.8471, 1), (0.5, 0)], 0.99, 0.8471, id="nor to where right ones are lost"),
    ],
)
def test_choose(cases: list[tuple[float, int]], precision: float, expected: float) -> None:
    # The lowest threshold from which on enough are right.
    assert choose([p for p, _ in cases], [bool(right) for _, right in cases], precision) == expected


CASES = st.lists(st.tuples(st.integers(3000, 9500).map(lambda p: p / 10_000), st.booleans()), max_size=40)


@given(CASES, st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.99]))
def test_the_precision_is_reached(cases: list[tuple[float, bool]], precision: float) -> None:
    # Between the lowest and the highest threshold, what is chosen keeps its word, and no lower one would.
    threshold = choose([p for p, _ in cases], [right for _, right in cases], precision)
    assert LOWEST <= threshold <= HIGHEST

    def reached(limit: float) -> bool:
        right = [good for p, good in cases if p >= limit]
        return bool(right) and bool(np.mean(right) >= precision)

    if threshold < HIGHEST:
        assert reached(threshold)
    assert not any(reached(p) for p, _ in cases if p < threshold)
