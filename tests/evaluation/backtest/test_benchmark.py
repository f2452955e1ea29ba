"""The days of a benchmark are those that are written, as everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.evaluation.backtest.benchmark import benchmark_returns, read_benchmark

DAYS = pd.to_datetime(["2023-03-24", "2023-03-27", "2023-03-28"])
RETURNS = np.array([0.01, -0.02, 0.03])
KINDS = {
    "text": DAYS.strftime("%Y-%m-%d"),
    "text of the east": DAYS.strftime("%Y-%m-%dT00:00:00+08:00"),
    "whole numbers": DAYS.strftime("%Y%m%d").astype(int),
    "moments": DAYS.tz_localize("Asia/Shanghai"),
    "periods": DAYS.to_period("D"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_days_of_every_kind(kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": KINDS[kind], "return": RETURNS})
    frame.to_csv(tmp_path / "b.csv", index=False)
    frame.to_parquet(tmp_path / "b.parquet")
    panel = am.Panel.from_arrays(DAYS.to_numpy(), ["A", "B"], {"close": np.ones((3, 2))})
    for series in (
        read_benchmark(tmp_path / "b.csv"),
        read_benchmark(tmp_path / "b.parquet"),
        frame.set_index("date")["return"],
    ):
        found = benchmark_returns(series, panel, slice(0, 3), "close")
        np.testing.assert_array_equal(found, RETURNS)
