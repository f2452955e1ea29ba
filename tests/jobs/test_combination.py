"""A run's pool combined by models: fitted on train alone, scored on valid."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import SearchError
from alphamine.models.base import Design
from alphamine.runs.combination import combine_by, visible_samples
from alphamine.runs.run import Run


@pytest.fixture(scope="module")
def run(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("combined") / "run"
    return am.search(small_panel, "random", 80, run_dir=folder, combine=["ols", "equal"])


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """By scipy, day by day: mean 0, variance 1, missing values at the mean."""
    out = np.zeros(values.shape)
    for t, row in enumerate(values):
        known = ~np.isnan(row)
        ranks = rankdata(row[known])
        if known.sum() > 1 and ranks.std() > 0:
            out[t, known] = (ranks - ranks.mean()) / ranks.std()
    return out


def test_least_squares_is_that_of_numpy(run: Run, small_panel: Panel) -> None:
    found = run.combine("ols")
    panel = small_panel.without_test()
    values = [v.astype(np.float64) for v in am.values(run.pool.formulas, panel)]
    x = np.stack([standard_ranks(v) for v in values], axis=-1)
    train, valid = panel.sample("train"), panel.sample("valid")
    y = standard_ranks(train.label)
    known = ~np.isnan(train.label)
    weights, *_ = np.linalg.lstsq(x[train.rows][known], y[known], rcond=None)
    # Signals are compared up to the accuracy of single-precision ranks.
    np.testing.assert_allclose(found.signal, x @ weights, atol=1e-4)
    for sample in (train, valid):
        daily = [
            spearmanr(a, b, nan_policy="omit").statistic
            for a, b in zip((x @ weights)[sample.rows], sample.label, strict=True)
            if np.isfinite(b).sum() >= panel.min_names
        ]
        assert found.numbers[sample.name].rank_ic == pytest.approx(np.nanmean(daily), abs=1e-4)
    assert found.numbers["train"].rank_ic >= run.combine("equal").numbers["train"].rank_ic - 1e-4


def test_a_model_never_sees_valid_or_test(
    run: Run, small_panel: Panel, poison: Callable[[Panel, int], Panel]
) -> None:
    first = run.combine("ridge", {"alpha": 0.1})
    rows = small_panel.splits.valid[0]  # type: ignore[union-attr,index]
    spoilt = Run(run.directory, poison(small_panel, rows + 10)).combine("ridge", {"alpha": 0.1})
    np.testing.assert_array_equal(first.model.weights, spoilt.model.weights)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(first.signal[:rows], spoilt.signal[:rows])


def test_what_a_job_asks_for_is_recorded_and_shown(run: Run) -> None:
    recorded = run.to_dict()["models"]
    assert [model["model"] for model in recorded] == ["ols", "equal"]
    for model in recorded:
        again = run.combine(model["model"]).to_dict()
        assert json.loads(json.dumps(again)) == model
    page = run.report().read_text()
    assert "Combined by a model" in page
    assert f"{recorded[0]['numbers']['valid']['rank_ic']:+.4f}".replace("-", "\u2212")[:6] in page


def test_bad_models_are_refused_before_the_search(
    run: Run, small_panel: Panel, tmp_path: Path
) -> None:
    with pytest.raises(SearchError, match="no model 'rigde'; did you mean 'ridge'"):
        am.search(small_panel, "random", 20, run_dir=tmp_path / "run", combine=["rigde"])
    assert not (tmp_path / "run").exists()
    with pytest.raises(SearchError, match="alpha"):
        run.combine("ridge", {"alpha": -1.0})


def test_there_is_no_forecast_where_no_formula_has_a_value(small_panel: Panel) -> None:
    pytest.importorskip("sklearn")
    panel = small_panel.without_test()
    formulas = [am.parse("ts_mean(close, 20) / close"), am.parse("ts_delta(volume, 5)")]
    known = panel.universe & np.any([~np.isnan(v) for v in am.values(formulas, panel)], axis=0)
    assert not known[:5].any()
    samples = visible_samples(panel)
    design = Design.of(formulas, Evaluator(samples[-1].panel), samples[0])
    signal = combine_by("ridge", {}, design, samples).signal
    np.testing.assert_array_equal(~np.isnan(signal), known)
