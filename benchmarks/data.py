"""The market that is measured on: made up, the same for everybody, kept as .npy files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

import alphamine as am

ROOT = Path(__file__).parents[1]
FIELDS = ("open", "high", "low", "close", "volume", "vwap", "amount")


def market(days: int, names: int, missing: float, seed: int = 20240607) -> dict[str, np.ndarray]:
    """Daily bars and a label.

    Parameters
    ----------
    days, names : int
    missing : float
        Share of suspended days; with any, one name in twenty is listed late, too.
    seed : int

    Returns
    -------
    mapping of str to (days, names) float32
        `FIELDS` and `label`, the next five days' returns from tomorrow's close on.
    """
    rng = np.random.default_rng(seed)
    returns = 0.02 * rng.standard_normal((days + 6, names)) + 0.01 * rng.standard_normal(
        (days + 6, 1)
    )
    closes = 40 * np.exp(0.4 * rng.standard_normal(names) + np.cumsum(returns, axis=0))
    close, later = closes[:days], closes[6 : days + 6] / closes[1 : days + 1] - 1
    opened = close * np.exp(0.008 * rng.standard_normal(close.shape))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    high = top * (1 + 0.01 * rng.random(close.shape))
    low = bottom * (1 - 0.01 * rng.random(close.shape))
    volume = np.exp(12 + rng.standard_normal(names) + 0.5 * rng.standard_normal(close.shape))
    vwap = low + (high - low) * rng.random(close.shape)
    bars = [opened, high, low, close, volume, vwap, vwap * volume]
    gone = rng.random(close.shape) < missing
    if missing > 0:
        listed = np.where(rng.random(names) < 0.05, rng.integers(0, days // 2, names), 0)
        gone |= np.arange(days)[:, None] < listed
    columns = dict(zip(FIELDS, bars, strict=True)) | {"label": later}
    return {k: np.where(gone, np.nan, x).astype(np.float32) for k, x in columns.items()}


def real_market() -> dict[str, np.ndarray] | None:
    """China A shares of `data_specs/cn_csi800.yaml`, or None where the files are not at hand.

    The source has no volume-weighted price: the mean of high, low and close stands for it.
    """
    prices = Path(os.environ.get("ALPHAMINE_DATA", ROOT / "../shared/data")) / "cn_csi800"
    if not prices.exists():
        return None
    panel = am.load(ROOT / "data_specs" / "cn_csi800.yaml", splits=False)
    columns = {name: panel.field(name) for name in FIELDS if name != "vwap"}
    columns["vwap"] = (columns["high"] + columns["low"] + columns["close"]) / 3
    columns |= {"label": panel.label.values, "universe": panel.universe}
    return {k: x if x.dtype == bool else x.astype(np.float32) for k, x in columns.items()}


def save(columns: dict[str, np.ndarray], folder: Path) -> Path:
    """Write one file for each column."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in columns.items():
        np.save(folder / f"{name}.npy", array)
    return folder
