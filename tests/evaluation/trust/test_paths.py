"""Cross-validation paths against a construction by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from alphamine.evaluation.trust.paths import path_ratios
from alphamine.evaluation.trust.splitters import CombinatorialPurgedKFold


def test_paths_are_those_built_by_hand() -> None:
    rng = np.random.default_rng(1)
    days, folds, reach = 240, 6, 5
    series = rng.normal(0.05, 1.0, (days, 4))
    width = days // folds
    pieces: dict[int, list[np.ndarray]] = {fold: [] for fold in range(folds)}
    for pick in combinations(range(folds), 2):
        near = np.zeros(days, bool)
        for fold in pick:
            near[max(0, fold * width - reach) : (fold + 1) * width + 2 * reach] = True
        train = series[~near]
        best = np.argmax(train.mean(axis=0) / train.std(axis=0, ddof=1))
        for fold in pick:
            pieces[fold].append(series[fold * width : (fold + 1) * width, best])
    paths = [np.concatenate([pieces[f][p] for f in range(folds)]) for p in range(5)]
    expected = [path.mean() / path.std(ddof=1) for path in paths]
    found = path_ratios(series, CombinatorialPurgedKFold(folds, 2, reach, reach))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_one_good_series_is_taken_on_every_path() -> None:
    series = np.random.default_rng(2).normal(0, 1, (300, 5))
    series[:, 3] += 0.5
    found = path_ratios(series, CombinatorialPurgedKFold(6, 2))
    expected = series[:, 3].mean() / series[:, 3].std(ddof=1)
    assert found == pytest.approx([expected] * 5)
    assert np.isnan(path_ratios(np.ones((60, 2)), CombinatorialPurgedKFold(6, 2))).all()
