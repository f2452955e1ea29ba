"""Deflation against the paper's example and Monte Carlo; the verdict's rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from alphamine.evaluation.trust.deflation import (
    TrialCount,
    best_of_luck,
    expected_maximum,
    probabilistic_ratio,
    shape,
)
from alphamine.evaluation.trust.verdict import judge_trust


def test_example_of_the_deflated_sharpe_ratio_paper() -> None:
    year = 250
    benchmark = math.sqrt(0.5 / year) * expected_maximum(100)
    found = probabilistic_ratio(2.5 / math.sqrt(year), benchmark, 1250, -3.0, 10.0)
    assert found == pytest.approx(0.9004, abs=1e-4)


@pytest.mark.parametrize("trials", [10, 100, 1000])
def test_expected_maximum_is_that_of_normal_draws(trials: int) -> None:
    draws = np.random.default_rng(trials).standard_normal((4000, trials)).max(axis=1)
    assert expected_maximum(trials) == pytest.approx(draws.mean(), abs=0.06)
    assert expected_maximum(1) == 0.0


@pytest.mark.parametrize("p_value", [0.0, 1e-300, 3e-17, 1e-6, 0.05, 0.7])
@pytest.mark.parametrize("trials", [1, 2, 10_000, 10**9])
def test_best_of_luck_has_all_digits(p_value: float, trials: int) -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(400):
        expected = float(1 - (1 - mpmath.mpf(p_value)) ** trials)
    assert best_of_luck(p_value, trials) == pytest.approx(expected, rel=1e-12, abs=0.0)
    assert best_of_luck(1.0, trials) == 1.0
    assert math.isnan(best_of_luck(math.nan, trials))


@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize(("days", "horizon"), [(400, 1), (300, 20)])
def test_one_search_of_nothing_in_twenty_looks_as_good(
    days: int, horizon: int, oriented: bool
) -> None:
    # The probability that is shown for the best of 40 useless series is uniform over searches.
    rng = np.random.default_rng(days)
    best = []
    for _ in range(300):
        sums = np.cumsum(rng.standard_normal((40, days + horizon)), axis=1)
        trusts = [
            judge_trust(x, horizon, 40, oriented=oriented)
            for x in sums[:, horizon:] - sums[:, :-horizon]
        ]
        best.append(min(trust.luck for trust in trusts))
    for level in (0.05, 0.2, 0.5):
        share = float(np.mean(np.array(best) <= level))
        assert abs(share - level) < 3.5 * math.sqrt(level * (1 - level) / 300)


def test_a_survivor_is_never_noise() -> None:
    # Long tails, few degrees of freedom: what survives is also likely better than luck on average.
    rng = np.random.default_rng(12)
    survived = 0
    for _ in range(600):
        days, horizon = int(rng.choice([120, 300, 900])), int(rng.choice([1, 5, 20]))
        noise = rng.standard_t(4, days) + rng.choice([-1.0, 1.0]) * rng.exponential(1.0, days)
        x = np.convolve(noise, np.ones(horizon))[:days] + rng.uniform(0.0, 2.0) * horizon
        trust = judge_trust(x, horizon, int(rng.choice([1, 30, 3000])))
        if trust.word.startswith("survives"):
            survived += 1
            assert trust.deflated >= 0.5
            assert trust.luck <= 0.05
            assert abs(trust.t) > 3.0
            assert set(trust.period_signs) == {1}
    assert survived > 60


def test_probability_grows_with_ratio_and_days() -> None:
    assert probabilistic_ratio(0.1, 0.0, 1000, 0, 3) > probabilistic_ratio(0.1, 0.0, 100, 0, 3)
    assert probabilistic_ratio(0.1, 0.1, 500, 0, 3) == pytest.approx(0.5)


def test_shape_equals_scipy() -> None:
    x = np.random.default_rng(0).gamma(2.0, size=500)
    ratio, skew, kurtosis = shape(x)
    assert ratio == pytest.approx(x.mean() / x.std(ddof=1), rel=1e-12)
    assert skew == pytest.approx(stats.skew(x), rel=1e-12)
    assert kurtosis == pytest.approx(stats.kurtosis(x, fisher=False), rel=1e-12)


def test_trial_count_is_the_variance_of_what_was_added() -> None:
    ratios = np.random.default_rng(1).normal(0.02, 0.3, 500)
    count = TrialCount()
    for ratio in ratios:
        count.add(float(ratio))
    assert count.trials == 500
    assert count.variance == pytest.approx(ratios.var(ddof=1), rel=1e-10)
    before = count.mean
    count.add(float("nan"))
    assert (count.trials, count.mean) == (501, before)


def test_counts_of_two_runs_are_one_count() -> None:
    ratios = np.random.default_rng(2).normal(0.02, 0.3, 300)
    parts = TrialCount(), TrialCount()
    for i, ratio in enumerate(ratios):
        parts[i < 100].add(float(ratio))
    both = parts[0].joined(parts[1])
    assert both.trials == 300
    assert both.mean == pytest.approx(ratios.mean(), rel=1e-12)
    assert both.variance == pytest.approx(ratios.var(ddof=1), rel=1e-12)
    assert TrialCount().joined(parts[0]) == parts[0].joined(TrialCount()) == parts[0]


def judged(mean: float, trials: int) -> str:
    series = np.random.default_rng(9).standard_normal(1200)
    return judge_trust(series - series.mean() + mean, 1, trials).word


def test_verdict_follows_strength_and_trials() -> None:
    assert judged(0.01, 1000) == "noise-level"
    assert judged(0.40, 1000) == "survives 1,000 trials"
    # The same factor is worth less the more were tried to find it.
    assert judged(0.14, 2) == "survives 2 trials"
    assert judged(0.14, 13_000) == "weak"
    assert judged(0.14, 20_000) == "noise-level"


def test_an_orientation_from_other_days_is_kept() -> None:
    series = np.random.default_rng(9).standard_normal(1200) - 0.4
    assert judge_trust(series, 1, 10).word == "survives 10 trials"
    failed = judge_trust(series, 1, 10, oriented=True)
    assert (failed.word, failed.period_signs) == ("noise-level", (-1, -1, -1, -1))
    assert judge_trust(-series, 1, 10, oriented=True).word == "survives 10 trials"


def test_a_mean_of_nothing_is_noise_even_in_one_trial() -> None:
    assert judged(0.002, 1) == "noise-level"


def test_benchmark_is_the_best_of_useless_formulas() -> None:
    # The luckiest of 200 independent null series is as good as the benchmark says, on average.
    rng = np.random.default_rng(2)
    best, benchmark = [], []
    for _ in range(40):
        trusts = [judge_trust(x, 1, 200) for x in rng.standard_normal((200, 400))]
        best.append(max(abs(t.t) / math.sqrt(t.effective_days) for t in trusts))
        benchmark.append(np.mean([t.benchmark for t in trusts]))
    assert np.mean(best) == pytest.approx(np.mean(benchmark), rel=0.12)


@pytest.mark.parametrize("days", [250, 500])
def test_few_degrees_of_freedom_make_no_survivors(days: int) -> None:
    # Labels of 20 rows leave 4 and 8 degrees; t-values of luck alone reach 18 and 8.
    rng = np.random.default_rng(days)
    noise = np.cumsum(rng.standard_normal((4000, days + 19)), axis=1)
    series = np.hstack([noise[:, 19:20], noise[:, 20:] - noise[:, :-20]])
    trusts = [judge_trust(x, 20, 4000) for x in series]
    assert max(abs(trust.t) for trust in trusts) > 5.5
    assert not any(trust.word.startswith("survives") for trust in trusts)


def test_verdict_does_not_depend_on_orientation() -> None:
    x = np.random.default_rng(4).gamma(2.0, size=800) - 1.7
    count = TrialCount()
    up, down = judge_trust(x, 5, count), judge_trust(-x, 5, count)
    assert up.word == down.word
    assert up.deflated == pytest.approx(down.deflated, rel=1e-12)
    assert up.period_signs == down.period_signs


def test_a_factor_that_turned_does_not_survive() -> None:
    x = np.random.default_rng(6).standard_normal(1200) * 0.1 + 0.2
    x[:300] -= 0.6
    trust = judge_trust(x, 1, TrialCount())
    assert trust.period_signs[0] == -1
    assert not trust.word.startswith("survives")
