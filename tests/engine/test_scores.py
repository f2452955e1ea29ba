"""Daily scores of the fast path against the numpy specification."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.engine import scores as specification
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.ranks import quick_ranks
from alphamine.engine.scores import daily_scores
from alphamine.errors import AlphamineError
from alphamine.expression.text.parser import parse
from alphamine.operators.numeric import average_ranks

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


@pytest.mark.parametrize("cells", [60, 1000])
def test_days_in_blocks_score_as_all_at_once(
    panel: Panel, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = panel.sample()
    values = Evaluator(sample.panel).values([parse("ts_corr(close, volume, 10)"), parse("ties")])
    whole = [daily_scores(array, sample) for array in values]
    monkeypatch.setattr(specification, "_BLOCK_CELLS", cells)
    for array, want in zip(values, whole, strict=True):
        found = daily_scores(array, sample, ranks=quick_ranks)
        for name in ("ic", "rank_ic", "pairs", "coverage", "turnover"):
            assert getattr(found, name).tobytes() == getattr(want, name).tobytes(), name


@pytest.mark.parametrize("order", ["C", "F"])
def test_ranks_of_the_library_are_those_of_numpy(order: Literal["C", "F"]) -> None:
    rng = np.random.default_rng(0)
    x = np.asarray(np.round(rng.normal(size=(40, 700)), 2), order=order)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[3, :5] = np.inf, -np.inf, 0.0, -0.0, np.inf
    x[4] = np.nan
    x[5] = 1.0
    for array in (x, x[::2, ::3], x[:, :1], x[:0]):
        found, want = quick_ranks(array), average_ranks(array)
        assert found.tobytes() == want.tobytes()
        # Sums over the names run as they do over numpy's.
        assert found.strides == want.strides
