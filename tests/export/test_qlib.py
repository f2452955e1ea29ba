"""Expressions for qlib, computed by a small qlib: windows there have a value from the first on."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.exporters.golden import made_up
from alphamine.exporters.qlib_target import qlib_files, tier
from alphamine.expression.text.parser import parse
from alphamine.pool.alpha_pool import AlphaPool

from .conftest import executed


def rolling(statistic: str) -> Any:
    def apply(x: pd.DataFrame, d: int) -> pd.DataFrame:
        return getattr(x.rolling(d, min_periods=1), statistic)()

    return apply


def covariance(x: pd.DataFrame, y: pd.DataFrame, d: int) -> pd.DataFrame:
    pairs = {c: x[c].rolling(d, min_periods=1).cov(y[c]) for c in x}
    return pd.DataFrame(pairs)


QLIB: dict[str, Any] = {
    **{name: rolling(name.lower()) for name in ("Mean", "Std", "Sum", "Max", "Min", "Count")},
    "Abs": np.abs, "Log": np.log, "Sign": np.sign, "Add": lambda x, y: x + y, "Cov": covariance,
    "If": lambda c, a, b: pd.DataFrame(np.where(c, a, b), c.index, c.columns),
    "Power": np.power, "Ref": lambda x, d: x.shift(d), "Delta": lambda x, d: x - x.shift(d),
}  # fmt: skip


@pytest.fixture(scope="module")
def panel() -> Panel:
    return made_up(AlphaPool.of(parse("ts_delay(close * volume, 50)")))


@pytest.mark.parametrize("min_periods", ["full", 1, 3])
@pytest.mark.parametrize(
    "text",
    [
        "ts_mean(close, 5) / close",
        "ts_std_dev(close, 5)",
        "ts_covariance(close, volume, 10)",
        "ts_delta(close, 5)",
        "ts_max(ts_mean(close, 3), 4) - ts_min(close, 10)",
        "sign(close / ts_delta(close, 1))",
        "ts_mean(1 / ts_delta(close, 1), 3)",
        "ts_sum(log(ts_delta(close, 1)), 3)",
        "-ts_mean(sqrt(ts_delta(close, 1)), 3) * inverse(ts_delta(volume, 2))",
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::alphamine.errors.UnitWarning")
def test_an_expression_is_missing_where_ours_is(text: str, min_periods: Any, panel: Panel) -> None:
    formula = parse(text)
    found = tier(formula, min_periods)
    assert found["tier"] == 1
    frames = {name: pd.DataFrame(panel.field(name)) for name in ("close", "volume")}
    code = re.sub(r"\$(\w+)", r"fields['\1']", found["expression"])
    got = eval(code, {**QLIB, "fields": frames}).to_numpy()
    engine = Evaluator(panel, "float64", min_periods, backend="reference")
    [want] = engine.values([formula])
    got = np.where(np.isinf(got), np.nan, got)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-8 * np.nanmax(np.abs(want)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 - rank(close)", "no operator of the same meaning"),
        ("close ** 0", "1 there"),
        ("ts_sum(not(is_nan(close)), 5)", "false there"),
        ("log(log(log(log(log(log(close))))))", "guards"),
    ],
)
def test_what_qlib_would_compute_otherwise_is_refused_with_the_reason(
    text: str, reason: str
) -> None:
    found = tier(parse(text), "full")
    assert (found["tier"], found["expression"], found["processor"]) == (3, None, None)
    assert reason in found["reason"]


@pytest.mark.parametrize(
    "text", ["zscore(ts_mean(close, 5))", "rank(ts_mean(close, 5))", "-rank(ts_mean(close, 5))"]
)
def test_a_processor_takes_an_outermost_step_across_the_day(text: str) -> None:
    found = tier(parse(text), 1)
    assert (found["tier"], found["expression"]) == (2, "Mean($close, 5)")
    assert found["processor"] == "CrossSection"


def test_the_numpy_code_has_every_formula_the_last_steps_and_the_pool(panel: Panel) -> None:
    texts = ("ts_mean(close, 5) / close", "-rank(ts_delta(close, 3))", "ts_sum(rank(volume), 4)")
    pool = AlphaPool(tuple(parse(text) for text in texts), (0.5, -1.0, 2.0))
    written = qlib_files(pool, "signal_a", panel)
    rows = json.loads(written["qlib_factors.json"])
    assert [row["tier"] for row in rows] == [1, 2, 3]
    code = executed(written["qlib_signal.py"])
    fields = {name: panel.field(name) for name in code["NUMBERS"]}
    values = code["values"](fields, panel.universe, panel.alive)
    engine = Evaluator(panel, "float64", backend="reference")
    reference = engine.values(pool.formulas)
    for name, want in zip(values, reference, strict=True):
        np.testing.assert_array_equal(values[name], want)
    [inner] = engine.values([parse("ts_delta(close, 3)")])
    assert [*code["ACROSS"]] == ["formula_2"]
    np.testing.assert_array_equal(
        code["ACROSS"]["formula_2"](inner, panel.universe), values["formula_2"]
    )
    signal = code["combined"](values, panel.universe)
    want = pool.combined(reference, panel.universe)
    np.testing.assert_allclose(signal, want, rtol=1e-12, atol=1e-12)


def test_the_workflow_names_the_bundle_and_the_days_of_the_panel(panel: Panel) -> None:
    pool = AlphaPool.of(parse("ts_mean(close, 5) / close"))
    said = yaml.safe_load(qlib_files(pool, "signal_a", panel)["qlib_workflow.yaml"])
    assert said["task"]["model"]["module_path"] == "signal_a.qlib_handler"
    segments = said["task"]["dataset"]["kwargs"]["segments"]
    days = [str(day) for part in ("train", "valid", "test") for day in segments[part]]
    assert days == sorted(days)
    assert (days[0], days[-1]) == (str(panel.dates[0]), str(panel.dates[-2]))
    assert said["sys"]["rel_path"] == [".."]
