"""Closed-form gains against the pool's objective computed afresh."""

from __future__ import annotations

import numpy as np

from alphamine.searchers.rl.synergy import Synergy


def quality(ics: np.ndarray, sketches: np.ndarray) -> tuple[float, np.ndarray]:
    """The squared objective, and the part of each member that no other shares."""
    matrix = sketches @ sketches.T
    matrix[np.diag_indices(len(matrix))] = 1.01
    return float(ics @ np.linalg.solve(matrix, ics)), 1.0 / np.diag(np.linalg.inv(matrix))


def objective(ics: np.ndarray, sketches: np.ndarray) -> float:
    return float(np.sqrt(quality(ics, sketches)[0]))


def test_what_formulas_cost_is_theirs_and_a_full_pool_loses_one() -> None:
    rng = np.random.default_rng(3)
    sketches = rng.normal(size=(7, 40)) + rng.normal(size=40)
    sketches /= np.linalg.norm(sketches, axis=1, keepdims=True)
    ics, raw_penalties = rng.normal(0.0, 0.05, 7), rng.uniform(0.0, 2e-5, 7)
    before, own = quality(ics[:4], sketches[:4])
    penalties = raw_penalties[:4] / own
    for full in (False, True):
        pool = Synergy(ics[:4], sketches[:4], raw_penalties[:4], full=full)
        assert np.isclose(pool.penalised_objective, np.sqrt(before - penalties.sum()))
        gains = pool.gains(ics[4:], sketches[4:], raw_penalties[4:])
        for k, gain in enumerate(gains, start=4):
            penalty = (
                raw_penalties[k] / quality(ics[[*range(4), k]], sketches[[*range(4), k]])[1][-1]
            )
            left = (
                [[i for i in range(4) if i != out] for out in range(4)] if full else [[*range(4)]]
            )
            after = [quality(ics[[*s, k]], sketches[[*s, k]])[0] - penalties[s].sum() for s in left]
            assert np.isclose(gain, np.sqrt(max(after) - penalty) - pool.penalised_objective)


def test_gains_and_losses_are_those_of_the_pool_computed_afresh() -> None:
    rng = np.random.default_rng(0)
    sketches = rng.normal(size=(9, 40)) + rng.normal(size=40)
    sketches /= np.linalg.norm(sketches, axis=1, keepdims=True)
    ics = rng.normal(0.0, 0.05, 9)
    free = np.zeros(9)
    pool = Synergy(ics[:5], sketches[:5], free[:5])
    before = objective(ics[:5], sketches[:5])
    assert np.isclose(pool.penalised_objective, before)
    gains = pool.gains(ics[5:], sketches[5:], free[5:])
    for k, gain in enumerate(gains, start=5):
        members = [*range(5), k]
        assert np.isclose(gain, objective(ics[members], sketches[members]) - before)
    for k, loss in enumerate(pool.losses()):
        members = [i for i in range(5) if i != k]
        assert np.isclose(loss, before - objective(ics[members], sketches[members]))


def test_members_that_are_too_alike_leave_for_a_newcomer() -> None:
    rng = np.random.default_rng(1)
    sketches = rng.normal(size=(4, 40))
    sketches[3] = sketches[1] + 0.3 * sketches[3]
    sketches /= np.linalg.norm(sketches, axis=1, keepdims=True)
    ics = np.array([0.05, 0.03, -0.04, 0.02])
    assert abs(sketches[3] @ sketches[1]) > 0.8
    pool = Synergy(ics[:3], sketches[:3], np.zeros(3), max_correlation=0.8)
    [gain] = pool.gains(ics[3:], sketches[3:], np.zeros(1))
    after = objective(ics[[0, 2, 3]], sketches[[0, 2, 3]])
    assert np.isclose(gain, after - objective(ics[:3], sketches[:3]))
    assert gain < 0.0


def test_an_empty_pool_gains_the_merit() -> None:
    empty = Synergy(np.zeros(0), np.zeros((0, 4)), np.zeros(0))
    found = empty.gains(np.array([0.1, -0.2]), np.eye(4)[:2], np.zeros(2))
    np.testing.assert_allclose(found, np.array([0.1, 0.2]) / np.sqrt(1.01))
    assert empty.penalised_objective == 0.0
