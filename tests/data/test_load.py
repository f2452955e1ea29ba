"""From specification and files to a panel, through every kind of source."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.dataset.check import check_dataset, describe_dataset
from alphamine.errors import DataError

Frame = pd.DataFrame
Write = Callable[..., Path]
SPECS = Path(__file__).parents[2] / "data_specs"


def wide(market: Frame, name: str) -> np.ndarray:
    return market.pivot(index="date", columns="symbol", values=name).to_numpy()


def test_a_csv_is_read_mapped_and_adjusted(write_spec: Write, market: Frame) -> None:
    spec = write_spec(fields={"close": "close", "turnover": "volume"}, units={"turnover": "volume"})
    panel = am.load(spec)
    assert panel.symbols.tolist() == ["AA", "BB", "CC", "DD", "NA"]
    assert list(panel.columns) == ["close", "turnover"]
    close = wide(market, "close") * wide(market, "adj_factor")
    np.testing.assert_allclose(panel.field("close"), close, rtol=1e-15)
    assert panel.factor is not None
    np.testing.assert_array_equal(panel.factor, wide(market, "adj_factor"))
    assert str(panel.schema["turnover"].unit) == "volume"


def test_descriptions_go_with_the_panel_and_change_nothing_else(write_spec: Write) -> None:
    plain = am.load(write_spec())
    words = {"close": "last price before the auction", "volume": "shares, both sides counted"}
    for _ in ("built", "from the cache"):
        told = am.load(write_spec(descriptions=words))
        assert told.notes["descriptions"] == words
        assert (told.fingerprint, told.dataset) == (plain.fingerprint, plain.dataset)
        assert told.without_test().notes["descriptions"] == words
    assert describe_dataset(write_spec(descriptions=words)).to_dict()["descriptions"] == words
    assert "descriptions" not in describe_dataset(write_spec()).to_dict()
    with pytest.raises(DataError, match="has no 'volme'; did you mean 'volume'"):
        am.load(write_spec(descriptions={"volme": "shares"}))


def test_volume_is_as_traded_unless_the_spec_divides_it(write_spec: Write, market: Frame) -> None:
    volume, factor = wide(market, "volume"), wide(market, "adj_factor")
    np.testing.assert_array_equal(am.load(write_spec()).field("volume"), volume)
    spec = write_spec(adjustment={"volume_adjusted": True})
    np.testing.assert_array_equal(am.load(spec).field("volume"), volume / factor)
    spec = write_spec(adjustment={"factor": None})
    np.testing.assert_allclose(am.load(spec).field("close"), wide(market, "close"), rtol=1e-15)
    with pytest.raises(DataError, match="no column 'factr'; there are date"):
        am.load(write_spec(adjustment={"factor": "factr"}))


def test_parquet_csv_duckdb_and_wide_files_agree(
    write_spec: Write, market: Frame, tmp_path: Path
) -> None:
    expected = am.load(write_spec(fields=["close", "volume"]))
    market.to_parquet(tmp_path / "prices.parquet")
    (tmp_path / "parts").mkdir()
    for symbol, part in market.groupby("symbol"):
        part.to_parquet(tmp_path / "parts" / f"{symbol}.parquet")
    for name in ("close", "volume", "adj_factor"):
        market.pivot(index="date", columns="symbol", values=name).to_csv(tmp_path / f"{name}.csv")
    files = {n: f"{n}.csv" for n in ("close", "volume", "adj_factor")}
    query = "SELECT date, symbol, close, volume, adj_factor FROM p ORDER BY date, symbol"
    for source in (
        {"kind": "parquet", "path": "prices.parquet"},
        {"kind": "parquet", "path": ["parts"]},
        {"kind": "csv", "files": files},
        {"kind": "duckdb", "query": query, "files": {"p": "prices.parquet"}},
        {"kind": "duckdb", "query": query, "files": {"p": "prices.csv"}},
    ):
        panel = am.load(write_spec(source=source, fields=["close", "volume"]))
        for name in ("close", "volume"):
            np.testing.assert_allclose(panel.field(name), expected.field(name), rtol=1e-14)
        assert panel.symbols.tolist() == expected.symbols.tolist()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM nothing", "nothing does not exist"),
        ("SELECT * FROM read_csv('{folder}/secret.csv')", "disabled"),
        ("COPY (SELECT 1) TO '{folder}/out.csv'", "disabled"),
        ("INSTALL httpfs", "disabled"),
        ("CREATE TABLE t (x INT)", "no column 'date'|must be a SELECT"),
        ("SELECT 1 AS date", "no column 'symbol'"),
    ],
)
def test_a_query_reaches_nothing_but_its_files(
    query: str, message: str, write_spec: Write, tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("date,symbol,close\n2020-01-01,A,1\n")
    source = {"kind": "duckdb", "query": query.format(folder=tmp_path), "files": {}}
    with pytest.raises(DataError, match=message):
        am.load(write_spec(source=source))
    assert not (tmp_path / "out.csv").exists()


def members(folder: Path) -> dict[str, str]:
    (folder / "members.csv").write_text(
        "index_name,symbol,start,end\n"
        "BIG,AA,2019-01-01,2020-01-10\nBIG,AA,2020-02-03,\nBIG,NA,2020-01-01,2020-03-24\n"
        "BIG,GONE,2020-01-01,2020-03-24\nLATE,BB,2020-02-03,2020-02-10\n"
        "HOLE,AA,2020-01-01,2020-01-10\nHOLE,AA,2020-02-03,2020-03-24\n"
    )
    return {"path": "members.csv"}


def test_an_index_is_its_tradable_members(write_spec: Write, market: Frame, tmp_path: Path) -> None:
    market.loc[(market["symbol"] == "NA") & (market["date"] == "2020-01-06"), "volume"] = 0.0
    spec = write_spec(membership=members(tmp_path))
    panel = am.load(spec, universe="BIG")
    assert panel.symbols.tolist() == ["AA", "NA"]  # who is never a member is left out
    days = panel.dates
    inside = (days <= np.datetime64("2020-01-10")) | (days >= np.datetime64("2020-02-03"))
    np.testing.assert_array_equal(panel.universe[:, 0], inside)
    assert np.flatnonzero(~panel.universe[:, 1]).tolist() == [3]
    assert panel.masks["suspended"][3].tolist() == [False, True]
    assert np.isfinite(panel.field("close")[3, 1])  # its history stays
    assert am.load(spec, universe="all").universe[3, 4]
    assert not am.load(spec, universe="tradable").universe[3, 4]


def test_an_index_list_may_be_shorter_than_the_prices(write_spec: Write, tmp_path: Path) -> None:
    spec = write_spec(membership=members(tmp_path))
    assert am.load(spec, universe="LATE").universe.sum() == 6
    with pytest.raises(DataError, match="'HOLE' is empty on 15 of 60 days, first on 2020-01-13"):
        am.load(spec, universe="HOLE")
    with pytest.raises(DataError, match="no universe 'SMALL'; it has all, tradable, BIG, HOLE"):
        am.load(spec, universe="SMALL")


def test_static_groups_come_from_a_table(write_spec: Write, tmp_path: Path) -> None:
    (tmp_path / "sector.csv").write_text("symbol,what\nAA,oil\nNA,gold\nZZ,tin\nCC,oil\n")
    groups = {"path": "sector.csv", "fields": {"sector": "what"}}
    panel = am.load(write_spec(groups=groups))
    assert panel.group("sector")[0].tolist() == [1, -1, 1, -1, 0]
    assert panel.group_names["sector"] == ("gold", "oil")
    with pytest.raises(DataError, match=r"sector\.csv has no column 'industry'"):
        am.load(write_spec(groups={"path": "sector.csv", "fields": ["industry"]}))
    (tmp_path / "sector.csv").write_text("symbol,sector\n000AA,x\n000BB,y\n")
    with pytest.raises(
        DataError, match="no sector of any symbol with prices: it has such as '000A"
    ):
        am.load(write_spec(groups={"path": "sector.csv", "fields": ["sector"]}))


def test_overrides_replace_settings_of_the_file(write_spec: Write) -> None:
    splits = {"valid": "2020-02-03", "test": "2020-03-02"}
    spec = write_spec(splits=splits, label={"horizon": 5})
    panel = am.load(spec, horizon=2, delay=0, price="open")
    assert (panel.label_spec.horizon, panel.label_spec.delay) == (2, 0)
    assert panel.splits is not None
    assert panel.splits.train == (0, panel.splits.valid[0] - 2)  # type: ignore[index]
    assert am.load(spec, splits=False).splits is None
    cut = am.load(spec, splits=False, start="2020-01-15", end="2020-02-14")
    assert (str(cut.dates[0]), str(cut.dates[-1])) == ("2020-01-15", "2020-02-14")
    prints = {am.load(spec, horizon=h).fingerprint for h in (1, 2)} | {panel.fingerprint}
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"delay": -1}, "negative delay"),
        ({"horizon": 0}, "horizon is at least 1"),
        ({"price": "vwap"}, "price 'vwap' is not a field of 'small'; it has open"),
        ({"start": "2021-01-01"}, "no day is left"),
        ({"start": "once"}, r"calendar\.start"),
        ({"horizon": 30}, "'train' has no rows"),
    ],
)
def test_bad_overrides_are_refused(
    overrides: dict[str, Any], message: str, write_spec: Write
) -> None:
    spec = write_spec(splits={"valid": "2020-02-03", "test": "2020-03-02"})
    with pytest.raises(DataError, match=message):
        am.load(spec, **overrides)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: pd.concat([f, f[-1:]]), r"2020-03-24 NA occurs more than once.*duplicates\]"),
        (lambda f: f.iloc[::-1], r"backwards within a symbol.*order\]"),
        (lambda f: f.assign(low=f["low"].where(f.index != 3, 0.0)), r"low of AA .*bad_prices\]"),
        (lambda f: f.assign(low=np.nan), "'low' has no value at all"),
        (lambda f: f.assign(volume="many"), "'volume' must hold numbers, but row 1 .* 'many'"),
    ],
)
def test_bad_files_are_refused(
    change: Callable[[Frame], Frame], message: str, write_spec: Write, market: Frame
) -> None:
    fields = ["open", "high", "low", "close", "volume"]
    with pytest.raises(DataError, match=message):
        am.load(write_spec(change(market), fields=fields))


def test_what_is_refused_can_be_repaired(write_spec: Write, market: Frame) -> None:
    expected = am.load(write_spec())
    worse = pd.concat([market.assign(close=5.0)[:1], market.iloc[::-1]])
    mended = am.load(write_spec(worse, repair=["duplicates", "order"]))
    np.testing.assert_array_equal(mended.field("close"), expected.field("close"))
    bad = market.assign(low=market["low"].where(market.index != 3, -1.0))
    mended = am.load(write_spec(bad, repair=["bad_prices"]))
    assert np.isnan(mended.field("low")[3, 0])
    assert mended.notes["repaired_prices"] == 1


def test_missing_and_broken_files_are_named(write_spec: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.parquet"):
        am.load(write_spec(source={"kind": "parquet", "path": "nowhere.parquet"}))
    with pytest.raises(DataError, match=r"no specification file"):
        am.load(tmp_path / "none.yaml")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"cannot read .*broken\.parquet as parquet"):
        am.load(write_spec(source={"kind": "parquet", "path": "broken.parquet"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no \.parquet file"):
        am.load(write_spec(source={"kind": "parquet", "path": "empty"}))


@pytest.mark.parametrize("name", ["csv", "duckdb"])
def test_the_templates_work(
    name: str, market: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.to_csv(tmp_path / "mine.csv", index=False)
    monkeypatch.setenv("ALPHAMINE_CSV", str(tmp_path / "mine.csv"))
    panel = am.load(SPECS / f"{name}.yaml")
    assert panel.shape == (60, 5)
    assert np.isfinite(panel.sample().label).any()


def test_a_path_that_leads_nowhere_names_its_variable(
    write_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = "${ALPHAMINE_DATA:-../nowhere}/prices.parquet"
    spec = write_spec(source={"kind": "parquet", "path": written})
    monkeypatch.delenv("ALPHAMINE_DATA", raising=False)
    for look in (am.load, check_dataset):
        with pytest.raises(DataError, match=r"set the environment variable A.*, or put it there"):
            look(spec)
    monkeypatch.setenv("ALPHAMINE_DATA", "/moved")
    with pytest.raises(
        DataError, match=r"needs /moved/prices.parquet, .* which is '/moved' now, to"
    ):
        am.load(spec)
    spec = write_spec(source={"kind": "parquet", "path": "prices.parquet"})
    with pytest.raises(DataError, match=r"correct the path 'prices\.parquet' in the specification"):
        am.load(spec)
    spec = write_spec(source={"kind": "csv", "path": "/dev/zero"})
    with pytest.raises(DataError, match="/dev/zero, which is neither a file nor a folder"):
        am.load(spec)


@pytest.mark.parametrize("splits", [{"train": "2020-01-01"}, {}, "none", None])
def test_splits_of_ones_own_are_not_taken_for_those_of_the_specification(
    write_spec: Write, splits: Any
) -> None:
    with pytest.raises(DataError, match=r"splits is True .* or False for none, but got "):
        am.load(write_spec(), splits=splits)


def test_a_first_load_says_what_goes_on_and_later_ones_need_not(
    write_spec: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = write_spec()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    am.load(spec, progress=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    am.load(spec, start="2020-01-06")
    assert capsys.readouterr().err == ""
    am.load(spec, start="2020-01-07", progress=True)
    assert "reading the sources of" in capsys.readouterr().err
    am.load(spec, start="2020-01-07", progress=True)
    assert capsys.readouterr().err == ""
