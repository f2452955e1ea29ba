"""The catalogue: one operator is one entry, and everything else iterates over the entries.

The parser, the grammar, the dialects, the evaluator, the printed reference and the tests take all
they know of an operator from its `Operator` entry.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.errors import OperatorError

from . import units as unit_rules
from .laws import NO_LAWS, Laws
from .terms import Recipe
from .types import Input, Kind, Param, ParamValue
from .typeset import Typeset

Array: TypeAlias = npt.NDArray[np.float64]
Reference: TypeAlias = Callable[..., Array]
Lookback: TypeAlias = Callable[[Sequence[ParamValue]], int]


class Family(StrEnum):
    """What a value at (t, symbol) may depend on; it decides how the evaluator may cut the work.

    elementwise: the same cell; time_series: the same symbol's window; cross_section: the same day,
    within the universe; group: the same day and group, within the universe.
    """

    ELEMENTWISE = "elementwise"
    TIME_SERIES = "time_series"
    CROSS_SECTION = "cross_section"
    GROUP = "group"


def no_lookback(params: Sequence[ParamValue]) -> int:
    """The operator reads today's row only."""
    return 0


def window_lookback(params: Sequence[ParamValue]) -> int:
    """A window of d rows that includes today reaches d - 1 rows back."""
    return int(params[0]) - 1


def shift_lookback(params: Sequence[ParamValue]) -> int:
    """The operator reads the row d days ago."""
    return int(params[0])


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One operator of the language.

    Parameters
    ----------
    name : str
        Canonical (BRAIN) name.
    family : Family
    inputs : tuple of Input
        Formula arguments, which precede the parameters in text.
    params : tuple of Param
        Literal arguments. Those with a default may be left out or given by name.
    meaning : str
        One line for people and for language models.
    reference : callable
        The specification: `reference(*inputs, *params, **context) -> array`. Inputs are float64
        arrays of shape (T, N) with NaN for missing (booleans as 1/0/NaN, groups as integer codes
        with -1 for none; constants arrive as filled arrays); cross-sectional and group operators
        get NaN outside the day's universe. The result is float64 of the same shape; infinities
        are taken as missing by the evaluator. It must not write to its inputs.
    context : tuple of str
        Keyword arguments the reference asks for: `min_periods` (observations a window needs,
        an int that the evaluator derives from the first window parameter) and `alive`
        (bool (T, N), True from a symbol's first observation on).
    unit : UnitRule
    lookback : callable
        Rows before today that the operator reads, from its parameters.
    tier : int
        1: sampled by default; 2: shipped, not sampled; 3: only for reading other dialects.
    searchable : bool
        Whether the default grammar samples it (tier 1 and finite memory).
    commutative : bool
        Whether the order of all inputs is irrelevant, bit for bit.
    monotone : bool
        Strictly increasing in its only input across a day: it never changes a cross-sectional rank.
    fills_missing : bool
        May return a value where an input is missing; masked before a symbol's first observation.
    path_dependent : bool
        Unbounded memory; flagged, never evaluated or sampled.
    dialects : mapping
        Name in other dialects whose numbers are the same.
    cost : float
        Relative cost per cell (1 = a rolling mean).
    recipe : callable, optional
        The reference in terms that pandas, Polars and SQL have (see `recipes`), from the inputs,
        the parameters and, if it asks for `min_periods`, `need`. Without one, exports to these
        targets refuse the operator by name.
    usage : int, optional
        How often people use it, from which searches sample it: occurrences in the texts of Alpha101
        and Alpha191 together (Kakushadze 2016; GTJA 2017), under our names; `abs`, which people put
        around differences only, counts a third. None: neither knows it. 0: it takes part only if a
        grammar names it.
    laws : Laws
        By which the canonical form rewrites it.
    counts_truths : bool
        Whether truth values make sense as its numbers: they are counted, averaged or a mask.
    levels : int
        Levels that it adds to the depth of a formula.
    latex : str or Typeset, optional
        The name of the function, or how it is written; by default a function by its own name.
    symbolic : callable, optional
        `symbolic(sympy, *inputs)`: what it is to SymPy; without it algebra does not look inside.
    """

    name: str
    family: Family
    inputs: tuple[Input, ...]
    meaning: str
    reference: Reference
    params: tuple[Param, ...] = ()
    context: tuple[str, ...] = ()
    output: Kind = Kind.NUMBER
    unit: unit_rules.UnitRule = unit_rules.same
    lookback: Lookback = no_lookback
    tier: int = 1
    commutative: bool = False
    monotone: bool = False
    fills_missing: bool = False
    path_dependent: bool = False
    dialects: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cost: float = 1.0
    recipe: Recipe | None = None
    usage: int | None = None
    laws: Laws = NO_LAWS
    counts_truths: bool = False
    levels: int = 1
    latex: str | Typeset | None = None
    symbolic: Callable[..., Any] | None = None

    @property
    def searchable(self) -> bool:
        return self.tier == 1 and not self.path_dependent

    @property
    def signature(self) -> str:
        """For instance `ts_corr(x, y, d)` or `winsorize(x, std=4)`."""
        shown = [i.name for i in self.inputs]
        shown += [p.name if p.required else f"{p.name}={p.shown_default}" for p in self.params]
        return f"{self.name}({', '.join(shown)})"

    @property
    def window(self) -> int | None:
        """Index of the first window parameter, if there is one."""
        return next((i for i, p in enumerate(self.params) if p.kind == "window"), None)

    def compute(self, *arguments: Any, **context: object) -> Array:
        """The reference's result. What is invalid is missing by contract: numpy need not warn."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # such as "Mean of empty slice"
            return self.reference(*arguments, **context)

    def __repr__(self) -> str:
        return f"<operator {self.signature}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (get, (self.name,))


class Catalogue(Mapping[str, Operator]):
    """Operators by canonical name, in the order of their registration."""

    def __init__(self) -> None:
        self._entries: dict[str, Operator] = {}

    def __getitem__(self, name: str) -> Operator:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, operator: Operator) -> Operator:
        """Add an entry; a name is given once and never changes its meaning within a process."""
        if operator.name in self._entries:
            raise OperatorError(
                f"operator names are unique, but {operator.name!r} is already in the catalogue; "
                "choose another name"
            )
        self._entries[operator.name] = operator
        return operator

    def family(self, family: Family) -> list[Operator]:
        return [op for op in self._entries.values() if op.family is family]


CATALOGUE = Catalogue()


def get(name: str) -> Operator:
    """The operator called `name`.

    Raises
    ------
    OperatorError
        If there is none; the message suggests the nearest name.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        near = difflib.get_close_matches(name, CATALOGUE, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise OperatorError(f"there is no operator {name!r}{hint}") from None
