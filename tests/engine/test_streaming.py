"""A stream's values are those of the batch, bit for bit, whatever has happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods
from alphamine.engine.storage import row_stride
from alphamine.engine.streaming import Stream
from alphamine.engine.streaming.rings import capacity
from alphamine.errors import DataError, FormulaError, WorkFailed
from alphamine.expression.nodes import Node, field
from alphamine.expression.text.parser import parse
from alphamine.operators import Kind
from alphamine.testing.backend import nasty_panel

from .test_kernels import EVALUATED, calls
from .test_properties import random_formulas

# Read the past of universe and listing, fill what is missing, or have no kernel.
AWKWARD = [
    parse(text)
    for text in (
        "ts_count_nans(close, 6)", "is_nan(ts_backfill(close, 4))", "qlib_wma(close, 7)",
        "group_backfill(close, sector, 4)", "qlib_idx_max(volume, 5)", "power(ties, 2) - 0.5",
        "group_rank(close, densify(sector))", "ts_mean(zscore(close), 9)", "close",
        'group_sum(returns, bucket(rank(close), "0.2,0.8,0.2"))', "max(3, ts_max(ties, 4))",
        "ts_regression(close, volume, 6, 3)", "ts_sum(ts_delay(close, 2) * 2, 3)",
        "ts_corr(rank(close), rank(volume), 8)", "ts_std_dev(scale(returns), 5)",
    )
]  # fmt: skip


def fields_of(
    panel: Panel, row: int, columns: Sequence[int] | slice = slice(None)
) -> dict[str, np.ndarray]:
    return {name: x[row, columns] for name, x in panel.columns.items()}


def labels_of(
    panel: Panel, row: int, columns: Sequence[int] | slice = slice(None)
) -> dict[str, np.ndarray]:
    return {
        name: np.array([*panel.group_names[name], ""])[codes[row, columns]]
        for name, codes in panel.groups.items()
    }


def columns_of(panel: Panel, columns: Sequence[int], stop: int) -> Panel:
    """Some symbols of the first days of a panel."""
    return replace(
        panel,
        dates=panel.dates[:stop],
        symbols=panel.symbols[columns],
        universe=panel.universe[:stop, columns],
        columns={n: v[:stop, columns] for n, v in panel.columns.items()},
        groups={n: v[:stop, columns] for n, v in panel.groups.items()},
    )


def same(
    found: np.ndarray, batch: Sequence[np.ndarray], row: int, formulas: Sequence[Node]
) -> None:
    """The same cells are missing, and all others have the same bits (-0 is not 0)."""
    for formula, value, expected in zip(formulas, found, batch, strict=True):
        present = ~np.isnan(value)
        said = f"row {row}: {formula}"
        np.testing.assert_array_equal(present, ~np.isnan(expected[row]), err_msg=said)
        assert value[present].tobytes() == expected[row][present].tobytes(), said


@pytest.fixture(scope="module")
def formulas(panel: Panel) -> list[Node]:
    return [*AWKWARD, *random_formulas(panel, 40, seed=11)]


@pytest.fixture(scope="module")
def batch(panel: Panel, formulas: list[Node]) -> list[np.ndarray]:
    return Evaluator(panel, backend="cpu").values(formulas)


@pytest.mark.parametrize("min_periods", ["full", 0.5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_day_equals_the_batch(
    panel: Panel, formulas: list[Node], dtype: str, min_periods: MinPeriods
) -> None:
    expected = Evaluator(panel, dtype, min_periods, backend="cpu").values(formulas)
    found = Stream(formulas, panel.symbols, dtype=dtype, min_periods=min_periods, backend="cpu")
    for row, values in enumerate(found.extend(panel)):
        same(values, expected, row, formulas)


def test_numpy_streams_too(panel: Panel, formulas: list[Node]) -> None:
    start = panel.rows(40)
    chosen = formulas[:30]
    expected = Evaluator(start, backend="reference").values(chosen)
    found = Stream(chosen, panel.symbols, backend="reference")
    for row, values in enumerate(found.extend(start)):
        same(values, expected, row, chosen)


def test_every_operator_equals_the_batch() -> None:
    panel = nasty_panel(48, 21, seed=4)
    asked = [node for op in EVALUATED for node, _ in calls(op) if node.kind is not Kind.GROUP]
    asked = [node for node in asked if node.lookback < 48]
    expected = Evaluator(panel, backend="cpu").values(asked)
    found = am.stream(asked, panel.rows(45), backend="cpu")
    same(found.values, expected, 44, asked)
    for row, values in enumerate(found.extend(panel), 45):
        same(values, expected, row, asked)


def test_a_stream_goes_on_where_a_panel_ends(
    panel: Panel, formulas: list[Node], batch: list[np.ndarray]
) -> None:
    found = am.stream(formulas, panel.rows(201))
    same(found.values, batch, 200, formulas)
    for row, values in enumerate(found.extend(panel), 201):
        same(values, batch, row, formulas)
    assert found.last_day == panel.dates[-1]
    np.testing.assert_array_equal(found.universe, panel.universe[-1])


def test_symbols_join_in_any_order(panel: Panel, formulas: list[Node]) -> None:
    rng = np.random.default_rng(5)
    wide = nasty_panel(120, 150, seed=6)  # stride and number of symbols change their digits
    order = rng.permutation(150)
    known = np.concatenate([np.full(20, 30), np.sort(rng.integers(30, 151, 100))])
    found = Stream(formulas, wide.symbols[order[:25]])
    for row, count in enumerate(known):
        here = rng.permutation(order[:count])
        found.append(
            wide.dates[row],
            fields_of(wide, row, here),
            wide.universe[row, here],
            labels_of(wide, row, here),
            wide.symbols[here],
        )
        if row in (52, 70, 88, 106, 119):  # the longest look-back is behind
            columns = [int(np.flatnonzero(wide.symbols == s)[0]) for s in found.symbols]
            so_far = columns_of(wide, columns, row + 1)
            # Nobody was there before the day on which the stream came to know of them.
            for t in range(row + 1):
                late = ~np.isin(columns, order[: known[t]])
                for array in so_far.columns.values():
                    array[t, late] = np.nan
                so_far.universe[t, late] = False
                so_far.groups["sector"][t, late] = -1
            expected = Evaluator(so_far).values(formulas)
            same(found.values, expected, row, formulas)


def test_who_is_not_named_is_missing(panel: Panel) -> None:
    formulas = [formula] = [parse("rank(close) + 0 * is_nan(volume)")]
    found = am.stream(formulas, panel.rows(50))
    here = np.arange(panel.shape[1]) % 3 > 0
    values = found.append(
        panel.dates[50],
        fields_of(panel, 50, here),
        panel.universe[50, here],
        labels_of(panel, 50, here),
        panel.symbols[here],
    )
    gone = columns_of(panel, range(panel.shape[1]), 51)
    for array in gone.columns.values():
        array[50, ~here] = np.nan
    gone.universe[50, ~here] = False
    same(values, Evaluator(gone).values([formula]), 50, [formula])
    assert np.isnan(values[0, ~here]).all()


def test_corrections_leave_no_trace(
    panel: Panel, formulas: list[Node], batch: list[np.ndarray]
) -> None:
    rng = np.random.default_rng(8)
    found = am.stream(formulas, panel.rows(150))
    for row in range(150, 170):
        fields, universe, groups = fields_of(panel, row), panel.universe[row], labels_of(panel, row)
        wrong = {n: v * rng.choice([1.0, 1.5, np.nan], v.shape) for n, v in fields.items()}
        found.append(panel.dates[row], wrong, ~universe, labels_of(panel, row - 9))
        if row % 2:
            found.correct(panel.dates[row], fields, universe, groups)
        else:  # one half after the other, as late deliveries come
            for part in (np.arange(53) < 20, np.arange(53) >= 20):
                found.correct(
                    panel.dates[row],
                    fields_of(panel, row, part),
                    universe[part],
                    labels_of(panel, row, part),
                    panel.symbols[part],
                )
        same(found.values, batch, row, formulas)


def test_an_earlier_day_can_be_corrected(
    panel: Panel, formulas: list[Node], batch: list[np.ndarray]
) -> None:
    found = am.stream(formulas, panel.rows(160))
    wrong = {"close": panel.columns["close"][160] * 2.0, "volume": panel.columns["volume"][3]}
    found.append(
        panel.dates[160], fields_of(panel, 160) | wrong, panel.universe[160], labels_of(panel, 160)
    )
    found.extend(panel.rows(165))
    assert any(v.tobytes() != b[164].tobytes() for v, b in zip(found.values, batch, strict=True))
    mended = {name: panel.columns[name][160] for name in wrong}
    same(found.correct(panel.dates[160], mended), batch, 164, formulas)
    for row, values in enumerate(found.extend(panel.rows(170)), 165):
        same(values, batch, row, formulas)


def test_a_listing_that_was_a_mistake_is_forgotten(panel: Panel) -> None:
    formulas = [parse("ts_count_nans(close, 3)"), parse("is_nan(volume)")]
    late = panel.shape[1] // 3
    nothing = {n: np.where(np.arange(53) == late, np.nan, v[30]) for n, v in panel.columns.items()}
    start = columns_of(panel, range(53), 30)
    for array in start.columns.values():
        array[:, late] = np.nan
    found = am.stream(formulas, start)
    found.append(
        panel.dates[30], nothing | {"level": panel.columns["level"][30]}, panel.universe[30]
    )
    assert found.values[1, late] == 1.0
    found.correct(panel.dates[30], {"level": nothing["level"]})
    assert np.isnan(found.values[:, late]).all()


def test_who_was_there_long_ago_is_still_alive(panel: Panel) -> None:
    formulas = [parse("ts_count_nans(close, 3)")]
    gone = columns_of(panel, range(53), 60)
    for array in gone.columns.values():
        array[20:, 5] = np.nan
    found = am.stream(formulas, gone.rows(50))
    assert found.values[0, 5] == 3.0
    found.extend(gone)
    same(found.values, Evaluator(gone).values(formulas), 59, formulas)


@pytest.mark.parametrize("stop", [5, 190])
def test_a_state_goes_on_where_it_was_saved(
    panel: Panel, formulas: list[Node], batch: list[np.ndarray], tmp_path: Path, stop: int
) -> None:
    path = tmp_path / "state.safetensors"
    found = Stream(formulas, panel.symbols)
    found.extend(panel.rows(stop))
    for row in range(stop, stop + 6):
        found.save(path)
        found = Stream.load(path)
        same(found.values, batch, row - 1, formulas)
        [values] = found.extend(panel.rows(row + 1))
        same(values, batch, row, formulas)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_damaged_state_is_refused(panel: Panel, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    am.stream(["rank(close)"], panel.rows(9)).save(path)
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"\x08" + b"\0" * 30, b'{"a": 1}' * 40):
        path.write_bytes(data)
        with pytest.raises(DataError, match="no state of a stream, or is damaged"):
            Stream.load(path)
    with pytest.raises(DataError, match="there is no state"):
        Stream.load(tmp_path / "other")
    with pytest.raises(WorkFailed, match="could not be written"):
        am.stream(["rank(close)"], panel.rows(9)).save(tmp_path / "nowhere" / "state")


def test_a_state_before_the_first_day_is_a_state(panel: Panel, tmp_path: Path) -> None:
    Stream(["rank(close)"], panel.symbols).save(tmp_path / "state")
    found = Stream.load(tmp_path / "state")
    with pytest.raises(DataError, match="from its first day on"):
        _ = found.values
    found.extend(panel.rows(2))
    assert found.values.shape == (1, 53)


def test_what_comes_in_is_checked_and_changes_nothing(panel: Panel) -> None:
    found = am.stream(["group_rank(close, sector) + rank(ts_mean(volume, 3))"], panel.rows(20))
    before = found.values.tobytes(), found.symbols.tolist()
    fields, universe, groups = fields_of(panel, 20), panel.universe[20], labels_of(panel, 20)
    day = panel.dates[20]

    def refused(match: str, *given: object) -> None:
        with pytest.raises(DataError, match=match):
            found.append(*given)  # type: ignore[arg-type]
        assert (found.values.tobytes(), found.symbols.tolist()) == before

    refused("come in order", panel.dates[19], fields, universe, groups)
    refused("not after 2018-01-26", "2014-01-01", fields, universe, groups)
    refused("must be dates", "tomorrow", fields, universe, groups)
    refused("read the field 'volume'", day, {"close": fields["close"]}, universe, groups)
    refused("read the group 'sector'", day, fields, universe, {})
    refused("must have shape", day, {**fields, "close": fields["close"][1:]}, universe, groups)
    refused("one value a symbol", day, {**fields, "close": [fields["close"]]}, universe, groups)
    refused("prices are positive", day, {**fields, "close": -fields["close"]}, universe, groups)
    refused("must be numbers", day, {**fields, "close": panel.symbols}, universe, groups)
    refused("true or false", day, fields, fields["close"], groups)
    refused("texts or whole numbers", day, fields, universe, {"sector": fields["close"]})
    refused("occurs twice", day, fields, universe, groups, [*panel.symbols[1:], panel.symbols[1]])
    fresh = [*panel.symbols[1:], "new"]
    refused(
        "prices are positive", day, {**fields, "close": -fields["close"]}, universe, groups, fresh
    )
    with pytest.raises(DataError, match="can be corrected"):
        found.correct(panel.dates[2], fields)
    with pytest.raises(FormulaError, match="must be a number"):
        Stream([field("sector", Kind.GROUP)], panel.symbols)


def test_labels_are_texts_or_whole_numbers() -> None:
    found = Stream(["group_count(close, sector)"], ["a", "b", "c", "d"])
    close = {"close": np.ones(4)}
    values = found.append("2020-01-01", close, groups={"sector": [7, -1, 8, 7]})
    np.testing.assert_array_equal(values[0], [2.0, np.nan, 1.0, 2.0])
    values = found.append("2020-01-02", close, groups={"sector": ["7", "tech", "tech", None]})
    np.testing.assert_array_equal(values[0], [1.0, 2.0, 2.0, np.nan])
    for none in (np.nan, pd.NA):
        groups = {"sector": np.array([7.0, "7", "tech", none], dtype=object)}
        values = found.correct("2020-01-02", close, groups=groups)
        np.testing.assert_array_equal(values[0], [2.0, 2.0, 1.0, np.nan])
    with pytest.raises(DataError, match="such as 'tech', but got whole numbers"):
        found.append("2020-01-03", close, groups={"sector": [0, 1, 2, 3]})


def test_a_universe_that_is_not_given_is_whoever_has_a_value(panel: Panel) -> None:
    [formula] = formulas = [parse("rank(close)")]
    everyone = Panel.from_arrays(panel.dates, panel.symbols, panel.columns)
    expected = Evaluator(everyone).values(formulas)
    found = Stream(formulas, panel.symbols)
    for row in range(4):
        half = np.arange(53) < 30
        late = {n: np.where(half, v, np.nan) for n, v in fields_of(panel, row).items()}
        found.append(panel.dates[row], late)
        np.testing.assert_array_equal(found.universe, everyone.universe[row] & half)
        found.correct(panel.dates[row], fields_of(panel, row, ~half), symbols=panel.symbols[~half])
        same(found.values, expected, row, [formula])


@pytest.mark.parametrize("itemsize", [4, 8])
def test_spare_columns_have_the_digits_of_the_symbols(itemsize: int) -> None:
    for symbols in (*range(1, 300), *range(1000, 1060), 2047, 2048, 3000, 4090, 4096, 5000):
        stride = capacity(symbols, itemsize)
        assert stride >= row_stride(symbols, itemsize)
        assert stride % 16 == 0
        assert stride * itemsize % 4096
        assert stride.bit_length() == row_stride(symbols, itemsize).bit_length()


def test_texts_are_formulas_and_a_backend_can_be_asked_for(panel: Panel) -> None:
    backend: str = "reference"
    found = am.stream(["rank(close)", parse("volume")], panel.rows(3), backend=backend)
    assert found.formulas == (parse("rank(close)", fields=panel.schema), parse("volume"))
    np.testing.assert_array_equal(found.values[1], panel.columns["volume"][2].astype("f4"))
