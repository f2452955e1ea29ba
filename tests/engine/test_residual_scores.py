"""Scores and vectors on a residual label: kernels against numpy, numpy against least squares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from alphamine.data import residual
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.risk import RiskSettings, exposures_of
from alphamine.engine.base import Sinks
from alphamine.engine.cells import Cells, DayCells
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.native import NO_RANK, load
from alphamine.errors import DataError
from alphamine.expression.text.parser import parse
from alphamine.pool.combine import WeightedSum
from alphamine.pool.pool import Pool

from ..environments import environment, run

DAYS, NAMES = 90, 61
TEXTS = (
    "signal",
    "ts_mean(signal, 3) + ts_returns(close, 5)",
    "market_cap",
    "group_rank(signal, sector)",
    "sign(signal)",
    "if_else(signal > 0.5, close, signal)",
    "ts_mean(gappy, 2)",
    "0 * signal",
)
needs_kernels = pytest.mark.skipif(load() is None, reason="the kernel library was not built")


def market(gaps: float, **residual: object) -> Panel:
    rng = np.random.default_rng(3)
    sector, shape = np.arange(NAMES) % 5, (DAYS, NAMES)
    returns = rng.normal(0, 0.01, (DAYS, 1)) + rng.normal(0, 0.02, shape)
    close = 20 * np.exp(np.cumsum(returns, axis=0))
    signal = np.where(rng.random(shape) < gaps, np.nan, rng.normal(size=shape))
    return Panel.from_arrays(
        np.busday_offset("2019-10-01", np.arange(DAYS), roll="forward"),
        [f"N{i:03d}" for i in range(NAMES)],
        {
            "close": np.where(rng.random(shape) < gaps, np.nan, close),
            "market_cap": np.exp(rng.normal(20, 2, NAMES)) * close,
            "volume": np.exp(rng.normal(12, 1, shape)),
            "signal": signal,
            "gappy": np.where(rng.random(shape) < 0.8, np.nan, signal),
        },
        universe=rng.random(shape) < 1.0 - gaps,
        groups={"sector": sector, "country": np.arange(NAMES) // 21},
        label_spec=LabelSpec(horizon=1, residual=RiskSettings(**residual)),  # type: ignore[arg-type]
        name="residual",
    )


@pytest.fixture(scope="module")
def gappy() -> Panel:
    return market(0.08)


def test_a_day_is_weighted_least_squares_on_the_cells_that_both_have(gappy: Panel) -> None:
    sample = gappy.sample()
    formula = parse("ts_mean(signal, 2)", fields=gappy.schema)
    [(_, daily)] = Evaluator(gappy).scores([formula], sample)
    values = Evaluator(gappy).values([formula])[0]
    exposures = exposures_of(gappy, sample.rows, RiskSettings())

    def left(y: np.ndarray, day: int, cells: np.ndarray) -> np.ndarray:
        columns = [style[day, cells] for style in exposures.styles.values()]
        columns += [gappy.group("sector")[day, cells] == code for code in range(5)]
        x, w = np.column_stack(columns).astype(float), exposures.weights[day, cells]
        return y - x @ np.linalg.solve(x.T @ (w[:, None] * x), x.T @ (w * y))

    for day in range(65, DAYS - 2):
        labelled = np.flatnonzero(~np.isnan(sample.label[day]))
        target = np.full(NAMES, np.nan)
        target[labelled] = stats.rankdata(left(sample.label[day, labelled], day, labelled))
        both = labelled[~np.isnan(values[day, labelled])]
        w = exposures.weights[day, both]
        a, b = left(stats.rankdata(values[day, both]), day, both), left(target[both], day, both)
        expected = (w * a * b).sum() / np.sqrt((w * a * a).sum() * (w * b * b).sum())
        assert daily.rank_ic[day] == pytest.approx(expected, abs=1e-6)
        raw = stats.spearmanr(values[day, both], sample.label[day, both]).statistic
        assert daily.raw_rank_ic is not None
        assert daily.raw_rank_ic[day] == pytest.approx(raw, abs=1e-12)


@needs_kernels
@pytest.mark.parametrize("gaps", [0.0, 0.08, 0.25, 0.5])
@pytest.mark.parametrize("groups", [None, (), ("sector", "country")])
def test_kernels_agree_with_numpy(gaps: float, groups: tuple[str, ...] | None) -> None:
    panel = market(gaps, groups=groups)
    sample = panel.sample()
    formulas = [parse(text, fields=panel.schema) for text in TEXTS]
    fast = dict(Evaluator(panel, backend="cpu").scores(formulas, sample))
    slow = dict(Evaluator(panel, backend="reference").scores(formulas, sample))
    bare = dict(Evaluator(panel, backend="cpu", threads=3).scores(formulas, sample, turnover=False))
    scored = 0
    for i in range(len(formulas)):
        np.testing.assert_allclose(fast[i].rank_ic, slow[i].rank_ic, atol=2e-6)
        np.testing.assert_allclose(fast[i].raw_rank_ic, slow[i].raw_rank_ic, atol=1e-12)
        np.testing.assert_array_equal(fast[i].rank_ic, bare[i].rank_ic)
        scored += int((~np.isnan(fast[i].rank_ic)).sum())
    assert scored > 100 or gaps == 0.5  # where few days have enough names
    assert all(not (np.abs(fast[i].rank_ic) > 0.97).any() for i in fast)
    assert np.isnan(fast[len(TEXTS) - 1].rank_ic).all()


def test_what_is_nothing_but_a_style_has_no_residual() -> None:
    panel = market(0.0, weights="equal")
    exposures = exposures_of(panel, panel.sample().rows, RiskSettings())
    style = np.full(panel.shape, np.nan)
    style[panel.sample().rows] = stats.rankdata(exposures.styles["size"], axis=1)
    # Ranks of a style are explained whole if they are the style: here its exposure is its rank.
    tilted = replace(panel, columns={**panel.columns, "style": style})
    [(_, daily)] = Evaluator(tilted).scores([parse("style", fields=tilted.schema)], tilted.sample())
    assert np.nanmax(np.abs(daily.rank_ic)) < 1.0
    left = tilted.sample().projection.rest(style[tilted.sample().rows])[2]  # type: ignore[union-attr]
    total = np.nansum((style - np.nanmean(style, axis=1, keepdims=True)) ** 2, axis=1)
    assert np.nanmax(left[70:85] / total[70:85]) < 0.2


@pytest.mark.parametrize("kernels", [True, False])
def test_vectors_of_a_pool_are_what_is_left(
    gappy: Panel, kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels:
        monkeypatch.setattr("alphamine.engine.cells.load", lambda: None)
    sample = gappy.sample()
    cells = Cells(sample)
    formulas = [parse(text, fields=gappy.schema) for text in TEXTS]
    evaluator = Evaluator(gappy)
    found = dict(evaluator.run(formulas, Sinks(scores=sample, vectors=cells)))
    for i, values in enumerate(evaluator.values(formulas)):
        own, given = cells.vector(values), found[i].vector
        assert given is not None
        np.testing.assert_allclose(given.data, own.data, atol=1)
        np.testing.assert_allclose(given.size, own.size, atol=1e-6)
        daily = found[i].daily
        assert daily is not None
        whole = ~np.isnan(values) | ~sample.projection.inside  # type: ignore[union-attr]
        days = whole.all(axis=1) & ~np.isnan(daily.rank_ic)
        [products] = cells.products(given, [cells.label])
        np.testing.assert_allclose(products[days], daily.rank_ic[days], atol=2e-4)


def test_a_pool_weighs_what_it_hands_out() -> None:
    panel = market(0.0)
    sample = panel.sample()
    pool = Pool(sample, token_price=0.0)
    formulas = [parse(text, fields=panel.schema) for text in (TEXTS[0], TEXTS[1], "-market_cap")]
    values = Evaluator(panel).values(formulas)
    for formula, array in zip(formulas, values, strict=True):
        pool.offer(formula, 1, 0.1, pool.vector(array))
    assert len(pool) > 1
    total = WeightedSum(panel.universe)
    for member in pool.members:
        total.add(values[formulas.index(member.formula)], member.weight)
    factor, label, _ = sample.projection.rest(total.signal[sample.rows])  # type: ignore[union-attr]
    size = np.sqrt((factor**2).sum(axis=1) * (label**2).sum(axis=1))
    known = size > 0
    expected = (factor * label).sum(axis=1)[known] / size[known]
    whole = ~np.isnan(np.stack(values)).any(axis=(0, 2))[sample.rows][known]
    np.testing.assert_allclose(pool.ic_series()[known][whole], expected[whole], atol=2e-4)


def test_more_names_than_sixteen_bits_count_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    widest = int((market(0.0).universe).sum(axis=1).max())
    monkeypatch.setattr(residual, "_MOST_NAMES", widest)
    _ = market(0.0).sample().projection
    monkeypatch.setattr(residual, "_MOST_NAMES", widest - 1)
    with pytest.raises(DataError, match=f"at most {widest - 1} names a day have a residual"):
        _ = market(0.0).sample().projection


def test_parts_of_a_sample_have_parts_of_its_scores(gappy: Panel) -> None:
    sample, evaluator = gappy.sample(), Evaluator(gappy)
    formula = parse(TEXTS[1], fields=gappy.schema)
    [(_, whole)] = evaluator.scores([formula], sample)
    [(_, part)] = evaluator.scores([formula], sample.part(70, 85), counted=False)
    np.testing.assert_array_equal(part.rank_ic, whole.rank_ic[70:85])


@needs_kernels
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gaps", [0.0, 0.02, 0.08, 0.5])
@pytest.mark.parametrize("turnover", [False, True])
def test_raw_scores_have_the_bits_that_they_have_on_the_raw_label(
    gaps: float, dtype: str, turnover: bool
) -> None:
    """Ranks of labels, tied ones too, are counted down where a few values are missing."""
    whole = market(gaps)
    coarse = np.round(whole.columns["close"], 0)
    for columns in (whole.columns, {**whole.columns, "close": coarse}):
        residual = replace(whole, columns=columns)
        raw = replace(residual, label_spec=LabelSpec(horizon=1))
        formulas = [parse(text, fields=raw.schema) for text in TEXTS]
        expected = dict(Evaluator(raw, dtype).scores(formulas, raw.sample(), turnover=turnover))
        found = dict(
            Evaluator(residual, dtype).scores(formulas, residual.sample(), turnover=turnover)
        )
        for i in range(len(formulas)):
            np.testing.assert_array_equal(found[i].raw_rank_ic, expected[i].rank_ic)
            np.testing.assert_array_equal(found[i].turnover, expected[i].turnover)
            np.testing.assert_array_equal(found[i].ic, expected[i].ic)


@needs_kernels
@pytest.mark.parametrize("groups", [None, ("sector", "country")])
def test_every_instruction_set_and_batch_leaves_the_same_bits(
    groups: tuple[str, ...] | None,
) -> None:
    """Formulas are projected several at a time, and regressors added eight at a time."""
    panel = market(0.08, groups=groups)
    projection = panel.sample().projection
    assert projection is not None
    rng = np.random.default_rng(4)
    given = rng.integers(-60, 60, (7, len(projection.columns))).astype(np.int16)
    given[rng.random(given.shape) < 0.1] = NO_RANK
    given[3] = np.abs(given[3]) + 1  # nothing missing
    # A day without any value, too.
    given[2, projection.start[40] : projection.start[41]] = NO_RANK
    libraries = [library for library in map(load, ("baseline", "v3", None)) if library is not None]
    alone = [libraries[0].residual_cells(projection, [one])[0] for one in given]
    for library in libraries:
        for kept in (True, False):
            together = library.residual_cells(projection, [*given], kept=kept)
            for one, other in zip(alone, together, strict=True):
                np.testing.assert_array_equal(one.rank_ic, other.rank_ic)
                if kept:
                    np.testing.assert_array_equal(one.cells, other.cells)
                    np.testing.assert_array_equal(one.squares, other.squares)
                    np.testing.assert_array_equal(one.parts, other.parts)


@needs_kernels
def test_ranks_of_cells_that_stand_in_no_order_of_columns() -> None:
    """Neighbouring columns in another order are not taken for a run of them."""
    values = np.random.default_rng(5).normal(size=(3, 40)).astype(np.float32)
    inside = np.zeros((3, 40), dtype=bool)
    inside[:, 10:15] = True
    columns = np.array([10, 13, 11, 12, 14] * 3, dtype=np.int32)
    found, _, _ = DayCells(inside, columns).ranks(values)
    expected = 2 * stats.rankdata(values[:, [10, 13, 11, 12, 14]], axis=1) - 6
    np.testing.assert_array_equal(found.reshape(3, 5), expected)


_BY_SKFOLIO = """
import sys
import numpy as np
from skfolio.linear_model import CSLinearRegression
given = np.load(sys.argv[1])
def left(y, weights):
    inside = weights > 0
    fitted = CSLinearRegression().fit(given["regressors"], y, weights).predict(given["regressors"])
    return np.where(inside, y - fitted, np.nan)
