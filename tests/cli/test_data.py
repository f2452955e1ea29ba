"""Datasets on the command line, bad ones above all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import SPEC
from tests.cli.process import Cli, document, refused


def edited(workplace: Path, name: str, old: str, new: str) -> str:
    assert old in SPEC
    (workplace / name).write_text(SPEC.replace(old, new))
    return name


BAD_SPECS = {
    "unknown key": ("universe: LISTED", "univers: LISTED", "univers"),
    "overlapping splits": (
        "splits: {train: 2015-01-05, valid: 2015-09-14, test: 2015-11-23}",
        "splits: {train: [2015-01-05, 2015-09-30], valid: [2015-09-01, 2015-12-01]}",
        "overlap",
    ),
    "no gap": (
        "splits: {train: 2015-01-05, valid: 2015-09-14, test: 2015-11-23}",
        "splits: {train: [2015-01-05, 2015-08-31], valid: [2015-09-01, 2015-12-01]}",
        "rows",
    ),
    "not YAML": ("name: tiny", "name: [tiny", "YAML"),
}


@pytest.mark.parametrize("case", BAD_SPECS)
def test_bad_specifications_are_refused(cli: Cli, workplace: Path, case: str) -> None:
    old, new, hint = BAD_SPECS[case]
    name = edited(workplace, f"{case.replace(' ', '_')}.yaml", old, new)
    assert hint in refused(cli("evaluate", "rank(close)", "--data", name))


def write_table(path: Path, change: Callable[[Any], Any]) -> None:
    """A long CSV of 60 days x 12 names, changed."""
    import pandas as pd

    rng = np.random.default_rng(0)
    dates = pd.bdate_range("2020-01-01", periods=60)
    index = pd.MultiIndex.from_product([[f"S{i}" for i in range(12)], dates])
    frame = pd.DataFrame({
        "symbol": index.get_level_values(0), "date": index.get_level_values(1),
        "close": rng.uniform(10, 20, len(index)), "volume": rng.uniform(1e3, 1e4, len(index)),
    })  # fmt: skip
    change(frame).to_csv(path, index=False)


def _zero_price(frame: Any) -> Any:
    return frame.assign(close=frame.close.where(frame.index != 17, 0.0))


def _without_volume(frame: Any) -> Any:
    return frame.assign(volume=np.nan)


def _doubled(frame: Any) -> Any:
    import pandas as pd

    return pd.concat([frame, frame.iloc[[5]]])


BAD_TABLES = {
    "duplicate rows": (_doubled, "twice|duplicate"),
    "price of zero": (_zero_price, "close"),
    "field without values": (_without_volume, "volume"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_refused(cli: Cli, workplace: Path, case: str) -> None:
    change, hint = BAD_TABLES[case]
    stem = case.replace(" ", "_")
    write_table(workplace / f"{stem}.csv", change)
    (workplace / f"{stem}.yaml").write_text(
        f"name: {stem}\nsource: {{kind: csv, path: {stem}.csv}}\n"
        "adjustment: {factor: null}\nlabel: {horizon: 2}\n"
    )
    message = refused(cli("evaluate", "rank(close)", "--data", f"{stem}.yaml"))
    assert re.search(hint, message)


def test_data_check_and_describe(cli: Cli, workplace: Path) -> None:
    assert document(cli("data", "check", "tiny.yaml", "--json"))["ok"] is True
    facts = document(cli("data", "describe", "tiny.yaml", "--json"))
    assert facts["days"] == 260
    assert 20 < facts["symbols"] <= 30  # the others are listed later
    assert set(facts["splits"]) == {"gap", "train", "valid", "test"}
    assert "tiny" in cli("data", "describe", "tiny.yaml").stdout


def test_data_check_of_bad_data_finds_and_fails(cli: Cli, workplace: Path) -> None:
    write_table(workplace / "twice.csv", _doubled)
    (workplace / "twice.yaml").write_text(
        "name: twice\nsource: {kind: csv, path: twice.csv}\n"
        "adjustment: {factor: null}\nlabel: {horizon: 2}\n"
    )
    done = cli("data", "check", "twice.yaml", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert any(item["level"] == "error" for item in found["findings"])
