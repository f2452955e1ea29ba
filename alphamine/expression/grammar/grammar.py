"""The grammar: which formulas there are, how to draw one, and how to build one token by token.

Every searcher shares this object. Whatever it yields is typed, keeps units apart, stays within the
limits of length, depth and look-back, reads at least one field, and pairs no value with itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np

from alphamine.errors import SearchError
from alphamine.expression.canonical import REMEMBERED, canonicalise, unsigned
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.expression.nodes import Node, constant
from alphamine.operators import CATALOGUE, Kind, Operator, Unit, get

from .completion import Completion
from .prefix import Prefix
from .productions import LITERAL, BoundOperator, Types, allowed_windows, mistyped, moves
from .reach import Reach, tabulate
from .sampling import Sampler
from .vocabulary import Token, Vocabulary

WINDOWS: Final = (1, 2, 3, 5, 10, 20, 40, 60)
CONSTANTS: Final = (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
FIELDS: Final = ("open", "high", "low", "close", "vwap", "volume")
# Formulas compare stocks with each other, and levels of prices or volumes do so badly.
_DIMENSIONLESS_ROOT: Final = 6.0
_ATTEMPTS: Final = 1000
# Usage of an operator that people's formulas do not know.
_UNSEEN: Final = 9


class Grammar:
    """A language to search in.

    Parameters
    ----------
    fields : iterable of str or FieldInfo
        What formulas may read; group fields make the group operators available.
    operators : iterable of str or Operator, optional
        All that the catalogue calls searchable by default.
    windows : iterable of int
        Rows that windows and delays may have; trailing windows under 3 rows are left out.
    constants : iterable of float
    max_length : int
        Reverse Polish tokens of a formula: its nodes and its windows.
    max_depth, max_lookback : int
        Levels of a formula, a minus not counted; rows before today.
    units : bool
        Whether unlike units are kept apart.
    weights : mapping of str to float, optional
        Relative weights of operators, over those that follow from `Operator.usage`; 0 leaves one
        out.

    Raises
    ------
    SearchError
        If a setting is impossible, or no formula at all fits.
    """

    def __init__(
        self,
        fields: Iterable[str | FieldInfo] = FIELDS,
        operators: Iterable[str | Operator] | None = None,
        windows: Iterable[int] = WINDOWS,
        constants: Iterable[float] = CONSTANTS,
        max_length: int = 16,
        max_depth: int = 7,
        max_lookback: int = 120,
        units: bool = True,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.fields = tuple(standard_field(f) if isinstance(f, str) else f for f in fields)
        self.windows = tuple(sorted(set(windows)))
        self.constants = tuple(sorted({constant(c).value for c in constants}))
        self.max_length, self.max_depth = max_length, max_depth
        self.max_lookback, self.units = max_lookback, units
        self.weights = _weights(operators, weights or {})
        self._check_settings()
        self._windows_of: dict[str, tuple[int, ...]] = {}
        self._types = Types(units, any(f.unit is None for f in self.fields))
        self._leaves = self._typed_leaves()
        self.moves, self._reach = self._usable_moves()
        self._sampler = Sampler(self._types, self._reach, self._leaves)
        self._roots = self._root_types()
        if not self._roots:
            raise SearchError(
                f"a grammar has formulas, but none of at most {max_length} tokens, depth "
                f"{max_depth} and {max_lookback} rows of look-back is a number that reads "
                f"{', '.join(f.name for f in self.fields) or 'no field'}"
            )

    @classmethod
    def for_panel(cls, schema: Mapping[str, FieldInfo], **settings: Any) -> Grammar:
        """The grammar of what a panel has (`Panel.schema`), with any of the settings above."""
        return cls(fields=schema.values(), **settings)

    def _check_settings(self) -> None:
        limits = {
            "max_length": (self.max_length, 1, 64),
            "max_depth": (self.max_depth, 1, 32),
            "max_lookback": (self.max_lookback, 0, 100_000),
        }
        limits |= {"a window": (min(self.windows, default=1), 1, 100_000)}
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise SearchError(f"{name} of a grammar lies in {low} to {high}, got {value}")

    def _typed_leaves(self) -> dict[int, list[Node]]:
        leaves: dict[int, list[Node]] = {}
        for leaf in (*(f.node for f in self.fields), *map(constant, self.constants)):
            number = self._types.of(leaf)
            if number is None:
                raise SearchError(
                    f"fields are prices, volumes or simple combinations, but {leaf} is in "
                    f"{leaf.unit}; give it another unit or search with units=False"
                )
            leaves.setdefault(number, []).append(leaf)
        return leaves

    def _usable_moves(self) -> tuple[list[BoundOperator], Reach]:
        """The moves that can occur in some formula, and the tables of what they reach."""
        operators = [get(name) for name, weight in self.weights.items() if weight > 0]
        offered = moves(self._types, operators, self.windows, self.weights)
        size = (len(self._types.all), self.max_length, self.max_depth)
        reach = tabulate(offered, list(self._leaves), *size)
        fits = reach.by_production[:, -1, -1] <= self.max_lookback
        usable = {p.move for p, fit in zip(reach.productions, fits, strict=True) if fit}
        return [move for move in offered if move in usable], reach

    def _root_types(self) -> list[tuple[int, float]]:
        found = []
        for number, kind in enumerate(self._types.all):
            least = self._reach.by_type[number, -1, -1]
            if kind.kind is Kind.NUMBER and kind != LITERAL and least <= self.max_lookback:
                factor = _DIMENSIONLESS_ROOT if kind.dimensionless else 1.0
                found.append((number, factor * self._sampler.weight(number)))
        return found

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens that formulas are made of, in a fixed order."""
        return Vocabulary(self.moves, self._leaves, self.windows)

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.vocabulary.tokens

    def with_parts(self, parts: Iterable[Node]) -> Grammar:
        """The grammar with tokens that put down whole expressions.

        Such a token takes as many of the tokens that are left as its expression is long: it spares
        steps, not length, so that the formulas of the grammar stay the same.

        Raises
        ------
        SearchError
            If a part has a type or a size that no formula of the grammar has.
        """
        leaves = {number: [*members] for number, members in self._leaves.items()}
        for part in map(canonicalise, parts):
            number = self.type_of(part)
            if number is None or (why := self.problem(part)) is not None:
                why = why if number is not None else "it has no type of this grammar"
                raise SearchError(f"parts are formulas of the grammar, but {part}: {why}")
            if part not in leaves.setdefault(number, []):
                leaves[number].append(part)
        wider = copy(self)
        wider.__dict__.pop("vocabulary", None)
        sizes = {n: (n.length, n.levels) for found in leaves.values() for n in found}
        wider.vocabulary = Vocabulary(self.moves, leaves, self.windows, sizes)
        return wider

    @cached_property
    def _completion(self) -> Completion:
        accepted = [number for number, _ in self._roots]
        return Completion(
            self._reach, list(self._leaves), accepted, self.max_depth, self.max_lookback
        )

    def start(self) -> Prefix:
        """The empty prefix, from which any formula can be built token by token."""
        return Prefix(self.vocabulary, self._completion, (), self.max_length)

    def sample(self, rng: np.random.Generator) -> Node:
        """Draw one formula: canonical, valid, reading at least one field.

        Raises
        ------
        SearchError
            If the grammar is so poor that every draw pairs a value with itself.
        """
        for _ in range(_ATTEMPTS):
            tokens = int(rng.integers(min(3, self.max_length), self.max_length + 1))
            number = self._root(rng, tokens)
            node = (
                self._sampler.draw(
                    rng, number, tokens, self.max_depth, self.max_lookback, leaf=False
                )
                if number is not None
                else None
            )
            formula = None if node is None else canonicalise(node)
            if formula is not None and not pairs_itself(formula):
                return formula
        raise SearchError(
            f"no valid formula in {_ATTEMPTS} draws: this grammar can hardly avoid pairing a "
            "value with itself; give it more fields or operators"
        )

    def _root(self, rng: np.random.Generator, tokens: int) -> int | None:
        budgets = (tokens, self.max_depth, self.max_lookback)
        fitting = [(n, w) for n, w in self._roots if self._sampler.possible(n, *budgets)]
        if not fitting:
            return None
        sampled = rng.random() * sum(weight for _, weight in fitting)
        for number, weight in fitting:
            sampled -= weight
            if sampled < 0:
                return number
        return fitting[-1][0]

    def sample_subtree(
        self,
        rng: np.random.Generator,
        kind: Kind,
        unit: Unit | None,
        max_length: int,
        max_depth: int,
        max_lookback: int,
    ) -> Node | None:
        """Draw an expression of a kind and unit within budgets; None if there is none."""
        number = self._types.index(kind, unit)
        budgets = (min(max_length, self.max_length), min(max_depth, self.max_depth), max_lookback)
        if number is None or min(budgets) < 0 or not self._sampler.possible(number, *budgets):
            return None
        node = self._sampler.draw(rng, number, *budgets)
        return None if node is None else canonicalise(node)

    def windows_of(self, operator: Operator) -> tuple[int, ...]:
        """The windows of the grammar that an operator takes and that are worth taking."""
        found = self._windows_of.get(operator.name)
        if found is None:
            found = self._windows_of[operator.name] = allowed_windows(operator, self.windows)
        return found

    def type_of(self, node: Node) -> int | None:
        """Number of an expression's type; None if the grammar has no such."""
        return self._types.of(node)

    def result(self, move: BoundOperator, inputs: Sequence[Node]) -> int | None:
        """Type number of what a move makes of expressions; None if it takes no such."""
        numbers = [self._types.of(child) for child in inputs]
        return move.results.get(tuple(n for n in numbers if n is not None))

    def problem(self, formula: Node) -> str | None:
        """Why a formula is not one of this grammar; None if it is.

        The canonical form may write an operator in terms of another (`>` by `<`), so operators
        are judged by their types, not by membership.
        """
        limits = (
            ("tokens", formula.length, self.max_length),
            ("levels", formula.levels, self.max_depth),
            ("rows of look-back", formula.lookback, self.max_lookback),
        )
        for what, value, limit in limits:
            if value > limit:
                return f"it has {value} {what}, the limit is {limit}"
        if formula.kind is not Kind.NUMBER:
            return f"it is a {formula.kind}, a formula is a number"
        known, read = {f.name for f in self.fields}, formula.fields
        if not read or not read <= known:
            unknown = ", ".join(sorted(read - known))
            return f"it reads unknown fields: {unknown}" if unknown else "it reads no field"
        if pairs_itself(formula):
            return "it pairs a value with itself"
        return mistyped(self._types, formula)


