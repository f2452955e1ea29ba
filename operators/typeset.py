"""How an operator is written in LaTeX, where it is no function by its own name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# How strongly the outermost part of a text binds: what binds less is put into brackets.
LOOSE: Final = -1
SUM, PRODUCT, POWER, ATOM = range(4)


@dataclass(frozen=True, slots=True)
class Typeset:
    """A text in which `<0>`, `<1>` ... stand for the inputs.

    Attributes
    ----------
    text : str
    binds : int
        How strongly the whole binds: `LOOSE`, `SUM`, `PRODUCT`, `POWER` or `ATOM`.
    sides : tuple of int
        How strongly each input has to bind to stand without brackets; all may where it is empty.
    """

    text: str
    binds: int
    sides: tuple[int, ...] = ()


def infix(symbol: str, binds: int, right: int = 0) -> Typeset:
    """Two inputs with a symbol between; `right`: how much stronger the right one has to bind."""
    return Typeset(f"<0> {symbol} <1>", binds, (binds, binds + right))


def relation(symbol: str) -> Typeset:
    """Two inputs with a relation between, which binds least."""
    return Typeset(f"<0> {symbol} <1>", LOOSE, (ATOM, ATOM))
