"""A panel that was packed scores as the one that was not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.risk import RiskSettings
from alphamine.engine.cells import Cells
from alphamine.engine.cpu import CpuEngine
from alphamine.engine.evaluator import Evaluator
from alphamine.jobs.executors.config import ExecutorConfig
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
    buffer = shared_panel_of(scorer)
    theirs, cells = unpack(buffer, 1)
    assert theirs.backend == "auto"
    panel, mine = theirs.panel, scorer.panel
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
    for sample, own in ((theirs.train, scorer.train), (theirs.valid, scorer.valid)):
        assert sample is not None
        assert own is not None
        assert (sample.name, sample.rows) == (own.name, own.rows)
        assert sample.panel.shape == own.panel.shape
        assert np.array_equal(sample.label, own.label, equal_nan=True)
    again = theirs.score(FORMULAS, cells)
    assert exact(again) == exact(scorer.score(FORMULAS, Cells(scorer.train)))


def test_workers_hold_no_fields_of_their_own(
    small_panel: Panel, shared_panel_of: Callable[[Scorer], Buffer]
) -> None:
    buffer = shared_panel_of(Scorer(rich(small_panel).without_test()))
    theirs, cells = unpack(buffer, 1)
    theirs.score(FORMULAS, cells)
    first, last = buffer.ctypes.data, buffer.ctypes.data + buffer.nbytes
    for evaluator in (theirs._on_train, theirs.evaluator):
        engine = evaluator.engine
        assert isinstance(engine, CpuEngine)
        arrays = [*engine.arrays._fields.values(), engine.arrays.inside, engine.arrays.alive]
        assert len(arrays) > 4
        assert all(first <= array.ctypes.data < last for array in arrays)
        assert all(np.shares_memory(label, buffer) for label in (theirs.train.label,))


def test_a_buffer_between_cache_lines_is_no_harm(
    small_panel: Panel, shared_panel_of: Callable[[Scorer], Buffer], exact: Callable[..., list[Any]]
) -> None:
    scorer = Scorer(rich(small_panel).without_test())
    buffer = shared_panel_of(scorer)
    room = np.concatenate([np.zeros(64, np.uint8), buffer])
    start = (8 - room.ctypes.data) % 64
    room[start : start + len(buffer)] = buffer
    theirs, cells = unpack(room[start : start + len(buffer)], 1)
    again = theirs.score(FORMULAS, cells)
    assert exact(again) == exact(scorer.score(FORMULAS, Cells(scorer.train)))


def test_infinite_cells_are_counted_on_the_rows_of_each_panel(small_panel: Panel) -> None:
    volume = small_panel.columns["volume"].copy()
    volume[3, :2], volume[250, 0] = np.inf, -np.inf
    panel = replace(small_panel, columns={**small_panel.columns, "volume": volume})
    scorer, formula = Scorer(panel.without_test()), am.parse("volume * 2")
    counts = [
        next(iter(evaluator.stream([formula])))[2]
        for evaluator in (scorer._on_train, scorer.evaluator)
    ]
    alone = [
        next(iter(Evaluator(evaluator.panel).stream([formula])))[2]
        for evaluator in (scorer._on_train, scorer.evaluator)
    ]
    assert counts == alone == [2, 3]


def test_a_placebo_s_label_goes_with_it(
    small_panel: Panel, shared_panel_of: Callable[[Scorer], Buffer], exact: Callable[..., list[Any]]
) -> None:
    visible = small_panel.without_test()
    placebo = shuffled(visible.sample(), np.random.default_rng(4))
    scorer = Scorer(visible, placebo, backend="reference")
    theirs, cells = unpack(shared_panel_of(scorer), 1)
    assert theirs.backend == "reference"
    assert theirs.valid is None
    formulas = [FORMULAS[0], FORMULAS[2]]
    mine = exact(scorer.score(formulas, Cells(scorer.train)))
    assert exact(theirs.score(formulas, cells)) == mine
    assert exact(Scorer(visible).score(formulas, Cells(visible.sample()))) != mine


def test_what_a_residual_label_takes_out_is_shared(
    small_panel: Panel, shared_panel_of: Callable[[Scorer], Buffer], exact: Callable[..., list[Any]]
) -> None:
    spec = replace(small_panel.label_spec, residual=RiskSettings(("beta", "volatility")))
    scorer = Scorer(replace(rich(small_panel), label_spec=spec).without_test())
    mine = exact(scorer.score(FORMULAS, Cells(scorer.train)))
    theirs, cells = unpack(shared_panel_of(scorer), 1)
    assert exact(theirs.score(FORMULAS, cells)) == mine
    with closing(ExecutorConfig("processes", 1).build(scorer, Cells(scorer.train))) as pool:
        assert exact(pool.score(FORMULAS)) == mine
