"""A run's verdicts: every trial counts, noise is called noise, and nothing later is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.scores import daily_scores
from alphamine.errors import SearchError
from alphamine.evaluation.trust.effective import effective_trials
from alphamine.evaluation.trust.inference import cosine_count
from alphamine.jobs.placebo import Searched, placebo, shuffled
from alphamine.jobs.scorer import Scorer
from alphamine.pool.alpha_pool import AlphaPool
from alphamine.runs.run import Run


@pytest.fixture(scope="module")
def run(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("evidence") / "run"
    return am.search(
        small_panel, "genetic", budget=150, seed=0, run_dir=folder, placebos=3, pool_size=10
    )


def test_every_formula_is_a_trial(run: Run) -> None:
    count = run.trial_count
    assert count.trials == len(run.records) == 150
    ratios = np.array([r.train["rank_icir"] for r in run.records])
    # An undefined ratio counts as a trial at the mean.
    known = ratios[~np.isnan(ratios)]
    assert count.variance == pytest.approx(((known - count.mean) ** 2).sum() / 149, rel=0.02)


def test_trials_that_move_together_count_less(run: Run, small_panel: Panel) -> None:
    # All of the few trials are sampled, so the number follows from their own correlations.
    series = [
        am.evaluate(record.formula, small_panel).daily.rank_ic for record in run.records
    ]  # fmt: skip
    expected = effective_trials(np.array(series).T, 150, 5)
    assert 1 < expected < 150
    assert run.facts["trust"]["effective_trials"] == pytest.approx(expected, rel=1e-6)


def test_members_are_judged_by_all_trials(run: Run, small_panel: Panel) -> None:
    for row in run.pool.rows():
        report = am.evaluate(row["formula"], small_panel, trials=run.trial_count)
        assert row["verdict"] == report.trust.verdict
        assert row["t"] == pytest.approx(report.trust.t, rel=1e-6)
        valid = am.evaluate(row["formula"], small_panel, "valid")
        assert row["valid_t"] == pytest.approx(valid.trust.t, rel=1e-6)
    assert {"verdict", "t", "q_value", "family_p"} <= set(run.pool.table().columns)


def test_q_values_are_those_of_statsmodels_over_the_members_on_valid(run: Run) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    rows = run.pool.rows()
    days = len(run.facts["combined"]["valid"]["rank_ic"])
    degrees = cosine_count(days, 5)
    p = [stats.t.sf(row["valid_t"], degrees) for row in rows]
    expected = multitest.multipletests(p, method="fdr_by")[1]
    np.testing.assert_allclose([row["q_value"] for row in rows], expected, rtol=1e-6)
    assert run.facts["trust"]["discoveries"] == int((expected <= 0.05).sum())


def test_what_was_chosen_on_train_has_no_q_value_there(small_panel: Panel, tmp_path: Path) -> None:
    whole = replace(small_panel, splits=None)
    run = am.search(whole, "random", budget=20, seed=0, run_dir=tmp_path / "run")
    assert np.isnan([row["q_value"] for row in run.pool.rows()]).all()
    assert run.facts["trust"]["discoveries"] is None


def test_the_effect_is_no_accident(run: Run) -> None:
    best = run.pool.rows()[0]
    # 200 days under labels of 5 rows leave 13 degrees of freedom at most: too few to be sure.
    assert best["verdict"].split(", ")[0] in ("weak", "survives 150 trials")
    assert best["t"] > 5
    assert best["trust"]["deflated"] > 0.75
    # 74 valid days and 10 members leave little to a family-wise test, but the best is the best.
    assert best["family_p"] == min(row["family_p"] for row in run.pool.rows()[:3])
    trust = run.facts["trust"]
    assert trust["family_split"] == "valid"
    assert 0 <= trust["overfitting"] <= 1
    assert len(trust["paths"]) == 5
    assert min(trust["paths"]) > 0


def test_placebo_p_value_counts_the_luckier_runs(run: Run) -> None:
    placebo = run.facts["placebo"]
    best = max(record.fitness for record in run.records)
    assert len(placebo["best"]) == 3
    assert placebo["p_value"] == (1 + sum(x >= best for x in placebo["best"])) / 4


def test_placebos_evaluate_as_many_formulas_as_the_search_and_heed_no_clock(
    small_panel: Panel, tmp_path: Path
) -> None:
    """Or those of a search that ran out of time would find less for that reason alone."""
    scorer, asked = Scorer(small_panel.without_test()), list[int]()

    def replay(reached: int) -> Callable[[Scorer], Searched]:
        def run(shuffled: Scorer) -> Searched:
            asked.append(reached)
            return Searched(0.02 * len(asked), reached, "the time was spent")

        return run

    real = Searched(0.05, 40, "the budget was spent")
    whole = placebo(scorer, 4, 0, real, replay(40))
    assert whole == {"best": [0.02, 0.04, 0.06, 0.08], "p_value": 3 / 5, "why": None}
    asked.clear()
    short = placebo(scorer, 4, 0, real, replay(39))
    assert (short["best"], short["p_value"], asked) == ([], None, [39])
    assert "1 of 4 on shuffled labels evaluated 39 formulas, not 40: the time" in short["why"]
    folder, limits = tmp_path / "run", {"budget": 10**6, "seconds": 0.5}
    run = am.search(small_panel, "random", seed=0, run_dir=folder, placebos=1, **limits)
    assert run.facts["stopped"] == "the time was spent"
    assert run.facts["placebo"]["p_value"] in (0.5, 1.0)


def test_noise_is_called_noise(small_panel: Panel, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {
        name: np.exp(np.cumsum(rng.normal(0, 0.02, small_panel.shape), axis=0)) * 20
        for name in small_panel.columns
    }
    noise = replace(small_panel, columns=columns)
    run = am.search(noise, "genetic", budget=200, seed=1, run_dir=tmp_path / "run")
    assert not any(row["verdict"].startswith("survives") for row in run.pool.rows())
    assert run.facts["trust"]["discoveries"] == 0


def test_poisoned_later_rows_change_no_verdict(
    small_panel: Panel, poison: Callable[..., Panel], tmp_path: Path
) -> None:
    clean, poisoned = (
        am.search(panel, "genetic", budget=60, seed=3, run_dir=tmp_path / name, placebos=1)
        for panel, name in ((small_panel, "clean"), (poison(small_panel, 206), "poisoned"))
    )
    for a, b in zip(clean.pool.rows(), poisoned.pool.rows(), strict=True):
        assert a["verdict"].split(", ")[0] == b["verdict"].split(", ")[0]
        assert a["t"] == b["t"]
        later = {"verdict", "valid_t", "valid_degrees"}  # what the valid split alone decides
        assert {k: v for k, v in a["trust"].items() if k not in later} == {
            k: v for k, v in b["trust"].items() if k not in later
        }
    assert clean.facts["placebo"] == poisoned.facts["placebo"]
    for name in ("mean", "squares", "overfitting", "paths"):
        assert clean.facts["trust"][name] == poisoned.facts["trust"][name]


def test_a_placebo_keeps_days_and_loses_their_order(small_panel: Panel) -> None:
    sample = small_panel.sample("train")
    twin = shuffled(sample, np.random.default_rng(4))
    assert not np.array_equal(twin.label, sample.label, equal_nan=True)
    rows = {row.tobytes(): t for t, row in enumerate(sample.label)}
    order = [rows[row.tobytes()] for row in twin.label]
    assert sorted(order) == list(range(len(order)))
    # Blocks of 20 days or more: few places where a day is not followed by its successor.
    breaks = (np.diff(order) % len(order) != 1).sum()
    assert 1 < breaks <= math.ceil(len(order) / 20)
    assert sample.panel is twin.panel


def test_negative_placebos_are_refused(small_panel: Panel, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="0 or more"):
        am.search(small_panel, budget=5, run_dir=tmp_path / "run", placebos=-1)


def test_members_that_are_noise_by_themselves_say_why_they_stay(
    run: Run, small_panel: Panel
) -> None:
    known = run.facts["without_noise"]
    words = {row["position"]: row["verdict"] for row in run.pool.rows()}
    noise = [position for position, word in words.items() if word.startswith("noise-level")]
    assert known["members"] == noise
    assert 0 < len(noise) < len(words)
    pool = run.pool
    rest = [i for i in range(len(pool)) if i + 1 not in noise]
    panel = small_panel.without_test()
    combined = AlphaPool(
        tuple(pool.formulas[i] for i in rest),
        tuple(pool.weights[i] for i in rest),
        pool.standardisation,
    ).signal(panel)
    for split in ("train", "valid"):
        expected = np.nanmean(daily_scores(combined, panel.sample(split)).rank_ic)
        assert known["numbers"][split]["rank_ic"] == pytest.approx(expected, rel=1e-6)
    [said] = [remark for remark in run.remarks if "noise-level" in remark]
    assert said.startswith(f"#{noise[0]}")
    assert f"and {known['numbers']['valid']['rank_ic']:+.4f} without" in said
