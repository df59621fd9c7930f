"""Sparse linear weights over hashed n-grams: the model's first stage, and what a user teaches it on top."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from newsfilter.normal_form import Floats, Ints

MIX_RANGE = 12.0  # log odds beyond which a base score says no more to a correction
MARGINS_KEPT = 8  # sets of weights whose margins are kept: one in use, one a fold in training


@dataclass(frozen=True, slots=True)
class Linear:
    """One sparse linear stage: scores are ``sums * scale / sqrt(counts) + bias``."""

    weights: npt.NDArray[np.int8]  # (n_rows, n_labels)
    scale: npt.NDArray[np.float64]  # (n_labels,)
    bias: npt.NDArray[np.float64]  # (n_labels,)

    def scores(self, sums: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Floats:
        """Return (n_blocks, n_labels) scores, rounded to two decimals."""
        root = np.sqrt(np.maximum(counts, 1).astype(np.float64))[:, None]
        return np.round(np.clip(sums * self.scale / root + self.bias, -20, 20), 2).astype(np.float32)

    def margins(self, labels: tuple[str, ...]) -> npt.NDArray[np.int16]:
        """Return how much more each row speaks for the likeliest kind of spam than for body, (n_rows,), in hundredths; computed once."""
        key = (id(self.weights), labels)
        if key not in _MARGINS:
            if len(_MARGINS) >= MARGINS_KEPT:
                _MARGINS.clear()
            spam = [number for number, label in enumerate(labels) if label.startswith("spam-")]
            body = labels.index("body")
            largest = np.max([self.weights[:, number] * self.scale[number] for number in spam], axis=0)
            margin = np.round((largest - self.weights[:, body] * self.scale[body]) * 100)
            _MARGINS[key] = (self, np.clip(margin, -32000, 32000).astype(np.int16))
        return _MARGINS[key][1]


_MARGINS: dict[tuple[int, tuple[str, ...]], "tuple[Linear, npt.NDArray[np.int16]]"] = {}


@dataclass(frozen=True, slots=True)
class Correction:
    """Sparse weights on top of frozen scores, for some labels: what ``newsfilter train --base`` learns.

    A corrected label's log odds are the scores of `base` times its column of `mix`, and what `text` says of the block's words.
    """

    labels: tuple[str, ...]  # k corrected labels; those that the base does not know are new
    mix: npt.NDArray[np.float64]  # (n_base_labels, k)
    text: Linear  # (n_rows, k)

    def scores(self, base: npt.NDArray[np.float64], sums: Ints, counts: Ints) -> npt.NDArray[np.float64]:
        """Return (n_blocks, k) log odds. Summed column by column, so that the batch changes no last bit."""
        words = self.text.scores(sums, counts)
        result = words.astype(np.float64)
        for number in range(base.shape[1]):
            result += np.clip(base[:, [number]], -MIX_RANGE, MIX_RANGE) * self.mix[number]
        return result
