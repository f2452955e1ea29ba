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
    idempotent : bool
        f(f(x)) = f(x), the other arguments being the same.
    nonnegative : bool
        f is never below zero, so that abs(f(x)) = f(x).
    window_of_one : bool
        f(x, 1) = x: the window of one row is the row.
    """

    negates: bool = False
    odd: tuple[int, ...] = ()
    even: bool = False
    mirror: str | None = None
    swap: str | None = None
    idempotent: bool = False
    nonnegative: bool = False
    window_of_one: bool = False


NO_LAWS: Final = Laws()
