"""The effective alphas of all trees: what new ones are compared with, kept apart from, shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data

from .genes import Avoid, GeneIndex
from .scoring import DIVERSITY, EFFECTIVENESS, STABILITY, Metrics, Standing
from .settings import MCTSSettings

Sketch = npt.NDArray[np.float32]
_GROWTH: Final = 2


@dataclass(frozen=True, slots=True)
class Alpha:
    """An effective alpha."""

    formula: Node
    metrics: Metrics


class Repository:
    """The effective alphas, in the order of their admission.

    Parameters
    ----------
    settings : MCTSSettings
    """

    def __init__(self, settings: MCTSSettings) -> None:
        self._settings = settings
        self.genes = GeneIndex()
        self.standing = Standing(settings.shrinkage)
        self.alphas: list[Alpha] = []
        # One row an alpha, room to spare below; a row of zeros where there is no sketch.
        self._sketches: Sketch = np.zeros((0, 0), np.float32)
        self._avoid: Avoid | None = None

    def __len__(self) -> int:
        return len(self.alphas)

    @property
    def formulas(self) -> tuple[Node, ...]:
        return tuple(alpha.formula for alpha in self.alphas)

    @property
    def avoid(self) -> Avoid:
        """Genes that new structure should not have."""
        if self._avoid is None:
            chosen = self._settings
            enough = len(self) >= chosen.avoid_from
            found = self.genes.frequent(chosen.avoided if enough else 0, chosen.avoid_share)
            self._avoid = Avoid(self.genes, found)
        return self._avoid

    def likeness(self, formulas: Sequence[Node], sketches: Sequence[Sketch | None]) -> list[float]:
        """Largest correlation of each of some formulas with an effective alpha, in magnitude.

        Without a sketch a formula is as good as one that has it for all but its windows.
        """
        known = [i for i, sketch in enumerate(sketches) if sketch is not None]
        found = [float(self.genes.support(formula) > 0) for formula in formulas]
        if not known or not self.alphas:
            return found
        block = np.stack([s for s in sketches if s is not None])
        rows = self._rows(block.shape[1])
        for i, value in zip(known, np.abs(block @ rows.T).max(axis=1).tolist(), strict=True):
            found[i] = value
        return found

    def effective(self, metrics: Metrics) -> bool:
        """Whether a formula meets every bound but that on correlation (section F.1)."""
        bounds = self._settings
        return (
            metrics.rank_ic >= bounds.min_rank_ic
            # What is not known does not count against it.
            and not metrics.rank_icir < bounds.min_rank_icir
            and not metrics.turnover > bounds.max_turnover
        )

    def offer(self, formula: Node, metrics: Metrics, sketch: Sketch | None) -> bool:
        """Admit an effective alpha unless it is too much like another."""
        [likeness] = self.likeness([formula], [sketch])
        if likeness >= self._settings.max_correlation:
            return False
        kept = Metrics(
            metrics.rank_ic, metrics.rank_icir, metrics.turnover, likeness, metrics.soundness
        )
        self._append(Alpha(formula, kept), sketch)
        if len(self) > self._settings.capacity:
            self._drop(min(range(len(self)), key=lambda i: self.alphas[i].metrics.rank_icir))
        return True

    def examples(self, dimension: str, sketch: Sketch | None) -> tuple[Alpha, ...]:
        """What a proposer is shown (section 4.2): good and not alike, or least alike, or nothing.

        Parameters
        ----------
        dimension : str
            That is to be improved.
        sketch : (size,) float32, optional
            Of the formula that is to be refined.
        """
        count = self._settings.examples
        if dimension not in (EFFECTIVENESS, STABILITY, DIVERSITY) or not self.alphas or not count:
            return ()
        alike = np.zeros(len(self))
        if sketch is not None:
            alike = np.abs(self._rows(len(sketch)) @ sketch)
        apart = np.argsort(alike, kind="stable").tolist()
        if dimension == DIVERSITY:
            return tuple(self.alphas[i] for i in apart[:count])
        kept = apart[: max(count, len(self) - int(self._settings.dissimilar * len(self)))]
        name = "rank_ic" if dimension == EFFECTIVENESS else "rank_icir"
        kept.sort(key=lambda i: (-getattr(self.alphas[i].metrics, name), i))
        return tuple(self.alphas[i] for i in kept[:count])

    def state(self) -> dict[str, Any]:
        """As JSON values and arrays."""
        return {
            "alphas": [[to_data(a.formula), a.metrics.state()] for a in self.alphas],
            "sketches": self._sketches[: len(self)].copy(),
        }  # fmt: skip

    @classmethod
    def loaded(
        cls, settings: MCTSSettings, state: Mapping[str, Any], schema: Mapping[str, FieldInfo]
    ) -> Repository:
        """The repository whose `state` is given."""
        new = cls(settings)
        for (data, numbers), sketch in zip(state["alphas"], state["sketches"], strict=True):
            alpha = Alpha(from_data(data, schema), Metrics.loaded(numbers))
            new._append(alpha, sketch)
        return new

    def _rows(self, width: int) -> Sketch:
        if self._sketches.shape[1] != width:
            self._sketches = np.zeros((len(self._sketches), width), np.float32)
        return self._sketches[: len(self)]

    def _append(self, alpha: Alpha, sketch: Sketch | None) -> None:
        place = len(self.alphas)
        width = self._sketches.shape[1] if sketch is None else len(sketch)
        if place == len(self._sketches) or width != self._sketches.shape[1]:
            grown = np.zeros((_GROWTH * place + 8, width), np.float32)
            grown[:place] = self._rows(width)[:place]
            self._sketches = grown
        self._sketches[place] = 0.0 if sketch is None else sketch
        self.alphas.append(alpha)
        self.genes.add(alpha.formula)
        self.standing.add(alpha.metrics)
        self._avoid = None

    def _drop(self, place: int) -> None:
        gone = self.alphas.pop(place)
        self._sketches[place : len(self)] = self._sketches[place + 1 : len(self) + 1]
        self.genes.remove(gone.formula)
        self.standing.remove(gone.metrics)
        self._avoid = None
