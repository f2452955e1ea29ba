"""Random formulas come back as themselves from every dialect; random text fails in one way."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.errors import FormulaError
from alphamine.expression.fields import standard_field
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.limits import Limits
from alphamine.expression.nodes import Node, call, constant
from alphamine.expression.text.dialects import DIALECTS
from alphamine.expression.text.printer import to_text
from alphamine.operators import CATALOGUE, Kind, Operator, Param, ParamValue

pytestmark = pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")

NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "unheard_of")
GROUPS = ("sector", "industry", "market")
CONSTANTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.001, 1e-12, 1e12, 3.14159, 1 / 3, -7e-5)
# Far wider than the default ones, so that only the text of a formula decides.
WIDE = Limits(text=1 << 20, depth=64, nodes=1 << 14, lookback=1 << 20, cost=1e9)


class Sampler:
    """Typed random formulas over some operators, with `extra` makers for composed patterns."""

    def __init__(
        self,
        rng: random.Random,
        operators: list[Operator],
        extra: list[Callable[[Sampler, int], Node]],
    ) -> None:
        self.rng = rng
        self.extra = extra
        self.by_kind = {kind: [op for op in operators if kind.accepts(op.output)] for kind in Kind}

    def formula(self, kind: Kind, depth: int) -> Node:
        if depth <= 1 or not self.by_kind[kind] or self.rng.random() < 0.1:
            if kind is Kind.NUMBER:
                return self.leaf()
            if kind is Kind.GROUP:
                return standard_field(self.rng.choice(GROUPS)).node
        if kind is Kind.NUMBER and self.extra and self.rng.random() < 0.3:
            return self.rng.choice(self.extra)(self, depth)
        while True:
            op = self.rng.choice(self.by_kind[kind])
            inputs = [self.formula(i.kind, min(depth - 1, 4)) for i in op.inputs]
            try:
                return call(op, *inputs, *[self.value(p) for p in op.params])
            except FormulaError:
                continue

    def leaf(self) -> Node:
        if self.rng.random() < 0.25:
            return constant(self.rng.choice(CONSTANTS))
        return standard_field(self.rng.choice(NUMBERS)).node

    def value(self, param: Param) -> ParamValue:
        if not isinstance(param.default, str | int | float) and not param.required:
            raise AssertionError(param)
        if not param.required and self.rng.random() < 0.4:
            assert isinstance(param.default, str | int | float)
            return param.default
        match param.kind:
            case "window":
                return self.rng.randint(max(1, int(param.low or 1)), 60)
            case "integer":
                low = int(param.low or 0)
                return self.rng.randint(low, int(param.high or low + 5))
            case "number":
                low = -2.0 if param.low is None else param.low
                return self.rng.uniform(low, 3.0 if param.high is None else param.high)
            case "flag":
                return self.rng.random() < 0.5
            case "choice":
                return self.rng.choice(param.choices)
            case _:
                return str(param.default)


def _qlib_truth(sampler: Sampler, depth: int) -> Node:
    roll = sampler.rng.random()
    if depth <= 2 or roll < 0.5:
        name = sampler.rng.choice(["less", "greater_equal", "equal", "not_equal"])
        left = standard_field(sampler.rng.choice(NUMBERS)).node
        compared = call(name, left, sampler.formula(Kind.NUMBER, depth - 2))
        return call("to_nan", compared, 1.0 if name == "not_equal" else 0.0, True)
    if roll < 0.65:
        return call("subtract", 1.0, _qlib_truth(sampler, depth - 1))
    sides = (_qlib_truth(sampler, depth - 1), _qlib_truth(sampler, depth - 1))
    return call(sampler.rng.choice(["min", "max"]), *sides)


def _qlib_if(sampler: Sampler, depth: int) -> Node:
    condition = call("not_equal", _qlib_truth(sampler, depth - 1), 0.0)
    branches = (sampler.formula(Kind.NUMBER, depth - 1) for _ in range(2))
    return call("if_else", condition, *branches)


def _qlib_count(sampler: Sampler, depth: int) -> Node:
    present = call("not", call("is_nan", standard_field("close").node))
    return call("ts_sum", present, sampler.rng.randint(1, 60))


def _finite_ema(sampler: Sampler, depth: int) -> Node:
    d = sampler.rng.randint(2, 60)
    return call(
        "ts_decay_exp_window", sampler.formula(Kind.NUMBER, depth - 1), d, 1.0 - 2.0 / (d + 1)
    )


def _sampler(dialect: str, seed: int) -> Sampler:
    symbols = {infix.operator for infix in DIALECTS[dialect].notation.infix.values()}
    if dialect == "alpha101":
        symbols |= {"not", "reverse", "if_else"}
    known = [
        op
        for op in CATALOGUE.values()
        if dialect == "brain"
        or dialect in op.dialects
        or (dialect == "alpha101" and op.name in symbols)
    ]
    extra: dict[str, list[Callable[[Sampler, int], Node]]] = {
        "qlib": [_qlib_truth, _qlib_if, _qlib_count],
        "alphagen": [_finite_ema],
    }
    return Sampler(random.Random(seed), known, extra.get(dialect, []))


def _round_trips(dialect: str, count: int, seed: int = 0) -> tuple[int, int]:
    """How many random formulas the dialect expressed, and how many it refused by name."""
    sampler = _sampler(dialect, seed)
    expressed, refusals = 0, list[str]()
    for _ in range(count):
        formula = sampler.formula(Kind.NUMBER, sampler.rng.randint(1, 6))
        try:
            text = to_text(formula, dialect)
        except FormulaError as error:
            refusals.append(str(error))
            continue
        assert am.parse(text, dialect=dialect, limits=WIDE) is formula, text
        expressed += 1
    assert all(f"cannot be written in the {dialect} dialect" in r for r in refusals)
    return expressed, len(refusals)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_parse_of_print_is_the_formula(dialect: str) -> None:
    expressed, refused = _round_trips(dialect, 1000)
    assert expressed > 500
    assert (refused == 0) == (dialect in ("brain", "alphagen"))


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_parse_of_print_is_the_formula_at_length(dialect: str) -> None:
    expressed, _ = _round_trips(dialect, 25_000, seed=1)
    assert expressed > 12_500


def test_what_searches_sample_is_within_limits_and_units() -> None:
    grammar, rng = Grammar(max_length=24, max_depth=10), np.random.default_rng(0)
    for _ in range(500):
        formula = grammar.sample(rng)
        assert am.parse(str(formula), strict_units=True) is formula


SEEDS = {
    "brain": [
        "rank(ts_corr(close, volume, 10)) - 0.5", "-close ** 2 + winsorize(volume, std=3)",
        "close > open and not volume <= 1e-12 ? ts_delay(close, 5) : -1",
        'ts_quantile(close, 20, driver="cauchy") * group_neutralize($vwap, sector)',
    ],
    "alpha101": [
        "((adv20 < volume) ? ((-1 * ts_rank(abs(delta(close, 7)), 60))) : (-1 * 1))",
        "(-1 * Ts_Rank(decay_linear(IndNeutralize(vwap, IndClass.sector), 7.89291), 5.50322))",
    ],
    "qlib": [
        "Mean($close>Ref($close, 1), 5)-Mean($close<Ref($close, 1), 2*(20+1))",
        "If(($close>$open)&($volume>400000), Std($close/Ref($close,1)-1,10), 0-$close)",
    ],
    "alphagen": [
        "Corr(Abs(Cov($high,$volume,10d)),Mul($open,-0.5),20d)", "EMA(Add($close,2.0),20d)",
    ],
}  # fmt: skip
ALPHABET = "()+-*/^<>=!?:&|,.$\"' \n\t019eEdxNa_ts\\\0\x7fé∑𝟙;[]{}%@`~#"


def _mutated(rng: random.Random, texts: list[str]) -> str:
    roll = rng.random()
    if roll < 0.1:
        return rng.randbytes(rng.randint(0, 80)).decode("latin-1")
    if roll < 0.15:
        return rng.choice(ALPHABET) * rng.randint(1, 5000)
    text = list(rng.choice(texts))
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(text) + 1)
        match rng.randrange(5):
            case 0:
                text[place : place + rng.randint(1, 5)] = []
            case 1:
                text[place:place] = rng.choice(ALPHABET)
            case 2:
                text[place : place + 1] = rng.choice(ALPHABET)
            case 3:
                text[place:place] = text[place : place + rng.randint(1, 20)]
            case _:
                other = rng.choice(texts)
                text[place:] = other[rng.randrange(len(other)) :]
    return "".join(text)


_watched: list[str] | None = None
_SUSPECT = ("exec", "compile", "open", "import", "os.", "subprocess.", "socket.", "ctypes.")


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if _watched is not None and event.startswith(_SUSPECT):
        _watched.append(event)


@contextmanager
def _nothing_runs() -> Iterator[None]:
    """Fail if the interpreter compiles, runs, opens or imports anything inside."""
    global _watched
    if _watched is None:
        sys.addaudithook(_audit)  # hooks stay for good, so it only listens while asked to
    am.parse("close")  # loads the parser
    _watched = []
    try:
        yield
        assert _watched == []
    finally:
        _watched = None


def _fuzz(count: int, seed: int) -> tuple[int, float]:
    """How many texts were formulas after all, and the longest time that one took."""
    rng = random.Random(seed)
    accepted, slowest = 0, 0.0
    names = list(SEEDS)
    for _ in range(count):
        dialect = rng.choice(names)
        text = _mutated(rng, SEEDS[dialect])
        spent = _time(text, dialect)
        if abs(spent) > 0.01:
            # A pause of the machine is not ours; a slow text is slow every time.
            spent = min((_time(text, dialect) for _ in range(5)), key=abs)
        accepted += spent > 0
        slowest = max(slowest, abs(spent))
    return accepted, slowest


def _time(text: str, dialect: str) -> float:
    """Seconds spent on reading, negative where the text was refused."""
    start = time.thread_time()
    refusal = None
    try:
        am.parse(text, dialect=dialect)
    except FormulaError as error:
        refusal = error
    spent = time.thread_time() - start
    if refusal is None:
        return spent
    assert refusal.position is not None
    assert refusal.reason
    return -spent


def test_fuzzed_text_fails_in_one_way_and_runs_nothing() -> None:
    with _nothing_runs():
        accepted, slowest = _fuzz(20_000, seed=0)
    assert 0 < accepted < 15_000
    assert slowest < 0.01


@pytest.mark.slow
def test_fuzzed_text_at_length() -> None:
    with _nothing_runs():
        _, slowest = _fuzz(1_000_000, seed=1)
    assert slowest < 0.01
