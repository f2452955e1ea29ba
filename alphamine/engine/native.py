"""The kernel library: found, chosen by instruction set, loaded with ctypes.

Calls release the GIL. The C side of every structure here is in `operators/kernels/program.hpp`.
"""

from __future__ import annotations

import ctypes
import hashlib
import warnings
from collections.abc import Sequence
from ctypes import c_char_p, c_double, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

import alphamine.operators
from alphamine.data.residual import ARRAYS, Projection
from alphamine.errors import WorkFailed

from .storage import fresh

Columns = npt.NDArray[np.int32]
Borders = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int16] | FloatArray

NO_RANK: Final = -32768
"""Marks a cell without a value among twice centred ranks."""
INPUTS = 3
PARAMS = 6
# Buffers below are arrays shared by the whole program, from here on slots of the running thread.
SLOT_BASE = 1 << 24

OPERATION = np.dtype(
    [
        ("opcode", "i4"),
        ("window", "i4"),
        ("min_periods", "i4"),
        ("masked", "i4"),
        ("lookback", "i4"),
        ("unused", "i4"),
        ("params", "f8", (PARAMS,)),
    ]
)
# An operation, an output and the inputs, all int32.
INSTRUCTION = 2 + INPUTS


class ProjectionStruct(ctypes.Structure):
    """`AmProjection`."""

    _fields_ = [
        ("columns", c_void_p),
        ("places", c_void_p),
        ("labels", c_void_p),
        ("start", c_void_p),
        ("lanes", c_void_p),
        ("roots", c_void_p),
        ("ends", c_void_p),
        ("masses", c_void_p),
        ("styles", c_int64),
        ("groups", c_int64),
    ]

    @classmethod
    def of(cls, projection: Projection) -> ProjectionStruct:
        """Pointers to arrays that must outlive it."""
        arrays = {name: getattr(projection, name).ctypes.data for name in ARRAYS}
        shape = (projection.regressors, projection.masses.shape[1])
        return cls(*arrays.values(), *shape)


class ProgramStruct(ctypes.Structure):
    """`AmProgram`."""

    _fields_ = [
        ("rows", c_int64),
        ("columns", c_int64),
        ("stride", c_int64),
        ("symbols", c_int64),
        ("dtype", c_int32),
        ("threads", c_int32),
        ("shared", c_int32),
        ("slots", c_int32),
        ("shards", c_int32),
        ("max_window", c_int32),
        ("operations", c_int32),
        ("partial", c_int32),
        ("operation", c_void_p),
        ("arrays", c_void_p),
        ("strides", c_void_p),
        ("items", c_void_p),
        ("code", c_void_p),
        ("shard_start", c_void_p),
        ("inside", c_void_p),
        ("alive", c_void_p),
        ("infinite", c_void_p),
        ("values", c_void_p),
        ("label", c_void_p),
        ("first_day", c_int64),
        ("days", c_int64),
        ("min_names", c_int64),
        ("ic", c_void_p),
        ("rank_ic", c_void_p),
        ("turnover", c_void_p),
        ("pairs", c_void_p),
        ("present", c_void_p),
    ]


class RanksStruct(ctypes.Structure):
    """`AmRanks`."""

    _fields_ = [("projection", ctypes.POINTER(ProjectionStruct)), ("ranks", c_void_p)]


class DayStruct(ctypes.Structure):
    """`AmDay`."""

    _fields_ = [
        ("stride", c_int64),
        ("count", c_int64),
        ("begin", c_int64),
        ("end", c_int64),
        ("dtype", c_int32),
        ("max_window", c_int32),
        ("operation", c_void_p),
        ("rings", c_void_p),
        ("rows", c_void_p),
        ("items", c_void_p),
        ("code", c_void_p),
        ("inside", c_void_p),
        ("alive", c_void_p),
    ]


