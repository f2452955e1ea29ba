"""Rewriting rules of the canonical form that are about several operators together.

Laws of a single operator are in its entry (see `alphamine.operators.laws`). Each is exact, bit for
bit and NaN for NaN.

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

# Left side becomes right side. Fields stand for any expression of their kind, and windows, which
# are the same wherever they occur, for any window.
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
    (_x - call("ts_delay", _x, 2), call("ts_delta", _x, 2)),
    (call("ts_delay", _x, 2) - _x, -call("ts_delta", _x, 2)),
)
