"""Files of prices without a specification: what their headers settle, and what is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import alphamine as am
from alphamine.data.dataset.draft import draft
from alphamine.errors import DataError

Frame = pd.DataFrame


def long(count: int = 150, names: int = 25) -> Frame:
    rng = np.random.default_rng(3)
    days = np.busday_offset("2021-03-01", np.arange(count), roll="forward")
    close = 20 * np.exp(rng.normal(0, 0.02, (count, names)).cumsum(axis=0))
    frame = pd.DataFrame({
        "date": np.repeat(days, names),
        "symbol": np.tile([f"S{i:02d}" for i in range(names)], count),
        "close": close.ravel(), "volume": rng.integers(1, 99, count * names) * 100,
    })  # fmt: skip
    return frame.sort_values(["symbol", "date"])


def written(tmp_path: Path, frame: Frame, name: str = "prices.csv", **how: object) -> Path:
    frame.to_csv(tmp_path / name, index=False, **how)  # type: ignore[call-overload]
    return tmp_path / name


def closes(frame: Frame) -> np.ndarray:
    return frame.pivot(index="date", columns="symbol", values="close").to_numpy()


def test_plain_prices_are_a_panel_at_once(tmp_path: Path) -> None:
    frame = long()
    panel = am.load(written(tmp_path, frame))
    np.testing.assert_array_equal(panel.field("close"), closes(frame))
    assert panel.name == "prices"
    days = np.unique(frame["date"].to_numpy().astype("datetime64[D]"))
    assert panel.splits is not None
    assert panel.dates[panel.splits.valid[0]] == days[90]  # type: ignore[index]
    again = am.load(panel.source["data"])
    np.testing.assert_array_equal(again.field("volume"), panel.field("volume"))


def test_vendors_names_a_date_format_and_rows_from_the_newest_on(tmp_path: Path) -> None:
    frame = long()
    given = frame.iloc[::-1].assign(date=lambda x: x["date"].dt.strftime("%d/%m/%Y"))
    given = given.rename(columns={"date": "trade_date", "symbol": "ts_code", "volume": "vol"})
    given["sector"] = np.where(given["ts_code"] < "S10", "tech", "bank")
    panel = am.load(written(tmp_path, given, sep=";"))
    np.testing.assert_allclose(panel.field("close"), closes(frame), rtol=1e-15)
    assert list(panel.columns) == ["close", "volume"]
    assert list(panel.groups) == ["sector"]


def test_an_adjusted_close_adjusts(tmp_path: Path) -> None:
    frame = long().assign(adj_close=lambda x: x["close"] * 0.5)
    panel = am.load(written(tmp_path, frame))
    np.testing.assert_allclose(panel.field("close"), closes(frame) * 0.5, rtol=1e-12)


def test_a_wide_file_is_the_field_that_it_is_called(tmp_path: Path) -> None:
    frame = long()
    wide = frame.pivot(index="date", columns="symbol", values="close").reset_index()
    panel = am.load(written(tmp_path, wide, "close.csv"))
    np.testing.assert_allclose(panel.field("close"), closes(frame), rtol=1e-15)
    with pytest.raises(DataError, match=r"write `files: \{close: prices.csv\}` under source"):
        am.load(written(tmp_path, wide))


def test_parquet_is_drafted_too(tmp_path: Path) -> None:
    frame = long()
    frame.to_parquet(tmp_path / "prices.parquet")
    panel = am.load(tmp_path / "prices.parquet")
    np.testing.assert_array_equal(panel.field("close"), closes(frame))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda x: x.rename(columns={"date": "when"}), "`date: COLUMN` under source"),
        (lambda x: x.rename(columns={"symbol": "name"}), "`symbol: COLUMN` under source"),
        (
            lambda x: x.rename(columns={"symbol": "code"}).assign(ticker="X"),
            "`symbol: COLUMN` under source",
        ),
        (lambda x: x.rename(columns={"close": "price"}), "`fields: {close: COLUMN}`"),
        (
            lambda x: x.rename(columns={"close": "px_last"}).assign(close_price=1.0),
            "`fields: {close: px_last}`",
        ),
        (lambda x: x.assign(factor=1.0), "`adjustment: {factor: factor}`"),
        (
            lambda x: x[x["date"] < "2021-03-13"].assign(date=x["date"].dt.strftime("%m/%d/%Y")),
            '`date_format: "%d/%m/%Y"` under source',
        ),
    ],
)
def test_what_is_ambiguous_is_refused_with_the_line_to_write(
    tmp_path: Path, change: object, line: str
) -> None:
    path = written(tmp_path, change(long()))  # type: ignore[operator]
    with pytest.raises(DataError) as caught:
        am.load(path)
    assert f"write {line}" in str(caught.value)
    # The draft leaves the line as a comment, and is YAML apart from it.
    assert isinstance(yaml.safe_load(draft(path).text), dict)


def test_a_day_beyond_the_twelfth_settles_the_format(tmp_path: Path) -> None:
    frame = long(20)
    given = frame.assign(date=frame["date"].dt.strftime("%m/%d/%Y"))
    assert 'date_format: "%m/%d/%Y"' in draft(written(tmp_path, given)).text
    assert am.load(tmp_path / "prices.csv").dates[0] == np.datetime64("2021-03-01")


def test_shipped_specifications_are_known_by_name(tmp_path: Path) -> None:
    panel = am.load("synthetic", end="2015-03-01", splits=False)
    path = Path(__file__).parents[2] / "data_specs" / "synthetic.yaml"
    same = am.load(path, end="2015-03-01", splits=False)
    assert panel.fingerprint == same.fingerprint
    assert panel.source["data"] == "synthetic"
    with pytest.raises(DataError, match="did you mean 'synthetic'"):
        am.load("syntetic")


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "synthetic").write_text("name: mine\nsource: {kind: nonsense}\n")
    with pytest.raises(DataError, match="kind"):
        am.load("synthetic")


def test_datasets_says_what_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHAMINE_DATA", "/nowhere/at/all")
    table = am.datasets()
    assert table.loc["synthetic", "ready"]
    assert not table.loc["us_1500", "ready"]
    assert "ALPHAMINE_DATA" in table.loc["us_1500", "needs"]
    assert table["description"].str.len().min() > 10
