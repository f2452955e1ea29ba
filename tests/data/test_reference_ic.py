"""Five classic factors on the real panels reproduce numbers that were computed independently.

`reference_ic.json` comes from a pandas script of its own; here the factors are formulas.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores

SPECS = Path(__file__).parents[2] / "data_specs"
FACTORS = {
    "rev20": "-(close / ts_delay(close, 20) - 1)",
    "mom60_5": "ts_delay(close, 5) / ts_delay(close, 65) - 1",
    "vol20": "ts_std_dev(ts_returns(close, 1), 20)",
    "vratio20": "volume / ts_mean(volume, 20)",
    "pvcorr20": "ts_corr(close, volume, 20)",
}
UNIVERSES = [
    ("cn_csi800", "all"), ("cn_csi800", "tradable"), ("cn_csi800", "CSI300"),
    ("cn_csi800", "CSI500"), ("us_1500", "all"), ("us_1500", "tradable"), ("us_1500", "SP500"),
    ("in_nse", "all"), ("in_nse", "tradable"), ("in_nse", "ADV500"),
]  # fmt: skip


@pytest.fixture(scope="module")
def reference(shared_data: Path) -> dict:
    return json.loads((shared_data / "reference_ic.json").read_text())


def measure(panel: am.Panel, dtype: str) -> dict[str, dict[str, float]]:
    """What the reference reports, by factor."""
    sample = panel.sample()
    formulas = [am.parse(text) for text in FACTORS.values()]
    found = {}
    for index, values, infinite in Evaluator(panel, dtype).stream(formulas):
        scores = daily_scores(values, sample, infinite)
        rank, plain = (x[np.isfinite(x)] for x in (scores.rank_ic, scores.ic))
        days = scores.pairs >= panel.min_names
        found[list(FACTORS)[index]] = {
            "n_days": int(days.sum()),
            "mean_names": float(scores.pairs[days].mean()),
            "rank_ic_mean": rank.mean(), "rank_icir": rank.mean() / rank.std(ddof=1),
            "ic_mean": plain.mean(), "icir": plain.mean() / plain.std(ddof=1),
        }  # fmt: skip
    return found


def load(spec: str, universe: str) -> am.Panel:
    return am.load(
        SPECS / f"{spec}.yaml", universe=universe, horizon=20, delay=0, price="close", splits=False
    )


def compare(spec: str, universe: str, dtype: str, tolerance: float, reference: dict) -> None:
    for factor, numbers in measure(load(spec, universe), dtype).items():
        expected = reference[spec]["factors"][universe][factor]
        assert numbers["n_days"] == expected["n_days"], factor
        assert round(numbers["mean_names"], 1) == expected["mean_names"], factor
        for name in ("rank_ic_mean", "rank_icir", "ic_mean", "icir"):
            wanted = pytest.approx(expected[name], abs=tolerance)
            assert numbers[name] == wanted, (factor, name)


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "universe"), UNIVERSES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-4)])
def test_the_five_factors_are_reproduced(
    spec: str, universe: str, dtype: str, tolerance: float, reference: dict
) -> None:
    compare(spec, universe, dtype, tolerance, reference)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-4)])
def test_the_five_factors_are_reproduced_on_the_smallest_universe(
    dtype: str, tolerance: float, reference: dict
) -> None:
    compare("in_nse", "NIFTY500_SNAPSHOT", dtype, tolerance, reference)


@pytest.mark.parametrize("spec", ["cn_csi800", "us_1500", "in_nse"])
def test_days_and_symbols_are_those_of_the_files(spec: str, reference: dict) -> None:
    panel = load(spec, "all")
    expected = reference[spec]
    assert panel.shape == (expected["trading_days"], expected["symbols"])
    assert str(panel.dates[0]) == expected["first_date"]
    assert str(panel.dates[-1]) == expected["last_date"]
    assert int(panel.universe.sum()) == expected["rows"]
    years = panel.dates.astype("datetime64[Y]").astype(int) + 1970
    traded = load(spec, "tradable").universe.sum(axis=1)
    for year, numbers in expected["by_year"].items():
        rows = years == int(year)
        assert int(rows.sum()) == numbers["days"]
        assert round(float(traded[rows].mean()), 1) == numbers["mean_traded"]
