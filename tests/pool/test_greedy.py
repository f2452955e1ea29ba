"""The laws of the greedy pool, held against correlations that scipy computes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores
from alphamine.errors import SearchError
from alphamine.expression.nodes import Node, call
from alphamine.pool.greedy import Pool
from alphamine.pool.table import combine, pool_table
from alphamine.search.base import Candidate, Evaluation

ROWS, NAMES, FIELDS = 60, 30, 40


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Fields in families: those of a family resemble each other, and forecast the label a bit."""
    rng = np.random.default_rng(7)
    close = 10.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (ROWS, NAMES)), axis=0))
    following = np.zeros_like(close)
    following[:-1] = close[1:] / close[:-1] - 1.0
    families = rng.normal(size=(8, ROWS, NAMES)) + rng.uniform(-8, 8, (8, 1, 1)) * following
    columns = {"close": close}
    for k in range(FIELDS):
        noise = rng.uniform(0.2, 1.5) * rng.normal(size=(ROWS, NAMES))
        x = rng.choice([-1.0, 1.0]) * families[k % 8] + noise
        x[rng.random(x.shape) < rng.choice([0.0, 0.1])] = np.nan
        columns[f"x{k}"] = x
    universe = rng.random((ROWS, NAMES)) < 0.9
    return Panel.from_arrays(
        np.arange(ROWS).astype("datetime64[D]"), np.arange(NAMES).astype(str), columns, universe,
        label_spec=LabelSpec(horizon=1, delay=0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def train(panel: Panel) -> Sample:
    return panel.sample()


def judged(formula: Node, panel: Panel, train: Sample) -> tuple[Evaluation, np.ndarray]:
    ranks, values = Evaluator(panel).values([call("rank", formula), formula])
    rank_ic = float(np.nanmean(daily_scores(values, train).rank_ic))
    return Evaluation(Candidate(formula, "test"), {"rank_ic": rank_ic}, abs(rank_ic)), ranks


@pytest.fixture(scope="module")
def offers(panel: Panel, train: Sample) -> list[tuple[Evaluation, np.ndarray]]:
    return [judged(panel.schema[f"x{k}"].node, panel, train) for k in range(FIELDS)]


def filled(train: Sample, offers: Sequence[tuple[Evaluation, np.ndarray]], **limits: float) -> Pool:
    pool = Pool(train, **limits)  # type: ignore[arg-type]
    for evaluation, values in offers:
        pool.offer(evaluation, values)
    return pool


def ranked(x: np.ndarray, panel: Panel) -> np.ndarray:
    """Ranks in [0, 1] of each day's universe, by scipy."""
    ranks = rankdata(np.where(panel.universe, x, np.nan), axis=1, nan_policy="omit")
    return (ranks - 1) / (np.isfinite(ranks).sum(axis=1, keepdims=True) - 1)


def correlation(a: np.ndarray, b: np.ndarray, sample: Sample) -> float:
    """Mean over days of Spearman's correlation, by scipy's ranks, on common cells."""
    universe = sample.panel.universe[sample.rows]
    daily = []
    for x, y, inside in zip(a[sample.rows], b[sample.rows], universe, strict=True):
        both = inside & np.isfinite(x) & np.isfinite(y)
        if both.sum() >= sample.panel.min_names:
            daily.append(np.corrcoef(rankdata(x[both]), rankdata(y[both]))[0, 1])
    return float(np.mean(daily))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("capacity", "limit"), [(20, 0.7), (5, 0.5), (3, 0.95)])
def test_no_two_members_resemble_each_other_whatever_the_order(
    panel: Panel, train: Sample, offers: list[tuple[Evaluation, np.ndarray]],
    seed: int, capacity: int, limit: float,
) -> None:  # fmt: skip
    order = np.random.default_rng(seed).permutation(len(offers))
    pool = Pool(train, capacity, limit)
    for index in order:
        pool.offer(*offers[index])
        fitness = [member.fitness for member in pool.members]
        assert fitness == sorted(fitness, reverse=True)
        assert len(pool) <= capacity
    arrays = Evaluator(panel).values([m.formula for m in pool.members])
    for (a, x), (b, y) in combinations(zip(pool.members, arrays, strict=True), 2):
        expected = correlation(x, y, train)
        # Common cells are not ranked anew, hence the small difference to scipy.
        assert pool.correlation(a.formula, b.formula) == pytest.approx(expected, abs=0.02)
        assert abs(pool.correlation(a.formula, b.formula)) <= limit


def test_the_pool_changes_only_for_the_better(
    train: Sample, offers: list[tuple[Evaluation, np.ndarray]]
) -> None:
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(offers))
        pool = Pool(train, capacity=4)
        for index in order:
            before, formulas = pool.combined_ic(), pool.view().formulas
            gain = pool.offer(*offers[index])
            assert gain >= 0.0
            assert (gain > 0.0) == (pool.view().formulas != formulas)
            assert pool.combined_ic() == pytest.approx(before + gain, abs=1e-12)
        assert pool.combined_ic() >= max(member.fitness for member in pool.members)


