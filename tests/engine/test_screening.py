"""Screening keeps what the whole sample would rank first, and reads no other days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.screening import Stage, rows_of
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import constant, field
from alphamine.expression.parser import parse


def planted(panel: Panel, strength: float) -> Panel:
    """The panel with a field that knows the label."""
    label = np.nan_to_num(panel.label.values)
    noise = np.random.default_rng(5).standard_normal(panel.shape) * np.nanstd(label)
    return replace(panel, columns={**panel.columns, "oracle": strength * label + noise})


@pytest.mark.parametrize("by", ["ic", "rank_ic"])
def test_a_planted_formula_survives(panel: Panel, by: str) -> None:
    sample = planted(panel, 1.0).sample()
    formulas = [parse("ts_mean(returns, 5)"), parse("rank(volume)"), field("oracle")]
    formulas += [field("returns") * constant(i) for i in range(2, 9)]
    evaluator = Evaluator(sample.panel)
    chosen = evaluator.screen(formulas, sample, [Stage(60, 0.3), Stage(120, 0.5)], by)  # type: ignore[arg-type]
    assert chosen[0] == 2
    assert len(chosen) == 2
    assert chosen == evaluator.screen(formulas, sample, [Stage(60, 0.3), Stage(120, 0.5)], by)  # type: ignore[arg-type]


def test_a_stage_scores_the_last_days_as_the_whole_sample_does(panel: Panel) -> None:
    sample = panel.sample()
    formula = parse("ts_corr(close, volume, 10)")
    [(_, whole)] = Evaluator(sample.panel).scores([formula], sample)
    stop, days = sample.rows.stop, 50
    cut = rows_of(sample.panel, stop - days - formula.lookback, stop)
    last = replace(
        sample, panel=cut, rows=slice(formula.lookback, formula.lookback + days),
        label=sample.label[-days:],
    )  # fmt: skip
    [(_, part)] = Evaluator(cut).scores([formula], last)
    np.testing.assert_array_equal(part.ic, whole.ic[-days:])


def test_formulas_without_a_score_are_dropped(panel: Panel) -> None:
    sample = panel.sample()
    formulas = [parse("close * 0"), parse("returns")]
    assert Evaluator(sample.panel).screen(formulas, sample, [Stage(60, 1.0)]) == [1]


def test_stages_are_checked() -> None:
    with pytest.raises(AlphamineError, match="share"):
        Stage(10, 0.0)
