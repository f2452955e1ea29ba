"""Screening keeps what the whole sample would rank first, and reads no other days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.screening import Screen, Stage
from alphamine.errors import AlphamineError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import constant, field
from alphamine.expression.text.parser import parse


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


@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("days", [1, 50])
def test_the_last_days_have_the_scores_of_the_whole_sample(
    panel: Panel, backend: str, days: int
) -> None:
    sample = panel.sample()
    grammar = Grammar.for_panel(panel.schema, max_lookback=60)
    rng = np.random.default_rng(11)
    formulas = [grammar.sample(rng) for _ in range(40)]
    formulas += [parse("group_neutralize(ts_corr(close, volume, 10), sector)")]
    engine = Evaluator(sample.panel, backend=backend, threads=3)
    whole = dict(engine.scores(formulas, sample, rank_ic=True, turnover=False))
    recent = Screen(sample, lambda *_: iter(())).part(days)
    part = dict(engine.scores(formulas, recent, rank_ic=True, turnover=False, counted=False))
    for i in range(len(formulas)):
        assert part[i].infinite == 0
        for name in ("ic", "rank_ic", "pairs", "coverage"):
            expected = getattr(whole[i], name)[-days:]
            np.testing.assert_array_equal(getattr(part[i], name), expected, str(formulas[i]))


def test_later_stages_judge_by_all_days_up_to_them(panel: Panel) -> None:
    sample = panel.sample()
    formulas = [parse(f"ts_mean(returns, {d}) * close") for d in range(2, 14)]
    evaluator = Evaluator(sample.panel)
    daily = dict(evaluator.scores(formulas, sample))

    def best(of: list[int], days: int, count: int) -> list[int]:
        size = {i: abs(np.nanmean(daily[i].ic[-days:])) for i in of}
        return sorted(of, key=lambda i: -size[i])[:count]

    expected = best(best(list(range(12)), 40, 6), 110, 3)
    assert evaluator.screen(formulas, sample, [Stage(40, 0.5), Stage(110, 0.5)]) == expected


def test_formulas_without_a_score_are_dropped(panel: Panel) -> None:
    sample = panel.sample()
    formulas = [parse("close * 0"), parse("returns")]
    assert Evaluator(sample.panel).screen(formulas, sample, [Stage(60, 1.0)]) == [1]


def test_stages_are_checked() -> None:
    with pytest.raises(AlphamineError, match="share"):
        Stage(10, 0.0)
