"""Figures hold the numbers they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alphamine.report import figures


def test_cumulative_ic_sums_and_skips_missing_days() -> None:
    dates = ["2020-01-01", "2020-01-02", "2020-01-03"]
    figure = figures.cumulative_ic({"train": (dates, [0.1, None, 0.2])})
    [line] = figure.data
    np.testing.assert_allclose(line.y, [0.1, 0.1, 0.3])


def test_best_so_far_rises_only_and_ends_at_the_last_trial() -> None:
    fitness = [-np.inf, 0.01, 0.005, 0.03, 0.02]
    [line] = figures.best_so_far(fitness).data
    steps = dict(zip(line.x, line.y, strict=True))
    assert steps[2] == 0.01
    assert steps[4] == 0.03
    assert steps[5] == 0.03
    assert 3 not in steps


def test_best_so_far_stands_beside_luck_and_chance() -> None:
    figure = figures.best_so_far([0.01, 0.03], ([1, 2], [0.02, 0.025]), ([1, 2], [0.01, 0.015]))
    lines = {line.name: list(line.y) for line in figure.data}
    assert lines["luck alone"] == [0.02, 0.025]
    assert lines["random formulas"] == [0.01, 0.015]
    assert figure.layout.xaxis.type == "log"


def test_best_so_far_of_nothing_is_empty() -> None:
    assert not figures.best_so_far([-np.inf, -np.inf]).data


def test_histogram_leaves_out_what_has_no_score() -> None:
    train, valid = figures.ic_histogram({"train": [0.1, np.nan, 0.2], "valid": [0.05]}).data
    assert list(train.x) == [0.1, 0.2]
    assert list(valid.x) == [0.05]


def test_correlation_map_keeps_order_and_scale() -> None:
    [cells] = figures.correlation_map(["#1", "#2"], [[1, -0.4], [-0.4, np.nan]]).data
    assert list(cells.x) == ["#1", "#2"]
    assert [list(row) for row in cells.z] == [[1, -0.4], [-0.4, None]]
    assert (cells.zmin, cells.zmax) == (-1, 1)


def test_long_names_beside_bars_are_cut_and_stay_apart() -> None:
    names = ["Automotive components and tyres", "Automotive components and glass", "Banks"]
    figure = figures.bars(names, [0.1, 0.2, 0.3], sideways=True)
    assert list(figure.data[0].y) == names
    assert list(figure.layout.yaxis.ticktext) == [*["Automotive components…"] * 2, "Banks"]
    assert list(figure.layout.yaxis.tickvals) == names


def test_quantiles_earn_a_part_of_every_day() -> None:
    rng = np.random.default_rng(0)
    daily = rng.normal(0, 0.01, (50, 5))
    daily[3] = np.nan
    figure = figures.cumulative_quantiles([str(i) for i in range(50)], daily, 5)
    frame = pd.DataFrame(daily).fillna(0.0).cumsum() / 5
    assert [line.name for line in figure.data][-1] == "top less bottom"
    for i in range(5):
        np.testing.assert_allclose(figure.data[i].y, frame[i], atol=6e-6)
    np.testing.assert_allclose(figure.data[5].y, frame[4] - frame[0], atol=6e-6)
    assert len({(line.line.color, line.opacity) for line in figure.data[:5]}) == 5
