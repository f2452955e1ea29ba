"""A panel that was packed scores as the one that was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.cells import Cells
from alphamine.jobs.executors.shared_panel import Buffer, unpack
from alphamine.jobs.placebo import shuffled
from alphamine.jobs.scorer import Scorer
from alphamine.operators import Unit

TEXTS = ("rank(volume)", "group_rank(close, sector)", "ts_corr(close, volume, 10)", "beta")
FORMULAS = [am.parse(text) for text in TEXTS[:3]]


def rich(panel: Panel) -> Panel:
    """With everything that a panel may have."""
    rng = np.random.default_rng(1)
    return replace(
        panel,
        groups={"sector": rng.integers(-1, 3, panel.shape).astype(np.int8)},
        group_names={"sector": ("a", "b", "ä")},
        universe=rng.random(panel.shape) < 0.9,
        columns={**panel.columns, "beta": np.asfortranarray(rng.normal(size=panel.shape))},
        units={"beta": Unit(0.0, 0.0), "volume": None},
        started=rng.random(panel.shape[1]) < 0.5,
    )


def test_nothing_is_lost(
    small_panel: Panel, shared_panel_of: Callable[[Scorer], Buffer], exact: Callable[..., list[Any]]
) -> None:
    scorer = Scorer(rich(small_panel).without_test())
    panel, train, cells, backend = unpack(shared_panel_of(scorer))
    assert train is None
    assert backend == "auto"
    mine = scorer.panel
    assert np.array_equal(panel.dates, mine.dates)
    assert list(panel.symbols) == list(mine.symbols)
    assert np.array_equal(panel.universe, mine.universe)
    assert np.array_equal(panel.alive, mine.alive)
    for name in mine.columns:
        assert panel.columns[name].dtype == mine.columns[name].dtype
        assert np.array_equal(panel.columns[name], mine.columns[name], equal_nan=True)
    assert dict(panel.schema) == dict(mine.schema)
    assert panel.splits == mine.splits
    for field in ("label_spec", "group_names", "min_names", "name"):
        assert getattr(panel, field) == getattr(mine, field)
    again = Scorer(panel).score(FORMULAS, cells)
    assert exact(again) == exact(scorer.score(FORMULAS, Cells(scorer.train)))


def test_a_placebo_s_label_goes_with_it(
    small_panel: Panel, shared_panel_of: Callable[[Scorer], Buffer], exact: Callable[..., list[Any]]
) -> None:
    visible = small_panel.without_test()
    placebo = shuffled(visible.sample(), np.random.default_rng(4))
    scorer = Scorer(visible, placebo, backend="reference")
    panel, train, cells, backend = unpack(shared_panel_of(scorer))
    assert train is not None
    assert backend == "reference"
    formulas = [FORMULAS[0], FORMULAS[2]]
    mine = exact(scorer.score(formulas, Cells(scorer.train)))
    again = Scorer(panel, train, backend=backend)
    assert exact(again.score(formulas, cells)) == mine
    assert exact(Scorer(visible).score(formulas, Cells(visible.sample()))) != mine
