"""What may stand on what: the typed productions that the grammar draws and checks by.

A value's type is its kind and, where units count, its dimension. Units that no sane formula has
(price ** 3) have no type, so nothing can produce them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from alphamine.expression.canonical import REMEMBERED
from alphamine.expression.nodes import Call, Constant, Node
from alphamine.operators import Family, Kind, Operator, ParamValue, Unit, units
from alphamine.operators.catalogue import shift_lookback
from alphamine.operators.types import CONSTANT, RATIO, Param

# Rules under which all inputs must agree: a bare constant joins dimensionless numbers only.
_AGREEING = (units.same, units.comparison, units.branches)
# For operators on trailing windows: one row says nothing new, two rows next to nothing.
_SHORTEST_LOOKBACK = 2


@dataclass(frozen=True, slots=True)
class ValueType:
    """Kind and dimension of a value; `dimension` is None where the unit is unknown."""

    kind: Kind
    dimension: tuple[float, float] | None = (0.0, 0.0)
    literal: bool = False

    @property
    def unit(self) -> Unit | None:
        """A unit of this type, to ask the operators' unit rules with."""
        if self.literal:
            return CONSTANT
        if self.dimension is None or self.kind is Kind.GROUP:
            return None
        return Unit(*self.dimension) if self.kind is Kind.NUMBER else RATIO

    @property
    def dimensionless(self) -> bool:
        return self.dimension == (0.0, 0.0)


BOOLEAN = ValueType(Kind.BOOLEAN)
GROUP = ValueType(Kind.GROUP, None)
LITERAL = ValueType(Kind.NUMBER, literal=True)
PLAIN = ValueType(Kind.NUMBER)


@dataclass(frozen=True, slots=True, eq=False)
class BoundOperator:
    """An operator with every literal fixed but its window, and what it makes of typed inputs.

    Attributes
    ----------
    params : tuple
        Literals in order; the window's place holds its smallest value.
    windows : tuple of int
        Windows it may be given, ascending; empty if it takes none.
    lookbacks : tuple of int
        Rows back that it adds with each of them; a single entry if it takes none.
    results : dict of tuple of int to int
        Type number of the result by those of the inputs.
    """

    operator: Operator
    params: tuple[ParamValue, ...]
    windows: tuple[int, ...]
    lookbacks: tuple[int, ...]
    weight: float
    results: dict[tuple[int, ...], int]

    @property
    def tokens(self) -> int:
        """Reverse Polish tokens beyond those of the inputs."""
        return 2 if self.windows else 1

    @property
    def levels(self) -> int:
        """Levels that it adds to a formula."""
        return self.operator.levels

    def bound(self, window: int | None) -> tuple[ParamValue, ...]:
        """The literals, with the window in its place."""
        place = self.operator.window
        if window is None or place is None:
            return self.params
        return (*self.params[:place], window, *self.params[place + 1 :])

    def lookback(self, window: int | None) -> int:
        """Rows back that it adds with `window`."""
        return self.lookbacks[0 if window is None else self.windows.index(window)]

    def __str__(self) -> str:
        place = self.operator.window if self.windows else None
        literals = [str(v) for i, v in enumerate(self.params) if i != place]
        return f"{self.operator.name}({', '.join(literals)})" if literals else self.operator.name


class Types:
    """The finite set of value types of one grammar, numbered."""

    def __init__(self, with_units: bool, unknown: bool) -> None:
        self.with_units = with_units
        self.all = [PLAIN, BOOLEAN, GROUP, LITERAL]
        if with_units:
            grid = [(float(p), float(s)) for p in range(-2, 3) for s in range(-2, 3)]
            # Squares, products and ratios of prices and volumes, and no further.
            near = [d for d in grid if d != (0.0, 0.0) and abs(d[0]) + abs(d[1]) <= 2]
            self.all += [ValueType(Kind.NUMBER, d) for d in near]
        if with_units and unknown:
            self.all.append(ValueType(Kind.NUMBER, None))
        self.numbers = {t: i for i, t in enumerate(self.all)}

    def index(self, kind: Kind, unit: Unit | None) -> int | None:
        """Number of the type of a value that reads a field; None if the grammar has no such."""
        if kind is not Kind.NUMBER:
            return self.numbers[BOOLEAN if kind is Kind.BOOLEAN else GROUP]
        if not self.with_units:
            return self.numbers[PLAIN]
        dimension = None if unit is None else unit.dimension
        return self.numbers.get(ValueType(Kind.NUMBER, dimension))

    def of(self, node: Node) -> int | None:
        """Number of the type of `node`; None if the grammar has no such type."""
        if isinstance(node, Constant):
            return self.numbers[LITERAL]
        return self.index(node.kind, node.unit)

    def result(
        self, op: Operator, inputs: Sequence[int], literals: Iterable[tuple[ParamValue, ...]]
    ) -> int | None:
        """Type that `op` makes of typed inputs under all of `literals`; None if it should not."""
        types = [self.all[i] for i in inputs]
        if not _sensible(op, types, self.with_units):
            return None
        outcomes = {self._outcome(op, types, params) for params in literals}
        return outcomes.pop() if len(outcomes) == 1 else None

    def _outcome(
        self, op: Operator, types: Sequence[ValueType], params: tuple[ParamValue, ...]
    ) -> int | None:
        if not self.with_units:
            return self.index(op.output, None)
        unit, problem = op.unit([t.unit for t in types], params)
        # A unit that the rule cannot tell (price ** y) cannot be checked further up.
        lost = unit is None and all(t.dimension is not None or t is GROUP for t in types)
        if problem is not None or (lost and op.output is Kind.NUMBER):
            return None
        return self.index(op.output, unit)


