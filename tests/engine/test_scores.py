"""Daily scores of the fast path against the numpy specification."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores
from alphamine.errors import AlphamineError
from alphamine.expression.text.parser import parse

TEXTS = (
    "close",
    "rank(close)",
    "ts_rank(volume, 5)",
    "sign(returns)",
    "close * 0",
    "ties",
    "ts_corr(close, volume, 10)",
    "group_neutralize(returns, sector)",
    "log(ties)",
    "volume ** 99",
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 3])
def test_scores_equal_the_specification(panel: Panel, dtype: str, threads: int) -> None:
    sample = panel.sample()
    formulas = [parse(t) for t in TEXTS]
    evaluator = Evaluator(sample.panel, dtype, backend="cpu", threads=threads)
    values = {i: (v, count) for i, v, count in evaluator.stream(formulas)}
    scored = dict(evaluator.scores(formulas, sample))
    assert sorted(scored) == list(range(len(formulas)))
    for index, scores in scored.items():
        want = daily_scores(values[index][0], sample, values[index][1])
        for name in ("ic", "rank_ic", "coverage", "turnover"):
            np.testing.assert_allclose(
                getattr(scores, name), getattr(want, name), 1e-9, 1e-12, err_msg=TEXTS[index]
            )
        np.testing.assert_array_equal(scores.pairs, want.pairs)
        assert scores.infinite == want.infinite
    assert np.isfinite(scored[0].rank_ic).sum() > 50
    assert scored[9].infinite > 0


def test_what_is_not_asked_for_is_missing(panel: Panel) -> None:
    sample = panel.sample()
    evaluator = Evaluator(sample.panel, backend="cpu")
    [(_, full)] = evaluator.scores([parse("close")], sample)
    [(_, quick)] = evaluator.scores([parse("close")], sample, rank_ic=False, turnover=False)
    assert np.isnan(quick.rank_ic).all()
    assert np.isnan(quick.turnover).all()
    np.testing.assert_array_equal(quick.ic, full.ic)
    np.testing.assert_array_equal(quick.coverage, full.coverage)


def test_a_sample_may_end_before_the_evaluator(panel: Panel) -> None:
    short = panel.rows(150).sample()
    long = Evaluator(panel, backend="cpu")
    exact = Evaluator(short.panel, backend="cpu")
    formula = parse("ts_mean(returns, 5)")
    [(_, a)] = long.scores([formula], short)
    [(_, b)] = exact.scores([formula], short)
    np.testing.assert_array_equal(a.rank_ic, b.rank_ic)


def test_a_sample_of_another_panel_is_refused(panel: Panel) -> None:
    other = Panel.from_arrays(
        panel.dates + np.timedelta64(1, "D"),
        panel.symbols,
        dict(panel.columns),
        label_spec=LabelSpec(horizon=2),
    ).sample()
    with pytest.raises(AlphamineError, match="its own panel"):
        list(Evaluator(panel).scores([parse("close")], other))
