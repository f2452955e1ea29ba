"""Rewriting rules of the canonical form. Each is exact, bit for bit and NaN for NaN.

Exact means under the evaluator's arithmetic: every node rounded to the storage type, infinities
taken as missing, zero unsigned. IEEE arithmetic is symmetric in the sign, so a minus can be moved;
it is not associative or distributive, so nothing else can. `tests/expression/test_rules.py`
evaluates both sides of every rule of this file.
"""

from __future__ import annotations

from typing import Final

from alphamine.operators import Kind

from .nodes import Node, call, field

_x, _y = field("x"), field("y")
_p, _q = field("p", Kind.BOOLEAN), field("q", Kind.BOOLEAN)

# Left side becomes right side. Fields stand for any expression of their kind.
PATTERNS: Final[tuple[tuple[Node, Node], ...]] = (
    (_x + 0, _x),
    (_x - 0, _x),
    (0 - _x, -_x),
    (_x * 1, _x),
    (_x / 1, _x),
    (_x * -1, -_x),
    (_x / -1, -_x),
    (1 / _x, call("inverse", _x)),
    (call("reverse", -_x), _x),
    (_x + -_y, _x - _y),
    (_x - -_y, _x + _y),
    (-_x - _y, -(_x + _y)),
    (-(_x - _y), _y - _x),
    (call("max", _x, _x), _x),
    (call("min", _x, _x), _x),
    (_p & _p, _p),
    (_p | _p, _p),
    (~~_p, _p),
    (_x > _y, _y < _x),
    (_x >= _y, _y <= _x),
    (~(_x < _y), _y <= _x),
    (~(_x <= _y), _y < _x),
    (~call("equal", _x, _y), call("not_equal", _x, _y)),
    (~call("not_equal", _x, _y), call("equal", _x, _y)),
    (call("if_else", ~_p, _x, _y), call("if_else", _p, _y, _x)),
)

# f(-x) = -f(x) for each of these inputs.
ODD: Final[dict[str, tuple[int, ...]]] = {
    "multiply": (0, 1),
    "divide": (0, 1),
    "inverse": (0,),
    "sign": (0,),
    "signed_power": (0,),
    "s_log_1p": (0,),
    "softsign": (0,),
    "round": (0,),
    "fraction": (0,),
    "zscore": (0,),
    "scale": (0,),
    "group_neutralize": (0,),
    "ts_delay": (0,),
    "ts_delta": (0,),
    "ts_sum": (0,),
    "ts_mean": (0,),
    "ts_av_diff": (0,),
    "ts_decay_linear": (0,),
    "ts_decay_exp_window": (0,),
    "ts_zscore": (0,),
    "ts_corr": (0, 1),
    "ts_covariance": (0, 1),
}

# f(-x) = f(x).
EVEN: Final = frozenset({"abs", "is_nan", "ts_std_dev"})

# f(-x) = -g(x), for all inputs at once.
MIRRORED: Final = {
    "max": "min",
    "min": "max",
    "ts_max": "ts_min",
    "ts_min": "ts_max",
    "floor": "ceiling",
    "ceiling": "floor",
}

# f(-x) = g(x).
SWAPPED: Final = {"ts_arg_max": "ts_arg_min", "ts_arg_min": "ts_arg_max"}

# f(f(x)) = f(x), the other arguments being the same.
IDEMPOTENT: Final = frozenset({"sign", "rank", "group_rank", "floor", "ceiling", "round"})

# Never below zero, so that abs(f(x)) = f(x).
NONNEGATIVE: Final = frozenset(
    {
        "abs",
        "sqrt",
        "exp",
        "sigmoid",
        "rank",
        "group_rank",
        "ts_rank",
        "ts_std_dev",
        "ts_arg_max",
        "ts_arg_min",
    }
)

# The window of one row is the row.
WINDOW_OF_ONE: Final = frozenset(
    {
        "ts_mean",
        "ts_sum",
        "ts_min",
        "ts_max",
        "ts_product",
        "ts_decay_linear",
        "ts_decay_exp_window",
    }
)
