"""One decorated function is one operator: its signature and docstring are the catalogue entry."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict, TypeVar, Unpack

from alphamine.errors import OperatorError

from . import units
from .catalogue import Family, Lookback, Operator, Reference, no_lookback, window_lookback
from .laws import Laws
from .terms import Recipe
from .types import REQUIRED, Input, Kind, Param
from .typeset import Typeset

Function = TypeVar("Function", bound=Reference)
Bounds: TypeAlias = tuple[float | None, float | None]
ParamKind: TypeAlias = Literal["window", "integer", "number", "flag", "choice", "text"]

_INPUTS = {"Array": Kind.NUMBER, "Truth": Kind.BOOLEAN, "Codes": Kind.GROUP}
_INPUT_NAMES = {"condition": Kind.BOOLEAN, "group": Kind.GROUP}
_PARAMS: dict[str, ParamKind] = {
    "int": "integer", "float": "number", "bool": "flag", "str": "text",
}  # fmt: skip


class Properties(TypedDict, total=False):
    """What an entry may say of its operator beside the signature (see `Operator`).

    `bounds` and `choices` are limits of parameters by name; the last three are names in the
    languages of others.
    """

    output: Kind
    lookback: Lookback | None
    tier: int
    cost: float
    commutative: bool
    monotone: bool
    fills_missing: bool
    path_dependent: bool
    bounds: Mapping[str, Bounds]
    choices: Mapping[str, tuple[str, ...]]
    recipe: Recipe | None
    usage: int | None
    laws: Laws
    counts_truths: bool
    levels: int
    latex: str | Typeset | None
    symbolic: Callable[..., Any] | None
    alpha101: str
    alphagen: str
    qlib: str


DIALECTS: Final = ("alpha101", "alphagen", "qlib")


class OperatorCollector:
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
        self, unit: units.UnitRule = units.first, **properties: Unpack[Properties]
    ) -> Callable[[Function], Function]:
        """Make an entry of the decorated reference function (see `from_function`).

        Its name, less a trailing underscore, is the operator's.

        Raises
        ------
        OperatorError
            If an argument is no property of an operator.
        """
        if unknown := sorted(set(properties) - set(Properties.__annotations__)):
            raise OperatorError(
                f"an entry has no property {unknown[0]!r}, and there is no such dialect; the "
                f"dialects are {', '.join(DIALECTS)}"
            )

        def add(function: Function) -> Function:
            name = function.__name__.removesuffix("_")
            operator = from_function(name, function, self.family, unit=unit, **properties)
            self._entries.append(operator)
            return function

        return add


def from_function(
    name: str,
    function: Reference,
    family: Family,
    *,
    unit: units.UnitRule,
    meaning: str | None = None,
    **properties: Unpack[Properties],
) -> Operator:
    """Read the inputs, parameters and meaning of an operator from its reference function.

    Arguments annotated `Array`, `Truth` or `Codes`, or bare ones, are inputs (one called
    `condition` is a boolean and one called `group` a group); those annotated `int`, `float`,
    `bool` or `str`, or with a default, are parameters, of which `d` is the window; keyword-only
    ones are what the function asks of the evaluator. The first line of the docstring is the
    meaning.

    Raises
    ------
    OperatorError
        If the signature has arguments that cannot be told.
    """
    given: dict[str, Any] = dict(properties)
    dialects: dict[str, str] = {
        dialect: given.pop(dialect) for dialect in DIALECTS if dialect in given
    }
    bounds, choices = given.pop("bounds", {}), given.pop("choices", {})
    lookback = given.pop("lookback", None)
    inputs, params, context = [], [], []
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise OperatorError(
            f"an operator is a function whose arguments can be read, but {name!r} is "
            f"{function!r}; wrap it in a def"
        ) from None
    for argument in arguments:
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            raise OperatorError(
                f"the arguments of an operator are named one by one, but {name!r} takes "
                f"{argument}; write them out"
            )
        annotation = _annotation(argument)
        if argument.kind is argument.KEYWORD_ONLY:
            context.append(argument.name)
        elif annotation in _PARAMS or argument.name == "d" or _has_default(argument):
            params.append(
                _param(
                    argument,
                    bounds.get(argument.name, (None, None)),
                    choices.get(argument.name, ()),
                )
            )
        else:
            kind = _INPUT_NAMES.get(argument.name) or _INPUTS.get(annotation, Kind.NUMBER)
            inputs.append(Input(argument.name, kind))
    windowed = any(p.kind == "window" for p in params)
    first_line = (function.__doc__ or "").strip().split("\n")[0]
    return Operator(
        name,
        family,
        tuple(inputs),
        meaning or first_line.replace("`", "").rstrip("."),
        function,
        tuple(params),
        tuple(context),
        unit=unit,
        lookback=lookback or (window_lookback if windowed else no_lookback),
        dialects=dialects,
        **given,
    )


def _annotation(argument: inspect.Parameter) -> str:
    given = argument.annotation
    return given if isinstance(given, str) else getattr(given, "__name__", "")


def _has_default(argument: inspect.Parameter) -> bool:
    return argument.default is not argument.empty


def _param(argument: inspect.Parameter, bounds: Bounds, choices: tuple[str, ...]) -> Param:
    default = argument.default if _has_default(argument) else REQUIRED
    kind = _PARAMS.get(_annotation(argument)) or _PARAMS.get(type(default).__name__, "integer")
    if argument.name == "d":
        kind = "window"
    elif choices:
        kind = "choice"
    return Param(argument.name, kind, default, *bounds, choices=choices)
