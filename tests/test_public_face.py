"""What a person meets at the prompt: representations, hints, and errors that say what to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel


@pytest.fixture(scope="module")
def panel() -> Panel:
    return am.load("synthetic", end="2016-12-30", splits=False)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: am.evaluate("close", p, horizons=5), r"such as \[1, 5, 20\], but got 5"),
        (lambda p: am.evaluate("close", p, horizons=["a"]), "whole number of rows"),
        (lambda p: am.evaluate("close", p, quantiles="x"), "a whole number such as 5"),
        (lambda p: am.evaluate("close", p, trials="x"), "at least 1"),
        (lambda p: am.evaluate("close", p, trials=0), "at least 1"),
        (lambda p: am.open_run(None), "path of its directory"),
        (lambda p: am.export(None, "x"), "a pool, such as run.pool"),
        (lambda p: am.export("close", None), "a bundle is a directory"),
        (lambda p: am.export("close", "x", "pandas"), r'such as \["pandas"\]'),
        (lambda p: am.load_bundle(None), "a bundle is a directory"),
    ],
)
def test_wrong_arguments_are_named(panel: Panel, ask: Callable[[Panel], Any], message: str) -> None:
    with pytest.raises(am.AlphamineError, match=message):
        ask(panel)


def test_misspelt_names_are_answered_by_the_nearest(panel: Panel) -> None:
    report = am.evaluate("rank(close)", panel)
    for thing, wrong, right in (
        (am, "backtset", "backtest"),
        (am, "clsoe", "close"),
        (report, "rank_icc", "rank_ic"),
        (panel, "symbol", "symbols"),
        (am.backtest("rank(close)", panel), "metric", "metrics"),
    ):
        with pytest.raises(AttributeError, match=f"did you mean '{right}'"):
            getattr(thing, wrong)
    assert not hasattr(report, "_repr_svg_")


def test_representations_are_short_and_carry_the_verdict(panel: Panel, tmp_path: Path) -> None:
    report = am.evaluate("rank(-ts_returns(close, 10))", panel)
    assert report.trust.word in repr(report)
    assert f"{report.rank_ic:+.4f}" in repr(report)
    run = am.search(panel, "random", budget=16, run_dir=tmp_path / "run")
    for thing in (report, run, run.pool, am.backtest("rank(close)", panel)):
        assert len(repr(thing)) < 200
        assert "tried" in repr(thing) or thing is report
    assert am.open_run(tmp_path / "run").pool == run.pool


def test_every_public_name_is_documented() -> None:
    for name in set(am.__all__) - {"__version__"}:
        text = getattr(am, name).__doc__
        assert text, name
        if name not in ("AlphamineError", "ops", "datasets"):
            assert "Parameters\n" in text or "Attributes\n" in text, name


def test_the_namespace_completes() -> None:
    assert {"search", "datasets", "backtest", "close"} <= set(dir(am))


def test_copies_and_pickles_are_as_before(panel: Panel) -> None:
    import copy
    import pickle

    report = am.evaluate("rank(close)", panel)
    again = pickle.loads(pickle.dumps(panel))
    np.testing.assert_array_equal(again.field("close"), panel.field("close"))
    assert copy.copy(report).rank_ic == report.rank_ic
