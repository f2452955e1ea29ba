"""A small market on disk, written anew for each test, and a cache of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

DAYS = np.busday_offset(np.datetime64("2020-01-01"), np.arange(60), roll="forward")
SYMBOLS = ["AA", "BB", "CC", "DD", "NA"]  # NA must stay a name, not become missing


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A cache folder of the test's own (the real panels are slow, and keep the user's)."""
    folder = tmp_path / "cache"
    if "shared_data" not in request.fixturenames:
        monkeypatch.setenv("ALPHAMINE_CACHE", str(folder))
    return folder


@pytest.fixture
def market() -> pd.DataFrame:
    """Long prices of five symbols over sixty days: CC splits 1:2, DD is delisted, one gap."""
    rng = np.random.default_rng(7)
    frames = []
    for symbol in SYMBOLS:
        close = 10 * np.exp(rng.normal(0, 0.02, len(DAYS)).cumsum())
        factor = np.ones(len(DAYS))
        if symbol == "CC":
            close[30:] /= 2
            factor[30:] = 2.0
        frame = pd.DataFrame({
            "date": DAYS, "symbol": symbol, "open": close * 0.99, "high": close * 1.02,
            "low": close * 0.98, "close": close, "volume": rng.integers(1, 1000, len(DAYS)) * 100.0,
            "adj_factor": factor, "sector": "energy" if symbol in ("AA", "BB") else "banks",
        })  # fmt: skip
        if symbol == "DD":
            frame = frame[:40]
        if symbol == "BB":
            frame = frame.drop(index=[20, 21])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def write_spec(tmp_path: Path, market: pd.DataFrame) -> Callable[..., Path]:
    """Write prices.csv and a specification of it; keywords replace its keys (None removes)."""

    def write(frame: pd.DataFrame = market, **keys: object) -> Path:
        frame.to_csv(tmp_path / "prices.csv", index=False)
        content = {
            "name": "small", "source": {"kind": "csv", "path": "prices.csv"}, "min_names": 2,
        }  # fmt: skip
        content = {k: v for k, v in {**content, **keys}.items() if v is not None}
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write
