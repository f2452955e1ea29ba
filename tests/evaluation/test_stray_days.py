"""Days on which almost nobody is quoted break windows: the report says how many are lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel

WINDOW = 10
FORMULA = f"ts_mean(close / volume, {WINDOW})"


@pytest.fixture
def bars(market: Panel) -> pd.DataFrame:
    """The market as a long table; prices are never missing."""
    days, names = market.shape
    return pd.DataFrame({
        "date": np.repeat(market.dates, names), "symbol": np.tile(market.symbols, days),
        "close": pd.DataFrame(market.field("close")).ffill().bfill().to_numpy().ravel(),
        "volume": market.field("volume").ravel(),
    })  # fmt: skip


def saturdays(bars: pd.DataFrame, every: int) -> pd.DataFrame:
    """One name's quotes on every so many Saturdays."""
    fridays = bars[(bars["date"].dt.day_of_week == 4) & (bars["symbol"] == "N00")][::every]
    return fridays.assign(date=fridays["date"] + pd.Timedelta(days=1))


def loaded(bars: pd.DataFrame, folder: Path, calendar: str = "") -> Panel:
    bars.sort_values(["symbol", "date"]).to_csv(folder / "prices.csv", index=False)
    text = "name: small\nsource: {kind: csv, path: prices.csv}\nuniverse: tradable\nmin_names: 8\n"
    (folder / "spec.yaml").write_text(text + calendar)
    return am.load(folder / "spec.yaml")


def test_lost_windows_are_counted(bars: pd.DataFrame, tmp_path: Path) -> None:
    stray = saturdays(bars, 10)
    both = pd.concat([bars, stray])
    report = am.evaluate(FORMULA, loaded(both, tmp_path))
    ratio = (
        (both["close"] / both["volume"])
        .set_axis(pd.MultiIndex.from_frame(both[["date", "symbol"]]))
        .unstack()
        .sort_index()
    )
    valued = ratio.rolling(WINDOW).mean().notna()[WINDOW - 1 :]
    lost = (valued.mean(axis=1) < 0.5) & ~valued.index.isin(stray["date"])
    assert 30 < lost.sum() < len(ratio) / 2
    remark = next(remark for remark in report.remarks if "windows reach over" in remark)
    assert remark.startswith(f"on {lost.sum()} of {len(ratio)} days")
    assert f"over {len(stray)} days on which almost nobody" in remark
    assert f"first {stray['date'].iloc[0]:%Y-%m-%d} with 1 of about 40 names" in remark
    assert "calendar: {min_quoted: 20}" in remark
    assert report.to_dict()["remarks"] == list(report.remarks)


def test_a_panel_without_these_days_is_the_same_as_if_they_were_never_there(
    bars: pd.DataFrame, tmp_path: Path
) -> None:
    both = pd.concat([bars, saturdays(bars, 10)])
    dropped = am.evaluate(FORMULA, loaded(both, tmp_path, "calendar: {min_quoted: 20}\n"))
    clean = am.evaluate(FORMULA, loaded(bars, tmp_path))
    assert dropped.remarks == clean.remarks == ()
    assert dropped.rank_ic == clean.rank_ic
    # Windows of one row reach over nothing.
    assert am.evaluate("close / volume", loaded(both, tmp_path)).remarks == ()


def test_where_no_window_is_left_this_is_the_problem(bars: pd.DataFrame, tmp_path: Path) -> None:
    report = am.evaluate(FORMULA, loaded(pd.concat([bars, saturdays(bars, 1)]), tmp_path))
    assert "windows reach over 60 days on which almost nobody is quoted" in str(report.problem)