def test_a_full_pool_drops_what_it_misses_least(
    train: Sample, offers: list[tuple[Evaluation, np.ndarray]]
) -> None:
    pool = Pool(train, capacity=3, max_correlation=1.0)
    for index, (evaluation, values) in enumerate(offers):
        before = list(pool.members)
        if not pool.offer(evaluation, values) or len(before) < 3:
            continue
        # No other choice of three out of the four would have combined better.
        chosen = pool.combined_ic()
        for left_out in range(3):
            rival = Pool(train, capacity=3, max_correlation=1.0)
            formulas = [m.formula for i, m in enumerate(before) if i != left_out]
            for other, array in offers[:index]:
                if other.candidate.formula in formulas:
                    rival.offer(other, array)
            rival.offer(evaluation, values)
            if len(rival) == 3:
                assert rival.combined_ic() <= chosen + 1e-12


def test_equal_offers_give_equal_pools(
    train: Sample, offers: list[tuple[Evaluation, np.ndarray]]
) -> None:
    assert filled(train, offers).state_dict() == filled(train, offers).state_dict()


def test_a_formula_enters_once_and_its_reverse_never(panel: Panel, train: Sample) -> None:
    node = panel.schema["x3"].node
    pool = Pool(train)
    assert pool.offer(*judged(node, panel, train)) > 0.0
    assert pool.offer(*judged(node, panel, train)) == 0.0
    assert pool.offer(*judged(-node, panel, train)) == 0.0
    assert [member.formula for member in pool.members] == [node]


def test_a_better_formula_drives_out_what_resembles_it(panel: Panel, train: Sample) -> None:
    rng = np.random.default_rng(0)
    best, values = judged(panel.schema["x3"].node, panel, train)
    noisy = ranked(values + rng.normal(0, 0.3 * np.nanstd(values), values.shape), panel)
    worse = Evaluation(Candidate(panel.schema["x4"].node, "test"), best.scores, best.fitness / 2)
    pool = Pool(train)
    assert pool.offer(worse, noisy) > 0.0
    assert pool.offer(best, values) > 0.0
    assert [member.formula for member in pool.members] == [best.candidate.formula]
    assert pool.offer(worse, noisy) == 0.0


def test_gaps_do_not_make_a_copy_look_different(panel: Panel, train: Sample) -> None:
    evaluation, values = judged(panel.schema["x3"].node, panel, train)
    gone = np.random.default_rng(1).random(values.shape) < 0.45
    gaps = ranked(np.where(gone, np.nan, values), panel)
    copy = Evaluation(Candidate(panel.schema["x5"].node, "test"), evaluation.scores, 0.001)
    pool = filled(train, [(evaluation, values)])
    assert pool.offer(copy, gaps) == 0.0


def test_what_covers_no_common_cell_is_not_taken_for_different(panel: Panel, train: Sample) -> None:
    evaluation, values = judged(panel.schema["x3"].node, panel, train)
    elsewhere = Evaluation(Candidate(panel.schema["x5"].node, "test"), evaluation.scores, 0.001)
    pool = filled(train, [(evaluation, values)])
    assert pool.offer(elsewhere, np.full_like(values, np.nan)) == 0.0