_PRODUCTS = [*[c_void_p] * 4, c_int64, c_void_p, c_int64, c_void_p]
_FUNCTIONS: tuple[tuple[str, Any, list[Any]], ...] = (
    ("am_opcode", c_int32, [c_char_p]),
    ("am_opcode_name", c_char_p, [c_int32]),
    ("am_takes_literals", c_int32, [c_int32]),
    ("am_vector_bytes", c_int32, []),
    ("am_workspace_new", c_void_p, []),
    ("am_workspace_free", None, [c_void_p]),
    ("am_workspace_bytes", c_int64, [c_void_p]),
    ("am_label_new", c_void_p, [c_void_p, c_int64, c_int64]),
    ("am_label_free", None, [c_void_p]),
    ("am_run", c_int32, [c_void_p, c_void_p]),
    (
        "am_rank_cells",
        c_int32,
        [c_void_p, c_int32, c_int64, c_void_p, c_void_p, c_int64, *[c_void_p] * 3],
    ),
    (
        "am_add_ranks",
        c_int32,
        [c_void_p, c_int32, c_int64, c_void_p, c_void_p, c_int64, c_double, *[c_void_p] * 2],
    ),
    ("am_rank_products", None, _PRODUCTS),
    ("am_value_products", None, _PRODUCTS),
)
# What streams call: a library without them still evaluates panels.
_DAY_FUNCTIONS: tuple[tuple[str, Any, list[Any]], ...] = (
    ("am_day_layout", c_int32, []),
    ("am_day", c_int32, [c_void_p, c_void_p]),
)


# What scores on a residual label call: a library without them leaves these to numpy.
_RESIDUAL_FUNCTIONS: tuple[tuple[str, Any, list[Any]], ...] = (
    ("am_residual_layout", c_int32, []),
    ("am_run_ranked", c_int32, [c_void_p, c_void_p, c_void_p]),
    (
        "am_residual_cells",
        c_int32,
        [c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int32, *[c_void_p] * 3, c_int64],
    ),
)


class Residuals(NamedTuple):
    """What a projection leaves of a formula.

    Attributes
    ----------
    cells : (cells,) int16 or float64, or None
        Times the roots of the weights; 0 where missing.
    rank_ic : (days,) float64
        Its correlation with what is left of the label; NaN where there is none.
    squares : (days,) float64
        Sums of the squares of `cells`; 0 without them.
    parts : (days,) float64
        Sums of weighted squares of what is left of numbers whose squares are 1 in the mean; 0
        without `cells`.
    """

    cells: Cells | None
    rank_ic: FloatArray
    squares: FloatArray
    parts: FloatArray


