"""Many formulas at once: each as it is alone, but for the trials."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, OperatorError
from alphamine.evaluation.batch import COLUMNS, as_records
from alphamine.evaluation.summary import Summary
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.operators import CATALOGUE

NUMBERS = [field.name for field in dataclasses.fields(Summary)]


@pytest.fixture(scope="module")
def formulas(market: Panel) -> list[Node]:
    grammar = Grammar.for_panel(market.schema, max_lookback=60)
    rng = np.random.default_rng(3)
    found: dict[Node, None] = {}
    while len(found) < 1000:
        found[grammar.sample(rng)] = None
    return list(found)


def test_a_thousand_formulas_have_the_numbers_of_each_alone(
    market: Panel, formulas: list[Node]
) -> None:
    table = am.evaluate(formulas, market)
    assert len(table) == 1000
    assert list(table.columns) == list(COLUMNS)
    assert set(table.trials.dropna()) == {1000}
    for i in range(0, 1000, 37):
        alone = am.evaluate(formulas[i], market, trials=1000)
        row = table.iloc[i]
        assert row.formula == str(formulas[i])
        for name in NUMBERS:
            np.testing.assert_array_equal(float(row[name]), float(getattr(alone, name)))
        for name in ("t", "luck", "deflated"):
            np.testing.assert_array_equal(row[name], getattr(alone.trust, name))
        assert row.verdict == alone.trust.verdict
        assert (row.lookback, row.infinite) == (alone.lookback, alone.infinite)
        assert row.problem == alone.problem or (pd.isna(row.problem) and alone.problem is None)


def test_distinct_formulas_are_the_trials_whatever_they_are_called(market: Panel) -> None:
    twice = {"x": "ts_corr(close, volume, 9)", "y": "ts_corr(volume, close, 9)", "z": "volume"}
    assert set(am.evaluate(twice, market).trials) == {2}
    assert am.evaluate(["volume", "volume", "close"], market).trials.tolist() == [2, 2, 2]
    assert set(am.evaluate(twice, market, trials=500).trials) == {500}
    table = am.evaluate(twice, market)
    assert table.index.tolist() == ["x", "y", "z"]
    assert table.loc["x", "rank_ic"] == table.loc["y", "rank_ic"]


def test_a_bad_formula_is_a_row_that_says_why_and_no_trial(market: Panel) -> None:
    given = ["volume", "rank(clse)", "ts_mean(close, 400)", "rank(close", 5, "log(0 - volume)"]
    table = am.evaluate(given, market)
    reasons = ["no field 'clse'", "look-back|look back", "the text ends", "text or a node, .* int"]
    for i, reason in enumerate(reasons, 1):
        assert re.search(reason, table.problem[i])
        assert "\n" not in table.problem[i]
        assert table.loc[i, NUMBERS].isna().all()
        assert pd.isna(table.verdict[i])
    assert table.formula.tolist() == [*map(str, given)]
    assert table.verdict[5] == "noise-level"
    assert "has no value" in table.problem[5]
    assert table.trials[0] == 2
    assert pd.isna(table.problem[0])
    assert as_records(table)[1]["rank_ic"] is None
    assert "mixes price" in am.evaluate(["close + volume"], market).unit_warnings[0]
    strict = am.evaluate(["close + volume", "volume"], market, strict_units=True)
    assert "mixes price" in strict.problem[0]
    assert pd.isna(strict.problem[1])


def test_an_operator_that_fails_takes_no_other_formula_with_it(market: Panel) -> None:
    def fails(x: np.ndarray) -> np.ndarray:
        if x.shape == market.shape:
            raise OperatorError("my_fail has a bad day; give it a better one")
        return x

    am.register_operator("my_fail", fails, meaning="As it is.")
    try:
        table = am.evaluate(["volume", "my_fail(close)", "rank(volume)"], market)
    finally:
        del CATALOGUE._entries["my_fail"]
    assert "bad day" in table.problem[1]
    assert table.problem.isna().tolist() == [True, False, True]
    assert table.trials[0] == 2


def test_what_belongs_to_one_formula_is_refused_of_many(market: Panel) -> None:
    with pytest.raises(AlphamineError, match="belong to the report of one formula"):
        am.evaluate(["volume"], market, quantiles=3)  # type: ignore[call-overload]
    with pytest.raises(AlphamineError, match="there is none; give some"):
        am.evaluate([], market)
    with pytest.raises(AlphamineError, match="a text or a node"):
        am.evaluate(5, market)  # type: ignore[call-overload]
