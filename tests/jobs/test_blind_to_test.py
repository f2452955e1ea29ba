"""Test rows that are poisoned, empty or not there change no bit of what comes before them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.grammar.grammar import Grammar

SPECS = Path(__file__).parents[2] / "data_specs"
FORMULAS = 50


def market() -> Panel:
    """300 days x 30 names in sectors that change; halts that may last for ever at each border."""
    rng = np.random.default_rng(5)
    close = 10 * np.exp(rng.normal(0, 0.02, (300, 30)).cumsum(axis=0))
    for start in (150, 240):
        for name in range(8):
            close[start - 10 + name : start + 4 + name, name] = np.nan
    volume = rng.uniform(1e3, 1e6, close.shape)
    volume[np.isnan(close)] = np.nan
    sector = np.where(rng.random(close.shape) < 0.01, "b", np.arange(30) % 3)
    sector[240:] = "only in the test rows"
    return Panel.from_arrays(
        np.busday_offset("2015-01-01", np.arange(300), roll="forward"),
        [f"S{i:02d}" for i in range(30)],
        {"close": close, "volume": volume},
        groups={"sector": sector},
        splits=Splits((0, 144), (150, 234), (240, 300), gap=6),
    )


def poisoned(panel: Panel, start: int) -> Panel:
    rng = np.random.default_rng(9)

    def nonsense(array: Any) -> Any:
        changed = np.array(array)
        part = changed[start:]
        part[:] = (
            rng.uniform(1e-3, 1e9, part.shape)
            if part.dtype.kind == "f"
            else rng.permuted(part, axis=None)
        )
        return changed

    return changed(panel, nonsense)


def empty(panel: Panel, start: int) -> Panel:
    def nothing(array: Any) -> Any:
        changed = np.array(array)
        changed[start:] = {"f": np.nan, "b": False, "i": -1}[array.dtype.kind]
        return changed

    return changed(panel, nothing)


def changed(panel: Panel, change: Callable[[Any], Any]) -> Panel:
    return replace(
        panel,
        columns={name: change(column) for name, column in panel.columns.items()},
        universe=change(panel.universe),
        groups={name: change(codes) for name, codes in panel.groups.items()},
        masks={name: change(mask) for name, mask in panel.masks.items()},
    )


def absent(panel: Panel, start: int) -> Panel:
    assert panel.splits is not None
    return replace(panel.rows(start), splits=replace(panel.splits, test=None))


MUTATIONS = (poisoned, empty, absent)


def scores(panel: Panel, formulas: list[Any]) -> list[bytes]:
    found = []
    for split in ("train", "valid"):
        sample = panel.sample(split)
        daily = dict(Evaluator(sample.panel).scores(formulas, sample))
        for index in range(len(formulas)):
            one = daily[index]
            series = (one.ic, one.rank_ic, one.pairs, one.coverage, one.turnover)
            found += [np.ascontiguousarray(x).tobytes() for x in series]
    return found


def sampled(panel: Panel, count: int = FORMULAS) -> list[Any]:
    grammar, rng = Grammar.for_panel(panel.schema), np.random.default_rng(3)
    return [grammar.sample(rng) for _ in range(count)]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_labels_and_scores(mutate: Callable[[Panel, int], Panel]) -> None:
    whole = market()
    other = mutate(whole, 240)
    formulas = sampled(whole)
    assert scores(other, formulas) == scores(whole, formulas)
    for split in ("train", "valid"):
        assert other.sample(split).label.tobytes() == whole.sample(split).label.tobytes()
    reach = whole.label_spec.reach
    before = slice(0, 240 - reach)
    assert whole.label.values[before].tobytes() == other.label.values[before].tobytes()
    # What a search is given is all that it knows, and names that come back are among it.
    alone = whole.without_test()
    np.testing.assert_array_equal(alone.label.values[before], whole.label.values[before])
    settled = np.isfinite(whole.label.values[226:234]) & np.isnan(whole.columns["close"][232:240])
    assert settled.any()


@pytest.mark.parametrize("mutate", MUTATIONS)
@pytest.mark.parametrize("searcher", ["random", "genetic"])
def test_ledger_and_pool(
    mutate: Callable[[Panel, int], Panel], searcher: str, tmp_path: Path
) -> None:
    runs = [
        am.search(panel, searcher, budget=80, seed=1, run_dir=tmp_path / name)
        for name, panel in (("clean", market()), ("other", mutate(market(), 240)))
    ]
    clean, other = runs
    assert [repr(r) for r in clean.records] == [repr(r) for r in other.records]
    assert repr(clean.pool.rows()) == repr(other.pool.rows())
    assert repr(clean.facts["combined"]) == repr(other.facts["combined"])


def test_the_panel_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHAMINE_CACHE", str(tmp_path / "cache"))
    whole, start = replace(market(), splits=None), 240
    gone = {n: np.array(column) for n, column in whole.columns.items()}
    for column in gone.values():
        column[start:, :20] = np.nan
    sources = {
        "clean": whole, "poisoned": poisoned(whole, start), "gone": replace(whole, columns=gone),
        "cut": whole.rows(start),
    }  # fmt: skip
    for name, panel in sources.items():
        spec = _write(panel, tmp_path / name)
        for _ in range(2):  # read, then mapped from the cache
            visible = am.load(spec).rows(start)
            for field in ("close", "volume"):
                np.testing.assert_array_equal(visible.columns[field], whole.columns[field][:start])
            np.testing.assert_array_equal(visible.universe, whole.universe[:start])
            np.testing.assert_array_equal(visible.label.values, whole.rows(start).label.values)


def _write(panel: Panel, folder: Path) -> Path:
    """One wide CSV file for each of two fields, and a specification."""
    folder.mkdir()
    for name in ("close", "volume"):
        frame = pd.DataFrame(panel.columns[name], panel.dates, panel.symbols)
        frame.rename_axis("date").to_csv(folder / f"{name}.csv")
    files = {name: f"{name}.csv" for name in ("close", "volume")}
    spec = {"name": "wide", "source": {"kind": "csv", "files": files}, "min_names": 5}
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["us_1500", "cn_csi800"])
def test_real_panels(
    name: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_DATA", str(shared_data))
    content = yaml.safe_load((SPECS / f"{name}.yaml").read_text())
    content["label"]["delisting"] = "settle"
    universe = {"us_1500": "SP500", "cn_csi800": "CSI300"}[name]
    whole = _load(content, tmp_path / "whole.yaml", universe)
    assert whole.splits is not None
    assert whole.splits.test is not None
    start, formulas = whole.splits.test[0], sampled(whole)
    expected = scores(whole, formulas)
    for mutate in MUTATIONS:
        other = mutate(whole, start)
        assert scores(other, formulas) == expected
        for split in ("train", "valid"):
            assert other.sample(split).label.tobytes() == whole.sample(split).label.tobytes()

    # Loaded without the test rows there are fewer symbols, so that sums are added in another order.
    content["splits"] = {
        split: [str(whole.dates[first]), str(whole.dates[stop - 1])]
        for split, (first, stop) in whole.splits.ranges.items() if split != "test"
    }  # fmt: skip
    content["calendar"] = {"end": str(whole.dates[start - 1])}
    cut = _load(content, tmp_path / "cut.yaml", universe)
    both = np.isin(whole.symbols, cut.symbols)
    assert 0 < both.sum() < len(both)
    for split in ("train", "valid"):
        mine, other = whole.sample(split), cut.sample(split)
        assert mine.label[:, both].tobytes() == other.label.tobytes()
        assert np.isnan(mine.label[:, ~both]).all()
        of_whole = dict(Evaluator(mine.panel).scores(formulas, mine))
        for index, b in Evaluator(other.panel).scores(formulas, other):
            a = of_whole[index]
            for series in ("rank_ic", "pairs", "coverage"):
                np.testing.assert_array_equal(getattr(a, series), getattr(b, series))
            np.testing.assert_allclose(a.ic, b.ic, rtol=0, atol=1e-11)
            np.testing.assert_allclose(a.turnover, b.turnover, rtol=0, atol=1e-11)


def _load(content: dict[str, Any], path: Path, universe: str) -> Panel:
    path.write_text(yaml.safe_dump(content))
    return am.load(path, universe=universe)
