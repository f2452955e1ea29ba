"""The table of a pool: one row for each member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphamine.engine.scores import DailyScores

from .blend import Blend
from .pool import Member, Pool


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One member; all numbers are those of the formula as it is written here.

    Attributes
    ----------
    formula : str
        With the member's sign, so that its rank IC is positive on train.
    weight : float
        In the combined signal. Below 0, the member hedges what the others have in common with it.
    train_rank_ic, valid_rank_ic : float
        Mean daily rank IC; NaN without such a split.
    train_rank_icir, valid_rank_icir : float
        Mean by standard deviation (ddof 1) of the daily rank ICs.
    turnover : float
        Mean on train, as a share of the book.
    max_correlation : float
        Largest absolute correlation with another member on train; 0 for a single member.
    flat_days : float
        Share of the train days with enough names on which all of them have the same value: there is
        no rank IC, and nothing to trade. 0 without such days.
    """

    formula: str
    weight: float
    train_rank_ic: float
    valid_rank_ic: float
    train_rank_icir: float
    valid_rank_icir: float
    turnover: float
    max_correlation: float
    flat_days: float


def pool_table(
    pool: Pool | Blend,
    train: Sequence[DailyScores],
    valid: Sequence[DailyScores | None],
    min_names: int,
) -> list[PoolRow]:
    """A row for each member, in their order.

    Parameters
    ----------
    pool : Pool or Blend
    train, valid : sequence of DailyScores
        Of the members as they are oriented; None where there is no valid split.
    min_names : int
        Of the panel.
    """
    together = zip(pool.members, train, valid, strict=True)
    return [_row(member, a, b, _largest(pool, member), min_names) for member, a, b in together]


def _largest(pool: Pool | Blend, member: Member) -> float:
    others = [m.formula for m in pool.members if m.formula is not member.formula]
    return max((abs(pool.correlation(member.formula, other)) for other in others), default=0.0)


def _row(
    member: Member,
    on_train: DailyScores,
    on_valid: DailyScores | None,
    largest: float,
    min_names: int,
) -> PoolRow:
    train_ic, train_icir = _rank_ic(on_train)
    valid_ic, valid_icir = _rank_ic(on_valid) if on_valid else (np.nan, np.nan)
    enough = int((on_train.pairs >= min_names).sum())
    return PoolRow(
        formula=str(member.oriented),
        weight=member.sign * member.weight,
        train_rank_ic=train_ic,
        valid_rank_ic=valid_ic,
        train_rank_icir=train_icir,
        valid_rank_icir=valid_icir,
        turnover=_mean(on_train.turnover),
        max_correlation=largest,
        flat_days=int(on_train.flat(min_names).sum()) / max(enough, 1),
    )


def _rank_ic(scores: DailyScores) -> tuple[float, float]:
    daily = scores.rank_ic[np.isfinite(scores.rank_ic)]
    if len(daily) < 2:
        return _mean(daily), float("nan")
    spread = daily.std(ddof=1)
    mean = float(daily.mean())
    return mean, mean / float(spread) if spread > 0 else float("nan")


def _mean(x: npt.NDArray[np.float64]) -> float:
    present = x[np.isfinite(x)]
    return float(present.mean()) if len(present) else float("nan")
