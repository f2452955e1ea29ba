"""Arithmetic, logic and cuts against Python's own numbers, cell by cell."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from alphamine.errors import AlphamineError, OperatorError
from alphamine.operators import CATALOGUE, Family, get
from alphamine.testing.corpus import series

NAN = math.nan
EDGES = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-310, -5e-324, 1e308, -1e308, 1e-300, 3.0,
    -3.0, 709.0, -745.0, 710.0, 36.9, NAN, 1.1, -1.7, 1e16, 2.0**53 + 2,
]  # fmt: skip


def missing_if(function: Callable[..., float]) -> Callable[..., float]:
    """Missing operands, and whatever Python refuses or overflows, are missing."""

    def checked(*values: float) -> float:
        if any(math.isnan(v) for v in values):
            return NAN
        try:
            result = function(*values)
        except (ValueError, ZeroDivisionError, OverflowError):
            return NAN
        return NAN if isinstance(result, complex) or math.isinf(result) else float(result)

    return checked


UNARY: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "log": math.log,
    "sqrt": math.sqrt,
    "inverse": lambda x: 1.0 / x,
    "reverse": lambda x: -x,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x),
    "exp": math.exp,
    "log1p": math.log1p,
    "s_log_1p": lambda x: math.copysign(math.log1p(abs(x)), x),
    "softsign": lambda x: x / (1 + abs(x)),
    "floor": math.floor,
    "ceiling": math.ceil,
    "round": round,
    "fraction": lambda x: math.modf(x)[0],
    "not": lambda x: x == 0,
    "purify": lambda x: x,
}
BINARY: dict[str, Callable[[float, float], float]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "max": max,
    "min": min,
    "power": lambda x, y: x**y,
    "signed_power": lambda x, y: ((x > 0) - (x < 0)) * abs(x) ** y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "and": lambda x, y: bool(x) and bool(y),
    "or": lambda x, y: bool(x) or bool(y),
}
OTHERS = {
    "is_nan", "if_else", "clamp", "tail", "left_tail", "right_tail", "to_nan", "bucket",
}  # fmt: skip


def run(name: str, *arguments: object) -> np.ndarray:
    with np.errstate(all="ignore"):
        result = get(name).reference(*arguments)
    return np.where(np.isinf(result), np.nan, result)


def assert_cells(got: np.ndarray, want: list[float], inputs: list[tuple[float, ...]]) -> None:
    for value, expected, given in zip(got.ravel(), want, inputs, strict=True):
        if math.isnan(expected):
            assert math.isnan(value), (given, value, expected)
        else:
            bound = 1e-14 * abs(expected) + 5e-324
            assert abs(value - expected) <= bound, (given, value, expected)


def test_every_elementwise_operator_has_an_oracle() -> None:
    names = {op.name for op in CATALOGUE.family(Family.ELEMENTWISE) if op.tier < 3}
    assert names == set(UNARY) | set(BINARY) | OTHERS


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    values = EDGES + np.stack(list(series(20).values())).ravel().tolist()
    values = [NAN if math.isinf(v) else v for v in values]
    expected = [missing_if(UNARY[name])(v) for v in values]
    assert_cells(run(name, np.array([values])), expected, [(v,) for v in values])


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    pairs = [(x, y) for x in EDGES for y in EDGES]
    x, y = (np.array([side]) for side in zip(*pairs, strict=True))
    expected = [missing_if(BINARY[name])(a, b) for a, b in pairs]
    assert_cells(run(name, x, y), expected, pairs)


def test_a_zero_to_a_negative_power_is_missing() -> None:
    assert np.isnan(run("power", np.array([[0.0]]), np.array([[-1.0]]))).all()
    assert np.isnan(run("signed_power", np.array([[-2.0, NAN]]), np.array([[NAN, 0.0]]))).all()


def test_choice_and_filling() -> None:
    condition = np.array([[1.0, 0.0, NAN, 1.0, 0.0]])
    a, b = np.array([[1.0, 2.0, 3.0, NAN, 5.0]]), np.array([[10.0, NAN, 30.0, 40.0, 50.0]])
    np.testing.assert_array_equal(run("if_else", condition, a, b), [[1.0, NAN, NAN, NAN, 50.0]])
    np.testing.assert_array_equal(run("is_nan", a), [[0.0, 0.0, 0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(run("to_nan", a, 2.0, False), [[1.0, NAN, 3.0, NAN, 5.0]])
    np.testing.assert_array_equal(run("to_nan", a, 7.0, True), [[1.0, 2.0, 3.0, 7.0, 5.0]])


def test_cuts() -> None:
    x = np.array([[-3.0, -1.0, 0.0, 0.5, 2.0, NAN]])
    np.testing.assert_array_equal(run("clamp", x, -1.0, 1.0), [[-1, -1, 0, 0.5, 1, NAN]])
    np.testing.assert_array_equal(run("tail", x, -1.0, 0.5, 9.0), [[-3, 9, 9, 9, 2, NAN]])
    np.testing.assert_array_equal(run("left_tail", x, 0.0), [[-3, -1, 0, NAN, NAN, NAN]])
    np.testing.assert_array_equal(run("right_tail", x, 0.0), [[NAN, NAN, 0, 0.5, 2, NAN]])


def test_buckets_end_at_their_upper_edge() -> None:
    x = np.array([[-0.1, 0.0, 0.05, 0.3, 0.31, 1.0, 1.1, NAN]])
    groups = run("bucket", x, "0,1,0.1")
    np.testing.assert_array_equal(groups, [[0, 0, 1, 3, 4, 10, 11, NAN]])
    np.testing.assert_array_equal(run("bucket", x, "0, 1, 0.5"), [[0, 0, 1, 1, 1, 2, 3, NAN]])


@pytest.mark.parametrize("text", ["", "0,1", "0,1,0", "0,1,-1", "a,b,c", "0,1,1e-9", "0,inf,1"])
def test_a_bad_range_of_buckets_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="start,end,step"):
        get("bucket").reference(np.zeros((1, 1)), text)


@pytest.mark.parametrize("name", [op.name for op in CATALOGUE.values() if op.path_dependent])
def test_path_dependent_operators_are_refused(name: str) -> None:
    op = get(name)
    assert not op.searchable
    arguments = [np.zeros((3, 2)) for _ in op.inputs] + [p.default for p in op.params]
    with pytest.raises(AlphamineError, match=f"finite memory, but {name}"):
        op.reference(*arguments)
