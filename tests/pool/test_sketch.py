"""Products of sketches against daily rank correlations by scipy."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from alphamine.data.panel import Panel
from alphamine.engine.cells import Cells
from alphamine.pool.sketch import Sketch


def test_products_are_about_the_mean_daily_rank_correlation() -> None:
    rng = np.random.default_rng(0)
    rows, columns = 300, 80
    close = 10.0 * np.exp(rng.normal(0, 0.02, (rows, columns)).cumsum(axis=0))
    universe = rng.random((rows, columns)) < 0.9
    panel = Panel.from_arrays(
        np.datetime64("2020-01-01") + np.arange(rows),
        [f"S{i}" for i in range(columns)],
        {"close": close},
        universe=universe,
    )
    sample = panel.sample()
    cells = Cells(sample)
    image = Sketch(cells)

    def sketch(values: np.ndarray) -> np.ndarray:
        return image(cells.vector(values))

    common = rng.normal(size=(rows, columns))
    factors = [common + k * rng.normal(size=(rows, columns)) for k in (0.0, 0.5, 1.0, 3.0)]
    factors.append(np.where(rng.random((rows, columns)) < 0.2, np.nan, -factors[1]))
    images = [sketch(factor) for factor in factors]
    np.testing.assert_allclose([np.linalg.norm(image) for image in images], 1.0, rtol=1e-5)
    for a in range(5):
        for b in range(a):
            daily = []
            for t in range(*sample.rows.indices(rows)):
                both = universe[t] & np.isfinite(factors[a][t] + factors[b][t])
                daily.append(spearmanr(factors[a][t][both], factors[b][t][both])[0])
            assert abs(float(images[a] @ images[b]) - np.mean(daily)) < 0.13, (a, b)
    # Scale and shift are no matter, nor what lies outside of the universe.
    np.testing.assert_array_equal(sketch(5.0 * common + 1.0), images[0])
    np.testing.assert_array_equal(sketch(np.where(universe, common, 1e9)), images[0])
    assert not sketch(np.full((rows, columns), np.nan)).any()
