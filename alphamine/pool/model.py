"""A pool at one moment: what searchers may know of it, and what candidates would add to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError
from alphamine.expression.nodes import Node

from .gain import Candidates, Form, losses, marginal_gains, penalised
from .objective import Measure

FloatArray = npt.NDArray[np.float64]
Images = npt.NDArray[np.float32]

_RIDGE = 0.1


def _no_members() -> Form:
    return Form.at_minimum(np.zeros((0, 0)), np.zeros(0), (1.0, 0.0), _RIDGE)


@dataclass(frozen=True, eq=False, slots=True)
class PoolModel:
    """What searchers may know of a pool, frozen: its members, and what others would add to them.

    A pool has the values of all formulas that it is offered; a searcher has sketches of those that
    it has tried. The arithmetic is the same (see `gain`), with the pool's own quadratic form and
    penalties; only what a candidate has in common with the members is estimated.

    Attributes
    ----------
    formulas : tuple of Node
        Its members, best first; whatever is said by member is in this order.
    max_correlation : float
        Largest absolute mean daily correlation of two of them on train.
    full : bool
        Whether one must leave for a candidate.
    token_price : float
        What a token of a formula has to earn, in squared standard errors (see `Pool`).
    measure : {"ic", "icir", "lcb"}
        The objective.
    form : Form
        Of the members.
    penalties : (K,) float64
        Of the members, in units of the squared objective.
    sketches : (K, size) float32
        Of the members (see `Sketch`).
    daily_ics : (K, days) float64
        Of the members; (K, 0) where the objective needs none.
    """

    formulas: tuple[Node, ...] = ()
    max_correlation: float = 1.0
    full: bool = False
    token_price: float = 0.0
    measure: Measure = "ic"
    form: Form = field(default_factory=_no_members)
    penalties: FloatArray = field(default_factory=lambda: np.zeros(0))
    sketches: Images = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    daily_ics: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of(
        cls,
        formulas: Sequence[Node],
        ics: Sequence[float] | None = None,
        sketches: npt.ArrayLike | None = None,
        max_correlation: float = 1.0,
        full: bool = False,
    ) -> PoolModel:
        """A pool by its members' mean ICs and sketches alone, for those who try out a searcher.

        Parameters
        ----------
        formulas : sequence of Node
            The best first.
        ics : sequence of float, optional
            None of them is of any use by default.
        sketches : (K, size) float, optional
            By default the members have nothing in common with anything.
        max_correlation : float
        full : bool
        """
        count = len(formulas)
        known = np.zeros((count, 0)) if sketches is None else sketches
        images = np.asarray(known, dtype=np.float64)
        matrix = images @ images.T
        np.fill_diagonal(matrix, 1.0)
        label = np.zeros(count) if ics is None else np.asarray(ics, dtype=np.float64)
        return cls(
            tuple(formulas),
            max_correlation,
            full,
            form=Form.at_minimum(matrix, label, (1.0, 0.0), _RIDGE),
            penalties=np.zeros(count),
            sketches=images.astype(np.float32),
            daily_ics=np.zeros((count, 0)),
        )

    @property
    def of_daily_ics(self) -> bool:
        """Whether `gains` depends on more than the mean of each formula's ICs."""
        return self.measure != "ic"

    @property
    def penalised_objective(self) -> float:
        """The objective of the best weights less the penalties of the members, in closed form."""
        return float(penalised(self.form.quality, self.penalties.sum(), self.measure))

    def gains(
        self,
        ics: FloatArray,
        sketches: Images,
        raw_penalties: FloatArray,
        daily_ics: npt.NDArray[np.floating] | None = None,
    ) -> FloatArray:
        """By how much each of some formulas would improve the pool (see `Pool.gains`).

        Parameters
        ----------
        ics : (n,) float64
            Mean daily correlations with the label.
        sketches : (n, size) float32
        raw_penalties : (n,) float64
            For each formula the squared standard error of its IC times its tokens.
        daily_ics : (n, days) float, optional
            Of which the objectives `icir` and `lcb` are made.

        Returns
        -------
        (n,) float64
            Negative where the pool is better without.

        Raises
        ------
        SearchError
            If the objective depends on daily ICs, and there are none.
        """
        mean, spread = self.form.shares
        near = _products(self.sketches, sketches)
        cross, own = mean * near, np.full(len(ics), mean)
        if spread:
            if daily_ics is None:
                raise SearchError(
                    f"what a formula adds to a pool's {self.measure} depends on its daily ICs, "
                    "but none were given; hand in daily_ics"
                )
            daily, days = _centred(daily_ics), max(daily_ics.shape[1], 1)
            cross += spread / days * _products(_centred(self.daily_ics), daily)
            own += spread / days * np.einsum("nt,nt->n", daily, daily)
        candidates = Candidates(
            label=ics,
            cross=cross,
            own=own * (1.0 + self.form.ridge),
            correlated=np.abs(near) > self.max_correlation,
            raw_penalty=self.token_price * raw_penalties,
        )
        return marginal_gains(self.form, self.penalties, candidates, self.full, self.measure).gain

    def losses(self) -> FloatArray:
        """By how much the pool would be worse without each of its members, (K,)."""
        return losses(self.form, self.penalties, self.measure)


def _products(members: npt.NDArray[np.floating], others: npt.NDArray[np.floating]) -> FloatArray:
    """Of each member with each of n other rows, (K, n); 0 where nothing is known of either."""
    if not (members.size and others.size):
        return np.zeros((len(members), len(others)))
    return np.asarray((members @ others.T).astype(np.float64))


def _centred(series: npt.NDArray[np.floating]) -> FloatArray:
    daily = series.astype(np.float64)
    return np.asarray(daily - daily.sum(axis=1, keepdims=True) / max(daily.shape[1], 1))