label = left(given["label"], given["weights"])
np.savez(sys.argv[2], label=label,
         factor=left(given["factor"], given["both"]), target=left(given["target"], given["both"]))
"""


@needs_kernels
def test_ranks_of_the_batch_before_are_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = market(0.08)
    sample = panel.sample()
    formulas = [parse(text, fields=panel.schema) for text in TEXTS]
    expected = dict(Evaluator(panel).scores(formulas, sample))
    monkeypatch.setenv("ALPHAMINE_POISON", "1")
    again = Evaluator(panel)
    list(again.scores([*formulas, *formulas], sample))
    for i, daily in again.scores(formulas, sample):
        np.testing.assert_array_equal(daily.rank_ic, expected[i].rank_ic)


@pytest.mark.slow
def test_it_is_what_the_regressions_of_skfolio_leave(tmp_path: Path) -> None:
    """The idiosyncratic returns of its factor model are what this regression leaves of returns."""
    python = environment("skfolio", ["skfolio==1.12.2"])
    panel = market(0.08)
    sample = panel.sample()
    projection = sample.projection
    assert projection is not None
    formula = parse(TEXTS[1], fields=panel.schema)
    values = Evaluator(panel).values([formula])[0][sample.rows]
    [(_, daily)] = Evaluator(panel).scores([formula], sample)
    exposures = exposures_of(panel, sample.rows, RiskSettings())
    days = np.flatnonzero(projection.inside.sum(axis=1) > 0)
    sectors = panel.group("sector")[sample.rows]
    dummies = [sectors == code for code in range(5)]
    inside, both = projection.inside, projection.inside & ~np.isnan(values)

    def ranks(x: np.ndarray, cells: np.ndarray) -> np.ndarray:
        return np.nan_to_num(stats.rankdata(np.where(cells, x, np.nan), axis=1, nan_policy="omit"))

    arrays = {
        "regressors": np.stack([*exposures.styles.values(), *dummies], axis=2),
        "label": np.nan_to_num(sample.label),
        "weights": np.where(inside, exposures.weights, 0.0),
        "both": np.where(both, exposures.weights, 0.0),
        "factor": ranks(values, both),
        "target": ranks(projection.residual, inside),
    }
    np.savez(tmp_path / "in.npz", **{name: x[days] for name, x in arrays.items()})
    run(python, "-c", _BY_SKFOLIO, tmp_path / "in.npz", tmp_path / "out.npz")
    found = np.load(tmp_path / "out.npz")
    assert len(days) > 20
    np.testing.assert_allclose(found["label"], projection.residual[days], atol=1e-9)
    scored = ~np.isnan(daily.rank_ic[days])
    assert scored.sum() > 15
    x, y = (np.nan_to_num(found[name][scored]) for name in ("factor", "target"))
    weights = arrays["both"][days][scored]
    expected = (weights * x * y).sum(axis=1)
    expected /= np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    np.testing.assert_allclose(daily.rank_ic[days][scored], expected, atol=2e-6)
