"""The expression tree: immutable, hash-consed nodes.

Equal expressions are one object, so identity is equality, shared sub-expressions are found for
free, and a node can be the key of any cache.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from alphamine.errors import FormulaError
from alphamine.operators import Kind, Operator, ParamValue, Unit, get
from alphamine.operators.types import CONSTANT, Param, Required


class Node:
    """One expression. Build it with `field`, `constant` and `call`, never directly.

    Attributes
    ----------
    kind : Kind
        Number, boolean or group.
    unit : Unit or None
        Physical dimension; None if unknown.
    unit_problems : tuple of str
        Complaints about mixed units in this expression, innermost first.
    lookback : int
        Rows before today that the value depends on.
    size, depth : int
        Number of nodes (as a tree), length of the longest path (a leaf has depth 1).
    levels : int
        Depth, a minus not counted: what grammars limit.
    length : int
        Reverse Polish tokens: the nodes and their windows.
    """

    __slots__ = (
        "__weakref__",
        "_digest",
        "depth",
        "inputs",
        "kind",
        "length",
        "levels",
        "lookback",
        "size",
        "unit",
        "unit_problems",
    )
    kind: Kind
    unit: Unit | None
    unit_problems: tuple[str, ...]
    lookback: int
    size: int
    depth: int
    levels: int
    length: int
    inputs: tuple[Node, ...]
    _digest: str | None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"expressions are immutable; cannot set {name!r}")

    def _fill(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def digest(self) -> str:
        """128-bit hexadecimal content hash, stable across processes and versions of Python."""
        if self._digest is None:
            text = hashlib.blake2b(self._identity().encode(), digest_size=16).hexdigest()
            object.__setattr__(self, "_digest", text)
        assert self._digest is not None
        return self._digest

    def _identity(self) -> str:
        raise NotImplementedError

    def walk(self) -> Iterator[Node]:
        """Every distinct sub-expression once, inputs before the nodes that use them."""
        seen: set[Node] = set()
        stack: list[tuple[Node, bool]] = [(self, False)]
        while stack:
            node, expanded = stack.pop()
            if node in seen:
                continue
            if expanded or not node.inputs:
                seen.add(node)
                yield node
            else:
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(node.inputs))

    @property
    def fields(self) -> frozenset[str]:
        """Names of the panel fields that the expression reads."""
        return frozenset(n.name for n in self.walk() if isinstance(n, Field))

    def __str__(self) -> str:
        from .text.printer import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def _repr_latex_(self) -> str:
        from .text.latex import to_latex

        return f"${to_latex(self)}$"

    def to(self, target: str) -> str:
        """The formula as text for something else.

        Parameters
        ----------
        target : str
            A dialect ("brain", "alpha101", "qlib", "alphagen"), "latex", or code that computes it:
            "numpy", "pandas", "polars", "duckdb" or "sql".

        Raises
        ------
        AlphamineError
            If the target cannot express the formula exactly, or does not exist.
        """
        # The floor that writes code imports this one, so it is found by name.
        text: str = import_module("alphamine.exporters.targets").text_of(self, target)
        return text

    # Arithmetic in Python builds expressions; == stays identity, because nodes are unique.
    def __add__(self, other: Node | float) -> Node:
        return call("add", self, other)

    def __radd__(self, other: float) -> Node:
        return call("add", other, self)

    def __sub__(self, other: Node | float) -> Node:
        return call("subtract", self, other)

    def __rsub__(self, other: float) -> Node:
        return call("subtract", other, self)

    def __mul__(self, other: Node | float) -> Node:
        return call("multiply", self, other)

    def __rmul__(self, other: float) -> Node:
        return call("multiply", other, self)

    def __truediv__(self, other: Node | float) -> Node:
        return call("divide", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return call("divide", other, self)

    def __pow__(self, other: Node | float) -> Node:
        return call("power", self, other)

    def __rpow__(self, other: float) -> Node:
        return call("power", other, self)

    def __neg__(self) -> Node:
        return call("reverse", self)

    def __abs__(self) -> Node:
        return call("abs", self)

    def __lt__(self, other: Node | float) -> Node:
        return call("less", self, other)

    def __le__(self, other: Node | float) -> Node:
        return call("less_equal", self, other)

    def __gt__(self, other: Node | float) -> Node:
        return call("greater", self, other)

    def __ge__(self, other: Node | float) -> Node:
        return call("greater_equal", self, other)

    def __and__(self, other: Node) -> Node:
        return call("and", self, other)

    def __or__(self, other: Node) -> Node:
        return call("or", self, other)

    def __invert__(self) -> Node:
        return call("not", self)

    def __bool__(self) -> bool:
        raise TypeError(
            "an expression has no truth value before it is evaluated; "
            "use am.ops.if_else(condition, a, b), and & | ~ instead of and, or, not"
        )


class Field(Node):
    """A named column of the panel, such as `close`."""

    __slots__ = ("name",)
    __match_args__: ClassVar = ("name",)
    name: str

    def _identity(self) -> str:
        from .fields import standard_field

        named = f"field:{self.name}:{self.kind}"
        if self.unit == standard_field(self.name).unit:
            return named
        # A field in another unit is another field, and forms other formulas.
        unit = self.unit and f"{float(self.unit.price)} {float(self.unit.share)} {self.unit.role}"
        return f"{named}:{unit}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (field, (self.name, self.kind, self.unit))


class Constant(Node):
    """A literal number."""

    __slots__ = ("value",)
    __match_args__: ClassVar = ("value",)
    value: float

    def _identity(self) -> str:
        return f"constant:{self.value!r}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (constant, (self.value,))


class Call(Node):
    """An operator applied to inputs and literal parameters."""

    __slots__ = ("operator", "params")
    __match_args__: ClassVar = ("operator", "inputs", "params")
    operator: Operator
    params: tuple[ParamValue, ...]

    def _identity(self) -> str:
        inner = ",".join(child.digest for child in self.inputs)
        return f"call:{self.operator.name}({inner};{self.params!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.operator.name, self.inputs, self.params))


_interned: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()
_lock = threading.Lock()


def field(name: str, kind: Kind = Kind.NUMBER, unit: Unit | None = None) -> Field:
    """The field `name`; its kind and unit are part of its identity."""
    key = ("field", name, kind, unit)
    with _lock:
        node = _interned.get(key)
        if node is None:
            node = Field()
            node._fill(
                name=name,
                kind=kind,
                unit=unit,
                unit_problems=(),
                lookback=0,
                size=1,
                depth=1,
                levels=1,
                length=1,
                inputs=(),
                _digest=None,
            )
            _interned[key] = node
    assert isinstance(node, Field)
    return node


def constant(value: float) -> Constant:
    """A literal number.

    Raises
    ------
    FormulaError
        If the value is not finite.
    """
    value = float(value) + 0.0  # -0.0 becomes 0.0, so that both are one node
    if not math.isfinite(value):
        raise FormulaError(f"constants are finite, but got {value}")
    key = ("constant", value)
    with _lock:
        node = _interned.get(key)
        if node is None:
            node = Constant()
            node._fill(
                value=value,
                kind=Kind.NUMBER,
                unit=CONSTANT,
                unit_problems=(),
                lookback=0,
                size=1,
                depth=1,
                levels=1,
                length=1,
                inputs=(),
                _digest=None,
            )
            _interned[key] = node
    assert isinstance(node, Constant)
    return node


def call(operator: str | Operator, *arguments: Node | ParamValue, **named: ParamValue) -> Call:
    """Apply an operator: inputs first, then parameters by position or by name.

    Raises
    ------
    FormulaError
        If the number, the kinds or the values of the arguments break the signature.
    """
    op = get(operator) if isinstance(operator, str) else operator
    if len(arguments) < len(op.inputs):
        raise FormulaError(f"{op.signature} takes {len(op.inputs)} inputs, got {len(arguments)}")
    inputs = tuple(_as_node(a, op) for a in arguments[: len(op.inputs)])
    return _build(op, inputs, bind_params(op, arguments[len(op.inputs) :], named))


def check_root(formula: Node) -> None:
    """Refuse a formula that is a group: codes of sectors have no order and no distance.

    Raises
    ------
    FormulaError
    """
    if not Kind.NUMBER.accepts(formula.kind):
        raise FormulaError(
            f"the root of a formula must be a {Kind.NUMBER}, but {formula} is a {formula.kind}; "
            f"use it in an operator that takes groups, as in group_rank(close, {formula})"
        )


def with_inputs(node: Call, inputs: Sequence[Node]) -> Call:
    """The same call on other inputs."""
    return _build(node.operator, tuple(inputs), node.params)


def _rebuild(name: str, inputs: tuple[Node, ...], params: tuple[ParamValue, ...]) -> Call:
    return _build(get(name), inputs, params)


def _as_node(argument: Node | ParamValue, op: Operator) -> Node:
    if isinstance(argument, Node):
        return argument
    if isinstance(argument, bool | str):
        raise FormulaError(f"{op.signature} takes formulas as inputs, got {argument!r}")
    return constant(argument)


def bind_params(
    op: Operator, positional: Sequence[Node | ParamValue], named: dict[str, ParamValue]
) -> tuple[ParamValue, ...]:
    """Fill in defaults and check every literal against its `Param`."""
    if len(positional) > len(op.params):
        raise FormulaError(
            f"{op.signature} takes at most {len(op.inputs) + len(op.params)} arguments, "
            f"got {len(op.inputs) + len(positional)}"
        )
    given: dict[str, Node | ParamValue | Required] = dict(
        zip((p.name for p in op.params), positional, strict=False)
    )
    for name, value in named.items():
        if name not in {p.name for p in op.params}:
            raise FormulaError(f"{op.signature} has no parameter {name!r}")
        if name in given:
            raise FormulaError(f"{op.signature} got {name!r} twice")
        given[name] = value
    bound: list[ParamValue] = []
    for param in op.params:
        literal = given.get(param.name, param.default)
        if isinstance(literal, Required):
            raise FormulaError(f"{op.signature} needs {param.name!r}")
        if isinstance(literal, Constant):
            literal = literal.value
        bound.append(_checked(op, param, literal))
    return tuple(bound)


def _checked(op: Operator, param: Param, value: Node | ParamValue) -> ParamValue:
    def refuse(law: str) -> FormulaError:
        return FormulaError(f"{op.signature}: {param.name} must be {law}, got {value}")

    if param.kind in ("choice", "text"):
        if not isinstance(value, str):
            raise refuse("a word")
        if param.choices and value not in param.choices:
            raise refuse(f"one of {', '.join(param.choices)}")
        return value
    if isinstance(value, str | Node):
        raise refuse("a literal number")
    if param.kind == "flag":
        if value not in (0, 1):
            raise refuse("true or false")
        return bool(value)
    if isinstance(value, bool) or not math.isfinite(value):
        raise refuse("a finite number")
    low = 1.0 if param.low is None and param.kind == "window" else param.low
    if low is not None and value < low:
        raise refuse(f"at least {low:g}")
    if param.high is not None and value > param.high:
        raise refuse(f"at most {param.high:g}")
    if param.kind == "number":
        return float(value) + 0.0
    if value != int(value):
        raise refuse("a whole number")
    return int(value)


def _build(op: Operator, inputs: tuple[Node, ...], params: tuple[ParamValue, ...]) -> Call:
    key = ("call", op.name, inputs, params)
    with _lock:
        known = _interned.get(key)
    if known is not None:
        assert isinstance(known, Call)
        return known
    for declared, given in zip(op.inputs, inputs, strict=True):
        if not declared.kind.accepts(given.kind):
            raise FormulaError(
                f"{op.signature}: {declared.name} must be a {declared.kind}, "
                f"but {given} is a {given.kind}"
            )
    unit, problem = op.unit([child.unit for child in inputs], params)
    problems = tuple(dict.fromkeys(p for child in inputs for p in child.unit_problems))
    node = Call()
    if problem is not None:
        shown = ", ".join(f"{child} is {child.unit or 'unknown'}" for child in inputs)
        problems += (f"{op.name}: {problem} ({shown})",)
    node._fill(
        operator=op,
        inputs=inputs,
        params=params,
        kind=op.output,
        unit=unit,
        unit_problems=problems,
        size=1 + sum(child.size for child in inputs),
        depth=1 + max((child.depth for child in inputs), default=0),
        levels=op.levels + max((child.levels for child in inputs), default=0),
        length=1 + (op.window is not None) + sum(child.length for child in inputs),
        lookback=op.lookback(params) + max((child.lookback for child in inputs), default=0),
        _digest=None,
    )
    with _lock:
        # Another thread may have built it meanwhile; the first one stays.
        interned = _interned.setdefault(key, node)
    assert isinstance(interned, Call)
    return interned