@lru_cache(maxsize=REMEMBERED)
def mistyped(types: Types, node: Node) -> str | None:
    """What in an expression breaks the types of a grammar, in words; None if nothing does.

    Remembered for the last expressions seen: most parts of an edited formula are its parent's.
    """
    if not isinstance(node, Call):
        return None
    for child in node.inputs:
        if (below := mistyped(types, child)) is not None:
            return below
    inputs = [types.of(child) for child in node.inputs]
    known = [number for number in inputs if number is not None]
    if len(known) == len(inputs) and types.result(node.operator, known, [node.params]) is not None:
        return None
    shown = ", ".join(f"{child.kind} in {child.unit}" for child in node.inputs)
    return f"{node.operator.name} takes no ({shown})"


def _sensible(op: Operator, types: Sequence[ValueType], with_units: bool) -> bool:
    """Whether the kinds fit, and the call is more than a constant in disguise."""
    for declared, given in zip(op.inputs, types, strict=True):
        if not declared.kind.accepts(given.kind):
            return False
        if given == BOOLEAN and declared.kind is Kind.NUMBER and not op.counts_truths:
            return False
    literals = [t.literal for t in types]
    if op.unit is units.powered:
        return literals == [False, True] and types[0].kind is Kind.NUMBER
    if not any(literals):
        # A product of truth values is an `and`.
        return op.unit is not units.product or any(t.kind is Kind.NUMBER for t in types)
    if op.family is not Family.ELEMENTWISE or len(types) == 1 or all(literals):
        return False
    if with_units and op.unit in _AGREEING:
        return all(t.dimensionless for t in types if t.kind is Kind.NUMBER)
    return all(
        i.kind is Kind.BOOLEAN for i, t in zip(op.inputs, types, strict=True) if t == BOOLEAN
    )


def moves(
    types: Types, operators: Sequence[Operator], windows: Sequence[int], weights: dict[str, float]
) -> list[BoundOperator]:
    """Every operator in every setting of its literals, with its typed results."""
    found: list[BoundOperator] = []
    for op in operators:
        usable = allowed_windows(op, windows)
        if op.window is not None and not usable:
            continue
        settings = list(itertools.product(*(_settings(p, usable) for p in op.params)))
        for params in settings:
            place = op.window or 0
            bound = [(*params[:place], d, *params[place + 1 :]) for d in usable] or [params]
            reaches = tuple(op.lookback(p) for p in bound)
            move = BoundOperator(op, params, usable, reaches, weights[op.name] / len(settings), {})
            for inputs in itertools.product(range(len(types.all)), repeat=len(op.inputs)):
                result = types.result(op, inputs, bound)
                if result is not None:
                    move.results[inputs] = result
            found.append(move)
    return found


def allowed_windows(op: Operator, windows: Sequence[int]) -> tuple[int, ...]:
    """The windows that `op` takes and that are worth taking."""
    place = op.window
    if place is None:
        return ()
    low = op.params[place].low or 1
    high = op.params[place].high or float("inf")
    fixed = [_settings(p, windows)[0] for p in op.params]
    found = []
    for d in sorted(windows):
        params = (*fixed[:place], d, *fixed[place + 1 :])
        telling = op.lookback is shift_lookback or op.lookback(params) >= _SHORTEST_LOOKBACK
        if low <= d <= high and telling:
            found.append(d)
    return tuple(found)


def _settings(param: Param, windows: Sequence[int]) -> list[ParamValue]:
    """Values of a literal that the grammar offers."""
    if param.kind == "window":
        return [windows[0]]
    if not param.required:
        return [cast(ParamValue, param.default)]
    if param.kind == "choice":
        return list(param.choices)
    if param.kind == "flag":
        return [False, True]
    low, high = param.low or 0.0, param.high or float("inf")
    offered = (1, 2) if param.kind == "integer" else (0.5, 2.0)
    return [v for v in offered if low <= v <= high] or [low]
