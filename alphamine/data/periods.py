"""How many rows of a panel make a year: what daily numbers are annualised by."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

TRADING_DAYS: Final = 252
"""Of a market that is open on five days of the week."""

_YEAR: Final = 365.25
# Rows of a year by the days between two rows: weeks, fortnights, months, quarters, years.
_COARSE: Final = ((7, 7, 52), (14, 14, 26), (27, 34, 12), (88, 94, 4), (357, 373, 1))
# A weekday with less than this share of the rows of the busiest one is an exception.
_REGULAR: Final = 0.25
# Fewer rows may lie anywhere in a week: nothing can be counted in them.
_FEW: Final = 20


def periods_per_year(dates: npt.NDArray[np.datetime64]) -> int:
    """Rows of a year, by the calendar of a panel.

    Days: 252 for markets of five days a week, 365 for those of seven. Weeks: 52, months: 12,
    quarters: 4. Any other rhythm is counted; fewer than twenty days count as five a week.

    Parameters
    ----------
    dates : (T,) datetime64[D], increasing
    """
    days = dates.astype("datetime64[D]").astype(np.int64)
    if len(days) < 2:
        return TRADING_DAYS
    steps = np.sort(np.diff(days))
    step = int(steps[(len(steps) - 1) // 2])
    # 1970-01-01 was a Thursday; which day comes first is no matter.
    weekdays = np.bincount(days % 7, minlength=7)
    open_days = int((weekdays >= _REGULAR * weekdays.max()).sum())
    if step == 1 and open_days == 7:
        return 365
    if (len(days) < _FEW and step <= 4) or (step == 1 and open_days == 5):
        return TRADING_DAYS
    for shortest, longest, periods in _COARSE:
        if shortest <= step <= longest:
            return periods
    return max(1, round(_YEAR * (len(days) - 1) / float(days[-1] - days[0])))


def check_periods(value: object) -> int:
    """Rows of a year as somebody states them: rows are days at the most."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 366:
        raise DataError(
            "periods is the number of rows of a year, a whole number from 1 to 366 (252 trading "
            f"days, 365 days, 52 weeks, 12 months), but got {value!r}"
        )
    return value
