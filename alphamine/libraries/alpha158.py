"""qlib's Alpha158: the shape of today's candle, and 29 families over five windows.

Where a window is full and has no missing values, the numbers are qlib's (0.9.7). Elsewhere qlib
goes on with what it has, counts comparisons with a missing side as false, and drops correlations
of series whose standard deviation is below 2e-5; for those numbers read qlib's own text with
`parse(text, dialect="qlib")` and `min_periods=1`.
"""

from __future__ import annotations

from typing import Final

WINDOWS: Final = (5, 10, 20, 30, 60)

_CANDLE: Final = {
    "KMID": "(close - open) / open",
    "KLEN": "(high - low) / open",
    "KMID2": "(close - open) / (high - low + 1e-12)",
    "KUP": "(high - max(open, close)) / open",
    "KUP2": "(high - max(open, close)) / (high - low + 1e-12)",
    "KLOW": "(min(open, close) - low) / open",
    "KLOW2": "(min(open, close) - low) / (high - low + 1e-12)",
    "KSFT": "(2 * close - high - low) / open",
    "KSFT2": "(2 * close - high - low) / (high - low + 1e-12)",
}

# Rises, falls and the sizes of both, of prices and of volumes, from one day to the next.
_UP, _DOWN, _MOVE = (
    "max(ts_delta({x}, 1), 0)",
    "max(-ts_delta({x}, 1), 0)",
    "abs(ts_delta({x}, 1))",
)
_HIGHER = "ts_mean(close > ts_delay(close, 1), {d})"
_LOWER = "ts_mean(close < ts_delay(close, 1), {d})"
_TRADED = "abs(close / ts_delay(close, 1) - 1) * volume"


def _moves(prefix: str, x: str) -> dict[str, str]:
    """Shares of rises and of falls in all moves of x, and their difference."""
    up, down, move = (f"ts_sum({part.format(x=x)}, {{d}})" for part in (_UP, _DOWN, _MOVE))
    total = f"({move} + 1e-12)"
    return {
        f"{prefix}SUMP": f"{up} / {total}",
        f"{prefix}SUMN": f"{down} / {total}",
        f"{prefix}SUMD": f"({up} - {down}) / {total}",
    }


_FAMILIES: Final = {
    "ROC": "ts_delay(close, {d}) / close",
    "MA": "ts_mean(close, {d}) / close",
    "STD": "ts_std_dev(close, {d}) / close",
    "BETA": "ts_slope(close, {d}) / close",
    "RSQR": "ts_rsquare(close, {d})",
    "RESI": "ts_resid(close, {d}) / close",
    "MAX": "ts_max(high, {d}) / close",
    "MIN": "ts_min(low, {d}) / close",
    "QTLU": "ts_percentage(close, {d}, 0.8) / close",
    "QTLD": "ts_percentage(close, {d}, 0.2) / close",
    # qlib's percentile counts today among the ranked: average rank / d.
    "RANK": "(ts_rank(close, {d}) * {before} + 1) / {d}",
    "RSV": "(close - ts_min(low, {d})) / (ts_max(high, {d}) - ts_min(low, {d}) + 1e-12)",
    # qlib counts days from the window's oldest, which is 1.
    "IMAX": "({d} - ts_arg_max(high, {d})) / {d}",
    "IMIN": "({d} - ts_arg_min(low, {d})) / {d}",
    "IMXD": "(ts_arg_min(low, {d}) - ts_arg_max(high, {d})) / {d}",
    "CORR": "ts_corr(close, log(volume + 1), {d})",
    "CORD": "ts_corr(close / ts_delay(close, 1), log(volume / ts_delay(volume, 1) + 1), {d})",
    "CNTP": _HIGHER,
    "CNTN": _LOWER,
    "CNTD": f"{_HIGHER} - {_LOWER}",
    **_moves("", "close"),
    "VMA": "ts_mean(volume, {d}) / (volume + 1e-12)",
    "VSTD": "ts_std_dev(volume, {d}) / (volume + 1e-12)",
    "WVMA": f"ts_std_dev({_TRADED}, {{d}}) / (ts_mean({_TRADED}, {{d}}) + 1e-12)",
    **_moves("V", "volume"),
}


def alpha158_texts() -> dict[str, str]:
    """Formulas of Alpha158 by their names in qlib, in qlib's order."""
    texts = dict(_CANDLE)
    texts |= {f"{name.upper()}0": f"{name} / close" for name in ("open", "high", "low", "vwap")}
    for family, text in _FAMILIES.items():
        texts |= {f"{family}{d}": text.format(d=d, before=d - 1) for d in WINDOWS}
    return texts
