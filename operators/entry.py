"""One decorated function is one operator: its signature and docstring are the catalogue entry."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar

from . import units
from .catalogue import Family, Lookback, Operator, Reference, no_lookback, window_lookback
from .types import REQUIRED, Input, Kind, Param

Function = TypeVar("Function", bound=Reference)
Bounds = tuple[float | None, float | None]

_INPUTS = {"Array": Kind.NUMBER, "Truth": Kind.BOOLEAN, "Codes": Kind.GROUP}


class Shelf:
    """Collects the operators of one module.

    Parameters
    ----------
    family : Family
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._entries: list[Operator] = []

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The entries, in the order of their definition."""
        return tuple(self._entries)

    def entry(
        self,
        unit: units.UnitRule = units.first,
        *,
        output: Kind = Kind.NUMBER,
        lookback: Lookback | None = None,
        tier: int = 1,
        cost: float = 1.0,
        commutative: bool = False,
        monotone: bool = False,
        fills_missing: bool = False,
        path_dependent: bool = False,
        bounds: Mapping[str, Bounds] | None = None,
        choices: Mapping[str, tuple[str, ...]] | None = None,
        **dialects: str,
    ) -> Callable[[Function], Function]:
        """Make an entry of the decorated reference function.

        Its name (less a trailing underscore) is the operator's; arguments annotated `Array`,
        `Truth` and `Codes` are inputs; `int`, `float`, `bool` and `str` are parameters, of which
        `d` is the window; keyword-only arguments are what it asks of the evaluator; the first line
        of the docstring is the meaning.
        """

        def add(function: Function) -> Function:
            arguments = list(inspect.signature(function).parameters.values())
            inputs = [a for a in arguments if a.annotation in _INPUTS]
            context = [a for a in arguments if a.kind is a.KEYWORD_ONLY]
            params = [
                _param(a, (bounds or {}).get(a.name, (None, None)), (choices or {}).get(a.name, ()))
                for a in arguments
                if a not in inputs and a not in context
            ]
            windowed = any(p.kind == "window" for p in params)
            self._entries.append(
                Operator(
                    name=function.__name__.removesuffix("_"),
                    family=self.family,
                    inputs=tuple(Input(a.name, _INPUTS[a.annotation]) for a in inputs),
                    meaning=_meaning(function),
                    reference=function,
                    params=tuple(params),
                    context=tuple(a.name for a in context),
                    output=output,
                    unit=unit,
                    lookback=lookback or (window_lookback if windowed else no_lookback),
                    tier=tier,
                    commutative=commutative,
                    monotone=monotone,
                    fills_missing=fills_missing,
                    path_dependent=path_dependent,
                    dialects=dialects,
                    cost=cost,
                )
            )
            return function

        return add


def _meaning(function: Reference) -> str:
    first_line = (function.__doc__ or "").split("\n")[0]
    return first_line.replace("`", "").rstrip(".")


def _param(argument: inspect.Parameter, bounds: Bounds, choices: tuple[str, ...]) -> Param:
    default = REQUIRED if argument.default is argument.empty else argument.default
    name = argument.name
    match argument.annotation:
        case "int":
            return Param(name, "window" if name == "d" else "integer", default, *bounds)
        case "float":
            return Param(name, "number", default, *bounds)
        case "bool":
            return Param(name, "flag", default)
        case _:
            return Param(name, "choice" if choices else "text", default, choices=choices)
