"""Fitted models as values: kept without pickle, read back, and the same to the last bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from alphamine.errors import SearchError
from alphamine.models.base import Design, FitError
from alphamine.models.fitted import FACTS, FittedModel
from alphamine.models.linear import LinearModel
from alphamine.models.registry import MODELS, make_model
from alphamine.operators.numeric import standard_ranks

TRAIN = np.arange(100)
QUICK: dict[str, dict[str, Any]] = {
    "lightgbm": {"trees": 20},
    "mlp": {"epochs": 1},
    "gru": {"epochs": 1, "window": 3},
    "transformer": {"epochs": 1, "window": 3, "hidden": 12},
}


def fitted(design: Design, name: str) -> FittedModel:
    model = make_model(name, QUICK.get(name))
    model.fit(design, TRAIN)
    return FittedModel.of(name, QUICK.get(name, {}), model)


def raw(design: Design) -> list[np.ndarray]:
    """Values whose daily ranks are the features, on any scale."""
    return [np.where(design.inside, np.exp(design.x[..., k]), np.nan) for k in range(4)]


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"dynamic"}))
def test_a_model_that_was_written_and_read_forecasts_the_same(
    design: Design, tmp_path: Path, name: str
) -> None:
    kept = fitted(design, name)
    for file, content in kept.files().items():
        (tmp_path / file).write_bytes(content)
    assert FittedModel.read(tmp_path) == kept
    model = make_model(name, QUICK.get(name))
    model.fit(design, TRAIN)
    signal = FittedModel.read(tmp_path).signal(raw(design), design.inside)
    assert_allclose(signal[design.inside], model.predict(design)[design.inside], rtol=0, atol=2e-6)
    assert np.isnan(signal[~design.inside]).all()


def test_files_are_json_text_and_safetensors(design: Design) -> None:
    suffixes = {name: fitted(design, name).suffix for name in ("ridge", "lightgbm", "mlp")}
    assert suffixes == {"ridge": ".json", "lightgbm": ".txt", "mlp": ".safetensors"}
    assert fitted(design, "lightgbm").content.startswith(b"tree\n")
    header = fitted(design, "mlp").content
    assert "__metadata__" in json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])


def test_weights_of_a_linear_model_make_its_signal(design: Design) -> None:
    kept = fitted(design, "ridge")
    weights = kept.weights
    assert weights is not None
    values = raw(design)
    expected = sum(
        w * np.nan_to_num(standard_ranks(v)) for w, v in zip(weights, values, strict=True)
    )
    found = kept.signal(values, design.inside)
    assert_allclose(found[design.inside], expected[design.inside], rtol=0, atol=1e-6)
    assert fitted(design, "lightgbm").weights is None


def test_there_is_no_forecast_where_no_formula_has_a_value(design: Design) -> None:
    values = raw(design)
    for array in values:
        array[120, 3] = np.nan
    values[0][120, 4] = np.nan
    signal = fitted(design, "ridge").signal(values, np.ones_like(design.inside))
    assert np.isnan(signal[120, 3])
    assert not np.isnan(signal[120, 4])


def test_names_that_never_enter_the_universe_change_nothing(design: Design) -> None:
    kept, values = fitted(design, "lightgbm"), raw(design)
    wide = [np.concatenate([v, np.full((len(v), 3), 7.0)], axis=1) for v in values]
    inside = np.concatenate([design.inside, np.zeros((len(design.inside), 3), bool)], axis=1)
    found = kept.signal(wide, inside)
    assert_array_equal(found[:, :-3], kept.signal(values, design.inside))
    assert np.isnan(found[:, -3:]).all()


def test_what_does_not_converge_is_an_error(design: Design) -> None:
    model = make_model("mlp", {"learning_rate": 1e30, "epochs": 2})
    with pytest.raises(FitError, match="diverged; lower its learning_rate"):
        model.fit(design, TRAIN)
    broken = replace(design, x=design.x * np.float32(1e20))
    with pytest.raises(FitError, match="did not converge"):
        LinearModel("lasso", 0.0).fit(broken, TRAIN)


def test_damaged_files_are_refused(design: Design, tmp_path: Path) -> None:
    for name in ("ridge", "lightgbm", "gru"):
        kept = fitted(design, name)
        damaged = replace(kept, content=kept.content[: len(kept.content) // 3])
        with pytest.raises(SearchError, match=r"damaged|readable"):
            damaged.model()
    with pytest.raises(SearchError, match="no whole model"):
        FittedModel.read(tmp_path)
    (tmp_path / FACTS).write_text('{"model": "ridge"}')
    with pytest.raises(SearchError, match="no whole model"):
        FittedModel.read(tmp_path)
    with pytest.raises(SearchError, match="learns anew"):
        FittedModel.of("dynamic", {}, make_model("dynamic"))
