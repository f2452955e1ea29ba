"""The report's numbers equal those of alphalens-reloaded, which runs in an environment of its own.

alphalens enters at the day's own price (delay 0), drops cells without a forward return before it
cuts quantiles, and knows no universe: on a panel without gaps both do the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel

DAYS, NAMES, HORIZONS = 180, 43, (1, 5, 10)

WORKER = """
import json, sys
import pandas as pd
from alphalens import performance, utils

folder = sys.argv[1]
prices = pd.read_csv(f"{folder}/prices.csv", index_col=0, parse_dates=True)
factor = pd.read_csv(f"{folder}/factor.csv", index_col=0, parse_dates=True).stack()
factor.index.names = ["date", "asset"]
data = utils.get_clean_factor_and_forward_returns(
    factor, prices, quantiles=5, periods=(1, 5, 10), max_loss=1.0, filter_zscore=None)
ic = performance.factor_information_coefficient(data)
returns, errors = performance.mean_return_by_quantile(data, by_date=True, demeaned=True)
out = {
    "ic": {c: ic[c].tolist() for c in ic},
    "returns": {c: returns[c].unstack(level=0).to_numpy().tolist() for c in returns},
    "autocorrelation": {
        str(lag): performance.factor_rank_autocorrelation(data, lag).tolist()
        for lag in (1, 5, 10)},
    "turnover": [
        performance.quantile_turnover(data["factor_quantile"], q, 1).tolist() for q in range(1, 6)],
    "days": len(ic),
}
json.dump(out, open(f"{folder}/out.json", "w"))
"""


@pytest.fixture(scope="module")
def panel() -> Panel:
    rng = np.random.default_rng(8)
    returns = rng.normal(0, 0.02, (DAYS, NAMES))
    signal = rng.normal(size=(DAYS, NAMES))
    returns[1:] += 0.002 * signal[:-1]
    return Panel.from_arrays(
        np.busday_offset("2021-01-04", np.arange(DAYS), roll="forward"),
        [f"N{i:02d}" for i in range(NAMES)],
        {"close": 20 * np.exp(np.cumsum(returns, axis=0)), "signal": signal},
        label_spec=LabelSpec(horizon=1, delay=0),
    )


@pytest.fixture(scope="module")
def theirs(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("alphalens")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    packages = ["alphalens-reloaded", "pandas<3", "setuptools<80"]
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", *packages], capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"needs alphalens-reloaded, which pip cannot get: {installed.stderr[-200:]}")
    dates = pd.DatetimeIndex(panel.dates)
    for name, column in (("prices", "close"), ("factor", "signal")):
        frame = pd.DataFrame(panel.columns[column], dates, panel.symbols)
        frame.to_csv(folder / f"{name}.csv")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", WORKER, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "out.json").read_text())


@pytest.fixture(scope="module")
def days(theirs: dict) -> int:
    """Days with the longest forward return: alphalens drops the others before it does anything."""
    assert theirs["days"] == DAYS - max(HORIZONS)
    return theirs["days"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the environment's layout differs")
def test_numbers_equal_those_of_alphalens(panel: Panel, theirs: dict, days: int) -> None:
    report = am.evaluate("signal", panel, dtype="float64", horizons=HORIZONS)
    detail = report.detail
    np.testing.assert_allclose(report.daily.rank_ic[:days], theirs["ic"]["1D"], atol=1e-12)
    for horizon in HORIZONS:
        ic = np.array(theirs["ic"][f"{horizon}D"])
        cut = am.evaluate("signal", panel.rows(days + horizon), dtype="float64", horizons=HORIZONS)
        assert cut.detail.horizons[horizon].mean == pytest.approx(ic.mean(), rel=1e-10)
        np.testing.assert_allclose(
            detail.quantiles[horizon].daily[:days], theirs["returns"][f"{horizon}D"], atol=1e-12
        )
    cut = am.evaluate("signal", panel.rows(days), dtype="float64").detail
    for lag in (1, 5, 10):
        expected = np.nanmean(np.array(theirs["autocorrelation"][str(lag)], dtype=float))
        assert cut.autocorrelation[lag] == pytest.approx(expected, rel=1e-10)
    turnover = np.nanmean(np.array(theirs["turnover"], dtype=float)[:, 1:], axis=1)
    np.testing.assert_allclose(cut.quantile_turnover, turnover, rtol=1e-10)