def _prior(op: Operator) -> float:
    """Weight in sampling: the root of the operator's usage, so that rare ones still appear.

    One that people's formulas do not know counts as if it had been seen a few times.
    """
    return math.sqrt(_UNSEEN if op.usage is None else op.usage)


def _weights(
    operators: Iterable[str | Operator] | None, given: Mapping[str, float]
) -> dict[str, float]:
    """Weight of every operator of a grammar."""
    chosen = (
        [op for op in CATALOGUE.values() if op.searchable]
        if operators is None
        else [get(op) if isinstance(op, str) else op for op in operators]
    )
    for op in chosen:
        if op.path_dependent or len(op.inputs) > 3 or not op.inputs:
            raise SearchError(
                f"a grammar takes operators of 1 to 3 inputs with finite memory, not {op.signature}"
            )
    weights = {op.name: _prior(op) or float(operators is not None) for op in chosen}
    for name, weight in given.items():
        if name not in weights or not 0.0 <= weight < float("inf"):
            raise SearchError(
                f"weights are finite, at least 0, and belong to operators of the grammar, "
                f"got {name}: {weight}"
            )
    return weights | dict(given)


@lru_cache(maxsize=REMEMBERED)
def pairs_itself(formula: Node) -> bool:
    """Whether some operator takes a value twice, or with its negative: constant, or a detour."""
    inputs = formula.inputs
    twice = len(inputs) > 1 and len({unsigned(child) for child in inputs}) < len(inputs)
    return twice or any(pairs_itself(child) for child in inputs)
