"""Helpers of exported pandas code: frames have dates as rows and symbols as columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd


def like(x: pd.DataFrame, values: Any) -> pd.DataFrame:
    """Values as a frame with the rows and columns of x."""
    return pd.DataFrame(np.broadcast_to(values, x.shape), index=x.index, columns=x.columns)


def where(condition: Any, a: Any, b: Any) -> pd.DataFrame:
    """`a` where the condition holds, else b."""
    frame = next(v for v in (condition, a, b) if isinstance(v, pd.DataFrame))
    return like(frame, np.where(condition, a, b))


def finite(x: pd.DataFrame) -> pd.DataFrame:
    """`x` with infinities taken as missing."""
    return like(x, np.where(np.isfinite(x), x, np.nan))


def days_before(x: pd.DataFrame) -> Any:
    """How many days come before each row, as a column."""
    return np.arange(len(x))[:, None]


def window_total(term: Callable[[int], pd.DataFrame], d: int) -> pd.DataFrame:
    """Sum over the ages 0 to d - 1 of a term; missing ones are left out."""
    total = term(d - 1).fillna(0.0)
    for age in reversed(range(d - 1)):  # the oldest first
        total = total + term(age).fillna(0.0)
    return total


def window_least(term: Callable[[int], pd.DataFrame], d: int) -> pd.DataFrame:
    """Smallest over the ages 0 to d - 1 of a term."""
    best = term(0)
    for age in range(1, d):
        best = like(best, np.fmin(best, term(age)))
    return best


def window_most(term: Callable[[int], pd.DataFrame], d: int) -> pd.DataFrame:
    """Largest over the ages 0 to d - 1 of a term."""
    best = term(0)
    for age in range(1, d):
        best = like(best, np.fmax(best, term(age)))
    return best


def last_present(x: pd.DataFrame, d: int, k: int) -> pd.DataFrame:
    """The k-th most recent present value of the last d days."""
    found, seen = like(x, np.nan), like(x, 0.0)
    for age in range(d):
        before = x.shift(age)
        seen = seen + before.notna()
        found = where((seen == k) & before.notna() & found.isna(), before, found)
    return found


def powered(x: pd.DataFrame, power: int) -> pd.DataFrame:
    """A whole power, by multiplication."""
    result = x * x
    for _ in range(power - 2):
        result = result * x
    return result


def power_of_two(size: pd.DataFrame) -> pd.DataFrame:
    """A power of two whose product with a size is within 2**36 of 1; 1 for a size of 0."""
    steps = np.clip(np.rint(np.log2(size.where(size > 0.0)) / 64.0), -15.0, 15.0)
    return like(size, np.exp2(-64.0 * np.nan_to_num(steps)))


def window_quantile(x: pd.DataFrame, d: int, q: float) -> pd.DataFrame:
    """Quantile of the present values of the last d days, linear between the two nearest."""
    windows = np.stack([x.shift(age).to_numpy() for age in range(d)], axis=-1)
    ordered = np.sort(windows)  # missing values last
    place = (x.notna().rolling(d, min_periods=1).sum().to_numpy() - 1.0).clip(min=0.0) * q
    below = np.floor(place)
    pair = np.stack([below, np.ceil(place)], axis=-1).astype(np.intp)
    low, high = np.moveaxis(np.take_along_axis(ordered, pair, axis=-1), -1, 0)
    share = place - below
    return like(x, np.clip(low + (high * share - low * share), low, high))


def pieces(x: Any, exponent: Any, bits: int) -> Any:
    """Two parts of numbers below 2**exponent of which 2**bits add up exactly in any order."""
    rest = np.ldexp(x, -exponent)
    for fold in range(2):
        splitter = np.ldexp(1.5, bits + 1 - fold * (51 - bits))
        piece = (rest + splitter) - splitter
        rest = rest - piece
        yield piece


def day_total(x: pd.DataFrame) -> pd.DataFrame:
    """Sum of each day, on all its cells; exact, whatever the order of the symbols."""
    filled = x.fillna(0.0).to_numpy()
    _, exponent = np.frexp(np.abs(filled).max(axis=1, keepdims=True, initial=0.0))
    parts = pieces(filled, exponent, x.shape[1].bit_length())
    return like(x, np.ldexp(sum(part.sum(axis=1, keepdims=True) for part in parts), exponent))


def group_total(x: pd.DataFrame, group: pd.DataFrame) -> pd.DataFrame:
    """Sum of each group of each day, on all its cells; exact, whatever the order."""
    days, symbols = x.shape
    codes = np.nan_to_num(group.to_numpy(), nan=-1.0)
    _, key = np.unique(
        np.stack([np.indices(x.shape)[0], codes]).reshape(2, -1), axis=1, return_inverse=True
    )
    key = key.ravel()
    filled = x.fillna(0.0).to_numpy().ravel()
    largest = np.zeros(key.max(initial=0) + 1)
    np.maximum.at(largest, key, np.abs(filled))
    _, exponent = np.frexp(largest)
    parts = pieces(filled, exponent[key], symbols.bit_length())
    total = sum(np.bincount(key, part, len(largest)) for part in parts)
    return like(x, np.ldexp(total, exponent)[key].reshape(days, symbols))


def by_day(x: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """A statistic of each day, on all its cells."""
    return like(x, getattr(x, statistic)(axis=1).to_numpy()[:, None])


def by_group(x: pd.DataFrame, group: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """A statistic of each group of each day, on all its cells; missing without a group."""
    days, symbols = x.shape
    keys = [np.repeat(np.arange(days), symbols), group.to_numpy().ravel()]
    cells: Any = pd.Series(x.to_numpy().ravel()).groupby(keys)
    found = cells.rank() if statistic == "rank" else cells.transform(statistic)
    return like(x, found.to_numpy().reshape(x.shape))


def wide(prices: pd.DataFrame, numbers: list[str], groups: list[str]) -> dict[str, pd.DataFrame]:
    """A frame of every column, dates by symbols; of groups their numbers."""
    table = prices.set_index(["date", "symbol"])
    rows = pd.Series(1.0, table.index).unstack()
    v = {"alive": rows.ffill()}
    inside = table["universe"] if "universe" in table else pd.Series(True, table.index)
    v["universe"] = inside.astype(float).unstack() == 1.0
    for name in numbers:
        v[name] = finite(table[name].astype(float).unstack())
    for name in groups:
        codes, labels = pd.factorize(table[name])
        none = np.append(np.asarray(labels == "", dtype=bool), True)  # the last one is that of -1
        v[name] = pd.Series(np.where(none[codes], np.nan, codes), table.index).unstack()
    return v


def long(signal: pd.DataFrame, v: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Date, symbol and signal of the cells of the universe."""
    days, symbols = np.nonzero(v["universe"].to_numpy())
    return pd.DataFrame(
        {
            "date": signal.index[days],
            "symbol": signal.columns[symbols],
            "signal": signal.to_numpy()[days, symbols],
        }
    )
