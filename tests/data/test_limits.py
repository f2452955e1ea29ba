"""Price limits and suspensions, against days worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

import alphamine as am

Write = Callable[..., Path]


def rows(symbol: str, closes: list[float], factors: list[float] | None = None) -> pd.DataFrame:
    return pd.DataFrame({
        "date": pd.date_range("2020-08-20", periods=len(closes)), "symbol": symbol,
        "close": closes, "volume": 100.0, "adj_factor": factors or [1.0] * len(closes),
    })  # fmt: skip


def test_limits_follow_the_rules_of_the_symbol_and_the_day(write_spec: Write) -> None:
    frame = pd.concat([
        rows("SH600001", [10.03, 11.03, 12.13, 10.92, 10.92]),  # 10.03 * 1.1 = 11.033 -> 11.03
        rows("SZ300001", [10.0, 11.0, 10.0, 9.0, 10.8]),  # 10 % until the 23rd, then 20 %
        rows("SH600002", [20.0, 20.2, 11.11, 10.0, 9.0], [1.0, 1.0, 2.0, 2.0, 2.0]),  # 1:2 on 22nd
    ])  # fmt: skip
    rules = [{"change": 0.1}, {"change": 0.2, "prefixes": ["SZ300"], "since": "2020-08-23"}]
    masks = am.load(write_spec(frame, limits={"rules": rules})).masks
    assert masks["limit_up"].T.astype(int).tolist() == [
        [0, 1, 1, 0, 0],  # SH600001: 11.03 * 1.1 = 12.133 -> 12.13
        [0, 0, 1, 0, 0],  # SH600002: half of 20.2 is 10.1, limit 11.11
        [0, 1, 0, 0, 1],  # SZ300001: 10.8 is 20 % above 9
    ]
    assert masks["limit_down"].T.astype(int).tolist() == [
        [0, 0, 0, 1, 0],  # 12.13 * 0.9 = 10.917 -> 10.92
        [0, 0, 0, 1, 1],  # 11.11 * 0.9 = 9.999 -> 10.00
        [0, 0, 0, 0, 0],  # 9 is 10 % below 10, but the limit is 20 % by then
    ]


def test_suspended_days_do_not_trade_and_limits_reach_over_them(write_spec: Write) -> None:
    frame = pd.concat([rows("A", [10.0, 10.0, 10.0, 11.0]), rows("B", [5.0, 5.0, 5.0, 5.0])])
    frame = frame[~((frame["symbol"] == "A") & frame["date"].dt.day.isin([21, 22]))]
    frame.loc[(frame["symbol"] == "B") & (frame["date"].dt.day == 21), "volume"] = 0.0
    panel = am.load(write_spec(frame, limits={"rules": [{"change": 0.1}]}))
    assert panel.masks["suspended"].T.astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 0, 0]]
    assert panel.masks["limit_up"][:, 0].tolist() == [False, False, False, True]


def test_masks_can_come_from_columns(write_spec: Write) -> None:
    frame = rows("A", [10.0, 11.0]).assign(up=[0, 1])
    other = rows("B", [10.0, 11.0]).assign(up=[1, 0])
    spec = write_spec(
        pd.concat([frame, other]), fields=["close"], limits={"columns": {"limit_up": "up"}}
    )
    assert am.load(spec).masks["limit_up"].tolist() == [[False, True], [True, False]]
