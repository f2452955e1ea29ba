"""Arrays as kernels want them: padded columns, aligned rows, missing for infinite."""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.expression.nodes import Field
from alphamine.operators import Kind

Padded = npt.NDArray[np.generic]

# Set to 1, memory that nothing has written holds this byte, here and in the kernels' workspace:
# whatever reads it gives a number that no formula has, the same in every run.
_POISONED: Final = "ALPHAMINE_POISON"
_POISON: Final = 0x5A

_LANES = 16
_ALIGNMENT = 64


def row_stride(symbols: int, itemsize: int) -> int:
    """Columns including padding: whole vector blocks, and never a multiple of a memory page.

    Rows that start at the same offset of their pages would compete for a few cache lines.
    """
    stride = max(_LANES, -(-symbols // _LANES) * _LANES)
    return stride + _LANES if stride * itemsize % 4096 == 0 else stride


def fresh(shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """An uninitialised array, for those who fill all of it: the one place that makes them."""
    array = np.empty(shape, dtype)
    if os.environ.get(_POISONED) == "1":
        array.reshape(-1).view(np.uint8)[:] = _POISON
    return array


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Padded:
    """An uninitialised C-contiguous array whose data start on a cache line."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    raw = fresh(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(kind).reshape(shape)


class PanelArrays:
    """Padded copies of what formulas read of a panel, made on first use.

    Parameters
    ----------
    panel : Panel
    dtype : numpy dtype
        float32 or float64.
    """

    def __init__(self, panel: Panel, dtype: np.dtype[np.floating]) -> None:
        self.panel = panel
        self.dtype = dtype
        self.rows, self.symbols = panel.shape
        self.stride = row_stride(self.symbols, dtype.itemsize)
        self.infinite: dict[Field, int] = {}
        self._fields: dict[Field, Padded] = {}
        self.inside = self._mask(panel.universe)
        self._alive: Padded | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of one padded array of values."""
        return self.rows * self.stride * self.dtype.itemsize

    @property
    def held(self) -> int:
        """Bytes of the arrays made so far."""
        masks = [self.inside] + ([] if self._alive is None else [self._alive])
        return sum(a.nbytes for a in (*self._fields.values(), *masks))

    @property
    def alive(self) -> Padded:
        """0 from a symbol's first observation on, NaN before."""
        if self._alive is None:
            self._alive = self._mask(self.panel.alive)
        return self._alive

    def field(self, node: Field) -> Padded:
        """A field's values: numbers as `dtype`, group codes as int32."""
        if node not in self._fields:
            if node.kind is Kind.GROUP:
                self._fields[node] = self.codes(self.panel.group(node.name))
            else:
                self._fields[node] = self.number(node, self.panel.field(node.name))
        return self._fields[node]

    def number(self, node: Field, values: npt.NDArray[np.floating]) -> Padded:
        with np.errstate(over="ignore"):
            padded = self.values(values)
        infinite = np.isinf(padded)
        self.infinite[node] = int(infinite.sum())
        padded[infinite] = np.nan
        return padded

    def values(self, values: npt.NDArray[np.floating]) -> Padded:
        """A padded copy of (T, N) numbers."""
        padded = aligned((self.rows, self.stride), self.dtype)
        padded[:, : self.symbols] = values
        padded[:, self.symbols :] = np.nan
        return padded

    def codes(self, groups: npt.NDArray[np.integer]) -> Padded:
        """A padded copy of (T, N) group codes."""
        padded = aligned((self.rows, self.stride), np.int32)
        padded[:, : self.symbols] = groups
        padded[:, self.symbols :] = -1
        return padded

    def literal(self, value: float) -> Padded:
        """A constant: one row, which every row of a program reads."""
        row = aligned((self.stride,), self.dtype)
        with np.errstate(over="ignore"):
            row[:] = value
        return row

    def _mask(self, present: npt.NDArray[np.bool_]) -> Padded:
        return self.values(np.where(present, 0.0, np.nan))
