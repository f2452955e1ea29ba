"""Several pools as one: the average of their signals, reproduced without the label."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.text.parser import parse
from alphamine.pool.blend import Blend, blend
from alphamine.pool.combine import combine
from alphamine.pool.pool import Pool

TEXTS = (
    "rank(volume)",
    "rank(close)",
    "-ts_delta(close, 5)",
    "ts_mean(volume, 20)",
    "open / close",
    "ts_std_dev(close, 10)",
    "ts_corr(close, volume, 10)",
    "log(volume)",
)
GROUPS = ((0, 1, 2, 6), (0, 3, 4, 5), (1, 2, 5, 7))


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(4)
    days, names = 160, 30
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, names)), axis=0))
    volume = np.exp(rng.normal(9, 1, (days, names)))
    volume[:, :6][rng.random((days, 6)) < 0.2] = np.nan
    panel = Panel.from_arrays(
        np.arange(days).astype("datetime64[D]"),
        [f"N{i}" for i in range(names)],
        {
            "open": close * np.exp(rng.normal(0, 0.01, close.shape)),
            "close": close,
            "volume": volume,
        },
        label_spec=LabelSpec(horizon=2, delay=1),
    )
    return panel.sample()


def filled(sample: Sample, group: tuple[int, ...], size: int = 4) -> Pool:
    """A pool that takes what it is offered."""
    pool = Pool(sample, size, 1.0, token_price=0.0)
    formulas = [parse(TEXTS[i]) for i in group]
    for formula, values in zip(formulas, Evaluator(sample.panel).values(formulas), strict=True):
        pool.offer(formula, 1, 0.01 * formula.length, pool.vector(values))
    return pool


@pytest.fixture(scope="module")
def pools(sample: Sample) -> list[Pool]:
    return [filled(sample, group) for group in GROUPS]


def signal_of(pool: Pool | Blend, sample: Sample) -> np.ndarray:
    values = Evaluator(sample.panel).values([m.formula for m in pool.members])
    weights = [m.weight for m in pool.members]
    return combine(values, weights, sample.panel.universe)


def standardised(signal: np.ndarray, sample: Sample) -> np.ndarray:
    """On the cells that have a label, of unit mean daily variance."""
    inside = np.isfinite(sample.label)
    rows = [np.nan_to_num(x[i]) for x, i in zip(signal[sample.rows], inside, strict=True)]
    enough = [x for x, i in zip(rows, inside, strict=True) if i.sum() >= sample.panel.min_names]
    scale = np.sqrt(np.mean([np.mean((x - x.mean()) ** 2) for x in enough]))
    return np.concatenate([(x - x.mean()) / np.sqrt(len(x)) for x in enough]) / scale


def test_the_average_is_that_of_the_standardised_signals(sample: Sample, pools: list[Pool]) -> None:
    """Against numpy, from the signals themselves; missing values make both a little unlike."""
    whole = blend(pools)
    parts = [standardised(signal_of(pool, sample), sample) for pool in pools]
    expected = np.mean(parts, axis=0)
    got = standardised(signal_of(whole, sample), sample)
    assert np.corrcoef(got, expected)[0, 1] > 0.9999
    agreement = np.array([[a @ b for b in parts] for a in parts]) / (parts[0] @ parts[0])
    np.testing.assert_allclose(whole.agreement, agreement, atol=0.01)
    assert whole.fidelity == pytest.approx(1.0)
    assert len(whole) == len({m.formula.digest for pool in pools for m in pool.members})


def test_a_single_pool_stays_what_it_is(pools: list[Pool]) -> None:
    [pool] = pools[:1]
    alone = blend([pool], pool.capacity)
    assert [m.formula for m in alone.members] == [m.formula for m in pool.members]
    ratios = [m.weight / n.weight for m, n in zip(alone.members, pool.members, strict=True)]
    assert ratios == pytest.approx([float(alone.shares[0])] * len(pool))
    a, b = (m.formula for m in pool.members[:2])
    assert alone.correlation(a, b) == pytest.approx(pool.correlation(a, b))
    assert alone.correlation(a, a) == 1.0


def test_the_chosen_are_the_best_of_all_choices(sample: Sample, pools: list[Pool]) -> None:
    """Against every choice of three out of all formulas, fitted by numpy's least squares."""
    whole, few = blend(pools), blend(pools, 3)
    formulas = [m.formula for m in whole.members]
    weights = np.array([m.weight for m in whole.members])
    vectors = [
        combine([v], [1.0], sample.panel.universe) for v in Evaluator(sample.panel).values(formulas)
    ]
    cells = np.isfinite(sample.label)
    columns = np.array([
        np.concatenate([np.nan_to_num(x[i]) - np.nan_to_num(x[i]).mean()
                        for x, i in zip(v[sample.rows], cells, strict=True) if i.any()])
        for v in vectors
    ])  # fmt: skip
    gram = columns @ columns.T
    gram += 0.1 * np.diag(np.diag(gram))
    target = gram @ weights

    def quality(chosen: tuple[int, ...]) -> float:
        at = list(chosen)
        return float(target[at] @ np.linalg.solve(gram[np.ix_(at, at)], target[at]))

    best = max(combinations(range(len(formulas)), 3), key=quality)
    found = [formulas.index(m.formula) for m in few.members]
    assert quality(tuple(found)) == pytest.approx(quality(best), rel=0.02)
    solved = np.linalg.solve(gram[np.ix_(found, found)], target[found])
    np.testing.assert_allclose([m.weight for m in few.members], solved, rtol=0.03, atol=1e-3)
    assert 0.5 < few.fidelity < 1.0


def test_the_label_has_no_part_in_the_choice(sample: Sample, pools: list[Pool]) -> None:
    """With the same members and weights, another label gives the same blend."""
    rng = np.random.default_rng(0)
    other = replace(
        sample, label=np.where(np.isnan(sample.label), np.nan, rng.normal(size=sample.label.shape))
    )
    moved = []
    for pool in pools:
        twin = Pool(other, 4, 1.0, token_price=0.0)
        formulas = [e.formula for e, _ in pool.weighted]
        values = Evaluator(sample.panel).values(formulas)
        twin.load_state_dict(pool.state_dict(), lambda _, v=values, t=twin: map(t.vector, v))
        twin._fit = replace(twin._fit, weights=np.array([w for _, w in pool.weighted]))
        moved.append(twin)
    one, two = blend(pools, 4), blend(moved, 4)
    assert [m.formula for m in one.members] == [m.formula for m in two.members]
    assert [m.weight for m in one.members] == pytest.approx([m.weight for m in two.members])


def test_finders_are_those_that_hold_a_formula_or_its_twin(pools: list[Pool]) -> None:
    whole = blend(pools)
    by_text = {
        str(m.formula): islands for m, islands in zip(whole.members, whole.finders, strict=True)
    }
    held = [{str(m.formula) for m in pool.members} for pool in pools]
    for text, islands in by_text.items():
        assert set(islands) >= {k for k, texts in enumerate(held) if text in texts}
    # A logarithm ranks as its argument does.
    assert by_text["rank(volume)"] == by_text["log(volume)"] == (0, 1, 2)
    assert by_text["ts_corr(close, volume, 10)"] == (0,)


def test_empty_pools_take_no_part(sample: Sample, pools: list[Pool]) -> None:
    empty = Pool(sample, 4)
    with_one = blend([empty, *pools], 5)
    assert with_one.members == blend(pools, 5).members
    assert with_one.shares[0] == 0.0
    nothing = blend([empty, empty], 5)
    assert len(nothing) == 0
    assert np.isnan(nothing.fidelity)
