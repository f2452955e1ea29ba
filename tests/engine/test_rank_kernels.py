"""Ranks and daily scores of the kernel library, against scipy: exact, whatever the values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import DailyScores, daily_scores
from alphamine.expression.fields import standard_field

SHAPES = [(9, 1), (10, 2), (17, 7), (40, 50), (11, 301), (9, 1100), (3, 5000)]


def values_of(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(shape)
    x = {
        "noise": noise,
        "ties": np.round(noise * 3),
        "two levels": (noise > 0) * 1.0,
        "both zeros": np.where(noise > 0, 0.0, -0.0),
        "large level": 1e6 + noise,
        # Their leading bits agree, so that the order rests on comparing values.
        "close together": np.where(noise > 0, 0.0, 1.0 + 1e-6 * noise),
        "outlier": np.where(rng.random(shape) < 0.01, 1e30, 1e-3 * noise),
        "heavy tails": rng.standard_cauchy(shape) ** 3,
        "tiny": 1e-42 * np.round(noise * 100),
    }[kind]
    x = np.where(rng.random(shape) < 0.05, np.nan, x)
    x[1] = np.nan
    return x


KINDS = (
    "noise",
    "ties",
    "two levels",
    "both zeros",
    "large level",
    "close together",
    "outlier",
    "heavy tails",
    "tiny",
)


def panel_of(x: np.ndarray, universe: np.ndarray) -> am.Panel:
    universe[:, 0] = True  # a day without members is no panel
    dates = np.datetime64("2020-01-01") + np.arange(len(x))
    symbols = [f"S{i:05d}" for i in range(x.shape[1])]
    return am.Panel.from_arrays(dates, symbols, {"signal": x}, universe)


def expected_ranks(x: np.ndarray) -> np.ndarray:
    """(r - 1) / (n - 1) by scipy, one day at a time."""
    result = np.full(x.shape, np.nan)
    for row, out in zip(x, result, strict=True):
        present = ~np.isnan(row)
        if present.sum() > 1:
            out[present] = (stats.rankdata(row[present]) - 1) / (present.sum() - 1)
    return result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_are_exact(kind: str, shape: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(5)
    x = values_of(kind, shape, rng).astype(dtype)
    universe = rng.random(shape) < 0.9
    evaluator = Evaluator(panel_of(x, universe), dtype, backend="cpu")
    (got,) = evaluator.values([am.parse("rank(signal)")])
    want = expected_ranks(np.where(universe, x, np.nan)).astype(dtype)
    np.testing.assert_array_equal(got, want)


def test_ranks_within_groups_are_exact() -> None:
    rng = np.random.default_rng(6)
    shape = (30, 120)
    x = values_of("ties", shape, rng).astype(np.float32)
    sector = rng.integers(-1, 6, shape)
    universe = rng.random(shape) < 0.9
    dates = np.datetime64("2020-01-01") + np.arange(shape[0])
    panel = am.Panel.from_arrays(
        dates, [f"S{i}" for i in range(shape[1])], {"signal": x}, universe, {"sector": sector}
    )
    fields = {"signal": standard_field("signal"), "sector": standard_field("sector")}
    (got,) = Evaluator(panel, backend="cpu").values(
        [am.parse("group_rank(signal, sector)", fields=fields)]
    )
    want = np.full(shape, np.nan)
    for code in range(6):
        inside = universe & (sector == code)
        ranks = expected_ranks(np.where(inside, x, np.nan))
        want[inside] = ranks[inside]
    np.testing.assert_array_equal(got, want.astype(np.float32))


def sample_of(kind: str, label_kind: str, shape: tuple[int, int], seed: int, dtype: str) -> Sample:
    rng = np.random.default_rng(seed)
    x = values_of(kind, shape, rng).astype(dtype)
    universe = rng.random(shape) < 0.95
    universe[:, 0] = True
    label = np.where(universe, values_of(label_kind, shape, rng), np.nan)
    label[3] = np.where(universe[3], 0.5, np.nan)
    return Sample(panel_of(x, universe), slice(0, shape[0]), label, "all")


def scores_of(sample: Sample, dtype: str, backend: str = "cpu") -> DailyScores:
    evaluator = Evaluator(sample.panel, dtype, backend=backend)
    ((_, scores),) = evaluator.scores([am.parse("signal")], sample)
    return scores


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label_kind", ["noise", "ties"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_the_specification(kind: str, label_kind: str, dtype: str) -> None:
    sample = sample_of(kind, label_kind, (20, 331), 11, dtype)
    got, want = scores_of(sample, dtype), daily_scores(sample.panel.columns["signal"], sample)
    np.testing.assert_array_equal(got.pairs, want.pairs)
    np.testing.assert_allclose(got.coverage, want.coverage, rtol=1e-12)
    for name in ("ic", "rank_ic", "turnover"):
        np.testing.assert_allclose(
            getattr(got, name), getattr(want, name), rtol=0, atol=1e-12, err_msg=name
        )


@pytest.mark.parametrize("turnover", [True, False])
@pytest.mark.parametrize("label_kind", ["noise", "ties"])
@pytest.mark.parametrize("kind", ["noise", "ties"])
def test_scores_of_few_of_many_names(kind: str, label_kind: str, turnover: bool) -> None:
    full = sample_of(kind, label_kind, (19, 430), 14, "float32")
    members = np.random.default_rng(2).random((19, 430)) < np.linspace(0.02, 0.7, 19)[:, None]
    panel = panel_of(full.panel.columns["signal"], members)
    label = np.where(members, full.label, np.nan)
    sample = Sample(panel, slice(0, 19), label, "all")
    [(_, got)] = Evaluator(panel, backend="cpu").scores(
        [am.parse("signal")], sample, turnover=turnover
    )
    want = daily_scores(panel.columns["signal"], sample)
    for name in ("ic", "rank_ic", "turnover")[: 3 if turnover else 2]:
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("label_kind", ["noise", "ties"])
def test_rank_ic_is_scipys_spearman_where_names_are_missing_on_either_side(label_kind: str) -> None:
    sample = sample_of("ties", label_kind, (12, 200), 12, "float64")
    x = np.where(sample.panel.universe, sample.panel.columns["signal"], np.nan)
    got = scores_of(sample, "float64").rank_ic
    for day in (0, 2, 4, 9):
        both = ~np.isnan(x[day]) & ~np.isnan(sample.label[day])
        want = stats.spearmanr(x[day][both], sample.label[day][both]).statistic
        assert got[day] == pytest.approx(want, abs=1e-12)
    assert np.isnan(got[[1, 3]]).all()  # no values; a constant label


def test_rank_ic_does_not_depend_on_the_order_of_symbols() -> None:
    sample = sample_of("ties", "noise", (16, 300), 13, "float32")
    order = np.random.default_rng(1).permutation(300)
    moved = Sample(
        panel_of(sample.panel.columns["signal"][:, order], sample.panel.universe[:, order]),
        sample.rows,
        sample.label[:, order],
        "all",
    )
    a, b = scores_of(sample, "float32").rank_ic, scores_of(moved, "float32").rank_ic
    np.testing.assert_array_equal(a, b)
