"""From the formulas of a pool to named steps, each computed once, in the order of need."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from alphamine.engine.reference import MinPeriods, required_observations
from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.operators import Family


@dataclass(frozen=True, slots=True)
class Program:
    """Steps of formulas: what several of them need comes first.

    Attributes
    ----------
    formulas : tuple of Node
    shared : tuple of Call
        Sub-expressions of more than one formula, inputs first.
    own : tuple of tuple of Call
        The others, by formula.
    names : dict of Call to str
        Of the results: `v1`, `v2` ... in the order of computation.
    min_periods : "full", int or float
    """

    formulas: tuple[Node, ...]
    shared: tuple[Call, ...]
    own: tuple[tuple[Call, ...], ...]
    names: dict[Call, str]
    min_periods: MinPeriods

    @classmethod
    def of(cls, formulas: Sequence[Node], min_periods: MinPeriods) -> Program:
        calls = [[n for n in formula.walk() if isinstance(n, Call)] for formula in formulas]
        users = Counter(node for nodes in calls for node in nodes)
        shared: dict[Call, None] = {}
        for nodes in calls:
            shared.update((node, None) for node in nodes if users[node] > 1)
        own = tuple(tuple(n for n in nodes if n not in shared) for nodes in calls)
        order = [*shared, *(node for nodes in own for node in nodes)]
        names = {node: f"v{i}" for i, node in enumerate(order, start=1)}
        return cls(tuple(formulas), tuple(shared), own, names, min_periods)

    @property
    def steps(self) -> list[Call]:
        """All steps, in an order in which they can be computed."""
        return [*self.names]

    @property
    def fields(self) -> list[Field]:
        """What is read, each once, by name."""
        found = {
            node.name: node
            for formula in self.formulas
            for node in formula.walk()
            if isinstance(node, Field)
        }
        return [found[name] for name in sorted(found)]

    def need(self, node: Call) -> int | None:
        """Observations that the window of a step needs, if its operator asks."""
        operator = node.operator
        if "min_periods" not in operator.context or operator.window is None:
            return None
        return required_observations(int(node.params[operator.window]), self.min_periods)


def across(node: Call) -> bool:
    """Whether the operator sees the day's universe and nothing else."""
    return node.operator.family in (Family.CROSS_SECTION, Family.GROUP)


def literal(node: Node) -> float | None:
    """The value of a constant."""
    return node.value if isinstance(node, Constant) else None


def identifier(name: str, taken: frozenset[str] = frozenset()) -> str:
    """A Python name for an operator: with an underscore if it means something else already."""
    known = keyword.iskeyword(name) or hasattr(builtins, name) or name in taken
    return f"{name}_" if known else name
