"""What verdicts call noise, how they see the valid split, and what can be read back of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.evaluation.trust.inference import cosine_test
from alphamine.evaluation.trust.verdict import Trust, judge_trust

NOISE = "noise-level"


def overlapping(rng: np.random.Generator, count: int, days: int, horizon: int) -> np.ndarray:
    """Null daily ICs of constant factors, (count, days)."""
    sums = np.cumsum(rng.standard_normal((count, days + horizon)), axis=1)
    return sums[:, horizon:] - sums[:, :-horizon]


@pytest.mark.parametrize(("days", "horizon"), [(500, 1), (500, 5), (1200, 5), (500, 20)])
def test_noise_alone_is_called_noise_in_nine_of_ten_cases(days: int, horizon: int) -> None:
    series = overlapping(np.random.default_rng([days, horizon]), 1500, days, horizon)
    words = [judge_trust(x, horizon, 1).word for x in series]
    assert sum(word != NOISE for word in words) <= 150
    assert sum(word.startswith("survives") for word in words) <= 0.06 * 1500


def test_the_best_of_a_search_for_nothing_is_called_noise_in_nine_of_ten_cases() -> None:
    rng = np.random.default_rng(7)
    found = []
    for _ in range(200):
        series = overlapping(rng, 100, 400, 5)
        found.append({judge_trust(x, 5, 100).word for x in series} != {NOISE})
    low, high = stats.binomtest(sum(found), 200).proportion_ci()
    assert low <= 0.08 <= high


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("mean", "phrase"), [(0.5, "confirmed"), (0.0, "unconfirmed"), (-0.5, "contradicted")]
)
def test_the_valid_split_confirms_or_contradicts(sign: float, mean: float, phrase: str) -> None:
    rng = np.random.default_rng(3)
    train = sign * (rng.standard_normal(800) + 0.3)
    noise = rng.standard_normal(300)
    valid = sign * (noise - noise.mean() + mean)
    trust = judge_trust(train, 1, 10, valid=valid)
    assert trust.verdict == f"survives 10 trials, {phrase} on valid"
    test = cosine_test(valid, 1)
    one_sided = stats.t.sf(sign * test.t, test.degrees)
    assert trust.valid_t == pytest.approx(sign * test.t)
    expected = (
        "confirmed" if one_sided <= 0.05 else "contradicted" if one_sided >= 0.95 else "unconfirmed"
    )
    assert phrase == expected
    assert f"{trust.valid_t:+.1f}" in trust.evidence


def test_without_enough_valid_days_nothing_is_confirmed() -> None:
    train = np.random.default_rng(3).standard_normal(800) + 0.3
    assert judge_trust(train, 1, 10, valid=np.full(40, np.nan)).on_valid == "unconfirmed on valid"
    alone = judge_trust(train, 1, 10)
    assert (alone.on_valid, alone.verdict) == (None, alone.word)


@pytest.mark.parametrize("days", [800, 4])
@pytest.mark.parametrize("valid", [None, 300, 4])
def test_what_was_recorded_is_read_back(days: int, valid: int | None) -> None:
    rng = np.random.default_rng(3)
    later = None if valid is None else rng.standard_normal(valid)
    trust = judge_trust(rng.standard_normal(days) + 0.3, 5, 100, on_dataset=700, valid=later)
    document = json.loads(json.dumps(trust.to_dict(), allow_nan=False))
    back = Trust.of(document)
    assert repr(back) == repr(trust)  # NaN is no number equal to itself
    assert back.to_dict() == document
    more = back.among(10**6)
    assert (more.tried, back.tried, back.among(None).tried) == (10**6, 700, 100)
    assert math.isnan(trust.t) or more.luck > back.luck


def test_a_report_on_train_sees_valid(market: Panel) -> None:
    panel = replace(market, splits=Splits((0, 180), (186, 290), None, gap=6))
    report = am.evaluate("volume", panel)
    held = cosine_test(am.evaluate("volume", panel, "valid").daily.rank_ic, 5)
    sign = math.copysign(1.0, report.rank_ic)
    assert report.trust.valid_t == pytest.approx(sign * held.t, rel=1e-9)
    assert report.trust.valid_degrees == held.degrees
    assert "on valid: " in report.verdict
    assert am.evaluate("volume", panel, "valid").trust.on_valid is None
    assert am.evaluate("volume", market).trust.on_valid is None
    [row] = am.evaluate(["volume"], panel).verdict
    assert row == report.trust.verdict
