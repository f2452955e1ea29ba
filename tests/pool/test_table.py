"""What the table says of members that do not tell names apart on some days."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node
from alphamine.pool.pool import Pool
from alphamine.pool.table import PoolRow, pool_table

SPECS = Path(__file__).parents[2] / "data_specs"


def row_of(formula: Node, sample: Sample) -> PoolRow:
    pool = Pool(sample, token_price=0.0)
    evaluator = Evaluator(sample.panel)
    [values] = evaluator.values([formula])
    [(_, daily)] = evaluator.scores([formula], sample)
    mean = float(np.nanmean(daily.rank_ic))
    pool.offer(formula, 1 if mean > 0 else -1, abs(mean), pool.vector(values))
    [(_, daily)] = evaluator.scores([pool.members[0].oriented], sample)
    [row] = pool_table(pool, [daily], [None], sample.panel.min_names)
    return row


def by_hand(text: str, sample: Sample) -> float:
    """Share of the days with enough names, whose values have no two different ones."""
    [values] = am.values([am.parse(text)], sample.panel)
    inside = sample.panel.universe[sample.rows] & np.isfinite(sample.label)
    flat = enough = 0
    for x, known in zip(values[sample.rows], inside, strict=True):
        present = x[known & np.isfinite(x)]
        enough += len(present) >= sample.panel.min_names
        flat += len(present) >= sample.panel.min_names and len(np.unique(present)) == 1
    return flat / enough


def test_days_on_which_all_names_are_equal_are_counted() -> None:
    rng = np.random.default_rng(2)
    close = np.exp(rng.normal(0, 0.02, (200, 20)).cumsum(axis=0))
    volume = rng.uniform(1, 9, close.shape)
    volume[::5] = 3.0
    dates = np.busday_offset("2020-01-01", np.arange(200), roll="forward")
    panel = Panel.from_arrays(
        dates, [f"S{i}" for i in range(20)], {"close": close, "volume": volume}
    )
    sample = panel.sample()
    assert row_of(am.parse("volume"), sample).flat_days == by_hand("volume", sample)
    assert by_hand("volume", sample) == pytest.approx(0.2, abs=0.01)
    assert row_of(am.parse("close"), sample).flat_days == 0.0


@pytest.mark.slow
def test_the_sign_of_volume_on_a_real_panel(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_DATA", str(shared_data))
    text = "-ts_rank(sign(volume), 20)"
    sample = am.load(SPECS / "us_1500.yaml").sample("train")
    share = row_of(am.parse(text), sample).flat_days
    assert share == by_hand(text, sample)
    assert 0.1 < share < 0.5
