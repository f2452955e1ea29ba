"""Inputs that break numerical code: what any backend of an operator is compared on.

Every case has broken a published library (pandas, bottleneck, numbagg, polars, qlib) at some
time: large offsets, spikes, constants, gaps, denormals, overflow, ties, tiny panels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from alphamine.operators.catalogue import Array

WINDOWS = (2, 5, 10, 20, 60)

_CONSTANTS = (
    0.1,
    0.2,
    1.1,
    1.2,
    3.3,
    3075.2,
    3075.3,
    3075.5,
    36743.5,
    36743.6,
    1e-300,
    0.0,
    -0.0,
)


def series(rows: int = 130) -> dict[str, Array]:
    """Named series of `rows` values; NaN is missing, infinities have not been removed."""
    rng = np.random.default_rng(20240607)
    noise = rng.standard_normal(rows)
    day = np.arange(rows)
    cases = {
        "normal": noise,
        **{f"offset {level:g}": level + noise for level in (1e6, 1e8, 1e12)},
        **{f"spike {peak:g}": np.where(day == 5, peak, noise) for peak in (1e8, 1e16, 1e300)},
        **{f"constant {value!r}": np.full(rows, value) for value in _CONSTANTS},
        "step": _repeat([1.2] * 4 + [3.3] * 7, rows),
        "1000 then zeros": np.where(day == 0, 1000.0, 0.0),
        "1, 1e-7, zeros": np.where(day == 0, 1.0, np.where(day == 1, 1e-7, 0.0)),
        # pandas 28244: a large value leaves a window of equal small ones behind.
        "large then equal": np.where(day == 0, 9.5e8, np.where(day % 30 < 25, 2.4e-5, 1.1e-4)),
        # pandas 52407: nearly equal values whose variance came out negative.
        "nearly equal": 0.00012 + np.where(day % 11 == 3, 3.6e-5, 0.0) * (day < 60),
        "decay": np.sin(np.linspace(0, 9 * np.pi, rows)) * np.exp(-np.linspace(0, 23, rows)),
        "infinities": np.where(day % 37 == 9, np.inf, np.where(day % 37 == 12, -np.inf, noise)),
        "gap longer than windows": np.where((day > 20) & (day < 85), np.nan, noise),
        "gap first": np.where(day < 12, np.nan, noise),
        "gap last": np.where(day > rows - 13, np.nan, noise),
        "all missing": np.full(rows, np.nan),
        "alternately missing": np.where(day % 2 == 0, np.nan, noise),
        "denormal": np.where(day % 3 == 0, 5e-324, 1e-310) * np.sign(noise),
        "squares overflow": 1e200 * noise,
        "volume": 2e9 + np.rint(3 + 3 * noise),
        "beyond 2**53": 2.0**53 + 2.0 * np.rint(5 + 3 * noise),
        "int64 extremes": np.where(noise > 0, 2.0**63, -(2.0**63)),
        "alternating 1e10": np.where(day % 2 == 0, 1e10, -1e10) + noise,
        "random walk": 100.0 + np.cumsum(noise),
        # pandas 47461: a skewness of equal values next to huge ones.
        "equal then huge": np.where(day < 35, -2.0, 7.7e9 + day * 1e3),
        "nearly constant": 100.0 + np.where(day % 7 == 0, 1e-6, 0.0),
        "one in six": _repeat([100.0, 100.0, 100.0, 100.000001, 100.0, 100.0], rows),
        "all equal": np.full(rows, 7.0),
        "two levels": np.where(noise > 0, 1.0, 2.0),
        "both zeros": np.where(day % 2 == 0, 0.0, -0.0),
        "ties and gaps": np.where(day % 9 == 0, np.nan, np.rint(noise)),
        "float32 money": (np.float32(1e4) * np.float32(1e9) * (1.0 + 0.01 * noise)),
        "negative and zero": -np.abs(np.rint(noise)),
    }
    return {name: np.asarray(values, dtype=np.float64) for name, values in cases.items()}


def partners(x: Array) -> dict[str, Array]:
    """Second inputs for an operator on pairs: itself, its negative, a constant, noise, a gap."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(len(x))
    return {
        "itself": x,
        "its negative": -x,
        "a constant": np.full(len(x), 3.3),
        "noise": noise,
        "noise with gaps": np.where(rng.random(len(x)) < 0.1, np.nan, noise),
    }


def days() -> dict[str, Array]:
    """Named panels for operators across a day: few valid names, ties, duplicates, scales."""
    rng = np.random.default_rng(20240608)
    normal = rng.standard_normal((12, 40))
    one, two = np.full((3, 8), np.nan), np.full((3, 8), np.nan)
    one[:, 2] = (1.0, -3.5, 0.0)
    two[:, 1], two[:, 6] = (1.0, 2.0, -0.0), (4.0, 2.0, 0.0)
    gaps = np.where(rng.random(normal.shape) < 0.3, np.nan, normal)
    every = np.stack(list(series(40).values()))
    return {
        "normal": normal,
        "gaps": gaps,
        "one valid": one,
        "two valid": two,
        "all equal": np.full((3, 9), 1.1),
        "all missing": np.full((2, 5), np.nan),
        "ties": np.rint(gaps * 2),
        "duplicated columns": np.concatenate([gaps, gaps], axis=1),
        "one symbol": normal[:, :1],
        "one day": normal[:1],
        "series as days": np.where(np.isinf(every), np.nan, every),
    }


def layouts(x: Array) -> Iterator[tuple[str, Array]]:
    """The same values in memory orders that a caller may hand in."""
    yield "Fortran order", np.asfortranarray(x)
    wide = np.zeros((2 * x.shape[0], 3 * x.shape[1]))
    wide[::2, ::3] = x
    yield "strided", wide[::2, ::3]
    fixed = x.copy()
    fixed.setflags(write=False)
    yield "read-only", fixed
    yield "reversed view", x[::-1, ::-1].copy()[::-1, ::-1]


def _repeat(pattern: list[float], rows: int) -> Array:
    return np.resize(np.array(pattern), rows)
