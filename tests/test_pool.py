"""The pool of processes that dumps and reapply work in."""

import gc
import os
import signal
from collections.abc import Iterator
from operator import neg

import pytest

from newsfilter.dumps.interrupt import Interruption
from newsfilter.dumps.pool import in_pool


def interrupting(number: signal.Signals, at: int) -> Iterator[int]:
    """Yield twenty numbers; this process gets the signal as number `at` is handed out."""
    for k in range(20):
        if k == at:
            os.kill(os.getpid(), number)
        yield k


@pytest.mark.slow
def test_what_comes_back_is_in_order_if_asked_for() -> None:
    assert list(in_pool(neg, iter(range(20)), 2, ordered=True)) == [-k for k in range(20)]
    assert sorted(in_pool(neg, iter(range(20)), 2)) == [-k for k in range(19, -1, -1)]


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [0, 2])
def test_an_interrupt_while_the_first_items_are_handed_out_closes_the_pool_without_a_word(number: signal.Signals, at: int) -> None:
    """It waits until the processes are started, and may be raised before anybody has asked for a result."""
    with Interruption(), pytest.raises(KeyboardInterrupt):
        list(in_pool(neg, interrupting(number, at), 2))
    gc.collect()  # what joblib was left to close by itself complains then
    assert list(in_pool(neg, iter([1]), 2)) == [-1]  # the next pool is not of the one that went
