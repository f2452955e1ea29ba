"""Every model: finds what is planted, repeats itself, and looks at nothing that it may not see."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from alphamine.errors import MissingDependency, SearchError
from alphamine.extras import require_for_model
from alphamine.models.base import Design, signal_of
from alphamine.models.linear import LinearModel
from alphamine.models.networks import PerceptronModel, RecurrentModel
from alphamine.models.registry import MODELS, make_model
from alphamine.models.tuning import SPACES, tune_model

TRAIN = np.arange(100)
HELD = np.arange(106, 150)
QUICK: dict[str, dict[str, Any]] = {
    "lightgbm": {"trees": 40}, "mlp": {"epochs": 4, "learning_rate": 0.02},
    "gru": {"epochs": 3, "window": 2, "learning_rate": 0.03, "hidden": 8},
    "transformer": {"epochs": 3, "window": 2, "learning_rate": 0.01, "hidden": 16},
    "dynamic": {"window": 60},
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_finds_what_is_planted(design: Design, name: str) -> None:
    signal = signal_of(make_model(name, QUICK.get(name)), design, TRAIN)
    assert np.isnan(signal).tolist() == (~design.inside).tolist()
    # The planted sum itself, and one of its features alone.
    best = design.rank_ic(np.asarray(design.x[..., 0] - 2.0 * design.x[..., 1], np.float64), HELD)
    one = design.rank_ic(np.asarray(-design.x[..., 0], np.float64), HELD)
    assert abs(one) < 0.5 * best
    assert design.rank_ic(signal, HELD) > (0.55 if name == "equal" else 0.9) * best


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_bits_and_reads_only_its_days(
    design: Design, name: str
) -> None:
    first = signal_of(make_model(name, QUICK.get(name)), design, TRAIN)
    again = signal_of(make_model(name, QUICK.get(name)), design, TRAIN)
    assert first.tobytes() == again.tobytes()
    poisoned = design.y.copy()
    poisoned[TRAIN[-1] + 1 :] *= -1.0
    other = signal_of(make_model(name, QUICK.get(name)), replace(design, y=poisoned), TRAIN)
    # Dynamic weights learn from later days, too, once their labels are known.
    same = TRAIN[-1] + 1 + design.reach if name == "dynamic" else len(first)
    assert_array_equal(first[:same], other[:same])


@pytest.mark.parametrize("name", MODELS)
def test_a_forecast_uses_no_later_feature(design: Design, name: str) -> None:
    model = make_model(name, QUICK.get(name))
    first = signal_of(model, design, TRAIN)
    x = design.x.copy()
    x[120:] = x[120:][::-1]
    assert_array_equal(
        first[:120], np.where(design.inside, model.predict(replace(design, x=x)), np.nan)[:120]
    )


@pytest.mark.parametrize("name", ["mlp", "gru", "transformer", "lightgbm"])
def test_another_seed_gives_another_model(design: Design, name: str) -> None:
    settings = QUICK[name]
    first = signal_of(make_model(name, settings), design, TRAIN)
    other = signal_of(make_model(name, {**settings, "seed": 1}), design, TRAIN)
    assert not np.array_equal(first, other, equal_nan=True)


def test_linear_weights_are_the_least_squares_solution(design: Design) -> None:
    x, y = design.cells(TRAIN)
    for kind, alpha in (("ols", 0.0), ("ridge", 0.3)):
        model = LinearModel(kind, alpha)  # type: ignore[arg-type]
        model.fit(design, TRAIN)
        wide = x.astype(np.float64)
        form = wide.T @ wide / len(y) + alpha * np.eye(x.shape[1])
        assert_allclose(model.weights, np.linalg.solve(form, wide.T @ y / len(y)), rtol=1e-9)


def test_dynamic_weights_are_a_fit_on_the_window_before_the_embargo(design: Design) -> None:
    settings = {"window": 30, "period": 25, "members": 2, "embargo": 3, "ridge": 0.0}
    signal = make_model("dynamic", settings).predict(design)
    assert not signal[:25].any()  # nothing was known
    for first in (50, 100, 125):
        rows = np.arange(first - 6 - 3 + 1 - 30, first - 6 - 3 + 1)
        x, y = design.cells(rows)
        wide = x[:, [0, 1]].astype(np.float64)
        weight = 1.0 / (~np.isnan(design.y[rows])).sum(axis=1)
        scale = np.repeat(weight, (~np.isnan(design.y[rows])).sum(axis=1))
        fit = np.linalg.solve((wide * scale[:, None]).T @ wide, (wide * scale[:, None]).T @ y)
        assert_allclose(signal[first + 3], design.x[first + 3][:, [0, 1]] @ fit, rtol=1e-6)


@pytest.mark.parametrize("kind", [PerceptronModel, RecurrentModel])
def test_a_stored_network_forecasts_the_same(
    design: Design, tmp_path: Path, kind: type[PerceptronModel] | type[RecurrentModel]
) -> None:
    model = kind(epochs=1, window=3)
    model.fit(design, TRAIN)
    model.save(tmp_path / "net.safetensors")
    restored = kind.load(tmp_path / "net.safetensors")
    assert_array_equal(restored.predict(design), model.predict(design))
    assert restored.settings == model.settings
    other = RecurrentModel if kind is PerceptronModel else PerceptronModel
    with pytest.raises(SearchError, match=r"but .* holds"):
        other.load(tmp_path / "net.safetensors")
    (tmp_path / "broken").write_bytes(b"not a network")
    with pytest.raises(SearchError, match="not a readable"):
        kind.load(tmp_path / "broken")


def test_tuning_finds_a_penalty_that_does_not_hurt(another: Callable[..., Design]) -> None:
    design = another(strength=0.3)
    tuned = tune_model("lasso", design, TRAIN, trials=8)
    assert tuned.rank_ic == max(score for _, score in tuned.tried)
    assert len(tuned.tried) == 8
    assert min(score for _, score in tuned.tried) < tuned.rank_ic
    assert tune_model("lasso", design, TRAIN, trials=8) == tuned
    poisoned = design.y.copy()
    poisoned[TRAIN[-1] + 1 :] = np.nan
    assert tune_model("lasso", replace(design, y=poisoned), TRAIN, trials=8) == tuned


@pytest.mark.parametrize("name", SPACES)
def test_every_space_holds_settings_that_the_model_has(design: Design, name: str) -> None:
    lowest = {key: where.low for key, where in SPACES[name].items()}
    make_model(name, lowest).fit(design, TRAIN[:10])


@pytest.mark.parametrize(
    ("name", "package"),
    [("ridge", "sklearn"), ("lightgbm", "lightgbm"), ("mlp", "torch"), ("gru", "torch")],
)
def test_a_missing_package_is_named(
    design: Design, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    hide(monkeypatch, package)
    with pytest.raises(MissingDependency, match=r"alphamine\[models\]"):
        make_model(name).fit(design, TRAIN)


@pytest.mark.parametrize("package", ["sklearn", "lightgbm", "torch"])
def test_a_model_can_be_refused_before_it_is_fitted(
    design: Design, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Exactly those are refused that could not be fitted."""
    hide(monkeypatch, package)
    fails = {n: _lacks(partial(make_model(n, QUICK.get(n)).fit, design, TRAIN)) for n in MODELS}
    assert {n: _lacks(partial(require_for_model, n)) for n in MODELS} == fails
    assert set(fails.values()) == {True, False}


def _lacks(work: Callable[[], None]) -> bool:
    """Whether a package is missing."""
    try:
        work()
    except MissingDependency:
        return True
    return False


def test_tuning_without_optuna_says_so(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "optuna")
    with pytest.raises(MissingDependency, match="Optuna"):
        tune_model("ridge", design, TRAIN)


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let every import of a package fail, of what is loaded already too."""
    for name in [package, *(n for n in sys.modules if n.startswith(package + "."))]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("oracle", {}),
        ("ridge", {"depth": 3}),
        ("ridge", {"alpha": -1.0}),
        ("mlp", {"epochs": 0}),
        ("dynamic", {"window": 0}),
    ],
)
def test_impossible_models_are_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(SearchError):
        make_model(name, settings)


@pytest.mark.parametrize("name", ["equal", "oracle"])
def test_what_cannot_be_tuned_is_refused(design: Design, name: str) -> None:
    with pytest.raises(SearchError, match="can be tuned"):
        tune_model(name, design, TRAIN)
