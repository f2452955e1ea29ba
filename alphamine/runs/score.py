"""What scoring a formula gives: on train, on valid for the record, and for the pool."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Final

from alphamine.engine.cells import Vector
from alphamine.engine.scores import DailyScores
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.inference import MeanTest


@dataclass(frozen=True, slots=True)
class Score:
    """One formula on train, and on valid for the record.

    Attributes
    ----------
    train : Summary
    valid : Summary or None
    fitness : float
        As defined below.
    test : MeanTest
        Of the mean rank IC on train.
    vector : Vector or None
        What a pool needs of its values; None if there are none.
    train_daily, valid_daily : DailyScores or None
        What the two summarise; infinite cells are counted on train only.
    failure : str or None
        Why there are no scores.
    """

    train: Summary
    valid: Summary | None
    fitness: float
    test: MeanTest
    vector: Vector | None = field(default=None, repr=False)
    train_daily: DailyScores | None = field(default=None, repr=False, compare=False)
    valid_daily: DailyScores | None = field(default=None, repr=False, compare=False)
    failure: str | None = None

    @property
    def scores(self) -> dict[str, float]:
        """What searchers and the ledger are told of train."""
        tested = {name: getattr(self.test, name) for name in _TEST_SCORES}
        return {**as_mapping(self.train), **tested}

    @classmethod
    def failed(cls, reason: str) -> Score:
        """Of a formula that could not be evaluated: a trial, without a score."""
        nan = math.nan
        train = Summary(
            rank_ic=nan,
            rank_ic_std=nan,
            rank_icir=nan,
            ic=nan,
            ic_std=nan,
            icir=nan,
            days=0,
            pairs=nan,
            coverage=nan,
            turnover=nan,
        )
        return cls(train, None, -math.inf, MeanTest(nan, nan, 0, nan, 0), failure=reason)


def as_mapping(summary: Summary) -> dict[str, float]:
    """The numbers of a summary by name."""
    return {name: getattr(summary, name) for name in VALID_SCORES}


VALID_SCORES: Final = tuple(field.name for field in fields(Summary))
_TEST_SCORES: Final = ("t", "degrees", "effective_days")
TRAIN_SCORES: Final = (*VALID_SCORES, *_TEST_SCORES)
