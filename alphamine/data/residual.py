"""What daily weighted regressions on styles and groups leave of a factor and of its label.

A return is mostly market, sector and style, which are noise to a factor that is none of them. Day
by day, one weighted regression on exposures that are known at the signal's day takes them out of
the factor's ranks and of the label alike, with the same weights, on the cells that both have.
(Taken out of the label alone, they come back as artefacts of every factor that is near a style.)

The regressors of a day are made orthonormal once, so that the residual of a formula costs a few
sums of products; engines read them from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError
from alphamine.operators.numeric import average_ranks

from .risk import Exposures, RiskSettings, exposures_of

if TYPE_CHECKING:
    from .panel import Panel

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Ranks: TypeAlias = Callable[[FloatArray], FloatArray]

ARRAYS: Final = ("columns", "places", "labels", "start", "lanes", "roots", "ends", "masses")
"""What engines read of a projection."""
# What 16 bits hold of ranks and of numbers of cells.
_MOST_NAMES: Final = 1 << 15
# Lanes of a cell come in registers of so many.
_REGISTER: Final = 8
# Where styles and groups explain all but this share of a day's variance, what is left is rounding.
UNEXPLAINED: Final = 1e-6
# A regressor with less than this share of its square left says nothing of its own.
_DEPENDENT: Final = 1e-7


@dataclass(frozen=True, eq=False, slots=True)
class Projection:
    """The regressions of a sample's days, as formulas are put through them.

    With w the weights of a day, x the ranks of a factor and y those of what the regression leaves
    of the label, both as regressions on the cells that both have leave them, the residual rank IC
    is the weighted correlation sum(w x y) / sqrt(sum(w x x) sum(w y y)).

    Attributes
    ----------
    inside : (rows, N) bool
        Cells with a label, in the universe, on days that have enough of them.
    columns : (cells,) int32
        Where these lie, day after day; those of a day group by group of the first group field.
    places : (rows, N) int16
        The number of each cell in its day; 0 elsewhere.
    labels : (cells,) int16
        Twice the average ranks of the labels as they are, less the mean of their day.
    start : (rows + 1,) int64
        Where the cells of each day start.
    lanes : (cells, lanes) float32
        The regressors times the root of the weight, orthonormal day by day and free of the first
        groups; then the label's ranks, as the regression leaves them, times the root, of unit
        norm; then the root; then zeros, so that there are eight lanes or a multiple.
    roots : (cells,) float32
        Of the weights.
    ends : (rows, groups) int32
        Where the cells of each group end in their day. One group of all without a group field.
    masses : (rows, groups) float64
        Sums of the weights of each group.
    regressors : int
    fewest : int
        Names that a day needs: the panel's `min_names` more than there are regressors and groups.
    residual : (rows, N) float64
        What the regressions leave of the label itself; NaN where there is no label.
    facts : mapping
        `styles`, `groups`, `weights`, `left_out` and `missing`, as JSON values.
    """

    inside: BoolArray
    columns: npt.NDArray[np.int32]
    places: npt.NDArray[np.int16]
    labels: npt.NDArray[np.int16]
    start: npt.NDArray[np.int64]
    lanes: npt.NDArray[np.float32]
    roots: npt.NDArray[np.float32]
    ends: npt.NDArray[np.int32]
    masses: FloatArray
    regressors: int
    fewest: int
    residual: FloatArray
    facts: dict[str, Any]

    @classmethod
    def of(cls, panel: Panel, rows: slice, label: FloatArray, settings: RiskSettings) -> Projection:
        """The regressions of some rows of a panel.

        Parameters
        ----------
        panel : Panel
            Nothing after the row of a signal is read of it, but for the label.
        rows : slice
        label : (rows, N) float64
            NaN where there is none.
        settings : RiskSettings

        Raises
        ------
        DataError
            If a group is none of the panel, or a day has more names than are ranked.
        """
        settings = settings.on(panel)
        exposures = exposures_of(panel, rows, settings)
        inside = panel.universe[rows] & ~np.isnan(label)
        widest = int(inside.sum(axis=1).max(initial=0))
        if widest > _MOST_NAMES:
            raise DataError(
                f"at most {_MOST_NAMES} names a day have a residual, but the universe has "
                f"{widest}; use a smaller universe"
            )
        codes, regressors = _regressors(exposures, inside)
        fewest = panel.min_names + len(regressors) + int(codes.max(initial=0)) + 1
        inside &= (inside.sum(axis=1) >= fewest)[:, None]
        root = np.where(inside, np.sqrt(exposures.weights), 0.0)
        basis = Basis(inside, root, codes, regressors)
        left, share = basis.residuals(np.where(inside, label, 0.0))
        explained = ~(share > UNEXPLAINED)
        raw = np.where(inside & (root > 0.0), left / np.where(root > 0.0, root, 1.0), np.nan)
        raw[explained] = np.nan
        target, share = basis.residuals(np.nan_to_num(_centred(average_ranks(raw))))
        inside = inside & ~(explained | ~(share > UNEXPLAINED))[:, None]
        norm = np.sqrt(np.einsum("tn,tn->t", target, target))[:, None]
        target = np.divide(target, norm, out=np.zeros_like(target), where=inside)
        return cls._packed(
            inside,
            root,
            codes,
            [*basis.columns, target],
            _centred(average_ranks(np.where(inside, label, np.nan))),
            fewest,
            raw,
            {
                **settings.to_dict(),
                "styles": list(exposures.styles),
                "left_out": list(exposures.left_out),
                "missing": exposures.missing,
            },
        )

    @classmethod
    def _packed(
        cls,
        inside: BoolArray,
        root: FloatArray,
        codes: npt.NDArray[np.int64],
        lanes: list[FloatArray],
        ranks: FloatArray,
        fewest: int,
        residual: FloatArray,
        facts: dict[str, Any],
    ) -> Projection:
        start = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int64)
        days, groups = len(inside), int(codes.max(initial=0)) + 1
        rows, columns = np.nonzero(inside)
        own = rows * groups + codes[inside]
        order = np.argsort(own, kind="stable")
        columns, own = columns[order], own[order]
        places = np.zeros(inside.shape, dtype=np.int16)
        places[rows, columns] = np.arange(len(rows)) - start[rows]
        width = -(-(len(lanes) + 1) // _REGISTER) * _REGISTER
        packed = np.zeros((len(rows), width), dtype=np.float32)
        for lane, values in enumerate([*lanes, root]):
            packed[:, lane] = values[rows, columns]
        roots = np.ascontiguousarray(packed[:, len(lanes)])
        weights = roots.astype(np.float64) ** 2
        masses: FloatArray = np.bincount(own, weights, days * groups).astype(np.float64)
        counts = np.bincount(own, minlength=days * groups).reshape(days, groups)
        return cls(
            inside,
            columns.astype(np.int32),
            places,
            ranks[rows, columns].astype(np.int16),
            start,
            packed,
            roots,
            np.cumsum(counts, axis=1).astype(np.int32),
            masses.reshape(days, groups),
            len(lanes) - 1,
            fewest,
            residual,
            facts,
        )

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Its arrays by name; with `header` they make an equal one."""
        own = ("inside", *ARRAYS, "residual")
        return {name: getattr(self, name) for name in own}

    @property
    def header(self) -> dict[str, Any]:
        """The rest, as JSON values."""
        return {"regressors": self.regressors, "fewest": self.fewest, "facts": self.facts}

    @property
    def described(self) -> str:
        """What is taken out, in words."""
        taken = ", ".join([*self.facts["styles"], *self.facts["groups"]]) or "the mean of the day"
        absent = self.facts["left_out"]
        return taken + (
            f" (left out, as the data lack them: {', '.join(absent)})" if absent else ""
        )

    def part(self, first: int, stop: int) -> Projection:
        """Of the days from `first` to `stop`."""
        cells = slice(self.start[first], self.start[stop])
        return replace(
            self,
            inside=self.inside[first:stop],
            columns=self.columns[cells],
            places=self.places[first:stop],
            labels=self.labels[cells],
            start=self.start[first : stop + 1] - self.start[first],
            lanes=self.lanes[cells],
            roots=self.roots[cells],
            ends=self.ends[first:stop],
            masses=self.masses[first:stop],
            residual=self.residual[first:stop],
        )

    def rest(self, values: npt.NDArray[np.floating]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What the regressions leave of values, and of the label in the same cells.

        Parameters
        ----------
        values : (rows, N) float
            Ranks for the rank IC; NaN is missing.

        Returns
        -------
        factor, label : (rows, N) float64
            Times the root of the weight; 0 where the factor or the label is missing.
        left : (rows,) float64
            Sum of the squares of the factor's; 0 where either side is explained whole.
        """
        present = self.inside & ~np.isnan(values)
        sizes = np.diff(self.ends, axis=1, prepend=0)
        groups = np.broadcast_to(np.arange(sizes.shape[1]), sizes.shape)
        codes = self._dense(np.repeat(groups, sizes.ravel()))
        *columns, target, root = (self._dense(self.lanes[:, k]) for k in range(self.regressors + 2))
        basis = Basis(present, np.where(present, root, 0.0), codes.astype(np.int64), columns)
        factor, share = basis.residuals(np.where(present, values, 0.0))
        label, label_share = basis.left(np.where(present, target, 0.0))
        fine = (share > UNEXPLAINED) & (label_share > UNEXPLAINED)
        factor[~fine], label[~fine] = 0.0, 0.0
        return factor, label, np.einsum("tn,tn->t", factor, factor)

    def rank_ic(self, values: npt.NDArray[np.floating], ranks: Ranks = average_ranks) -> FloatArray:
        """The residual rank IC of values (rows, N) by day, (rows,): what engines are held to.

        NaN where either side is explained whole. `ranks` is a quicker way to the same numbers.
        """
        seen = np.where(self.inside, values, np.nan).astype(np.float64)
        factor, label, left = self.rest(_centred(ranks(seen)))
        power = left * np.einsum("tn,tn->t", label, label)
        product = np.einsum("tn,tn->t", factor, label)
        found = np.full(len(left), np.nan)
        np.divide(product, np.sqrt(power), out=found, where=power > 0.0)
        return found

    def _dense(self, cells: npt.NDArray[Any]) -> FloatArray:
        out = np.zeros(self.inside.shape)
        out[np.repeat(np.arange(len(out)), np.diff(self.start)), self.columns] = cells
        return out


class Basis:
    """Orthonormal columns of weighted daily regressions: a group field, and other regressors.

    Parameters
    ----------
    inside : (rows, N) bool
        Cells that take part.
    root : (rows, N) float64
        Roots of the weights; 0 elsewhere.
    codes : (rows, N) int
        Groups, from 0 on.
    regressors : sequence of (rows, N) float64

    Attributes
    ----------
    columns : list of (rows, N) float64
        Orthonormal day by day, and orthogonal to the groups' own; zero where a regressor says
        nothing of its own.
    """

    def __init__(
        self,
        inside: BoolArray,
        root: FloatArray,
        codes: npt.NDArray[np.int64],
        regressors: list[FloatArray],
    ) -> None:
        self._inside, self._root = inside, root
        days, groups = len(inside), int(codes.max(initial=0)) + 1
        self._slots = (np.arange(days)[:, None] * groups + codes)[inside]
        self._size = days * groups
        self._masses = np.bincount(self._slots, root[inside] ** 2, self._size)
        self.columns: list[FloatArray] = []
        for regressor in regressors:
            own = np.where(inside, regressor, 0.0)
            before = np.einsum("tn,tn->t", own, own)
            # Twice: what the first pass leaves of the others is rounding, which the second takes.
            for _ in range(2):
                own = self._orthogonal(own)
            after = np.einsum("tn,tn->t", own, own)
            scale = np.where(
                after > _DEPENDENT * before, 1.0 / np.sqrt(np.maximum(after, 1e-300)), 0.0
            )
            self.columns.append(own * scale[:, None])

    def residuals(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What is left of values (rows, N) times the roots, and by day the share of squares."""
        return self.left(values * self._root)

    def left(self, weighted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same of values that are multiplied by the roots already."""
        total = np.einsum("tn,tn->t", weighted, weighted)
        left = self._orthogonal(self._orthogonal(weighted))
        power = np.einsum("tn,tn->t", left, left)
        return left, np.divide(power, total, out=np.zeros(len(total)), where=total > 0.0)

    def _orthogonal(self, x: FloatArray) -> FloatArray:
        """Less the groups' means and its parts along the columns."""
        picked, root = x[self._inside], self._root[self._inside]
        sums = np.bincount(self._slots, picked * root, self._size).astype(np.float64)
        means = np.divide(sums, self._masses, out=np.zeros_like(sums), where=self._masses > 0.0)
        out = np.zeros(x.shape)
        out[self._inside] = picked - root * means[self._slots]
        for column in self.columns:
            out -= np.einsum("tn,tn->t", column, out)[:, None] * column
        return out


def _regressors(
    exposures: Exposures, inside: BoolArray
) -> tuple[npt.NDArray[np.int64], list[FloatArray]]:
    """Codes of the first group field, and the other regressors: styles, dummies of other groups.

    The latter times the roots of the weights.
    """
    first, *others = list(exposures.groups.values()) or [np.zeros(inside.shape, dtype=np.int64)]
    dummies = [own == code for own in others for code in np.unique(own[inside])]
    root = np.sqrt(exposures.weights)
    return first, [column * root for column in (*exposures.styles.values(), *dummies)]


def _centred(ranks: FloatArray) -> FloatArray:
    """Twice the average ranks of a day less their mean, as kernels have them."""
    return np.asarray(2.0 * ranks - (~np.isnan(ranks)).sum(axis=1, keepdims=True) - 1.0)
