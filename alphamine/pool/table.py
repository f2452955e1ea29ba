"""What a pool is worth: one row per member, and the members combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import DailyScores

from .blend import Blend
from .cells import DayCells, Series
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
        Largest absolute correlation with another member on train; 0 for a lonely one.
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
    pool: Pool | Blend, evaluator: Evaluator, train: Sample, valid: Sample | None = None
) -> list[PoolRow]:
    """Score the members on train and valid, the best first.

    Parameters
    ----------
    pool : Pool or Blend
    evaluator : Evaluator
        On the panel of the later sample, or a longer one.
    train, valid : Sample
    """
    members = pool.members
    formulas = [member.oriented for member in members]
    on_train = dict(evaluator.scores(formulas, train))
    on_valid = dict(evaluator.scores(formulas, valid)) if valid else {}
    return [
        _row(
            str(formulas[i]),
            m.sign * m.weight,
            on_train[i],
            on_valid.get(i),
            _largest(pool, m),
            train.panel.min_names,
        )
        for i, m in enumerate(members)
    ]


def combine(
    values: Sequence[npt.NDArray[np.floating]],
    weights: Sequence[float],
    universe: npt.NDArray[np.bool_],
    series: Series = "rank",
) -> npt.NDArray[np.float64]:
    """Weighted sum of the members' daily ranks of unit variance; missing ones count as average.

    Parameters
    ----------
    values : sequence of (T, N) float
    weights : sequence of float
    universe : (T, N) bool
    series : {"rank", "value"}
        Whether daily ranks or the values themselves are standardised.

    Returns
    -------
    (T, N) float64
        NaN outside the universe and where no member has a value.
    """
    cells = DayCells(universe)
    total, present = np.zeros(len(cells.columns)), np.zeros(len(cells.columns), dtype=bool)
    for array, weight in zip(values, weights, strict=True):
        data, count, squares = cells.ranks(array) if series == "rank" else cells.centred(array)
        varies = squares > 0.0
        scale = np.sqrt(np.where(varies, count, 0.0) / np.where(varies, squares, 1.0))
        total += weight * data * np.repeat(scale, cells.sizes)
        present |= ~np.isnan(array[universe]) & np.repeat(varies, cells.sizes)
    out = np.full(universe.shape, np.nan)
    out[universe] = np.where(present, total, np.nan)
    return out


def _largest(pool: Pool | Blend, member: Member) -> float:
    others = [m.formula for m in pool.members if m.formula is not member.formula]
    return max((abs(pool.correlation(member.formula, other)) for other in others), default=0.0)


def _row(
    name: str,
    weight: float,
    on_train: DailyScores,
    on_valid: DailyScores | None,
    largest: float,
    min_names: int,
) -> PoolRow:
    train_ic, train_icir = _rank_ic(on_train)
    valid_ic, valid_icir = _rank_ic(on_valid) if on_valid else (np.nan, np.nan)
    turnover = _mean(on_train.turnover)
    enough = int((on_train.pairs >= min_names).sum())
    flat = int(on_train.flat(min_names).sum()) / max(enough, 1)
    return PoolRow(
        name, weight, train_ic, valid_ic, train_icir, valid_icir, turnover, largest, flat
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
