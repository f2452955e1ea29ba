"""Models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from alphamine.errors import SearchError, nearest

from .base import Model
from .boosting import BoostedModel
from .dynamic import DynamicModel
from .linear import EqualModel, LinearModel
from .networks import AttentionModel, PerceptronModel, RecurrentModel

MODELS: Final[dict[str, Callable[..., Model]]] = {
    "equal": EqualModel,
    "ols": partial(LinearModel, "ols"),
    "ridge": partial(LinearModel, "ridge"),
    "lasso": partial(LinearModel, "lasso"),
    "elastic_net": partial(LinearModel, "elastic_net"),
    "lightgbm": BoostedModel,
    "mlp": PerceptronModel,
    "gru": RecurrentModel,
    "transformer": AttentionModel,
    "dynamic": DynamicModel,
}


def make_model(name: str, settings: Mapping[str, Any] | None = None) -> Model:
    """A model that is not fitted yet.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    settings : mapping, optional
        Arguments of its class.

    Raises
    ------
    SearchError
        Names the models, or the settings that there are.
    """
    if name not in MODELS:
        raise SearchError(
            f"there is no model {name!r}{nearest(name, MODELS)}; there are: {', '.join(MODELS)}"
        )
    try:
        return MODELS[name](**(settings or {}))
    except TypeError as error:
        raise SearchError(f"model {name!r}: {error}") from None
