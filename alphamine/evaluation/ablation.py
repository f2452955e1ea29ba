"""What the parts of a formula are worth: its rank IC without what one of them knows of names."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import UnitWarning
from alphamine.expression.nodes import Call, Constant, Field, Node, field, with_inputs
from alphamine.operators import Kind
from alphamine.rendering import html_table

from .stats import SeriesStats, jsonable

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

_PERMUTATIONS: Final = 4
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf or sub-expression of a formula, wherever it occurs.

    Attributes
    ----------
    expression : str
    leaf : bool
    permuted : SeriesStats
        Of the daily rank IC, in the direction of the formula's mean, less that with the histories
        of other names in the part's place (mean of four permutations): what it knows of the names.
        0 if the formula does without it; negative if it is better without.
    flat : float
        The mean rank IC, in that direction, less that with the day's median in its place.
    """

    expression: str
    leaf: bool
    permuted: SeriesStats
    flat: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {
            "expression": self.expression,
            "leaf": self.leaf,
            "permuted": self.permuted.to_dict(),
            "flat": jsonable(self.flat),
        }


@dataclass(frozen=True, slots=True)
class Ablation:
    """What a formula is made of, and what each part is worth.

    Attributes
    ----------
    rank_ic : float
        Of the whole formula.
    parts : tuple of Part
        The most valuable first; without the formula itself, constants, conditions and groups.
    style_share : float
        Share of the raw rank IC that is gone once styles and groups are taken out of the factor.
    words : tuple of str
        The formula in the words of the catalogue, one sentence an operator, innermost first.
    """

    rank_ic: float
    parts: tuple[Part, ...]
    style_share: float
    words: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {
            "rank_ic": jsonable(self.rank_ic),
            "parts": [part.to_dict() for part in self.parts],
            "style_share": jsonable(self.style_share),
            "words": list(self.words),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per part, the most valuable first."""
        import pandas as pd

        rows = [
            {
                "part": part.expression,
                "worth": part.permuted.mean,
                "error": part.permuted.error,
                "t": part.permuted.t,
                "flat": part.flat,
            }
            for part in self.parts
        ]
        return pd.DataFrame(rows, columns=["part", "worth", "error", "t", "flat"]).set_index("part")

    def _repr_html_(self) -> str:
        return html_table(self.to_frame())


def parts_of(
    formula: Node, rank_ic: FloatArray, sample: Sample, **settings: Any
) -> tuple[Part, ...]:
    """What each part of a formula is worth, the most valuable first.

    Parameters
    ----------
    formula : Node
    rank_ic : (rows,) float64
        Its daily rank ICs on the sample.
    sample : Sample
    **settings
        Of the `Evaluator` that made them.
    """
    known = ~np.isnan(rank_ic)
    if not known.any():
        return ()
    sign = math.copysign(1.0, float(rank_ic[known].mean()))
    horizon = sample.panel.label_spec.horizon
    found = []
    with warnings.catch_warnings():
        # That units are mixed was said of the formula itself.
        warnings.simplefilter("ignore", UnitWarning)
        for part in _parts(formula):
            flat, *others = _without(formula, part, sample, settings)
            # A formula that tells no names apart forecasts nothing.
            lost = [sign * (rank_ic - np.nan_to_num(other))[known] for other in (flat, *others)]
            stats = SeriesStats.of(np.mean(lost[1:], axis=0), horizon)
            found.append(Part(str(part), isinstance(part, Field), stats, float(lost[0].mean())))
    return tuple(sorted(found, key=lambda part: -part.permuted.mean))


def in_words(formula: Node) -> tuple[str, ...]:
    """The operators of a formula in the words of the catalogue, innermost first."""
    said = []
    for node in formula.walk():
        if isinstance(node, Call):
            op = node.operator
            given = [f"{p.name} = {v}" for p, v in zip(op.inputs, node.inputs, strict=False)]
            given += [f"{p.name} = {v}" for p, v in zip(op.params, node.params, strict=False)]
            said.append(f"{node}: {op.meaning}; {', '.join(given)}")
    return tuple(dict.fromkeys(said))


def _parts(formula: Node) -> Iterator[Node]:
    """Distinct numbers that a formula is made of, without itself."""
    for node in dict.fromkeys(formula.walk()):
        ordinary = node.kind is Kind.NUMBER and not isinstance(node, Constant)
        if ordinary and (node is not formula or isinstance(node, Field)):
            yield node


def _without(
    formula: Node, part: Node, sample: Sample, settings: dict[str, Any]
) -> list[FloatArray]:
    """Daily rank ICs with the day's median in a part's place, and with other names' histories."""
    panel = sample.panel
    [values] = Evaluator(panel, **settings).values([part])
    columns = {f"part {i}": x for i, x in enumerate(_stand_ins(values, panel.universe))}
    units = dict.fromkeys(columns, part.unit)
    other = replace(panel, columns={**panel.columns, **columns}, units={**panel.units, **units})
    changed = [_with(formula, part, field(name, unit=part.unit), {}) for name in columns]
    target = replace(sample, panel=other)
    scored = dict(Evaluator(other, **settings).scores(changed, target, turnover=False))
    return [scored[i].rank_ic for i in range(len(changed))]


def _stand_ins(
    values: npt.NDArray[np.floating], universe: npt.NDArray[np.bool_]
) -> Iterator[npt.NDArray[np.floating]]:
    """The day's median in every cell that has a value, and values of other names there."""
    known = ~np.isnan(values)
    seen = np.where(universe & known, values, np.nan)
    some = ~np.isnan(seen).all(axis=1)
    median = np.zeros((len(values), 1), dtype=values.dtype)
    median[some, 0] = np.nanmedian(seen[some], axis=1)
    yield np.where(known, median, np.nan).astype(values.dtype)
    rng = np.random.default_rng(_SEED)
    names = np.flatnonzero(universe.any(axis=0))
    for _ in range(_PERMUTATIONS):
        order = np.arange(values.shape[1])
        order[names] = rng.permutation(names)
        others = values[:, order]
        filled = np.where(np.isnan(others), median, others)
        yield np.where(known, filled, np.nan).astype(values.dtype)


def _with(node: Node, part: Node, stand_in: Node, done: dict[Node, Node]) -> Node:
    """A formula with another node in a part's place."""
    if node is part:
        return stand_in
    if node not in done:
        inputs = [_with(child, part, stand_in, done) for child in node.inputs]
        done[node] = with_inputs(node, inputs) if isinstance(node, Call) else node
    return done[node]
