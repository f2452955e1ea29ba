"""What algebra knows of an operator: laws that hold bit for bit, missing for missing.

That is under the evaluator's arithmetic: every node rounded to the storage type, infinities taken
as missing, zero unsigned. The canonical form of expressions rewrites by these laws (see
`alphamine.expression.rules` for those of several operators together); the tests evaluate both sides
of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Laws:
    """Laws of one operator, f below; of g the name is given.

    Attributes
    ----------
    negates : bool
        f(x) = -x: it is the minus of the language.
    odd : tuple of int
        f(-x) = -f(x) for each of these inputs.
    even : bool
        f(-x) = f(x), for all inputs at once.
    mirror : str, optional
        f(-x) = -g(x), for all inputs at once.
    swap : str, optional
        f(-x) = g(x), for all inputs at once.
    opposite : str, optional
        f(x, -y) = g(x, y), so that a literal y need not be below zero.
    idempotent : bool
        f(f(x)) = f(x), the other arguments being the same.
    additive : bool
        f(f(x, a), b) = f(x, a + b): windows add up.
    nonnegative : bool
        f is never below zero.
    keeps_nonnegative : bool
        f(x) = x where x is not below zero.
    window_of_one : bool
        f(x, 1) = x: the window of one row is the row.
    """

    negates: bool = False
    odd: tuple[int, ...] = ()
    even: bool = False
    mirror: str | None = None
    swap: str | None = None
    opposite: str | None = None
    idempotent: bool = False
    additive: bool = False
    nonnegative: bool = False
    keeps_nonnegative: bool = False
    window_of_one: bool = False


NO_LAWS: Final = Laws()
