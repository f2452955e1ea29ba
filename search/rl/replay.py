"""Scored episodes, with what is needed to score them again against another pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.expression.rank_key import rank_key
from alphamine.pool.model import PoolModel

from .episodes import Episodes, IntArray

FloatArray = npt.NDArray[np.float64]
Sketches = npt.NDArray[np.float32]


class Replay:
    """Episodes by number, each with the IC and the sketch of its formula.

    Parameters
    ----------
    steps, tokens : int
        Most steps of an episode; size of the vocabulary.

    Attributes
    ----------
    ics : (n,) float64
        Mean IC on train, 0 where there is none.
    sketches : (n, size) float32
        Unit vectors whose products are about the mean daily rank correlations of the formulas.
    raw_penalties : (n,) float64
        For each formula the squared standard error of its IC times its tokens.
    daily_ics : (n, days) float32
        Daily ICs; (n, 0) if the pool's objective does not depend on them.
    """

    def __init__(self, steps: int, tokens: int) -> None:
        self._episodes = Episodes.empty(0, steps, tokens)
        self._places: dict[str, int] = {}
        self.formulas: list[Node] = []
        self.ics: FloatArray = np.zeros(0)
        self.sketches: Sketches = np.zeros((0, 0), dtype=np.float32)
        self.raw_penalties: FloatArray = np.zeros(0)
        self.daily_ics: Sketches = np.zeros((0, 0), dtype=np.float32)

    def __len__(self) -> int:
        return len(self.formulas)

    def place(self, formula: Node) -> int | None:
        """Number of a formula, up to rank equivalence; None if it is not there."""
        return self._places.get(rank_key(formula))

    def add(
        self,
        episodes: Episodes,
        formulas: Sequence[Node],
        ics: FloatArray,
        sketches: Sketches,
        raw_penalties: FloatArray,
        daily_ics: Sketches,
    ) -> IntArray:
        """Remember scored episodes; their numbers."""
        first = len(self)
        self._episodes = Episodes.all([self._episodes, episodes])
        self.formulas += formulas
        self.ics = np.concatenate([self.ics, ics])
        self.raw_penalties = np.concatenate([self.raw_penalties, raw_penalties])
        self.sketches = _joined(self.sketches, sketches)
        self.daily_ics = _joined(self.daily_ics, daily_ics)
        self._places |= {rank_key(formula): first + i for i, formula in enumerate(formulas)}
        return np.arange(first, len(self))

    def episodes(self, chosen: IntArray) -> Episodes:
        return self._episodes.take(chosen)

    def keep(self, chosen: IntArray) -> None:
        """Forget all but some."""
        self._episodes = self._episodes.only(chosen)
        self.formulas = [self.formulas[i] for i in chosen]
        self.ics, self.sketches = self.ics[chosen], self.sketches[chosen]
        self.raw_penalties = self.raw_penalties[chosen]
        self.daily_ics = self.daily_ics[chosen]
        self._places = {rank_key(formula): i for i, formula in enumerate(self.formulas)}

    def gains(self, pool: PoolModel, level: bool = False) -> FloatArray:
        """By how much the pool would gain with each formula, or lose without; (n,).

        Parameters
        ----------
        pool : PoolModel
        level : bool
            The pool's penalised objective with the formula instead: for a member, as it is.
        """
        gains = pool.gains(self.ics, self.sketches, self.raw_penalties, self.daily_ics)
        losses = np.zeros(len(pool.formulas)) if level else pool.losses()
        for formula, loss in zip(pool.formulas, losses, strict=True):
            place = self.place(formula)
            if place is not None:
                gains[place] = loss
        return gains + pool.penalised_objective if level else gains

    def state(self) -> dict[str, Any]:
        return {
            "formulas": [to_data(formula) for formula in self.formulas],
            "ics": self.ics,
            "sketches": self.sketches,
            "raw_penalties": self.raw_penalties,
            "daily_ics": self.daily_ics,
            "episodes": self._episodes.state(),
        }

    def load(self, state: Mapping[str, Any], schema: Mapping[str, FieldInfo]) -> None:
        self.formulas = [from_data(data, schema) for data in state["formulas"]]
        self.ics = np.asarray(state["ics"])
        self.sketches = np.asarray(state["sketches"])
        self.raw_penalties = np.asarray(state["raw_penalties"])
        self.daily_ics = np.asarray(state["daily_ics"])
        self._episodes = Episodes.of_state(state["episodes"])
        self._places = {rank_key(formula): i for i, formula in enumerate(self.formulas)}


def _joined(before: Sketches, more: Sketches) -> Sketches:
    """Rows after rows; as long as nothing was known of any formula, they have no width."""
    known = before if before.shape[1] else np.zeros((len(before), more.shape[1]), np.float32)
    return np.concatenate([known, more])
