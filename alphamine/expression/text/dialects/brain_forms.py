"""How people write on WorldQuant BRAIN what our catalogue says more strictly.

Arguments at their defaults, sums of many terms, look-backs by name and derived fields mean exactly
one thing, and are read. What would change the numbers is refused with what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node, call
from alphamine.expression.text.syntax import Apply, Name, Number, Syntax, Word
from alphamine.operators import Operator

# x1 + x2 + x3 as one call.
MANY: Final = ("add", "multiply", "max", "min", "and", "or")
# Other names of a window.
_WINDOWS: Final = ("lookback", "days", "d")
_RENAMED: Final = {"useStd": "use_std", "longScale": "longscale", "shortScale": "shortscale"}
_ADV: Final = re.compile(r"adv(\d{1,3})", re.ASCII)


class Extra(NamedTuple):
    """A parameter of BRAIN that we have not: the values that change nothing, and what else to do.

    `place` is where it stands among the arguments by position, if it does.
    """

    name: str
    harmless: tuple[object, ...]
    instead: str
    place: int | None = None


_FILTER: Final = "a missing value stays missing; to fill it write if_else(is_nan(x), {0}, x)"
EXTRAS: Final[Mapping[str, tuple[Extra, ...]]] = {
    **{
        name: (Extra("filter", (False, 0.0), _FILTER.format(0)),)
        for name in ("add", "subtract", "max", "min")
    },
    **{
        name: (Extra("filter", (False, 0.0), _FILTER.format(1)),) for name in ("multiply", "divide")
    },
    "rank": (Extra("rate", (0.0, 2.0), "ranks are exact, so leave it out", 1),),
    "ts_rank": (Extra("constant", (0.0,), "add it: ts_rank(x, d) + constant", 2),),
    "ts_backfill": (Extra("k", (1.0,), "write kth_element(x, d, k)", 2),),
    "scale": tuple(
        Extra(name, (1.0,), "scale the sides: scale(max(x, 0), a) + scale(min(x, 0), b)", place)
        for place, name in ((2, "longscale"), (3, "shortscale"))
    ),
    "quantile": (Extra("sigma", (1.0,), "multiply: sigma * quantile(x)", 2),),
    "ts_decay_linear": (
        Extra("dense", (False, 0.0), "fill what is missing before: ts_backfill(x, d)", 2),
    ),
    "ts_returns": (Extra("mode", (1.0,), "write log(x) - log(ts_delay(x, d))", 2),),
    "bucket": (Extra("buckets", (), 'write equal steps: range="first,last,step"'),),
}

# Operators of BRAIN that are said by others, and some that cannot be said of a panel.
_VECTOR: Final = "a panel has one number per name and day; load the field that you mean"
INSTEAD: Final[Mapping[str, str]] = {
    "pasteurize": "cross-sectional operators see the universe only, so leave it out",
    "ts_ir": "write ts_mean(x, d) / ts_std_dev(x, d)",
    "ts_max_diff": "write x - ts_max(x, d)",
    "ts_min_diff": "write x - ts_min(x, d)",
    "ts_min_max_cps": "write ts_min(x, d) + ts_max(x, d) - f * x",
    "ts_min_max_diff": "write x - f * (ts_min(x, d) + ts_max(x, d))",
    "log_diff": "write log(x) - log(ts_delay(x, 1))",
    "nan_mask": "write if_else(condition < 0, to_nan(0 * x), x)",
    "nan_out": "write if_else(x > lower and x < upper, x, to_nan(0 * x))",
    "group_normalize": "write group_scale(x, group)",
    "regression_neut_all": "write regression_neut(y, x), once for each x",
    "ts_step": "it counts days, which are the same for all names; use windows instead",
    "inst_pnl": "the profit of the alpha itself is no input of a formula",
    "generate_stats": "the statistics of the alpha itself are no input of a formula",
    **dict.fromkeys(
        ("vec_avg", "vec_sum", "vec_count", "vec_max", "vec_min", "vec_range", "vec_stddev"),
        _VECTOR,
    ),
}


def derived(name: str, known: Mapping[str, FieldInfo]) -> Node | None:
    """A field that BRAIN has and the panel can compute; None if it cannot.

    `adv20` is the mean volume of 20 days (any number of them), and `cap` what other sources call
    `market_cap`.
    """
    days = _ADV.fullmatch(name)
    if days and int(days[1]) > 0 and "volume" in known:
        return call("ts_mean", known["volume"].node, int(days[1]))
    if name in ("cap", "market_cap"):
        other = {"cap": "market_cap", "market_cap": "cap"}[name]
        return known[other].node if other in known else None
    return None


def plain(syntax: Apply, operator: Operator) -> tuple[Apply, str | None]:
    """The call as our catalogue takes it; and why it cannot be, if an argument means more."""
    positional, named = list(syntax.arguments), []
    wanted = {param.name for param in operator.params}
    window = next((param.name for param in operator.params if param.kind == "window"), None)
    extras = {
        extra.name: extra for extra in EXTRAS.get(operator.name, ()) if extra.name not in wanted
    }
    for key, value in syntax.named:
        name = _RENAMED.get(key, key)
        if name in extras:
            if _value(value) not in extras[name].harmless:
                return syntax, _refusal(operator, extras[name], value)
            continue
        if name not in wanted and name in _WINDOWS and window is not None:
            name = window
        named.append((name, value))
    for extra in sorted(extras.values(), key=lambda extra: -(extra.place or 0)):
        if extra.place is not None and len(positional) == extra.place + 1:
            value = positional.pop()
            if _value(value) not in extra.harmless:
                return syntax, _refusal(operator, extra, value)
    return syntax._replace(arguments=tuple(positional), named=tuple(named)), None


def folded(syntax: Apply) -> Apply:
    """A call of many terms as calls of two: add(a, b, c) is add(add(a, b), c)."""
    first, *rest = syntax.arguments
    together: Syntax = first
    for term in rest:
        together = Apply(syntax.name, (together, term), (), syntax.position)
    assert isinstance(together, Apply)
    return together


def _value(syntax: Syntax) -> object:
    if isinstance(syntax, Name):
        return {"true": True, "false": False}.get(syntax.text.lower(), syntax.text)
    return syntax.value if isinstance(syntax, Number) else getattr(syntax, "text", None)


def _refusal(operator: Operator, extra: Extra, value: Syntax) -> str:
    shown = repr(value.text) if isinstance(value, Word) else _value(value)
    shown = f"{shown:g}" if isinstance(shown, float) else shown
    return (
        f"{operator.name} has no {extra.name} here, and {extra.name}={shown} would change its "
        f"numbers: {extra.instead}"
    )
