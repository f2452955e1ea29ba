"""Mode `qlib` against what qlib 0.9.7 itself reported, day by day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphamine.data.costs import Costs
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.evaluation.backtest import BacktestReport, TopkDropout, backtest

QLIB_NAMES = {
    "account": "account", "return": "return_without_cost", "turnover": "turnover", "cost": "cost",
    "value": "long", "cash": "cash", "bench": "benchmark",
}  # fmt: skip


@pytest.fixture(scope="module")
def arrays(golden: Path) -> dict[str, Any]:
    with np.load(golden / "qlib_backtest.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module", params=["change", "no change"])
def report(arrays: dict[str, Any], request: pytest.FixtureRequest) -> BacktestReport:
    fields = {"close": arrays["close"]}
    if request.param == "change":
        fields["change"] = arrays["change"]
    panel = Panel.from_arrays(
        arrays["dates"],
        arrays["symbols"],
        fields,
        factor=arrays["factor"],
        costs=Costs(5e-4, 15e-4, 5.0),
        splits=Splits((100, 499), None, None, gap=0),
        label_spec=_next_day(),
    )
    # qlib stores the index in single precision, and so are its returns.
    stored = arrays["benchmark_close"].astype(np.float32)
    levels = pd.Series(stored, index=pd.DatetimeIndex(arrays["dates"]))
    return backtest(
        arrays["score"],
        panel,
        TopkDropout(topk=20, n_drop=3),
        mode="qlib",
        account=1e7,
        benchmark=levels.pct_change(),
    )


def _next_day() -> Any:
    from alphamine.data.labels import LabelSpec

    return LabelSpec(horizon=1, delay=1)


@pytest.mark.parametrize("theirs", QLIB_NAMES)
def test_every_day_equals_qlibs(
    report: BacktestReport, arrays: dict[str, Any], theirs: str
) -> None:
    assert np.array_equal(report.dates, arrays["report_dates"])
    # The return of the first day is nothing but rounding in qlib's report, so it has no digits.
    floor = 1e-15 if theirs == "return" else 0.0
    np.testing.assert_allclose(
        report.daily[QLIB_NAMES[theirs]], arrays[f"report_{theirs}"], rtol=1e-9, atol=floor
    )


def test_totals_equal_qlibs(report: BacktestReport, arrays: dict[str, Any]) -> None:
    before = np.concatenate(([1e7], report.daily["account"][:-1]))
    for series, theirs in (("cost", "total_cost"), ("turnover", "total_turnover")):
        money = np.cumsum(report.daily[series] * before)
        np.testing.assert_allclose(money, arrays[f"report_{theirs}"], rtol=1e-9)


def test_risk_metrics_equal_those_of_the_text_file(report: BacktestReport, golden: Path) -> None:
    text = (golden / "qlib_backtest.txt").read_text()
    document = json.loads(text[text.index("{") : text.index("\n}") + 2])
    ways = {"sum": "additive", "product": "compounded"}
    compared = 0
    for key, numbers in document.items():
        series, way = key.split("/")
        for name, value in numbers.items():
            key = f"{series}.{ways[way]}.{name}"
            assert report.metrics[key] == pytest.approx(value, abs=6e-9), key
            compared += 1
    assert compared == 30


def test_positions_equal_qlibs_on_the_third_day(report: BacktestReport) -> None:
    held = report.symbols[report.shares[2] > 0].tolist()
    assert len(held) == 20
    assert held[:8] == [
        "SH600002", "SH600011", "SH600014", "SH600015", "SH600019", "SH600020", "SH600024",
        "SH600025",
    ]  # fmt: skip
