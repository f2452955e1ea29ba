"""Gradient-boosted trees of LightGBM."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from alphamine.extras import require

from .base import Design, FloatArray, Rows


class BoostedModel:
    """Trees that forecast the rank of the label.

    Parameters
    ----------
    trees, leaves : int
    learning_rate : float
    smallest_leaf : int
        Cells in a leaf at least.
    ridge : float
        Penalty of a leaf's value.
    share : float
        Of the cells and of the features that each tree sees.
    seed : int
    """

    suffix: ClassVar[str] = ".txt"

    def __init__(
        self,
        trees: int = 200,
        leaves: int = 15,
        learning_rate: float = 0.05,
        smallest_leaf: int = 200,
        ridge: float = 10.0,
        share: float = 0.8,
        seed: int = 0,
    ) -> None:
        self._trees = trees
        self._settings: dict[str, Any] = {
            "objective": "regression",
            "num_leaves": leaves,
            "learning_rate": learning_rate,
            "min_data_in_leaf": smallest_leaf,
            "lambda_l2": ridge,
            "bagging_fraction": share,
            "bagging_freq": 1,
            "feature_fraction": share,
            "seed": seed,
            "verbose": -1,
            # What makes the same seed give the same trees.
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
        }

    def fit(self, design: Design, days: Rows) -> None:
        lightgbm = require("lightgbm", "boosted trees need", "LightGBM")
        x, y = design.cells(days)
        data = lightgbm.Dataset(x, y, params={"verbose": -1})
        self._booster = lightgbm.train(self._settings, data, self._trees)

    def predict(self, design: Design) -> FloatArray:
        signal = np.zeros(design.inside.shape)
        signal[design.inside] = self._booster.predict(design.x[design.inside], num_threads=1)
        return signal

    def dump(self) -> bytes:
        return str(self._booster.model_to_string()).encode()

    def restore(self, content: bytes) -> None:
        lightgbm = require("lightgbm", "boosted trees need", "LightGBM")
        # LightGBM crashes on a text that was cut off.
        if b"end of trees" not in content or b"end of parameters" not in content:
            raise ValueError("it is not a whole text of LightGBM")
        try:
            self._booster = lightgbm.Booster(model_str=content.decode())
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from None
