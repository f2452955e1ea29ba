"""The effective alphas of all trees: what new ones are compared with, kept apart from, shown."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.searchers.base import Sketch

from .genes import Avoid, GeneIndex
from .scoring import DIVERSITY, EFFECTIVENESS, STABILITY, Metrics, RelativeScores
from .settings import MCTSSettings

_CELLS: Final = 1024


def thinned(sketch: Sketch | None) -> Sketch | None:
    """Some cells of a sketch, again of unit length: enough to tell how alike two alphas are.

    With a thousand cells the error of a correlation of 0.8 is 0.01; all of them would take most of
    the search's own time, and of its checkpoints.
    """
    if sketch is None:
        return None
    found = sketch[:: -(-len(sketch) // _CELLS)]
    length = float(np.sqrt(found @ found))
    return np.asarray(found / length if length > 0.0 else found, np.float32)


@dataclass(frozen=True, slots=True)
class Alpha:
    """An effective alpha; it is the `number`th that was admitted."""

    formula: Node
    metrics: Metrics
    number: int = 0


@dataclass(frozen=True, slots=True)
class Nearest:
    """Largest correlation with the first `seen` effective alphas, in magnitude."""

    likeness: float = 0.0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """A formula and what was measured of it.

    Attributes
    ----------
    formula : Node
    metrics : Metrics
    sketch : (size,) float32, optional
        See `Evaluation`.
    nearest : Nearest
        Of the effective alphas, when it was judged.
    """

    formula: Node
    metrics: Metrics
    sketch: Sketch | None = None
    nearest: Nearest = Nearest()


class Repository:
    """The effective alphas, in the order of their admission.

    Parameters
    ----------
    settings : MCTSSettings
    """

    def __init__(self, settings: MCTSSettings) -> None:
        self._settings = settings
        self.genes = GeneIndex()
        self.relative = RelativeScores(settings.shrinkage)
        self.admitted = 0
        self._alphas: dict[int, Alpha] = {}
        # Alphas by their row of sketches; rows of those that left are taken again.
        self._rows: dict[int, int] = {}
        self._free: list[int] = []
        self._sketches: Sketch = np.zeros((0, 0), np.float32)
        self._weakest: list[tuple[float, int]] = []
        self._avoid: Avoid | None = None

    def __len__(self) -> int:
        return len(self._alphas)

    @property
    def alphas(self) -> tuple[Alpha, ...]:
        return tuple(self._alphas.values())

    @property
    def formulas(self) -> tuple[Node, ...]:
        return tuple(alpha.formula for alpha in self._alphas.values())

    @property
    def avoid(self) -> Avoid:
        """Genes that new structure should not have."""
        if self._avoid is None:
            chosen = self._settings
            enough = len(self) >= chosen.avoid_from
            found = self.genes.frequent(chosen.avoided if enough else 0, chosen.avoid_share)
            self._avoid = Avoid(self.genes, found)
        return self._avoid

    def nearest(
        self,
        formulas: Sequence[Node],
        sketches: Sequence[Sketch | None],
        known: Nearest = Nearest(),
    ) -> list[Nearest]:
        """How much each of some formulas is like an effective alpha.

        Without a sketch a formula is as good as one that has it for all but its windows.

        Parameters
        ----------
        formulas : sequence of Node
        sketches : sequence of (size,) float32
            See `Evaluation`.
        known : Nearest
            What an earlier call said of all of them: only what came since is looked at.
        """
        found = [
            max(known.likeness, float(sketch is None and self.genes.support(formula) > 0))
            for formula, sketch in zip(formulas, sketches, strict=True)
        ]
        rows = self._rows_since(known.seen)
        measured = [i for i, sketch in enumerate(sketches) if sketch is not None]
        if measured and len(rows):
            block = np.stack([s for s in sketches if s is not None])
            for i, value in zip(measured, np.abs(block @ rows.T).max(axis=1).tolist(), strict=True):
                found[i] = max(found[i], value)
        return [Nearest(value, self.admitted) for value in found]

    def _rows_since(self, seen: int) -> Sketch:
        """Sketches of what was admitted after the first `seen`."""
        if not seen:
            return self._sketches if self._rows else self._sketches[:0]
        late = [self._rows[n] for n in range(seen, self.admitted) if n in self._rows]
        return self._sketches[late]

    def effective(self, metrics: Metrics) -> bool:
        """Whether a formula meets every bound but that on correlation (section F.1).

        The paper's gate on relative ranks is left out: with it the same formula passes or fails by
        what was admitted before.
        """
        bounds = self._settings
        return (
            metrics.rank_ic >= bounds.min_rank_ic
            # What is not known does not count against it.
            and not metrics.rank_icir < bounds.min_rank_icir
            and not metrics.turnover > bounds.max_turnover
        )

    def offer(self, known: Known) -> bool:
        """Admit an effective alpha unless it is too much like another."""
        [near] = self.nearest([known.formula], [known.sketch], known.nearest)
        if near.likeness >= self._settings.max_correlation:
            return False
        metrics = replace(known.metrics, likeness=near.likeness)
        self._append(Alpha(known.formula, metrics, self.admitted), self._row(known.sketch))
        if len(self) > self._settings.capacity:
            self._drop()
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
        if dimension not in (EFFECTIVENESS, STABILITY, DIVERSITY) or not count:
            return ()
        alphas = list(self._alphas.values())
        if sketch is not None and self._rows:
            alike = np.abs(self._sketches @ sketch)
            alphas.sort(key=lambda a: float(alike[self._rows[a.number]]))
        if dimension != DIVERSITY:
            alphas = alphas[: max(count, len(self) - int(self._settings.dissimilar * len(self)))]
            name = "rank_ic" if dimension == EFFECTIVENESS else "rank_icir"
            alphas.sort(key=lambda a: (-getattr(a.metrics, name), a.number))
        return tuple(alphas[:count])

    def state(self) -> dict[str, Any]:
        """As JSON values and arrays.

        Sketches keep their places: the last bits of products with them depend on these.
        """
        rows = [self._rows[number] for number in self._alphas]
        return {
            "admitted": self.admitted,
            "alphas": [
                [to_data(a.formula), a.metrics.state(), a.number] for a in self._alphas.values()
            ],
            "sketches": self._sketches[rows],
            "shape": list(self._sketches.shape),
            "rows": rows,
            "free": list(self._free),
        }

    @classmethod
    def loaded(
        cls, settings: MCTSSettings, state: Mapping[str, Any], schema: Mapping[str, FieldInfo]
    ) -> Repository:
        """The repository whose `state` is given."""
        new = cls(settings)
        new._sketches = np.zeros(tuple(state["shape"]), np.float32)
        new._sketches[state["rows"]] = state["sketches"]
        new._free = list(state["free"])
        for (data, numbers, number), row in zip(state["alphas"], state["rows"], strict=True):
            new._append(Alpha(from_data(data, schema), Metrics.loaded(numbers), number), row)
        new.admitted = state["admitted"]
        return new

    def _row(self, sketch: Sketch | None) -> int:
        """The row of sketches that a new one is written to."""
        if not self._free:
            self._grow(0 if sketch is None else len(sketch))
        row = self._free.pop()
        if sketch is not None and len(sketch) != self._sketches.shape[1]:
            # The first sketch decides how long they are.
            self._sketches = np.zeros((len(self._sketches), len(sketch)), np.float32)
        self._sketches[row] = 0.0 if sketch is None else sketch
        return row

    def _append(self, alpha: Alpha, row: int) -> None:
        self._rows[alpha.number] = row
        self._alphas[alpha.number] = alpha
        self.admitted = alpha.number + 1
        self.genes.add(alpha.formula)
        self.relative.add(alpha.metrics)
        stability = alpha.metrics.rank_icir
        heapq.heappush(self._weakest, (-1.0 if math.isnan(stability) else stability, alpha.number))
        self._avoid = None

    def _grow(self, width: int) -> None:
        known, before = self._sketches.shape
        grown = np.zeros((2 * known + 8, max(width, before)), np.float32)
        grown[:known, :before] = self._sketches
        self._sketches = grown
        self._free = list(range(known, len(grown)))[::-1]

    def _drop(self) -> None:
        """Let the least stable go."""
        _, number = heapq.heappop(self._weakest)
        gone = self._alphas.pop(number)
        row = self._rows.pop(number)
        self._sketches[row] = 0.0
        self._free.append(row)
        self.genes.remove(gone.formula)
        self.relative.remove(gone.metrics)
        self._avoid = None
