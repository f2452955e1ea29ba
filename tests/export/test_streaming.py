"""The class that computes a pool day by day: the bits of the batch, also after breaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphamine.data.panel import Panel
from alphamine.exporters.golden import made_up
from alphamine.exporters.targets import code_of
from alphamine.expression.text.parser import parse
from alphamine.pool.alpha_pool import AlphaPool

from .conftest import executed, run_numpy

TEXTS = (
    "rank(ts_corr(close, volume, 5)) * ts_delta(close, 3)",
    "group_neutralize(ts_zscore(volume, 5), sector)",
    "ts_count_nans(ts_mean(close, 4), 6) * ts_backfill(volume, 3)",
    "group_backfill(close, sector, 4) / close",
)
Day = tuple[str, list[str], dict[str, Any], np.ndarray]


@pytest.fixture(scope="module")
def panel() -> Panel:
    return made_up(AlphaPool.of(parse("ts_delay(group_mean(close, volume, sector), 50)")))


@pytest.fixture(scope="module")
def pool() -> AlphaPool:
    return AlphaPool(tuple(parse(text) for text in TEXTS), (0.5, -1.0, 2.0, 0.25))


@pytest.fixture(scope="module")
def module(pool: AlphaPool) -> dict[str, Any]:
    return executed(code_of(pool, "streaming"))


def days(panel: Panel) -> list[Day]:
    """Each day with a row for every symbol that has been listed."""
    found = []
    for row, there in enumerate(panel.alive):
        fields: dict[str, Any] = {n: panel.field(n)[row, there] for n in ("close", "volume")}
        codes = panel.group("sector")[row, there]
        fields["sector"] = ["" if code < 0 else f"g{code}" for code in codes]
        symbols = panel.symbols[there].tolist()
        found.append((str(panel.dates[row]), symbols, fields, panel.universe[row, there]))
    return found


def placed(stream: Any, values: np.ndarray, symbols: list[str], panel: Panel) -> np.ndarray:
    row = np.full(panel.shape[1], np.nan)
    row[np.searchsorted(panel.symbols, symbols)] = values
    return row


@pytest.mark.parametrize("standardisation", ["rank", "value"])
def test_days_have_the_bits_of_the_batch(
    pool: AlphaPool, panel: Panel, standardisation: Any
) -> None:
    pool = AlphaPool(pool.formulas, pool.weights, standardisation)
    stream = executed(code_of(pool, "streaming"))["Stream"]()
    everybody = panel.symbols.tolist()
    got = []
    for row, date in enumerate(panel.dates):
        fields = {name: panel.field(name)[row] for name in stream.NUMBERS}
        codes = panel.group("sector")[row]
        fields["sector"] = np.where(codes < 0, None, np.char.add("g", codes.astype(str)))
        got.append(stream.append(str(date), everybody, fields, panel.universe[row]))
    # Everybody has a row from the first day on, so everybody is listed on it.
    listed = np.ones(panel.shape, dtype=bool)
    batch = executed(code_of(pool, "numpy"))
    fields = {name: panel.field(name) for name in batch["NUMBERS"]} | {
        "sector": panel.group("sector")
    }
    want = batch["signal"](fields, panel.universe, listed)
    assert np.isfinite(want).mean() > 0.5
    np.testing.assert_array_equal(np.array(got), want)


def test_it_goes_on_from_a_saved_state_and_takes_corrections_and_new_symbols(
    pool: AlphaPool, panel: Panel, module: dict[str, Any], tmp_path: Path
) -> None:
    want = run_numpy(pool, panel)
    stream, got = module["Stream"](), []
    assert not panel.alive[0].all()  # some are listed later
    for number, (date, symbols, fields, universe) in enumerate(days(panel)):
        if number % 3 == 1:  # comes in wrong first, and with a name too few
            wrong = {n: np.roll(v, 1)[:-1] for n, v in fields.items()}
            stream.append(date, symbols[:-1], wrong, ~universe[:-1])
            values = stream.correct(symbols, fields, universe)
        else:
            values = stream.append(date, symbols, fields, universe)
        got.append(placed(stream, values, symbols, panel))
        if number % 5 == 2:
            stream.save(tmp_path / "state.npz")
            stream = module["Stream"].load(tmp_path / "state.npz")
    assert [*tmp_path.iterdir()] == [tmp_path / "state.npz"]
    np.testing.assert_allclose(np.array(got), want, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_taken_changes_nothing(
    panel: Panel, module: dict[str, Any], tmp_path: Path
) -> None:
    rejected, stream = module["Rejected"], module["Stream"]()
    date, symbols, fields, universe = days(panel)[-1]
    with pytest.raises(rejected, match="no day has come in yet"):
        stream.correct(symbols, fields)
    stream.append(date, symbols, fields, universe)
    stream.save(tmp_path / "before.npz")
    bad: list[tuple[str, Any]] = [
        ("is not after", (date, symbols, fields)),
        ("more on 2999-01-01", ("2999-01-01", [*symbols[:-1], symbols[0]], fields)),
        ("has no field 'volume'", ("2999-01-01", symbols, {"close": fields["close"]})),
        (r"'universe' has shape \(2,\)", ("2999-01-01", symbols, fields, [True, False])),
        ("is True or False .* got float64", ("2999-01-01", symbols, fields, 1.0 * universe)),
        ("'close' has to hold numbers", ("2999-01-01", symbols, {**fields, "close": symbols})),
        (
            "'close' holds prices of zero or less on 2999-01-01",
            ("2999-01-01", symbols, {**fields, "close": -fields["close"]}),
        ),
        ("is not after", (pd.Timestamp(date), symbols, fields)),
        ("is not after", (np.datetime64(date, "ns"), symbols, fields)),
        ("are written as 2026-11-27, but got '9/30/2999'", ("9/30/2999", symbols, fields)),
        ("without a time zone", (pd.Timestamp("2999-01-01", tz="UTC"), symbols, fields)),
        ("'close' has shape", ("2999-01-01", ["A", "B"], {**fields, "sector": ["", ""]})),
    ]
    for message, arguments in bad:
        with pytest.raises(rejected, match=message):
            stream.append(*arguments)
    stream.save(tmp_path / "after.npz")
    assert (tmp_path / "before.npz").read_bytes() == (tmp_path / "after.npz").read_bytes()


@pytest.mark.parametrize("none", ["", None, np.nan, pd.NA])
def test_whole_numbers_are_the_labels_that_they_are_written_as(none: Any) -> None:
    text = code_of(AlphaPool.of(parse("group_count(close, sector)")), "streaming")
    labels = np.array([7, 7.0, "7", none, "nan", " "], dtype=object)
    day = {"close": np.ones(6), "sector": labels}
    got = executed(text)["Stream"]().append("2020-01-06", [*"abcdef"], day)
    np.testing.assert_array_equal(got, [3.0, 3.0, 3.0, np.nan, 1.0, 1.0])


def test_bars_of_a_day_come_in_order(panel: Panel, module: dict[str, Any]) -> None:
    stream = module["Stream"]()
    _, *given = days(panel)[-1]
    for moment in ("2026-09-30", "2026-09-30 09:30", "2026-09-30T10:00:00", "2026-10-01"):
        stream.append(moment, *given)
    assert stream.date == "2026-10-01"
    with pytest.raises(module["Rejected"], match="is not after 2026-10-01"):
        stream.append("2026-09-30 10:30", *given)


def test_a_state_of_another_signal_or_none_is_refused(
    panel: Panel, pool: AlphaPool, module: dict[str, Any], tmp_path: Path
) -> None:
    stream = module["Stream"]()
    stream.append(*days(panel)[-1])
    path = tmp_path / "state.npz"
    stream.save(path)
    other = executed(code_of(AlphaPool(pool.formulas, (1.0,) * 4), "streaming"))
    with pytest.raises(other["Rejected"], match="state of another signal"):
        other["Stream"].load(path)
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + whole[2:100]):
        path.write_bytes(damaged)
        with pytest.raises(module["Rejected"], match="is no state as save"):
            module["Stream"].load(path)
    with pytest.raises(module["Rejected"], match="is no state as save"):
        module["Stream"].load(tmp_path / "absent.npz")
