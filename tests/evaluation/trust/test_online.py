"""Online false discovery control: against another package, and on simulated programmes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from alphamine.evaluation.trust.online import Programme, gamma


def p_values(seed: int, tests: int = 200, true: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    real = rng.random(tests) < true
    return stats.norm.sf(rng.standard_normal(tests) + 4.5 * real), real


def decided(p: np.ndarray) -> np.ndarray:
    programme, found = Programme(), []
    for value in p:
        after = programme.after(value)
        found.append(after.discoveries > programme.discoveries)
        programme = after
    return np.array(found)


def test_gammas_sum_to_one_and_levels_follow_the_definition() -> None:
    # Of x exp(-sqrt(x)) in x = log j what is left is an incomplete gamma function.
    last, scale = 100_000, gamma(1) / np.log(2)
    first = sum(gamma(j) for j in range(1, last))
    rest = 12.0 * special.gammaincc(4, np.sqrt(np.log(last)))
    assert 0.95 < first + scale * rest <= 1.0
    assert Programme().level == pytest.approx(0.05 * gamma(1))
    assert Programme(3, 2).level == pytest.approx(0.05 * gamma(4) * 3)
    assert Programme(0, 0).after(1.0) == Programme(1, 0)


def test_simulated_programmes_keep_to_the_rate() -> None:
    false, power = [], []
    for seed in range(200):
        p, real = p_values(seed)
        found = decided(p)
        false.append((found & ~real).sum() / max(found.sum(), 1))
        power.append((found & real).sum() / max(real.sum(), 1))
    assert np.mean(false) <= 0.05
    assert np.mean(power) > 0.3
    # Without control most of what 5 % accept is false.
    naive = [
        ((p <= 0.05) & ~real).sum() / max((p <= 0.05).sum(), 1)
        for p, real in map(p_values, range(50))
    ]
    assert np.mean(naive) > 0.3


def test_it_decides_as_online_fdr_does() -> None:
    package = pytest.importorskip("online_fdr", reason="online-fdr, the oracle, is not installed")
    for seed in range(30):
        oracle = package.p_values.investing.lond.lond.Lond(alpha=0.05)
        programme = Programme()
        for value in p_values(seed)[0]:
            accepted = oracle.test_one(value)
            after = programme.after(value)
            assert accepted == (after.discoveries > programme.discoveries)
            assert oracle.last_test_level == pytest.approx(programme.level, rel=1e-9)
            programme = after
