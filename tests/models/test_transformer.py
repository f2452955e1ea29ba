"""Formulas in scikit-learn's pipelines: the values of the batch, whatever the folds."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, DataError
from alphamine.evaluation.trust.splitters import PurgedKFold
from alphamine.expression.text.parser import parse

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from alphamine.models.transformer import ByDay, FactorTransformer

TEXTS = ("rank(ts_mean(close, 5))", "ts_corr(close, volume, 8)", "group_rank(volume, sector)")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """60 days of 12 symbols as a frame of cells in no order, some of them missing."""
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2020-01-01", periods=60)
    index = pd.MultiIndex.from_product(
        [days, [f"S{i}" for i in range(12)]], names=["date", "symbol"]
    )
    close = 10.0 * np.exp(0.02 * rng.standard_normal((60, 12)).cumsum(axis=0))
    volume, sector = rng.uniform(1.0, 9.0, 720), ["a", "b", "c"] * 240
    cells = pd.DataFrame({"close": close.ravel(), "volume": volume, "sector": sector}, index)
    return cells.sample(frac=0.96, random_state=1)


@pytest.fixture(scope="module")
def panel(frame: pd.DataFrame) -> Panel:
    return Panel.from_frame(frame.sort_index())


def looked_up(panel: Panel, values: list[np.ndarray], cells: pd.DataFrame) -> np.ndarray:
    """Values in the cells of a frame, by pandas."""
    columns = [
        pd.DataFrame(v, panel.dates, panel.symbols).stack(future_stack=True).reindex(cells.index)
        for v in values
    ]
    return np.column_stack(columns)


# Rows of arrays are days of one series, so every check of scikit-learn holds of the fields as they
# are. Windows and cross-sections of formulas read other rows, which the checks that call on parts
# of the rows, or on permuted ones, forbid by design; they are tried here on frames instead.
@parametrize_with_checks([FactorTransformer()])
def test_the_laws_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


EXCEPTIONS = {
    "check_methods_sample_order_invariance": "windows read earlier rows",
    "check_methods_subset_invariance": "windows read earlier rows",
    "check_fit2d_1sample": "a panel is longer than what its formulas look back",
}


@parametrize_with_checks(
    [FactorTransformer(["ts_mean(x0, 2)", "x0 * 2"])], expected_failed_checks=lambda _: EXCEPTIONS
)
def test_windows_break_only_the_laws_that_are_named(estimator: Any, check: Any) -> None:
    check(estimator)


def test_values_of_cells_are_those_of_the_batch(frame: pd.DataFrame, panel: Panel) -> None:
    nodes = [parse(text, fields=panel.schema) for text in TEXTS]
    expected = looked_up(panel, am.values(nodes, panel, dtype="float64"), frame)
    by_itself = FactorTransformer(TEXTS).fit_transform(frame)
    np.testing.assert_array_equal(by_itself, expected)
    some = frame.iloc[100:300]
    found = FactorTransformer(nodes, panel).fit(frame).transform(some[["close"]][[]])
    np.testing.assert_array_equal(found, expected[100:300])
    flat = some.reset_index()
    found = FactorTransformer(nodes, panel).fit_transform(flat[["symbol", "date"]])
    np.testing.assert_array_equal(found, expected[100:300])


def test_a_few_early_days_can_be_asked_for(frame: pd.DataFrame, panel: Panel) -> None:
    expected = FactorTransformer(TEXTS, panel).fit_transform(frame)
    early = frame.index.get_level_values("date") <= panel.dates[2]
    found = FactorTransformer(TEXTS, panel).fit_transform(frame[early])
    np.testing.assert_array_equal(found, expected[early])


def test_new_days_see_those_that_were_fitted(frame: pd.DataFrame, panel: Panel) -> None:
    expected = looked_up(panel, am.values(list(map(parse, TEXTS)), panel, dtype="float64"), frame)
    day = frame.index.get_level_values("date")
    late = day >= panel.dates[40]
    found = FactorTransformer(TEXTS).fit(frame[~late]).transform(frame[late])
    np.testing.assert_array_equal(found, expected[late])


def test_ranks_are_what_models_learn_from(frame: pd.DataFrame, panel: Panel) -> None:
    found = FactorTransformer(["ts_mean(close, 5)"], panel, ranked=True).fit_transform(frame)
    [values] = am.values([parse("ts_mean(close, 5)")], panel, dtype="float64")
    ranks = pd.DataFrame(values).rank(axis=1)
    ranks = ranks.sub(ranks.mean(axis=1), axis=0).div(ranks.std(axis=1, ddof=0), axis=0).fillna(0.0)
    np.testing.assert_allclose(found, looked_up(panel, [ranks.to_numpy()], frame), atol=1e-12)


def test_frames_come_out_with_names(frame: pd.DataFrame, panel: Panel) -> None:
    factors = FactorTransformer(TEXTS, panel).set_output(transform="pandas")
    out = factors.fit_transform(frame)
    assert list(out.columns) == list(TEXTS) == list(factors.get_feature_names_out())
    pd.testing.assert_index_equal(out.index, frame.index)
    whole = FactorTransformer().set_output(transform="pandas").fit_transform(frame)
    pd.testing.assert_frame_equal(whole, frame[["close", "volume"]])


def test_a_pipeline_on_purged_folds_knows_nothing_of_the_future(
    frame: pd.DataFrame, panel: Panel
) -> None:
    rng = np.random.default_rng(4)
    label = pd.Series(rng.standard_normal(len(frame)), frame.index)
    folds = ByDay(PurgedKFold(4, reach=3, embargo=2))
    pipe = make_pipeline(FactorTransformer(TEXTS, panel, ranked=True), Ridge())
    found = cross_val_predict(pipe, frame, label, cv=folds)
    nodes = list(map(parse, TEXTS))
    features = FactorTransformer(nodes, panel, ranked=True).fit_transform(frame)
    position = np.searchsorted(panel.dates, frame.index.get_level_values("date").to_numpy())
    for fold in range(4):
        test = position // 15 == fold
        near = (position >= fold * 15 - 3) & (position < fold * 15 + 15 + 3 + 2)
        model = Ridge().fit(features[~near], label[~near])
        np.testing.assert_allclose(found[test], model.predict(features[test]), rtol=1e-12)
    assert folds.get_n_splits() == 4


def test_copies_share_the_panel_and_pass_through_pickle(frame: pd.DataFrame, panel: Panel) -> None:
    factors = FactorTransformer(TEXTS, panel).fit(frame)
    assert clone(factors).panel is panel
    assert panel.schema
    again = pickle.loads(pickle.dumps(factors))
    np.testing.assert_array_equal(again.transform(frame), factors.transform(frame))


def test_a_pool_brings_its_min_periods(frame: pd.DataFrame, panel: Panel) -> None:
    pool = am.AlphaPool((parse("ts_mean(close, 9)"),), (1.0,), min_periods=2)
    found = FactorTransformer(pool, panel).fit_transform(frame)
    [values] = am.values(list(pool), panel, min_periods=2, dtype="float64")
    np.testing.assert_array_equal(found, looked_up(panel, [values], frame))


def test_bad_input_is_told(frame: pd.DataFrame, panel: Panel) -> None:
    with pytest.raises(NotFittedError):
        FactorTransformer(TEXTS, panel).transform(frame)
    with pytest.raises(DataError, match="index levels or columns"):
        FactorTransformer(TEXTS, panel).fit(np.ones((3, 2)))
    with pytest.raises(AlphamineError, match="no field 'open'"):
        FactorTransformer(["rank(open)"], panel).fit(frame)
    factors = FactorTransformer(TEXTS, panel).fit(frame)
    with pytest.raises(DataError, match="no day 2021"):
        factors.transform(frame.iloc[:2].rename(lambda d: pd.Timestamp("2021-01-04"), level="date"))
    with pytest.raises(DataError, match="no symbol nobody"):
        factors.transform(frame.iloc[:2].rename(lambda s: "nobody", level="symbol"))