@pytest.mark.parametrize("fitness", [float("-inf"), float("nan"), 0.0])
def test_a_formula_without_merit_is_refused(panel: Panel, train: Sample, fitness: float) -> None:
    evaluation, values = judged(panel.schema["x3"].node, panel, train)
    none = Evaluation(evaluation.candidate, evaluation.scores, fitness)
    pool = Pool(train)
    assert pool.offer(none, values) == 0.0
    assert len(pool) == 0


def test_a_restored_pool_decides_as_the_first_would_have(
    panel: Panel, train: Sample, offers: list[tuple[Evaluation, np.ndarray]]
) -> None:
    half = len(offers) // 2
    whole = filled(train, offers[:half], capacity=6)
    state = json.loads(json.dumps(whole.state_dict()))
    restored = Pool(train, capacity=6)
    restored.load_state_dict(state, Evaluator(panel).values)
    assert restored.state_dict() == whole.state_dict()
    for evaluation, values in offers[half:]:
        assert restored.offer(evaluation, values) == whole.offer(evaluation, values)
        assert restored.members == whole.members


def test_the_gain_is_the_growth_of_the_combined_ic(
    panel: Panel, train: Sample, offers: list[tuple[Evaluation, np.ndarray]]
) -> None:
    pool = Pool(train, capacity=6)
    total = 0.0
    for evaluation, values in offers:
        total += pool.offer(evaluation, values)
    assert total == pytest.approx(pool.combined_ic(), abs=1e-12)
    table = pool_table(pool, Evaluator(panel), train)
    assert table.combined is not None
    assert pool.combined_ic() == pytest.approx(table.combined.train_rank_ic, rel=0.1)


def test_the_table_says_what_scipy_says(
    panel: Panel, train: Sample, offers: list[tuple[Evaluation, np.ndarray]]
) -> None:
    pool = filled(train, offers, capacity=5)
    table = pool_table(pool, Evaluator(panel), train)
    arrays = Evaluator(panel).values([m.formula for m in pool.members])
    label = np.where(np.isfinite(train.label), train.label, np.nan)
    for row, member, x in zip(table.rows, pool.members, arrays, strict=True):
        daily = []
        for values, target in zip(x[train.rows], label, strict=True):
            both = np.isfinite(values) & np.isfinite(target)
            if both.sum() >= panel.min_names:
                daily.append(spearmanr(values[both], target[both]).statistic)
        signed = member.sign * np.array(daily)
        assert row.train_rank_ic == pytest.approx(signed.mean(), abs=1e-9)
        assert row.train_rank_icir == pytest.approx(signed.mean() / signed.std(ddof=1), abs=1e-9)
        assert row.train_rank_ic == pytest.approx(member.fitness, abs=1e-9)
        assert np.isnan(row.valid_rank_ic)
        others = [o.formula for o in pool.members if o is not member]
        largest = max(abs(pool.correlation(member.formula, o)) for o in others)
        assert row.max_correlation == largest <= pool.max_correlation
        assert 0.0 < row.turnover <= 2.0


def test_members_combine_as_their_mean_oriented_ranks(panel: Panel) -> None:
    a, b = panel.columns["x0"], panel.columns["x1"]
    together = combine([a, b], [1, -1], panel.universe)
    for t in (0, 17, ROWS - 1):
        parts = []
        for x, sign in ((a[t], 1.0), (b[t], -1.0)):
            x = np.where(panel.universe[t], x, np.nan)
            ranks = rankdata(x, nan_policy="omit")
            parts.append(sign * (ranks - np.nanmean(ranks)) / np.nanstd(ranks))
        both = np.isfinite(parts).any(axis=0)
        expected = np.full(NAMES, np.nan)
        expected[both] = np.nanmean(np.array(parts)[:, both], axis=0)
        np.testing.assert_allclose(together[t], expected, atol=1e-12)


def test_an_empty_pool_has_an_empty_table(panel: Panel, train: Sample) -> None:
    table = pool_table(Pool(train), Evaluator(panel), train)
    assert table.rows == ()
    assert table.combined is None


@pytest.mark.parametrize("limits", [{"capacity": 0}, {"max_correlation": 0.0}])
def test_impossible_limits_are_refused(train: Sample, limits: dict[str, float]) -> None:
    with pytest.raises(SearchError, match="but"):
        Pool(train, **limits)  # type: ignore[arg-type]
