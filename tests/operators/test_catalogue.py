"""What the entries say of themselves: names, signatures, units, look-backs, dialects."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from alphamine.errors import OperatorError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import STANDARD_FIELDS
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import call
from alphamine.expression.symbolic import to_sympy
from alphamine.expression.text.latex import to_latex
from alphamine.operators import CATALOGUE, UNITS, Family, Kind, Operator, get
from alphamine.operators.catalogue import Array, Catalogue
from alphamine.operators.entry import OperatorCollector
from alphamine.operators.laws import Laws
from alphamine.operators.types import CONSTANT, COUNT, MONEY, PRICE, RANK, RATIO, VOLUME, Unit
from alphamine.operators.typeset import ATOM, Typeset

TIER_1 = """
add subtract multiply divide abs sign log signed_power power sqrt inverse reverse max min if_else
less less_equal greater greater_equal equal not_equal and or not is_nan rank zscore scale normalize
winsorize group_neutralize group_rank group_zscore group_mean group_scale ts_delay ts_delta
ts_returns ts_mean ts_sum ts_min ts_max ts_median ts_std_dev ts_rank ts_zscore ts_av_diff ts_scale
ts_corr ts_covariance ts_decay_linear ts_arg_max ts_arg_min ts_product
"""
TIER_2 = """
tanh sigmoid exp log1p s_log_1p softsign floor ceiling round fraction clamp tail left_tail
right_tail purify to_nan quantile bucket densify truncate one_side scale_down regression_proj
vector_proj regression_neut vector_neut group_backfill group_count group_median group_std_dev
group_sum ts_decay_exp_window ts_skewness ts_quantile ts_entropy ts_kurtosis ts_percentage
ts_moment ts_regression ts_slope ts_resid ts_rsquare ts_count ts_sum_if ts_mean_abs_dev ts_backfill
ts_count_nans kth_element last_diff_value days_from_last_change hump trade_when
ts_target_tvr_decay ts_target_tvr_hump
"""


def test_the_tiers_are_those_of_the_union_table() -> None:
    assert {op.name for op in CATALOGUE.values() if op.tier == 1} == set(TIER_1.split())
    assert {op.name for op in CATALOGUE.values() if op.tier == 2} == set(TIER_2.split())
    assert {op.name for op in CATALOGUE.values() if op.searchable} == set(TIER_1.split())


@pytest.mark.parametrize("op", CATALOGUE.values(), ids=lambda op: op.name)
def test_an_entry_is_complete(op: Operator) -> None:
    assert op.inputs
    assert 1 < len(op.meaning) < 100
    assert not op.meaning.endswith(".")
    assert op.cost > 0
    assert {i.name for i in op.inputs}.isdisjoint(p.name for p in op.params)
    assert [p.required for p in op.params] == sorted((p.required for p in op.params), reverse=True)
    assert set(op.context) <= {"min_periods", "alive"}
    assert op.window is not None or "min_periods" not in op.context
    assert pickle.loads(pickle.dumps(op)) is op
    with pytest.raises(FrozenInstanceError):
        op.tier = 1


@pytest.mark.parametrize("dialect", ["qlib", "alphagen", "alpha101"])
def test_a_foreign_name_means_one_operator(dialect: str) -> None:
    names = Counter(op.dialects[dialect] for op in CATALOGUE.values() if dialect in op.dialects)
    assert {name: n for name, n in names.items() if n > 1} == {}
    assert len(names) > 10


@pytest.mark.parametrize(
    ("name", "signature", "params", "lookback"),
    [
        ("winsorize", "winsorize(x, std=4)", (4.0,), 0),
        ("scale", "scale(x, scale=1)", (1.0,), 0),
        ("normalize", "normalize(x, use_std=false, limit=0)", (False, 0.0), 0),
        ("quantile", 'quantile(x, driver="gaussian")', ("gaussian",), 0),
        ("bucket", 'bucket(x, range="0,1,0.1")', ("0,1,0.1",), 0),
        ("truncate", "truncate(x, max_percent=0.01)", (0.01,), 0),
        ("ts_percentage", "ts_percentage(x, d, percentage=0.5)", (20, 0.5), 19),
        ("ts_regression", "ts_regression(y, x, d, lag=0, rettype=0)", (20, 3, 0), 22),
        ("ts_returns", "ts_returns(x, d=1)", (1,), 1),
        ("ts_delay", "ts_delay(x, d)", (5,), 5),
        ("ts_mean", "ts_mean(x, d)", (5,), 4),
        ("group_mean", "group_mean(x, weight, group)", (), 0),
        ("group_backfill", "group_backfill(x, group, d, std=4)", (5, 4.0), 4),
        ("to_nan", "to_nan(x, value=0, reverse=false)", (0.0, False), 0),
    ],
)
def test_signature_and_lookback(
    name: str, signature: str, params: tuple[object, ...], lookback: int
) -> None:
    assert get(name).signature == signature
    assert get(name).lookback(params) == lookback


@pytest.mark.parametrize(
    ("name", "inputs", "params", "unit"),
    [
        ("add", (PRICE, PRICE), (), PRICE),
        ("add", (PRICE, CONSTANT), (), PRICE),
        ("add", (None, PRICE), (), None),
        ("multiply", (PRICE, VOLUME), (), MONEY),
        ("divide", (MONEY, VOLUME), (), PRICE),
        ("divide", (PRICE, PRICE), (), RATIO),
        ("inverse", (PRICE,), (), Unit(-1.0, 0.0)),
        ("sqrt", (PRICE,), (), Unit(0.5, 0.0)),
        ("power", (RATIO, CONSTANT), (), RATIO),
        ("power", (PRICE, CONSTANT), (), None),
        ("log", (PRICE,), (), RATIO),
        ("ts_corr", (PRICE, VOLUME), (10,), RATIO),
        ("ts_covariance", (PRICE, VOLUME), (10,), MONEY),
        ("ts_std_dev", (PRICE,), (10,), PRICE),
        ("ts_moment", (PRICE,), (10, 3), Unit(3.0, 0.0)),
        ("ts_product", (PRICE,), (2,), Unit(2.0, 0.0)),
        ("ts_rank", (PRICE,), (10,), RANK),
        ("ts_arg_max", (PRICE,), (10,), COUNT),
        ("ts_regression", (PRICE, VOLUME), (10, 0, 2), Unit(1.0, -1.0)),
        ("ts_regression", (PRICE, VOLUME), (10, 0, 0), PRICE),
        ("ts_regression", (PRICE, VOLUME), (10, 0, 4), Unit(2.0, 0.0)),
        ("ts_regression", (PRICE, VOLUME), (10, 0, 6), RATIO),
        ("normalize", (PRICE,), (True, 0.0), RATIO),
        ("normalize", (PRICE,), (False, 0.0), PRICE),
        ("group_mean", (PRICE, MONEY, None), (), PRICE),
        ("if_else", (RATIO, PRICE, PRICE), (), PRICE),
    ],
)
def test_units(
    name: str, inputs: tuple[Unit | None, ...], params: tuple[object, ...], unit: Unit | None
) -> None:
    assert get(name).unit(inputs, params) == (unit, None)


@pytest.mark.parametrize(
    ("name", "inputs", "params"),
    [
        ("add", (PRICE, VOLUME), ()),
        ("less", (PRICE, VOLUME), ()),
        ("if_else", (RATIO, PRICE, VOLUME), ()),
        ("power", (RATIO, PRICE), ()),
    ],
)
def test_unlike_quantities_are_a_problem(
    name: str, inputs: tuple[Unit, ...], params: tuple[object, ...]
) -> None:
    _, problem = get(name).unit(inputs, params)
    assert problem is not None
    assert str(PRICE) in problem


@pytest.mark.parametrize("op", CATALOGUE.values(), ids=lambda op: op.name)
def test_a_unit_rule_takes_any_units(op: Operator) -> None:
    params = [3 if p.required else p.default for p in op.params]
    for unit in (None, CONSTANT, *UNITS.values()):
        result, _ = op.unit([unit] * len(op.inputs), params)
        assert result is None or isinstance(result, Unit)
        assert op.output is not Kind.BOOLEAN or result == RATIO


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(OperatorError, match="no operator 'ts_men'; did you mean 'ts_mean'"):
        get("ts_men")


def test_a_name_is_given_once() -> None:
    catalogue = Catalogue()
    catalogue.add(get("rank"))
    with pytest.raises(OperatorError, match="unique"):
        catalogue.add(get("rank"))


def test_a_misspelt_property_of_an_entry_is_no_dialect() -> None:
    shelf = OperatorCollector(Family.ELEMENTWISE)
    with pytest.raises(OperatorError, match="no property 'comutative'"):
        shelf.entry(comutative="yes")
    assert shelf.operators == ()


def test_all_that_is_known_of_an_operator_is_in_its_entry() -> None:
    """The grammar, the canonical form, LaTeX and SymPy take it from there."""
    shelf = OperatorCollector(Family.ELEMENTWISE)

    @shelf.entry(
        usage=400,
        laws=Laws(odd=(0,), idempotent=True),
        latex=Typeset(r"\lfloor <0> \rceil", ATOM),
        symbolic=lambda sympy, x: x * 2,
        counts_truths=True,
        levels=0,
    )
    def nearest_even(x: Array) -> Array:
        """`x` to the nearest even number."""
        return 2.0 * np.rint(x / 2.0)

    [op] = shelf.operators
    CATALOGUE.add(op)
    try:
        close, start = (STANDARD_FIELDS[name].node for name in ("close", "open"))
        once = call(op, close)
        assert canonicalise(call(op, call(op, -close))) is -once
        assert to_latex(once + 1) == r"\lfloor \mathrm{close} \rceil + 1"
        assert str(to_sympy(once)) == "2*close"
        grammar = Grammar(operators=[op, "rank", "ts_quantile", "less"], max_depth=3)
        weights = [grammar.weights[name] for name in ("nearest_even", "rank", "ts_quantile")]
        assert weights == [20.0, 306**0.5, 3.0]
        # A truth value may be its input, and it adds no level of its own.
        truth = call("less", close, start)
        assert grammar.problem(call("rank", call(op, truth))) is None
        assert grammar.problem(call("rank", call("ts_quantile", truth, 5))) is not None
    finally:
        del CATALOGUE._entries["nearest_even"]


def test_laws_name_operators_whose_laws_name_them() -> None:
    for op in CATALOGUE.values():
        for law in ("mirror", "swap", "opposite"):
            other = getattr(op.laws, law)
            assert other is None or getattr(CATALOGUE[other].laws, law) == op.name
