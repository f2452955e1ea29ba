"""Linear models of scikit-learn."""

from __future__ import annotations

import json
import warnings
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np

from alphamine.errors import SearchError
from alphamine.extras import require

from .base import Design, FitError, FloatArray, Rows

Kind: TypeAlias = Literal["ols", "ridge", "lasso", "elastic_net"]

_CLASSES: Final = {
    "ols": "LinearRegression",
    "ridge": "Ridge",
    "lasso": "Lasso",
    "elastic_net": "ElasticNet",
}


class WeightedSum:
    """Features by weights, kept as a list of them.

    Attributes
    ----------
    weights : (K,) float64
    """

    suffix: ClassVar[str] = ".json"
    weights: FloatArray

    def predict(self, design: Design) -> FloatArray:
        # Ranks have mean 0 on every day: an intercept would move whole days alike.
        return np.asarray(design.x @ self.weights)

    def dump(self) -> bytes:
        return json.dumps({"weights": self.weights.tolist()}).encode()

    def restore(self, content: bytes) -> None:
        self.weights = np.array(json.loads(content)["weights"], dtype=np.float64)


class EqualModel(WeightedSum):
    """The baseline: the sum of the features, each with the sign of its correlation on train."""

    def fit(self, design: Design, days: Rows) -> None:
        x, y = design.cells(days)
        self.weights = np.sign(np.asarray(y @ x, dtype=np.float64))


class LinearModel(WeightedSum):
    """Least squares, with or without a penalty.

    Parameters
    ----------
    kind : {"ols", "ridge", "lasso", "elastic_net"}
    alpha : float
        The penalty in scikit-learn's scale; for `ridge` by cell, so that it does not depend on how
        many there are.
    l1_ratio : float
        Share of the absolute penalty in that of `elastic_net`.
    """

    def __init__(self, kind: Kind = "ridge", alpha: float = 0.01, l1_ratio: float = 0.5) -> None:
        if not (alpha >= 0.0 and 0.0 <= l1_ratio <= 1.0):
            raise SearchError(
                "a linear model's alpha is 0 or more and its l1_ratio in [0, 1], but got "
                f"alpha={alpha}, l1_ratio={l1_ratio}"
            )
        self.kind, self.alpha, self.l1_ratio = kind, alpha, l1_ratio

    def fit(self, design: Design, days: Rows) -> None:
        x, y = design.cells(days)
        model = self._estimator(len(y))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model.fit(x.astype(np.float64), y)
        self.weights = np.asarray(model.coef_, dtype=np.float64)
        stalled = any(type(w.message).__name__ == "ConvergenceWarning" for w in said)
        if stalled or not np.isfinite(self.weights).all():
            raise FitError(
                f"{self.kind} did not converge with alpha={self.alpha:g}; give it a larger alpha"
            )

    def _estimator(self, cells: int) -> Any:
        linear_model = require("sklearn.linear_model", "linear models need", "scikit-learn")
        settings: dict[str, Any] = {"fit_intercept": False}
        if self.kind != "ols":
            settings["alpha"] = self.alpha * (cells if self.kind == "ridge" else 1)
        if self.kind == "elastic_net":
            settings["l1_ratio"] = self.l1_ratio
        return getattr(linear_model, _CLASSES[self.kind])(**settings)
