"""What the loop remembers: which mends helped against which errors, and what succeeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.expression.portable import from_data, to_data

_SUCCESSES: Final = 200


class Knowledge:
    """Errors with what mended them, and successful formulas by their components."""

    def __init__(self) -> None:
        self._mends: dict[tuple[str, str], list[int]] = {}
        self._succeeded: dict[str, Node] = {}

    def ordered(self, error: str, mends: Sequence[str]) -> list[str]:
        """Mends of a kind of error, by how often they have helped; equals stay as given."""
        return sorted(mends, key=lambda mend: -self.rate(error, mend))

    def rate(self, error: str, mend: str) -> float:
        """Share of tries in which a mend helped, one of two before any."""
        helped, tried = self._mends.get((error, mend), (0, 0))
        return (helped + 1) / (tried + 2)

    def mended(self, error: str, mend: str, helped: bool) -> None:
        """Take what a mend did."""
        cell = self._mends.setdefault((error, mend), [0, 0])
        cell[0] += helped
        cell[1] += 1

    def succeeded(self, formula: Node) -> None:
        """Take a formula that the library has accepted; the oldest are forgotten."""
        self._succeeded.setdefault(formula.digest, formula)
        if len(self._succeeded) > _SUCCESSES:
            del self._succeeded[next(iter(self._succeeded))]

    def similar(self, formula: Node) -> list[Node]:
        """Formulas that succeeded, those first that share most components with a formula."""
        wanted = components(formula)
        others = [other for other in self._succeeded.values() if other is not formula]
        return sorted(others, key=lambda other: -overlap(wanted, components(other)))

    def state_dict(self) -> dict[str, Any]:
        return {
            "mends": [[*key, *counts] for key, counts in self._mends.items()],
            "succeeded": [to_data(formula) for formula in self._succeeded.values()],
        }

    def load_state_dict(self, state: Mapping[str, Any], schema: Mapping[str, FieldInfo]) -> None:
        self._mends = {(error, mend): [h, t] for error, mend, h, t in state["mends"]}
        formulas = [from_data(data, schema) for data in state["succeeded"]]
        self._succeeded = {formula.digest: formula for formula in formulas}


def components(formula: Node) -> frozenset[str]:
    """Fields, operators, and operators on what stands directly below them."""
    found = set()
    for node in formula.walk():
        if isinstance(node, Constant):
            continue
        found.add(_name(node))
        if isinstance(node, Call):
            found |= {f"{_name(node)} {_name(child)}" for child in node.inputs}
    return frozenset(found)


def _name(node: Node) -> str:
    if isinstance(node, Call):
        return node.operator.name
    return node.name if isinstance(node, Field) else "literal"


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Share of the components of two formulas that both have."""
    return len(a & b) / len(a | b)
