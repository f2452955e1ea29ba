"""A pool as a value: its signal against an oracle of numpy, and JSON both ways."""

from __future__ import annotations

import json

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.operators import Kind
from alphamine.pool.alpha_pool import AlphaPool

TEXTS = ("x1", "-ts_mean(x2, 3)", "rank(x7) * close")


def pool(**settings: object) -> AlphaPool:
    formulas = tuple(am.parse(text) for text in TEXTS)
    return AlphaPool(formulas, (0.5, -1.0, 2.0), **settings)  # type: ignore[arg-type]


def standardised(values: np.ndarray, universe: np.ndarray, ranks: bool) -> np.ndarray:
    """z-scores of each day over the universe by the textbook, 0 where there is no value."""
    out = np.zeros(values.shape)
    for t in range(len(values)):
        known = universe[t] & ~np.isnan(values[t])
        x = values[t, known].astype(np.float64)
        if ranks:
            x = np.array([(x < v).sum() + ((x == v).sum() - 1) / 2 for v in x], dtype=np.float64)
        if len(x) and x.max() > x.min():
            out[t, known] = (x - x.mean()) / x.std()
    return out


@pytest.mark.parametrize("standardisation", ["rank", "value"])
def test_the_signal_is_the_weighted_sum_of_z_scores(panel: Panel, standardisation: str) -> None:
    value = pool(standardisation=standardisation)
    arrays = am.values(value.formulas, panel)
    parts = [
        weight * standardised(array, panel.universe, standardisation == "rank")
        for weight, array in zip(value.weights, arrays, strict=True)
    ]
    signal = value.signal(panel)
    known = np.any([part != 0.0 for part in parts], axis=0)
    np.testing.assert_allclose(signal[known], sum(parts)[known], rtol=1e-9, atol=1e-12)
    missing = ~panel.universe | np.isnan(arrays).all(axis=0)
    assert missing.sum() > panel.shape[0]
    assert np.isnan(signal[missing]).all()


def test_a_single_formula_is_its_values_within_the_universe(panel: Panel) -> None:
    formula = am.parse("ts_mean(x1, 5)")
    [values] = am.values([formula], panel, min_periods=2)
    signal = AlphaPool.of(formula, min_periods=2).signal(panel)
    np.testing.assert_array_equal(signal, np.where(panel.universe, values, np.nan))


def test_json_goes_both_ways(panel: Panel) -> None:
    size = am.parse("group_neutralize(x1, basket)", fields={
        **panel.schema, "basket": panel.schema["x1"].__class__("basket", Kind.GROUP)
    })  # fmt: skip
    records = tuple({"position": i, "valid_rank_ic": float("nan")} for i in range(2))
    given = AlphaPool(
        (size, am.parse("ts_std_dev(0.1 * close, 7)")),
        (1 / 3, -0.25),
        "value",
        0.5,
        records,
        {"run": "a1", "trials": 7, "verdicts": ["luck", None]},
    )
    text = json.dumps(given.to_dict(), allow_nan=False)
    again = AlphaPool.from_dict(json.loads(text))
    assert again == given
    assert again.formulas[0] is given.formulas[0]
    assert again.fields["basket"].kind is Kind.GROUP
    assert (again.trials, again.provenance) == (7, given.provenance)
    assert np.isnan(again.rows()[0]["valid_rank_ic"])
    assert json.dumps(again.to_dict()) == text


def test_a_pool_of_another_schema_is_refused() -> None:
    data = pool().to_dict()
    with pytest.raises(SearchError, match="this one has schema 2"):
        AlphaPool.from_dict({**data, "schema": 2})
    with pytest.raises(SearchError, match="no pool as `to_dict` writes it"):
        AlphaPool.from_dict({**data, "formulas": [{"tree": "close"}]})


def test_parts_fit_together(panel: Panel) -> None:
    formulas = pool().formulas
    with pytest.raises(SearchError, match="3 formulas came with 1 weights"):
        AlphaPool(formulas, (1.0,))
    with pytest.raises(SearchError, match="3 formulas came with 2 records"):
        AlphaPool(formulas, (1.0, 1.0, 1.0), records=({}, {}))
    with pytest.raises(SearchError, match="weights of a pool are finite"):
        AlphaPool(formulas, (1.0, float("nan"), 1.0))
    with pytest.raises(SearchError, match="of different scales"):
        AlphaPool(formulas, (1.0, 1.0, 1.0), standardisation="none")
    with pytest.raises(SearchError, match="the pool is empty"):
        AlphaPool((), ()).signal(panel)


def test_the_frame_has_a_row_for_each_formula() -> None:
    frame = pool().to_frame()
    assert list(frame.formula) == ["x1", "-ts_mean(x2, 3)", "rank(x7) * close"]
    assert list(frame.weight) == [0.5, -1.0, 2.0]
    assert len(AlphaPool((), ()).to_frame()) == 0