class Library:
    """One loaded kernel library.

    Parameters
    ----------
    path : Path
        Shared object, one of those that `setup.py` builds.

    Attributes
    ----------
    digest : str
        Of the file: another build may give other last bits.
    runs_days : bool
        Whether it can go on day by day.
    projects : bool
        Whether it knows residual labels.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        dll = ctypes.CDLL(str(path))
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        days = _DAY_FUNCTIONS if hasattr(dll, "am_day_layout") else ()
        residual = _RESIDUAL_FUNCTIONS if hasattr(dll, "am_residual_layout") else ()
        for name, result, arguments in (*_FUNCTIONS, *days, *residual):
            function = getattr(dll, name)
            function.restype, function.argtypes = result, arguments
        self.runs_days = bool(days) and dll.am_day_layout() == ctypes.sizeof(DayStruct)
        sizes = ctypes.sizeof(ProjectionStruct) + ctypes.sizeof(RanksStruct)
        self.projects = bool(residual) and dll.am_residual_layout() == sizes
        self.dll = dll

    @property
    def name(self) -> str:
        """Instruction set: baseline, v3 (AVX2) or v4 (AVX-512)."""
        return self.path.stem.rpartition("_")[2]

    def opcode(self, name: str) -> int:
        """Opcode of the operator or sink `name`; -1 if the library has no kernel for it."""
        return int(self.dll.am_opcode(name.encode()))

    def takes_literals(self, opcode: int) -> bool:
        """Whether a literal may stand where the kernel expects an array."""
        return bool(self.dll.am_takes_literals(opcode))

    def kernels(self) -> list[str]:
        """Names of the operators that have a kernel."""
        names: list[str] = []
        while (name := self.dll.am_opcode_name(len(names))) is not None:
            names.append(name.decode())
        return names

    def rank_cells(
        self, values: npt.NDArray[np.floating], columns: Columns, start: Borders
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64], FloatArray]:
        """Twice the average rank of each cell among those of its day, minus the day's mean.

        And how many cells of each day have a value, and the sum of the squares of their ranks.

        Parameters
        ----------
        values : (days, N) float32 or float64
            C-contiguous; NaN is missing and gets 0.
        columns : (cells,) int32
            Where cells lie, day after day.
        start : (days + 1,) int64
            Where the cells of each day start; a day has 32768 of them at most.
        """
        ranks = fresh(len(columns), np.int16)
        present = fresh(len(start) - 1, np.int64)
        squares = fresh(len(present))
        status = self.dll.am_rank_cells(
            values.ctypes.data,
            values.itemsize,
            values.shape[1],
            columns.ctypes.data,
            start.ctypes.data,
            len(present),
            ranks.ctypes.data,
            present.ctypes.data,
            squares.ctypes.data,
        )
        if status:
            raise WorkFailed("ranking one day's values did not fit into memory")
        return ranks, present, squares

    def add_ranks(
        self,
        values: npt.NDArray[np.floating],
        columns: Columns,
        start: Borders,
        weight: float,
        total: FloatArray,
        known: npt.NDArray[np.bool_],
    ) -> None:
        """Add the ranks of each day, scaled to unit variance and times a weight, to a total.

        Parameters
        ----------
        values, columns, start
            As for `rank_cells`.
        weight : float
        total : (cells,) float64
            Is added to; a missing value counts as average.
        known : (cells,) bool
            Is set where there is a value on a day whose values differ.
        """
        status = self.dll.am_add_ranks(
            values.ctypes.data,
            values.itemsize,
            values.shape[1],
            columns.ctypes.data,
            start.ctypes.data,
            len(start) - 1,
            weight,
            total.ctypes.data,
            known.ctypes.data,
        )
        if status:
            raise WorkFailed("ranking one day's values did not fit into memory")

    def residual_cells(
        self, projection: Projection, given: Sequence[Cells], threads: int = 1, kept: bool = True
    ) -> list[Residuals]:
        """What a projection leaves of the numbers of its cells, formula by formula.

        Parameters
        ----------
        projection : Projection
        given : sequence of (cells,) int16 or float64
            `NO_RANK`, or NaN, is missing. Of whole numbers whole numbers are left, scaled so that
            `products` of a day fit into 32 bits.
        threads : int
        kept : bool
            Whether what is left is wanted, beside its correlations.
        """
        days, count = len(projection.start) - 1, len(given)
        outs: list[Cells] = [fresh(len(x), x.dtype) for x in given if kept]
        rank_ic = fresh((count, days))
        squares, parts = ((fresh if kept else np.zeros)((count, days)) for _ in range(2))
        addresses = np.array([array.ctypes.data for array in (*given, *outs)], dtype=np.uintp)
        struct = ProjectionStruct.of(projection)
        status = self.dll.am_residual_cells(
            ctypes.byref(struct),
            days,
            count,
            addresses.ctypes.data,
            addresses[count:].ctypes.data if kept else None,
            all(x.dtype == np.int16 for x in given),
            rank_ic.ctypes.data,
            squares.ctypes.data,
            parts.ctypes.data,
            threads,
        )
        if status:
            raise WorkFailed("the regressions of a few formulas did not fit into memory")
        cells = outs if kept else [None] * count
        return [Residuals(*one) for one in zip(cells, rank_ic, squares, parts, strict=True)]

    def products(
        self,
        x: Cells,
        scale: FloatArray,
        others: Sequence[Cells],
        scales: Sequence[FloatArray],
        start: Borders,
    ) -> FloatArray:
        """Sums over the cells of each day of x times each of the others, (others, days) float64.

        Whole numbers (int16) are summed exactly, doubles in an order that depends on nothing but
        the number of cells; the sums are then multiplied by the scales of their days, each (days,).
        """
        products = fresh((len(others), len(scale)))
        pointers = np.array([array.ctypes.data for array in (*others, *scales)], dtype=np.uintp)
        whole = x.dtype == np.int16
        call = self.dll.am_rank_products if whole else self.dll.am_value_products
        call(
            x.ctypes.data,
            scale.ctypes.data,
            pointers.ctypes.data,
            pointers[len(others) :].ctypes.data,
            len(others),
            start.ctypes.data,
            len(scale),
            products.ctypes.data,
        )
        return products


class Workspace:
    """Buffers of the executor that live on between programs.

    Parameters
    ----------
    library : Library
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._handle = c_void_p(library.dll.am_workspace_new())

    def run(self, program: ProgramStruct, ranks: RanksStruct | None = None) -> None:
        """Run a program, keeping ranks if they are asked for.

        Raises
        ------
        WorkFailed
            If the machine has not enough memory for the program's buffers.
        """
        dll, call = self._library.dll, ctypes.byref(program)
        if ranks is None:
            status = dll.am_run(call, self._handle)
        else:
            status = dll.am_run_ranked(call, ctypes.byref(ranks), self._handle)
        if status == 2:
            size = program.slots * program.rows * program.stride * program.dtype * program.threads
            raise WorkFailed(
                f"evaluation needs {size / 2**20:.0f} MiB of buffers, which the machine does not "
                "have; use fewer threads or a shorter panel"
            )
        if status:
            raise WorkFailed("the kernel library met an unknown opcode; reinstall alphamine")

    def run_day(self, day: DayStruct) -> None:
        """Run the instructions of one day.

        Raises
        ------
        WorkFailed
            If the machine has not enough memory for the kernels' scratch.
        """
        if self._library.dll.am_day(ctypes.byref(day), self._handle):
            raise WorkFailed("a day's evaluation needs a few MiB of scratch; there are none left")

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self._library.dll.am_workspace_bytes(self._handle))

    def __del__(self) -> None:
        self._library.dll.am_workspace_free(self._handle)


