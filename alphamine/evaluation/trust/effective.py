"""As how many independent trials do trials count that move together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def effective_trials(series: FloatArray, trials: int, horizon: int) -> float:
    """Participation ratio of the correlations between trials: (sum l)^2 / sum l^2, l eigenvalues.

    Both sums need only the mean squared correlation between two trials, which some of them tell.
    The part of it that chance would show on so few independent days is taken off.

    Parameters
    ----------
    series : (T, K) float64
        Daily ICs of K of the trials, evenly sampled; a day without a score is taken as average.
    trials : int
        All of them.
    horizon : int
        Rows a label spans; T / horizon days are taken as independent.

    Returns
    -------
    float
        1 to `trials`: the optimistic bound of what a result is to be deflated by. `trials` if
        fewer than two of the series vary, or the days are too few.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        scored = ~np.isnan(series)
        mean = np.where(scored, series, 0.0).sum(axis=0) / scored.sum(axis=0)
        centred = np.where(scored, series - mean, 0.0)
        unit = centred / np.sqrt(np.square(centred).sum(axis=0))
    unit = unit[:, np.isfinite(unit).all(axis=0)]
    count, days = unit.shape[1], len(series) / horizon
    if count < 2 or days <= 2.0:
        return float(trials)
    squares = (np.square(unit.T @ unit).sum() - count) / (count * (count - 1))
    shared = float(np.clip((squares * (days - 1.0) - 1.0) / (days - 2.0), 0.0, 1.0))
    return trials / (1.0 + (trials - 1) * shared)
