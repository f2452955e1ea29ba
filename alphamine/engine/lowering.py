"""From one node of the expression tree to one instruction of the kernel library."""

from __future__ import annotations

from dataclasses import dataclass

from alphamine.expression.nodes import Call
from alphamine.operators import Operator, ParamValue

from .native import PARAMS, Library
from .reference import MinPeriods, required_observations


@dataclass(frozen=True, slots=True)
class Lowered:
    """What an instruction says besides its buffers.

    Attributes
    ----------
    opcode, window, min_periods : int
    masked : int
        1: the result is missing before a symbol's first observation.
    params : tuple of float
        Literal parameters other than the window, padded with zeros.
    literals : bool
        Whether constants may be passed as they are.
    """

    opcode: int
    window: int
    min_periods: int
    masked: int
    params: tuple[float, ...]
    literals: bool


class Lowering:
    """Lowers calls for one library and one `min_periods`; remembers what it has seen.

    Parameters
    ----------
    library : Library
    min_periods : "full", int or float
    """

    def __init__(self, library: Library, min_periods: MinPeriods) -> None:
        self.library = library
        self.min_periods = min_periods
        self._known: dict[tuple[Operator, tuple[ParamValue, ...]], Lowered | None] = {}

    def __call__(self, node: Call) -> Lowered | None:
        """The instruction for `node`, or None if the library has no kernel for it."""
        key = (node.operator, node.params)
        try:
            return self._known[key]
        except KeyError:
            lowered = self._known[key] = self._lower(*key)
            return lowered

    def _lower(self, op: Operator, params: tuple[ParamValue, ...]) -> Lowered | None:
        opcode = self.library.opcode(op.name)
        numbers = _numbers(op, params)
        if opcode < 0 or numbers is None:
            return None
        window = 1 if op.window is None else int(params[op.window])
        asked = "min_periods" in op.context
        need = required_observations(window, self.min_periods) if asked else 1
        literals = self.library.takes_literals(opcode)
        return Lowered(opcode, window, need, int(op.fills_missing), numbers, literals)


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
    return tuple(numbers + [0.0] * (PARAMS - len(numbers)))