class ScoredLabel:
    """The label of a sample, ranked once, as the executor reads it.

    Parameters
    ----------
    library : Library
    label : (rows, N) float64
        NaN where there is none.
    """

    def __init__(self, library: Library, label: npt.NDArray[np.float64]) -> None:
        self._library = library
        values = np.ascontiguousarray(label, dtype=np.float64)
        self.handle: int | None = library.dll.am_label_new(values.ctypes.data, *values.shape)
        if self.handle is None:
            raise WorkFailed(
                f"a label of {values.shape[0]} x {values.shape[1]} cells does not fit into memory"
            )

    def __del__(self) -> None:
        self._library.dll.am_label_free(self.handle)


def library_path(level: str) -> Path | None:
    """The shared object built for an instruction set, if it exists."""
    origin = alphamine.operators.__file__
    assert origin is not None
    folder = Path(origin).parent / "kernels"
    found = [folder / f"_kernels_{level}{suffix}" for suffix in (".so", ".dylib", ".dll")]
    return next((path for path in found if path.exists()), None)


@cache
def load(level: str | None = None) -> Library | None:
    """The kernel library for this machine, or None (with one warning) if none can be used.

    Parameters
    ----------
    level : {"baseline", "v3", "v4"}, optional
        Force an instruction set; by default the best that the processor has.
    """
    levels = _runnable() if level is None else [level]
    library = next((found for name in levels if (found := _current(name)) is not None), None)
    if library is None:
        warnings.warn(
            "alphamine runs without its kernel library (it was installed without a C++ compiler, "
            "or the library is of another version): formulas are evaluated by numpy, 10 to 100 "
            "times slower; install a C++ compiler and reinstall alphamine",
            RuntimeWarning,
            stacklevel=2,
        )
    return library


def _runnable() -> list[str]:
    """Instruction sets of this machine, the best first."""
    path = library_path("baseline")
    bits = ctypes.CDLL(str(path)).am_machine_levels() if path is not None else 0
    return [name for bit, name in ((2, "v4"), (1, "v3")) if bits & bit] + ["baseline"]


def _current(level: str) -> Library | None:
    path = library_path(level)
    if path is None:
        return None
    layout = getattr(ctypes.CDLL(str(path)), "am_layout", None)
    structures = 1000 * (OPERATION.itemsize + 4 * INSTRUCTION) + ctypes.sizeof(ProgramStruct)
    arguments = sum(len(taken) for _, _, taken in _FUNCTIONS)
    expected = 1_000_000 * arguments + structures
    return Library(path) if layout is not None and layout() == expected else None


__all__ = [
    "INPUTS",
    "INSTRUCTION",
    "NO_RANK",
    "OPERATION",
    "PARAMS",
    "SLOT_BASE",
    "DayStruct",
    "Library",
    "ProgramStruct",
    "ProjectionStruct",
    "RanksStruct",
    "Residuals",
    "ScoredLabel",
    "Workspace",
    "library_path",
    "load",
]
