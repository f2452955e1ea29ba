"""What the master and its workers write to one another.

A request is JSON: a number, and formulas (see `expression.portable`). An answer is the length of a
JSON text, that text, and the arrays of the scores' vectors and daily series one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.engine.cells import Vector
from alphamine.engine.scores import DailyScores
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.inference import MeanTest
from alphamine.expression.nodes import Node
from alphamine.expression.portable import to_data
from alphamine.runs.score import Score, as_mapping

_TEST: Final = tuple(field.name for field in fields(MeanTest))
_SERIES: Final = ("ic", "rank_ic", "pairs", "coverage", "turnover")
_LENGTH: Final = 8


def request(number: int, formulas: Sequence[Node]) -> bytes:
    """A request for the scores of some formulas."""
    content = {"id": number, "formulas": [to_data(formula) for formula in formulas]}
    return json.dumps(content).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker has to say.

    Attributes
    ----------
    number : int
        Of the request; 0 in the first answer, which is to none.
    operators : tuple of str
        In the first answer: the names of those that the worker knows.
    identity : str
        In the first answer: what the worker computes with (see `Scorer.identity`).
    seconds : float
        What the scores took.
    scores : tuple of Score
    error : str or None
        Why there are none.
    """

    number: int = 0
    operators: tuple[str, ...] = ()
    identity: str = ""
    seconds: float = 0.0
    scores: tuple[Score, ...] = ()
    error: str | None = None

    def to_bytes(self) -> bytes:
        """The answer as it is sent."""
        text = json.dumps(
            {
                "number": self.number,
                "operators": self.operators,
                "identity": self.identity,
                "seconds": self.seconds,
                "scores": [_to_data(score) for score in self.scores],
                "error": self.error,
            }
        ).encode()
        # Arrays as they are: what is joined is copied once.
        arrays = [array.data.cast("B") for score in self.scores for array in _arrays(score)]
        return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *arrays])

    @classmethod
    def of(cls, received: bytes) -> Answer:
        """The answer that was sent."""
        end = _LENGTH + int.from_bytes(received[:_LENGTH], "little")
        content = json.loads(received[_LENGTH:end])
        scores = []
        for data in content["scores"]:
            score, end = _from_data(data, received, end)
            scores.append(score)
        return cls(
            content["number"],
            tuple(content["operators"]),
            content["identity"],
            content["seconds"],
            tuple(scores),
            content["error"],
        )


def _arrays(score: Score) -> list[npt.NDArray[Any]]:
    """Those that travel beside the text, in their order."""
    vector = score.vector
    found = [] if vector is None else [vector.data, vector.scale, vector.size]
    for daily in (score.train_daily, score.valid_daily):
        if daily is not None:
            found += [getattr(daily, name) for name in _SERIES]
            found += [] if daily.raw_rank_ic is None else [daily.raw_rank_ic]
    return [np.ascontiguousarray(array) for array in found]


def _to_data(score: Score) -> list[Any]:
    valid = score.valid
    return [
        as_mapping(score.train),
        None if valid is None else as_mapping(valid),
        score.fitness,
        [getattr(score.test, name) for name in _TEST],
        [_counts(daily) for daily in (score.train_daily, score.valid_daily)],
        [[array.dtype.str, len(array)] for array in _arrays(score)],
    ]


def _from_data(data: Sequence[Any], received: bytes, start: int) -> tuple[Score, int]:
    """A score whose arrays begin at a place, and where the next one's do."""
    train, valid, fitness, test, counts, shapes = data
    arrays = []
    for dtype, count in shapes:
        # A copy is aligned, and does not keep the whole answer in memory.
        arrays.append(np.frombuffer(received, dtype, count, start).copy())
        start += arrays[-1].nbytes
    vector = Vector(*arrays[:3]) if arrays else None
    series = iter(arrays[3:])
    on_train, on_valid = (None if own is None else _daily(series, *own) for own in counts)
    held = None if valid is None else Summary(**valid)
    test_of_mean = MeanTest(*test)
    score = Score(Summary(**train), held, fitness, test_of_mean, vector, on_train, on_valid)
    return score, start


def _counts(daily: DailyScores | None) -> tuple[int, bool] | None:
    """Infinite cells, and whether there are raw rank ICs beside residual ones."""
    return None if daily is None else (daily.infinite, daily.raw_rank_ic is not None)


def _daily(arrays: Iterator[npt.NDArray[Any]], infinite: int, residual: bool) -> DailyScores:
    """The next daily series."""
    found = {name: next(arrays) for name in _SERIES}
    return DailyScores(**found, infinite=infinite, raw_rank_ic=next(arrays) if residual else None)
