"""Values and daily scores of batches of formulas on one panel: the one face of all engines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel, require_panel
from alphamine.data.splits import Sample
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Node
from alphamine.expression.text.read import read_formula

from .base import BACKENDS, VALUES, EngineSettings, Output, Sinks, delivered
from .reference import MinPeriods, Values
from .scores import SERIES, DailyScores
from .screening import STAGES, Measure, Screen, Stage
from .shared import Shared

# Bytes of values, taken as float64, that are made at a time for those who want them in order.
_HELD_BYTES: Final = 1 << 28


class Evaluator:
    """Evaluates formulas on a panel; each distinct sub-expression of a batch once.

    Parameters
    ----------
    panel : Panel
    dtype : {"float32", "float64"}
        Storage of values; the arithmetic inside operators is float64 either way.
    min_periods : "full", int or float
        Observations that a window needs: all of them, a count, or a fraction.
    cache_bytes : int
        Upper bound of the values kept between batches.
    backend : str
        Name of an engine: `cpu`, the kernel library; `reference`, numpy, the operators'
        specification; `auto`, the library if it was built; or one of a plug-in.
    threads : int, optional
        Threads of the kernel library; by default all processors that the process may use.
        Results have the same bits for any number.
    shared : Shared, optional
        Arrays and buffers of a panel that begins with this one, which other evaluators use too.
    """

    def __init__(
        self,
        panel: Panel,
        dtype: npt.DTypeLike = "float32",
        min_periods: MinPeriods = "full",
        cache_bytes: int = 0,
        backend: str = "auto",
        threads: int | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.panel = panel
        self._screens: WeakKeyDictionary[Sample, Screen] = WeakKeyDictionary()
        settings = EngineSettings(storage(dtype), min_periods, cache_bytes, threads, shared)
        self.engine = BACKENDS.find(backend)(panel, settings)

    @property
    def nbytes(self) -> int:
        """Bytes held between batches: the panel's padded fields, buffers of threads, the cache."""
        return self.engine.nbytes

    def values(self, formulas: Sequence[Node]) -> list[Values]:
        """One (T, N) array per formula; NaN is missing, infinities have become NaN."""
        found = {index: array for index, array, _ in self.stream(formulas)}
        return [found[index] for index in range(len(formulas))]

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way) as formulas are completed.

        The order depends on shared parts; memory is bounded.
        """
        outputs = self.run(formulas, VALUES)
        return ((index, delivered(found.values), found.infinite) for index, found in outputs)

    def each(self, formulas: Sequence[Node]) -> Iterator[Values]:
        """Yield the values of formulas in their order; few of them are held at a time."""
        for part in self.parts(formulas):
            yield from self.values(part)

    def parts(self, formulas: Sequence[Node]) -> Iterator[Sequence[Node]]:
        """The formulas in their order, so many at a time as have values of bounded size."""
        size = max(1, _HELD_BYTES // max(8 * math.prod(self.panel.shape), 1))
        for start in range(0, len(formulas), size):
            yield formulas[start : start + size]

    def scores(
        self,
        formulas: Sequence[Node],
        sample: Sample,
        rank_ic: bool = True,
        turnover: bool = True,
        counted: bool = True,
    ) -> Iterator[tuple[int, DailyScores]]:
        """Yield (index, daily scores) of formulas on a sample of this evaluator's panel.

        A value depends on no later row, so the sample's panel may end earlier than the evaluator's.

        Parameters
        ----------
        formulas : sequence of Node
        sample : Sample
            Its panel is this evaluator's, or the first rows of it.
        rank_ic, turnover : bool
            Ranking is most of the work: without both, only IC, pairs and coverage are computed,
            and what is left out is NaN.
        counted : bool
            False: infinite cells are not counted (there are 0), and only the rows that the
            sample's days depend on are computed.

        Raises
        ------
        AlphamineError
            If the sample is of another panel.
        """
        chosen = {"ic": True, "rank_ic": rank_ic, "turnover": turnover}
        series = frozenset(name for name in SERIES if chosen[name])
        sinks = Sinks(scores=sample, series=series, counted=counted)
        return ((index, delivered(found.daily)) for index, found in self.run(formulas, sinks))

    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        """Yield (index, output) of formulas: values, scores and vectors in one pass.

        Raises
        ------
        AlphamineError
            If the sample of the scores, or a formula, is of another panel.
        """
        self._check(formulas, sinks.scores)
        return self.engine.run(formulas, sinks)

    def screen(
        self,
        formulas: Sequence[Node],
        sample: Sample,
        stages: Sequence[Stage] = STAGES,
        by: Measure = "ic",
    ) -> list[int]:
        """Indices of the formulas worth scoring on the whole sample, the best first.

        Each stage scores what is left on the sample's last days and keeps the best share, by the
        absolute mean IC (or rank IC, several times as costly). See `screening`.
        """
        self._check(formulas, sample)
        screen = self._screens.get(sample)
        if screen is None:
            screen = self._screens[sample] = Screen(sample, self._recent_scores)
        return screen.select(formulas, stages, by)

    def _recent_scores(
        self, formulas: Sequence[Node], sample: Sample, rank_ic: bool
    ) -> Iterator[tuple[int, DailyScores]]:
        series = frozenset(["ic", "rank_ic"] if rank_ic else ["ic"])
        sinks = Sinks(scores=sample, series=series, counted=False)
        return ((i, delivered(found.daily)) for i, found in self.engine.run(formulas, sinks))

    def _check(self, formulas: Sequence[Node], sample: Sample | None) -> None:
        if sample is not None:
            self._check_sample(sample)
        for formula in formulas:
            self.panel.check_formula(formula)

    def _check_sample(self, sample: Sample) -> None:
        mine, other = self.panel, sample.panel
        same = other is mine or (
            np.array_equal(other.dates, mine.dates[: len(other.dates)])
            and np.array_equal(other.symbols, mine.symbols)
        )
        if not same:
            raise AlphamineError(
                f"an evaluator scores samples of its own panel, but the sample's panel "
                f"{other.name!r} has other dates or symbols; use Evaluator(sample.panel)"
            )


def storage(dtype: npt.DTypeLike) -> np.dtype[np.floating]:
    """What values are stored as: float32 or float64."""
    for kind in (np.dtype(np.float32), np.dtype(np.float64)):
        if np.dtype(dtype) == kind:
            return kind
    raise AlphamineError(f"values are stored as float32 or float64, but dtype is {dtype}")


@overload
def values(  # type: ignore[overload-overlap]  # to a type checker a text is texts, too
    formulas: str | Node,
    panel: Panel,
    min_periods: MinPeriods = "full",
    dtype: npt.DTypeLike = "float32",
    backend: str = "auto",
) -> npt.NDArray[np.floating]: ...


@overload
def values(
    formulas: Iterable[str | Node],
    panel: Panel,
    min_periods: MinPeriods = "full",
    dtype: npt.DTypeLike = "float32",
    backend: str = "auto",
) -> list[npt.NDArray[np.floating]]: ...


def values(
    formulas: str | Node | Iterable[str | Node],
    panel: Panel,
    min_periods: MinPeriods = "full",
    dtype: npt.DTypeLike = "float32",
    backend: str = "auto",
) -> npt.NDArray[np.floating] | list[npt.NDArray[np.floating]]:
    """Values of formulas on a panel: a list of (T, N) arrays (see `Evaluator`).

    Parameters
    ----------
    formulas : texts or nodes
        Texts are parsed with the fields of the panel. Of a single formula its array comes back.
    panel : Panel
    min_periods : "full", int or float
        Observations that a window needs.
    dtype : {"float32", "float64"}
    backend : str
        See `Evaluator`.

    Raises
    ------
    FormulaError, AlphamineError
        If what is given is no formula, or not one of this panel.
    """
    require_panel(panel)
    evaluator = Evaluator(panel, dtype, min_periods, backend=backend)
    if isinstance(formulas, str) or not isinstance(formulas, Iterable):
        return evaluator.values([read_formula(formulas, panel.schema)])[0]
    return evaluator.values([read_formula(formula, panel.schema) for formula in formulas])
