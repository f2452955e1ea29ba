"""The numeric fingerprint: equal for formulas that are equal in numbers, however written."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from alphamine.operators import Kind

from .nodes import Field, Node

if TYPE_CHECKING:
    from alphamine.data.panel import Panel

_ROWS: Final = 160
_COLUMNS: Final = 32
# Six digits of a day's largest value: far above rounding, far below what tells formulas apart.
_DIGITS: Final = 1e6
_ENOUGH: Final = 64


def fingerprint(formula: Node) -> str:
    """Hash of a formula's values on a small fixed panel, rounded to six digits of each day.

    `(a + b) + c` and `a + (b + c)`, or `x * y / y` and `x`, have one fingerprint (with a chance of
    about one in a thousand that rounding sets such a pair apart). A formula with hardly a value
    there, because it looks back too far for instance, is known by its canonical form instead.
    """
    from alphamine.engine.evaluator import Evaluator

    if formula.lookback >= _ROWS - 8:
        return _structural(formula)
    read = {n.name: n.kind for n in formula.walk() if isinstance(n, Field)}
    panel = _probe(tuple(sorted(read.items())))
    (values,) = Evaluator(panel, "float64", backend="reference").values([formula])
    present = ~np.isnan(values)
    if present.sum() < _ENOUGH:
        return _structural(formula)
    filled = np.where(present, values, 0.0)
    largest = np.abs(filled).max(axis=1, keepdims=True)
    # A power of two, so that scaling is exact; no value is near the steps but by chance.
    unit = np.exp2(np.floor(np.log2(np.where(largest > 0.0, largest, 1.0))))
    rounded = np.where(present, np.rint(filled / unit * _DIGITS), np.iinfo(np.int64).min)
    content = unit.tobytes() + rounded.astype(np.int64).tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _structural(formula: Node) -> str:
    from .canonical import canonicalise

    return f"form:{canonicalise(formula).digest}"


@lru_cache(maxsize=32)
def _probe(read: tuple[tuple[str, Kind], ...]) -> Panel:
    """A panel of the fields that a formula reads; a field's values depend on its name alone."""
    from alphamine.data.panel import Panel

    numbers = {name: _values(name) for name, kind in read if kind is Kind.NUMBER}
    groups = {name: _codes(name) for name, kind in read if kind is Kind.GROUP}
    return Panel.from_arrays(
        np.datetime64("2000-01-03") + np.arange(_ROWS),
        [f"S{i:02d}" for i in range(_COLUMNS)],
        numbers or {"close": _values("close")},
        groups=groups or None,
        name="probe",
    )


def _generator(name: str) -> np.random.Generator:
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed)


def _values(name: str) -> npt.NDArray[np.float64]:
    """Positive random walks around a hundred for prices and volumes, signed noise for ratios."""
    from .fields import standard_field

    rng = _generator(name)
    # Heavy tails, so that winsorising and clipping show.
    noise = rng.standard_t(3, (_ROWS, _COLUMNS))
    unit = standard_field(name).unit
    signed = unit is not None and unit.dimensionless
    values = noise * 0.02 if signed else 100.0 * np.exp(0.02 * noise.cumsum(axis=0))
    # A stock that is not quoted has no value of any field, as in life.
    unquoted = _generator("unquoted").random(values.shape) < 0.002
    unquoted[:40, 0] = True
    values[unquoted] = np.nan
    return np.asarray(values)


def _codes(name: str) -> npt.NDArray[np.int64]:
    return _generator(name).permutation(np.arange(_COLUMNS) % 4)
