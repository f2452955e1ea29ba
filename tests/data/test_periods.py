"""Rows of a year by the calendar, with holidays, exceptions and short panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alphamine.data.periods import periods_per_year

SUNDAY_TO_THURSDAY = "Sun Mon Tue Wed Thu"
SIX_DAYS = "Mon Tue Wed Thu Fri Sat"


def without(dates: pd.DatetimeIndex, share: float) -> pd.DatetimeIndex:
    return dates[np.random.default_rng(0).random(len(dates)) >= share]


def custom(week: str, rows: int) -> pd.DatetimeIndex:
    return pd.date_range("2015-01-01", periods=rows, freq=pd.offsets.CDay(weekmask=week))


WEEKDAYS = pd.bdate_range("2010-01-01", "2019-12-31")


@pytest.mark.parametrize(
    ("dates", "periods"),
    [
        (WEEKDAYS, 252),
        (without(WEEKDAYS, 0.04), 252),  # holidays
        (WEEKDAYS.union(pd.to_datetime(["2012-03-03", "2014-02-01", "2014-02-02"])), 252),
        (custom(SUNDAY_TO_THURSDAY, 900), 252),
        (WEEKDAYS[:3], 252),
        (WEEKDAYS[:1], 252),
        (pd.to_datetime(["2020-01-03", "2020-01-06"]), 252),  # a weekend between them
        (custom("Mon Tue Wed Thu", 900), 209),
        (pd.date_range("2018-01-01", periods=14), 365),
        (pd.date_range("2018-01-01", periods=400), 365),
        (without(pd.date_range("2018-01-01", periods=400), 0.03), 365),
        (custom(SIX_DAYS, 900), 313),
        (custom("Mon Wed Fri", 900), 157),
        (pd.date_range("2010-01-01", periods=200, freq="W-WED"), 52),
        (pd.date_range("2010-01-01", periods=60, freq="2W"), 26),
        (pd.date_range("2010-01-01", periods=60, freq="BME"), 12),
        (pd.date_range("2010-01-01", periods=60, freq="MS"), 12),
        (pd.date_range("2010-01-01", periods=20, freq="BQE"), 4),
        (pd.date_range("1990-01-01", periods=20, freq="YE"), 1),
        # The last trading day of each week: a holiday moves it.
        (pd.DatetimeIndex(without(WEEKDAYS, 0.04).to_series().resample("W").last().dropna()), 52),
    ],
)
def test_a_year_of(dates: pd.DatetimeIndex, periods: int) -> None:
    assert periods_per_year(dates.to_numpy().astype("datetime64[D]")) == periods
