"""Values and daily scores of batches of formulas on one panel: the one face of all engines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, Protocol, TypeAlias, overload
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel, require_panel
from alphamine.data.splits import Sample
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Node
from alphamine.expression.text.read import read_formula

from .cpu import CpuEngine
from .native import Library, load
from .numpy_engine import NumpyEngine
from .reference import MinPeriods, Values
from .scores import DailyScores
from .screening import STAGES, Measure, Screen, Stage

Backend: TypeAlias = Literal["auto", "cpu", "reference"]

# Bytes of values, taken as float64, that are made at a time for those who want them in order.
_HELD_BYTES: Final = 1 << 28


class Engine(Protocol):
    """What evaluates formulas on one panel."""

    name: str

    @property
    def nbytes(self) -> int:
        """Bytes held between batches."""
        ...

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way)."""
        ...

    def scores(
        self,
        formulas: Sequence[Node],
        sample: Sample,
        rank_ic: bool,
        turnover: bool,
        counted: bool = True,
    ) -> Iterator[tuple[int, DailyScores]]:
        """Yield (index, daily scores).

        `counted`: infinite cells are counted, on all rows of the panel. Without it their number
        is 0, and only the rows that the sample's days depend on are computed.
        """
        ...

    def scored_values(
        self, formulas: Sequence[Node], sample: Sample
    ) -> Iterator[tuple[int, DailyScores, Values]]:
        """Yield (index, daily scores, values): all scores, and the values of one pass."""
        ...


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
    backend : {"auto", "cpu", "reference"}
        `cpu`: the kernel library; `reference`: numpy, the operators' specification; `auto`: the
        library if it was built.
    threads : int, optional
        Threads of the kernel library; by default all processors that the process may use.
        Results have the same bits for any number.
    """

    def __init__(
        self,
        panel: Panel,
        dtype: npt.DTypeLike = "float32",
        min_periods: MinPeriods = "full",
        cache_bytes: int = 0,
        backend: Backend = "auto",
        threads: int | None = None,
    ) -> None:
        self.panel = panel
        self._screens: WeakKeyDictionary[Sample, Screen] = WeakKeyDictionary()
        self.engine = _engine(panel, storage(dtype), min_periods, cache_bytes, backend, threads)

    @property
    def nbytes(self) -> int:
        """Bytes held between batches: the panel's padded fields, buffers of threads, the cache."""
        return self.engine.nbytes

    def values(self, formulas: Sequence[Node]) -> list[Values]:
        """One (T, N) array per formula; NaN is missing, infinities have become NaN."""
        found: list[Values | None] = [None] * len(formulas)
        for index, array, _ in self.stream(formulas):
            found[index] = array
        return [array for array in found if array is not None]

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way) as formulas are completed.

        The order depends on shared parts; memory is bounded.
        """
        self._check(formulas)
        return self.engine.stream(formulas)

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
        self._check_sample(sample)
        self._check(formulas)
        return self.engine.scores(formulas, sample, rank_ic, turnover, counted)

    def scored_values(
        self, formulas: Sequence[Node], sample: Sample
    ) -> Iterator[tuple[int, DailyScores, Values]]:
        """Yield (index, daily scores, values) of formulas: `scores` and `stream` in one pass."""
        self._check_sample(sample)
        self._check(formulas)
        return self.engine.scored_values(formulas, sample)

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
        self._check_sample(sample)
        self._check(formulas)
        screen = self._screens.get(sample)
        if screen is None:
            screen = self._screens[sample] = Screen(sample, self._recent_scores)
        return screen.select(formulas, stages, by)

    def _recent_scores(
        self, formulas: Sequence[Node], sample: Sample, rank_ic: bool
    ) -> Iterator[tuple[int, DailyScores]]:
        return self.engine.scores(formulas, sample, rank_ic, turnover=False, counted=False)

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

    def _check(self, formulas: Sequence[Node]) -> None:
        for formula in formulas:
            self.panel.check_formula(formula)


def storage(dtype: npt.DTypeLike) -> np.dtype[np.floating]:
    """What values are stored as: float32 or float64."""
    for kind in (np.dtype(np.float32), np.dtype(np.float64)):
        if np.dtype(dtype) == kind:
            return kind
    raise AlphamineError(f"values are stored as float32 or float64, but dtype is {dtype}")


def _engine(
    panel: Panel,
    dtype: np.dtype[np.floating],
    min_periods: MinPeriods,
    cache_bytes: int,
    backend: Backend,
    threads: int | None,
) -> Engine:
    if threads is not None and threads < 1:
        raise AlphamineError(f"threads is at least 1, but got {threads}")
    library = kernel_library(backend if min(panel.shape) > 0 else "reference")
    if library is not None:
        return CpuEngine(panel, dtype, min_periods, library, cache_bytes, threads)
    return NumpyEngine(panel, dtype, min_periods, cache_bytes)


def kernel_library(backend: Backend) -> Library | None:
    """The kernel library that a backend asks for; None for numpy.

    Raises
    ------
    AlphamineError
        If the backend is unknown, or needs a library that was not built.
    """
    if backend not in ("auto", "cpu", "reference"):
        raise AlphamineError(f"backend is auto, cpu or reference, but got {backend!r}")
    library = load() if backend != "reference" else None
    if backend == "cpu" and library is None:
        raise AlphamineError(
            'backend="cpu" needs the kernel library, which was not built; install a C++ compiler '
            'and reinstall alphamine, or use backend="auto"'
        )
    return library


@overload
def values(  # type: ignore[overload-overlap]  # to a type checker a text is texts, too
    formulas: str | Node,
    panel: Panel,
    min_periods: MinPeriods = "full",
    dtype: npt.DTypeLike = "float32",
) -> npt.NDArray[np.floating]: ...


@overload
def values(
    formulas: Iterable[str | Node],
    panel: Panel,
    min_periods: MinPeriods = "full",
    dtype: npt.DTypeLike = "float32",
) -> list[npt.NDArray[np.floating]]: ...


def values(
    formulas: str | Node | Iterable[str | Node],
    panel: Panel,
    min_periods: MinPeriods = "full",
    dtype: npt.DTypeLike = "float32",
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

    Raises
    ------
    FormulaError, AlphamineError
        If what is given is no formula, or not one of this panel.
    """
    require_panel(panel)
    evaluator = Evaluator(panel, dtype, min_periods)
    if isinstance(formulas, str) or not isinstance(formulas, Iterable):
        return evaluator.values([read_formula(formulas, panel.schema)])[0]
    return evaluator.values([read_formula(formula, panel.schema) for formula in formulas])
