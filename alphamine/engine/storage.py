"""Arrays as kernels want them: padded columns, aligned rows, missing for infinite."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

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

Fresh = TypeVar("Fresh", bound=npt.NDArray[Any])

_LANES = 16
_ALIGNMENT = 64
# Rows that are looked through at a time.
_BLOCK = 256


def row_stride(symbols: int, itemsize: int) -> int:
    """Columns including padding: whole vector blocks, and never a multiple of a memory page.

    Rows that start at the same offset of their pages would compete for a few cache lines.
    """
    stride = max(_LANES, -(-symbols // _LANES) * _LANES)
    return stride + _LANES if stride * itemsize % 4096 == 0 else stride


def fresh(shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """An uninitialised array, for those who fill all of it: the one place that makes them."""
    return unwritten(np.empty(shape, dtype))


def unwritten(array: Fresh) -> Fresh:
    """An array whose values nobody may read: what is filled again, as if it were fresh."""
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
    whole : PanelArrays, optional
        Of a panel that begins with the rows of this one: its arrays are used, not copied.
    prepared : mapping of str to array, optional
        Padded arrays that are there already, by the names that `prepare` gives them.
    """

    def __init__(
        self,
        panel: Panel,
        dtype: np.dtype[np.floating],
        whole: PanelArrays | None = None,
        prepared: Mapping[str, Padded] = MappingProxyType({}),
    ) -> None:
        self.panel = panel
        self.dtype = dtype
        self.rows, self.symbols = panel.shape
        self.stride = row_stride(self.symbols, dtype.itemsize)
        self.infinite: dict[Field, int] = {}
        self._whole, self._prepared = whole, prepared
        self._fields: dict[Field, Padded] = {}
        self._inside: Padded | None = None
        self._alive: Padded | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of one padded array of values."""
        return self.rows * self.stride * self.dtype.itemsize

    @property
    def held(self) -> int:
        """Bytes of the arrays made so far, those of the whole panel included."""
        if self._whole is not None:
            return self._whole.held
        masks = [mask for mask in (self._inside, self._alive) if mask is not None]
        return sum(array.nbytes for array in (*self._fields.values(), *masks))

    @property
    def inside(self) -> Padded:
        """0 in the universe, NaN outside."""
        if self._inside is None:
            self._inside = self._first_rows(
                "inside", lambda whole: whole.inside, lambda: self._mask(self.panel.universe)
            )
        return self._inside

    @property
    def alive(self) -> Padded:
        """0 from a symbol's first observation on, NaN before."""
        if self._alive is None:
            self._alive = self._first_rows(
                "alive", lambda whole: whole.alive, lambda: self._mask(self.panel.alive)
            )
        return self._alive

    def field(self, node: Field) -> Padded:
        """A field's values: numbers as `dtype`, group codes as int32."""
        if node not in self._fields:
            if node.kind is not Kind.GROUP:
                self.infinite[node] = self._infinite(self.panel.field(node.name))
            self._fields[node] = self._first_rows(
                f"field {node.name}", lambda whole: whole.field(node), lambda: self._padded(node)
            )
        return self._fields[node]

    def prepare(self) -> dict[str, Callable[[], Padded]]:
        """Whatever formulas may read, by name, to be made when it is called for."""
        fields = [info.node for info in self.panel.schema.values()]
        made: dict[str, Callable[[], Padded]] = {
            f"field {node.name}": partial(self._padded, node) for node in fields
        }
        made["inside"] = partial(self._mask, self.panel.universe)
        made["alive"] = partial(self._mask, self.panel.alive)
        return made

    def _first_rows(
        self, name: str, of: Callable[[PanelArrays], Padded], make: Callable[[], Padded]
    ) -> Padded:
        """An array of the whole panel, one that is there already, or a new one."""
        if self._whole is not None:
            return of(self._whole)[: self.rows]
        return self._prepared[name] if name in self._prepared else make()

    def _padded(self, node: Field) -> Padded:
        if node.kind is Kind.GROUP:
            return self.codes(self.panel.group(node.name))
        return self.number(self.panel.field(node.name))

    def _infinite(self, values: npt.NDArray[np.floating]) -> int:
        """How many cells are infinite as `dtype`."""
        count = 0
        with np.errstate(over="ignore"):
            for start in range(0, self.rows, _BLOCK):
                count += int(np.isinf(values[start : start + _BLOCK].astype(self.dtype)).sum())
        return count

    def number(self, values: npt.NDArray[np.floating]) -> Padded:
        """A padded copy of (T, N) numbers, without infinite ones."""
        with np.errstate(over="ignore"):
            padded = self.values(values)
        padded[np.isinf(padded)] = np.nan
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
