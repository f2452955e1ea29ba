"""Bad data gives findings, each planted on purpose; good data gives none that matter."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from alphamine.data.dataset.check import CheckReport, check_dataset, describe_dataset
from alphamine.errors import DataError

Frame = pd.DataFrame
Write = Callable[..., Path]


def found(report: CheckReport, topic: str) -> list[tuple[str, str]]:
    return [(item.level, item.message) for item in report.findings if item.topic == topic]


def at(frame: Frame, symbol: str, row: int) -> Any:
    return frame.index[frame["symbol"] == symbol][row]


def test_good_data_can_be_opened(write_spec: Write) -> None:
    report = check_dataset(write_spec())
    assert report.ok
    assert {item.level for item in report.findings} == {"note"}
    assert found(report, "survivorship") == [
        ("note", "80.0% of the symbols are alive at the end of the data")
    ]


@pytest.mark.parametrize(
    ("column", "value", "topic", "level", "message"),
    [
        (
            "close",
            0.0,
            "prices",
            "error",
            "1 values of close are zero, negative or",
        ),
        ("low", -1.0, "prices", "error", "1 values of low are zero"),
        ("open", np.inf, "prices", "error", "1 values of open are"),
        ("volume", np.inf, "values", "note", "1 values of volume are infinite"),
        ("volume", 0.0, "trading", "note", "% of the quotes are without volume"),
        (
            "high",
            1.0,
            "bars",
            "warning",
            r"1 bars \(0.36%\) have a price outside",
        ),
        ("adj_factor", np.nan, "factor", "warning", "1 quotes have no adjustment factor: AA 2020"),
        ("adj_factor", 0.0, "factor", "error", "1 quotes have a factor of 0 or less"),
        ("adj_factor", 3.0, "jumps", "warning", r"2 moves .* the largest AA 2020-01-15 \(\+2"),
    ],
)
def test_bad_cells_are_found(
    column: str,
    value: float,
    topic: str,
    level: str,
    message: str,
    market: Frame,
    write_spec: Write,
) -> None:
    market.loc[at(market, "AA", 10), column] = value
    report = check_dataset(write_spec(market))
    assert [x for x, _ in found(report, topic)] == [level]
    assert re.search(message, found(report, topic)[0][1])
    assert report.ok == (level != "error")


def test_many_faults_are_all_found_at_once(write_spec: Write, market: Frame) -> None:
    bad = pd.concat([market, market[7:8]])
    bad.loc[3, "close"] = -1.0
    bad = bad.assign(vwap=np.nan)
    bad.loc[bad["date"] < "2020-01-20", "volume"] = np.nan
    report = check_dataset(write_spec(bad))
    errors = {item.topic for item in report.findings if item.level == "error"}
    assert {"duplicates", "order", "prices", "coverage"} <= errors
    assert any(
        "volume is missing for everyone on 13 days" in m for _, m in found(report, "coverage")
    )
    levels = [item.level for item in report.findings]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert all(item.action for item in report.findings if item.level != "note")


def test_what_the_spec_repairs_is_no_error(write_spec: Write, market: Frame) -> None:
    market.loc[3, "close"] = -1.0
    bad = pd.concat([market, market[7:8]])
    report = check_dataset(write_spec(bad, repair=["duplicates", "order", "bad_prices"]))
    assert report.ok
    assert found(report, "duplicates")[0][0] == "note"


def test_holes_are_found(write_spec: Write, market: Frame) -> None:
    day = market["date"] == "2020-02-03"
    thin = market[~(day & market["symbol"].isin(["AA", "BB"]))]
    thin = thin[(thin["date"] < "2020-02-20") | (thin["date"] > "2020-03-10")]
    messages = " ".join(m for _, m in found(check_dataset(write_spec(thin)), "gaps"))
    assert "1 days have under 80 % of the names" in messages
    assert "first 2020-02-03 with 3 of about 5" in messages
    assert "no day for 21 calendar days after 2020-02-19" in messages


def test_survivorship_is_a_hard_warning(write_spec: Write) -> None:
    days = pd.bdate_range("2018-01-01", periods=300)
    alive = pd.DataFrame({"date": np.repeat(days, 2), "symbol": ["A", "B"] * 300, "close": 5.0})
    report = check_dataset(write_spec(alive))
    assert found(report, "survivorship")[0][0] == "warning"
    assert "100.0% of the symbols are alive" in found(report, "survivorship")[0][1]


def test_an_index_without_prices_is_reported(write_spec: Write, tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text(
        "index_name,symbol,start,end\nBIG,AA,2019-01-01,2020-12-31\nBIG,GONE,2019-01-01,2020-12-31\n"
    )
    report = check_dataset(write_spec(membership={"path": "members.csv"}))
    assert found(report, "members") == [("warning", "50.0% of the member days of BIG have quotes")]


def test_symbols_without_a_group_are_reported(write_spec: Write, tmp_path: Path) -> None:
    (tmp_path / "sector.csv").write_text("symbol,sector\nAA,x\nBB,x\nCC,\nDD,y\n")
    report = check_dataset(write_spec(groups={"path": "sector.csv", "fields": ["sector"]}))
    assert found(report, "groups") == [("warning", "2 of 5 symbols have no sector, first CC")]


def test_splits_and_labels_that_do_not_fit_are_found(write_spec: Write) -> None:
    report = check_dataset(write_spec(label={"price": "vwap"}))
    assert not report.ok
    assert "'vwap' is not a field" in found(report, "panel")[0][1]


def test_only_the_specification_itself_can_stop_the_check(write_spec: Write) -> None:
    with pytest.raises(DataError, match="unknown key"):
        check_dataset(write_spec(universum="all"))
    with pytest.raises(DataError, match="does not exist"):
        check_dataset(write_spec(source={"kind": "parquet", "path": "none.parquet"}))


def test_reports_are_json_and_tables(write_spec: Write) -> None:
    spec = write_spec(splits={"valid": "2020-02-03", "test": "2020-03-02"})
    report, description = check_dataset(spec), describe_dataset(spec)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["ok"] is True
    facts = json.loads(json.dumps(description.to_dict(), allow_nan=False))
    assert facts["days"] == 60
    assert facts["names_a_day"] == {"least": 4, "mean": 4.6, "most": 5}
    assert facts["fields"]["close"] == "price"
    assert facts["splits"]["valid"] == {"start": "2020-02-03", "end": "2020-02-20", "days": 14}
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report)
    console.print(description)
    text = console.export_text()
    assert "survivorship" in text
    assert "2020-02-03" in text
