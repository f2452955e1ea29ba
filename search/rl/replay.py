"""The episodes that were judged, with what is needed to judge them anew against another pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.expression.rank_key import rank_key
from alphamine.pool.view import PoolView

from .episodes import Episodes, IntArray
from .synergy import Synergy

FloatArray = npt.NDArray[np.float64]
Sketches = npt.NDArray[np.float32]


class Replay:
    """Episodes by number, each with the merit and the sketch of its formula.

    Parameters
    ----------
    steps, tokens : int
        Most steps of an episode; size of the vocabulary.

    Attributes
    ----------
    merits : (n,) float64
        Mean rank IC on train, 0 where there is none.
    sketches : (n, size) float32
        Unit vectors whose products are about the mean daily rank correlations of the formulas.
    doubts : (n,) float64
        For each formula the squared standard error of its merit times its tokens.
    """

    def __init__(self, steps: int, tokens: int) -> None:
        self._episodes = Episodes.empty(0, steps, tokens)
        self._places: dict[str, int] = {}
        self.formulas: list[Node] = []
        self.merits: FloatArray = np.zeros(0)
        self.sketches: Sketches = np.zeros((0, 0), dtype=np.float32)
        self.doubts: FloatArray = np.zeros(0)

    def __len__(self) -> int:
        return len(self.formulas)

    def place(self, formula: Node) -> int | None:
        """Number of a formula, up to rank equivalence; None if it is not there."""
        return self._places.get(rank_key(formula))

    def add(
        self, episodes: Episodes, formulas: Sequence[Node], merits: FloatArray,
        sketches: Sketches, doubts: FloatArray,
    ) -> IntArray:  # fmt: skip
        """Remember judged episodes; their numbers."""
        first = len(self)
        self._episodes = Episodes.all([self._episodes, episodes])
        self.formulas += formulas
        self.merits = np.concatenate([self.merits, merits])
        self.doubts = np.concatenate([self.doubts, doubts])
        before = self.sketches if first else np.zeros((0, sketches.shape[1]), dtype=np.float32)
        self.sketches = np.concatenate([before, sketches])
        self._places |= {rank_key(formula): first + i for i, formula in enumerate(formulas)}
        return np.arange(first, len(self))

    def episodes(self, chosen: IntArray) -> Episodes:
        return self._episodes.take(chosen)

    def keep(self, chosen: IntArray) -> None:
        """Forget all but some."""
        self._episodes = self._episodes.only(chosen)
        self.formulas = [self.formulas[i] for i in chosen]
        self.merits, self.sketches = self.merits[chosen], self.sketches[chosen]
        self.doubts = self.doubts[chosen]
        self._places = {rank_key(formula): i for i, formula in enumerate(self.formulas)}

    def gains(self, pool: PoolView, level: bool = False) -> FloatArray:
        """By how much the pool would gain worth with each formula, or lose it without; (n,).

        Parameters
        ----------
        pool : PoolView
            Members that are not remembered are passed over.
        level : bool
            What the pool would be worth with the formula instead.
        """
        found = (self.place(formula) for formula in pool.formulas)
        members = [place for place in found if place is not None]
        doubts = pool.token_price * self.doubts
        synergy = Synergy(
            self.merits[members], self.sketches[members], doubts[members], pool.max_correlation,
            pool.full,
        )  # fmt: skip
        gains = synergy.gains(self.merits, self.sketches, doubts)
        gains[members] = synergy.losses()
        return gains + synergy.worth if level else gains

    def state(self) -> dict[str, Any]:
        return {
            "formulas": [to_data(formula) for formula in self.formulas],
            "merits": self.merits, "sketches": self.sketches, "doubts": self.doubts,
            "episodes": self._episodes.state(),
        }  # fmt: skip

    def load(self, state: Mapping[str, Any], schema: Mapping[str, FieldInfo]) -> None:
        self.formulas = [from_data(data, schema) for data in state["formulas"]]
        self.merits = np.asarray(state["merits"])
        self.sketches = np.asarray(state["sketches"])
        self.doubts = np.asarray(state["doubts"])
        self._episodes = Episodes.of_state(state["episodes"])
        self._places = {rank_key(formula): i for i, formula in enumerate(self.formulas)}
