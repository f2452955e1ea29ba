"""What an engine is, and the backends: the names by which engines are chosen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import numpy as np

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Node
from alphamine.registry import Registry

from .cells import Cells, Vector
from .native import Library, load
from .reference import MinPeriods, Values
from .scores import SERIES, DailyScores, daily_scores
from .shared import Shared

FLOAT32: Final = np.dtype(np.float32)
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How an engine computes.

    Attributes
    ----------
    dtype : numpy dtype
        float32 or float64: storage of values.
    min_periods : "full", int or float
        Observations that a window needs: all of them, a count, or a fraction.
    cache_bytes : int
        Upper bound of the values kept between batches.
    threads : int, optional
        All processors of the process by default. Results have the same bits for any number.
    shared : Shared, optional
        Arrays and buffers of a panel that begins with the engine's; an engine may do without.
    """

    dtype: np.dtype[np.floating] = FLOAT32
    min_periods: MinPeriods = "full"
    cache_bytes: int = 0
    threads: int | None = None
    shared: Shared | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise AlphamineError(f"threads is at least 1, but got {self.threads}")


@dataclass(frozen=True, slots=True)
class Sinks:
    """What becomes of the values of formulas, all of it in one pass.

    Attributes
    ----------
    values : bool
        They are handed out.
    scores : Sample, optional
        They are scored against its label, day by day.
    vectors : Cells, optional
        They are standardised on the cells of a pool.
    series : frozenset of str
        Which daily series of scores are wanted; the others may be NaN.
    counted : bool
        Whether infinite cells are counted, on all rows of the panel. If not, their number is 0,
        and rows that no sink depends on need not be computed.
    """

    values: bool = False
    scores: Sample | None = None
    vectors: Cells | None = None
    series: frozenset[str] = SERIES
    counted: bool = True


VALUES: Final = Sinks(values=True)


@dataclass(frozen=True, slots=True)
class Output:
    """What the sinks have received of one formula; None for those that were not asked for.

    Attributes
    ----------
    infinite : int
        Infinite cells met on the way; they are missing.
    values : (T, N) float, optional
    daily : DailyScores, optional
    vector : Vector, optional
    """

    infinite: int = 0
    values: Values | None = None
    daily: DailyScores | None = None
    vector: Vector | None = None


class Engine(Protocol):
    """What evaluates formulas on one panel.

    Attributes
    ----------
    name : str
        Two engines of one name give the same bits.
    """

    name: str

    @property
    def nbytes(self) -> int:
        """Bytes held between batches."""
        ...

    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        """Yield (index, output) of each formula, in any order, in bounded memory."""
        ...


class ValuesEngine(ABC):
    """An engine that computes values; scores and vectors are made of these by numpy."""

    name: str

    @property
    def nbytes(self) -> int:
        """Bytes held between batches: none."""
        return 0

    @abstractmethod
    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way) of each formula, in any order."""

    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        """Yield (index, output) of each formula; all series of scores, asked for or not."""
        for index, values, infinite in self.stream(formulas):
            yield index, received(sinks, values, infinite if sinks.counted else 0)


def received(
    sinks: Sinks, values: Values, infinite: int, daily: DailyScores | None = None
) -> Output:
    """What sinks make of values; the scores are worked out if they are not given."""
    sample = sinks.scores
    if sample is not None and daily is None:
        daily = daily_scores(values[: sample.panel.shape[0]], sample, infinite)
    return Output(
        infinite,
        values if sinks.values else None,
        daily,
        None if sinks.vectors is None else sinks.vectors.vector(values),
    )


def delivered(given: Given | None) -> Given:
    """An output's part that was asked for."""
    assert given is not None, "the engine has left out a sink"
    return given


Build: TypeAlias = Callable[[Panel, EngineSettings], Engine]


def _reference(panel: Panel, settings: EngineSettings) -> Engine:
    from .numpy_engine import NumpyEngine

    return NumpyEngine(panel, settings)


def _with_library(backend: str) -> Build:
    def build(panel: Panel, settings: EngineSettings) -> Engine:
        library = kernel_library(backend)
        # The library has nothing to do on a panel without cells.
        if library is None or not min(panel.shape):
            return _reference(panel, settings)
        from .cpu import CpuEngine

        return CpuEngine(panel, settings, library)

    return build


def _build(given: Any) -> Build:
    if not callable(given):
        raise AlphamineError(
            "a backend is a function of a panel and EngineSettings that makes an engine, or its "
            f"class, but got {given!r}"
        )
    found: Build = given
    return found


BACKENDS: Final[Registry[Build]] = Registry(
    "backend",
    "alphamine.backends",
    {"auto": _with_library("auto"), "cpu": _with_library("cpu"), "reference": _reference},
    _build,
    AlphamineError,
)
"""`cpu` is the kernel library, `reference` numpy, the operators' specification; `auto` is the
library if it was built."""


def kernel_library(backend: str) -> Library | None:
    """The kernel library that one of our backends asks for; None for numpy.

    Raises
    ------
    AlphamineError
        If the backend is no one of ours, or needs a library that was not built.
    """
    if backend not in ("auto", "cpu", "reference"):
        raise AlphamineError(f"backend is auto, cpu or reference here, but got {backend!r}")
    library = load() if backend != "reference" else None
    if backend == "cpu" and library is None:
        raise AlphamineError(
            'backend="cpu" needs the kernel library, which was not built; install a C++ compiler '
            'and reinstall alphamine, or use backend="auto"'
        )
    return library


def kernel_build() -> str:
    """Which build of the kernel library there is: other builds may give other last bits.

    Empty without one. Pools are measured with it, whatever the backend of their formulas.
    """
    library = load()
    return "" if library is None else library.digest


__all__ = [
    "BACKENDS",
    "VALUES",
    "Build",
    "Engine",
    "EngineSettings",
    "Output",
    "Sinks",
    "ValuesEngine",
    "delivered",
    "kernel_build",
    "kernel_library",
    "received",
]
