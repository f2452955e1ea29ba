"""Families of factors as the literature knows them: a supposition, its reason, and its formulas.

`{d}` stands for a window and `{D}` for a longer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of factor.

    Attributes
    ----------
    name, statement, reason, expected : str
    templates : tuple of str
        Formulas with places for windows.
    """

    name: str
    statement: str
    reason: str
    expected: str
    templates: tuple[str, ...]


FAMILIES: Final = (
    Family(
        "reversal",
        "what fell over the last days comes back",
        "those who must sell move prices beyond their value (Jegadeesh 1990)",
        "a negative rank IC of recent returns, strongest at short windows",
        (
            "-ts_returns(close, {d})",
            "-ts_zscore(close, {D})",
            "-ts_av_diff(close, {d}) / close",
            "ts_mean(close, {D}) / close",
            "-rank(ts_delta(close, {d}))",
        ),
    ),
    Family(
        "momentum",
        "what rose for long goes on rising",
        "news is taken in slowly (Jegadeesh and Titman 1993)",
        "a positive rank IC of returns at long windows, low turnover",
        (
            "ts_delay(ts_returns(close, {D}), {d})",
            "ts_mean(ts_returns(close, 1), {D})",
            "ts_rank(close, {D})",
            "ts_decay_linear(ts_returns(close, {d}), {D})",
            "ts_mean(close, {d}) / ts_mean(close, {D})",
        ),
    ),
    Family(
        "volatility",
        "calm stocks earn more than wild ones",
        "investors who may not borrow overpay for risk (Ang et al. 2006)",
        "a negative rank IC of risk, stable over time",
        (
            "-ts_std_dev(ts_returns(close, 1), {D})",
            "-ts_mean((high - low) / close, {D})",
            "-ts_std_dev(ts_returns(close, 1), {d}) / ts_std_dev(ts_returns(close, 1), {D})",
            "-ts_mean(abs(ts_returns(close, 1)), {D})",
            "-(ts_max(high, {d}) - ts_min(low, {d})) / close",
        ),
    ),
    Family(
        "attention",
        "unusual volume is followed by lower returns, or by higher ones",
        "attention moves those who buy more than those who sell (Barber and Odean 2008)",
        "a rank IC of abnormal volume with one sign",
        (
            "volume / ts_mean(volume, {D})",
            "ts_zscore(volume, {D})",
            "ts_mean(volume, {d}) / ts_mean(volume, {D})",
            "ts_rank(volume, {D})",
            "ts_std_dev(volume, {D}) / ts_mean(volume, {D})",
        ),
    ),
    Family(
        "price and volume",
        "prices that move with volume are not prices that move without it",
        "volume tells informed trades from noise (Campbell, Grossman and Wang 1993)",
        "a negative rank IC of the correlation of price and volume",
        (
            "-ts_corr(close, volume, {D})",
            "-ts_corr(rank(close), rank(volume), {D})",
            "-ts_corr(ts_returns(close, 1), ts_returns(volume, 1), {D})",
            "-ts_corr(high, volume, {D})",
            "ts_returns(close, {d}) * volume / ts_mean(volume, {D})",
        ),
    ),
    Family(
        "place in the range",
        "where a day closes in its range says who was in a hurry",
        "orders at the close show what was not satisfied during the day",
        "a negative rank IC of closes near the high",
        (
            "-(close - low) / (high - low)",
            "-ts_mean((close - low) / (high - low), {d})",
            "-(close - ts_min(low, {D})) / (ts_max(high, {D}) - ts_min(low, {D}))",
            "(high + low - 2 * close) / (high - low)",
            "close / ts_max(high, {D})",
        ),
    ),
    Family(
        "night and day",
        "what happens over night is another thing than what happens by day",
        "different people trade at the open and at the close (Lou, Polk and Skouras 2019)",
        "opposite signs of the night's and the day's returns",
        (
            "-open / ts_delay(close, 1)",
            "-ts_mean(close / open, {d})",
            "ts_mean(open / ts_delay(close, 1), {D})",
            "-ts_corr(open / ts_delay(close, 1), close / open, {D})",
        ),
    ),
    Family(
        "illiquidity",
        "stocks that little money moves pay for it",
        "who holds what is hard to sell wants a premium (Amihud 2002)",
        "a positive rank IC of price impact",
        (
            "ts_mean(abs(ts_returns(close, 1)) / volume, {D})",
            "-rank(ts_mean(volume, {D}))",
            "ts_mean((high - low) / close / volume, {D})",
        ),
    ),
    Family(
        "fair price",
        "a close above the day's mean price is dear",
        "the volume-weighted price is what those paid who traded",
        "a negative rank IC of close over vwap",
        (
            "-close / vwap",
            "-ts_mean(close / vwap, {d})",
            "ts_corr(vwap, volume, {d})",
            "vwap / ts_mean(close, {D})",
        ),
    ),
    Family(
        "extremes",
        "days since a high or a low are remembered",
        "people anchor on recent extremes (George and Hwang 2004)",
        "a rank IC of the place of the extreme in the window",
        (
            "ts_arg_max(close, {D})",
            "-ts_arg_min(low, {D})",
            "ts_arg_max(volume, {D})",
            "ts_arg_max(close, {D}) - ts_arg_min(close, {D})",
        ),
    ),
)
