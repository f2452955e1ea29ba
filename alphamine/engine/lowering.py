"""From one node of the expression tree to one operation of the kernel library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Call
from alphamine.operators import Operator, ParamValue

from .native import OPERATION, PARAMS, Library
from .reference import MinPeriods, required_observations


class Lowering:
    """Lowers calls for one library and one `min_periods`; remembers what it has seen.

    Parameters
    ----------
    library : Library
    min_periods : "full", int or float

    Attributes
    ----------
    takes_literals : list of bool
        Whether constants may be passed to it as they are.
    fill, emit, score : int
        Operations that fill an array with a constant, copy values out, and score them.
    """

    def __init__(self, library: Library, min_periods: MinPeriods) -> None:
        self.library = library
        self.min_periods = min_periods
        self.takes_literals: list[bool] = []
        self._known: dict[tuple[Operator, tuple[ParamValue, ...]], int | None] = {}
        self._rows: list[tuple[object, ...]] = []
        self._table: npt.NDArray[np.void] = np.zeros(0, dtype=OPERATION)
        self.fill, self.emit, self.score = (
            self._add(library.opcode(name)) for name in ("fill", "emit", "score")
        )

    def __call__(self, node: Call) -> int | None:
        """Number of the operation that computes `node`; None if the library has no kernel."""
        key = (node.operator, node.params)
        try:
            return self._known[key]
        except KeyError:
            lowered = self._known[key] = self._lower(*key)
            return lowered

    def table(self) -> npt.NDArray[np.void]:
        """All operations so far as `native.OPERATION`."""
        if len(self._table) < len(self._rows):
            self._table = np.array(self._rows, dtype=OPERATION)
        return self._table

    def _lower(self, op: Operator, params: tuple[ParamValue, ...]) -> int | None:
        opcode = self.library.opcode(op.name)
        numbers = _numbers(op, params)
        if opcode < 0 or numbers is None:
            return None
        window = 1 if op.window is None else int(params[op.window])
        asked = "min_periods" in op.context
        need = required_observations(window, self.min_periods) if asked else 1
        return self._add(opcode, window, need, op.fills_missing, op.lookback(params), numbers)

    def _add(
        self,
        opcode: int,
        window: int = 1,
        need: int = 1,
        masked: bool = False,
        lookback: int = 0,
        numbers: tuple[float, ...] = (),
    ) -> int:
        padded = (*numbers, *[0.0] * (PARAMS - len(numbers)))
        self._rows.append((opcode, window, need, int(masked), lookback, 0, padded))
        self.takes_literals.append(self.library.takes_literals(opcode))
        return len(self._rows) - 1


def _numbers(op: Operator, params: tuple[ParamValue, ...]) -> tuple[float, ...] | None:
    """Parameters other than the first window as numbers; None if one of them is a text."""
    numbers: list[float] = []
    for position, (declared, value) in enumerate(zip(op.params, params, strict=True)):
        if position == op.window:
            continue
        if declared.kind == "text":
            return None
        chosen = declared.choices.index(str(value)) if declared.kind == "choice" else value
        numbers.append(float(chosen))
    return tuple(numbers)
