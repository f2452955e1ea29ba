"""Do the values agree? Cell by cell, in the scale of the values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .peers import OURS

# A cell agrees within this share of itself or of the typical magnitude: single precision on both
# sides for operators, double precision for formulas.
SINGLE, DOUBLE = 1e-3, 1e-6
# A formula agrees if this share of its cells does.
ENOUGH = 0.999


def compared(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> dict[str, float]:
    """Shares of cells that are equally present, and of present cells that agree."""
    theirs = np.where(np.isinf(theirs), np.nan, theirs)
    both = np.isfinite(ours) & np.isfinite(theirs)
    typical = np.median(np.abs(theirs[both])) if both.any() else 0.0
    limit = tolerance * np.maximum(np.abs(theirs), typical)
    close = np.abs(ours - theirs)[both] <= limit[both]
    return {
        "present": float((np.isnan(ours) == np.isnan(theirs)).mean()),
        "close": float(close.mean()) if both.any() else 1.0,
        "correlation": _correlation(ours[both], theirs[both]),
    }


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def operator_agreement(folder: Path, task: str, names: list[str]) -> dict[str, Any]:
    """Each peer's values of one operator against ours."""
    ours = np.load(folder / f"{task}.{OURS}.npz")["value"]
    return {
        name: compared(ours, np.load(folder / f"{task}.{name}.npz")["value"], SINGLE)
        for name in names
        if name != OURS
    }


def formula_agreement(folder: Path) -> dict[str, Any]:
    """KunQuant's Alpha101 on both engines: in double, and how far single is from double."""
    theirs = np.load(folder / "alpha101_double.kunquant.npz")
    double, single = np.load(folder / "float64.npz"), np.load(folder / "float32.npz")
    found = {}
    for name in theirs.files:
        result: dict[str, Any] = compared(double[name], theirs[name], DOUBLE)
        result["agrees"] = result["close"] >= ENOUGH and result["present"] >= ENOUGH
        # How much of our own result hangs on the last bits: single against double precision.
        result["single"] = compared(single[name].astype(float), double[name], SINGLE)["close"]
        found[name] = result
    agreed = sum(r["agrees"] for r in found.values())
    print(f"  {agreed} of {len(found)} formulas agree", flush=True)
    return found
