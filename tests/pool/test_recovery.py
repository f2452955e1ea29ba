"""The recovery score: 1 for the planted truth, 0 for noise, never less for one formula more."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.data.synthetic.market import simulate
from alphamine.data.synthetic.settings import Effect, MarketSettings, Planted, PlantedTruth
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.text.parser import parse
from alphamine.pool.combine import combine
from alphamine.pool.recovery import delivered, planted_part, recovery

PLANTED = (
    Planted("ts_returns(close, 10)", -0.0010),
    Planted("ts_zscore(volume, 20)", -0.0006),
    Planted("group_neutralize((close - open) / (high - low), sector)", 0.0028),
)


@pytest.fixture(scope="module")
def world() -> tuple[Panel, PlantedTruth]:
    market = simulate(MarketSettings(days=300, symbols=80, seed=5, planted=PLANTED))
    rng = np.random.default_rng(0)
    noise = {f"noise{k}": rng.normal(size=market.factor.shape) for k in range(5)}
    panel = Panel.from_arrays(
        np.arange(300).astype("datetime64[D]"),
        np.arange(80).astype(str),
        market.columns | noise,
        market.shocks.listed,
        {"sector": np.broadcast_to(market.shocks.sector, market.factor.shape)},
        splits=Splits((0, 180), (190, 280), None, 6),
    )
    return panel, market.truth


def test_the_truth_recovers_itself(world: tuple[Panel, PlantedTruth]) -> None:
    panel, truth = world
    for split in ("train", "valid"):
        found = recovery(truth.formulas, panel, truth, split)
        assert found.share == pytest.approx(1.0, abs=1e-9)
        np.testing.assert_allclose(found.correlations, 1.0, atol=1e-6)


def test_monotone_copies_and_reverses_recover_as_much(world: tuple[Panel, PlantedTruth]) -> None:
    panel, truth = world
    texts = (
        "-rank(ts_returns(close, 10))",
        "ts_zscore(volume, 20) * 3",
        "sigmoid(group_neutralize((close - open) / (high - low), sector))",
    )
    assert recovery([parse(text) for text in texts], panel, truth).share > 0.999


def test_noise_recovers_nothing(world: tuple[Panel, PlantedTruth]) -> None:
    panel, truth = world
    found = recovery([panel.schema[f"noise{k}"].node for k in range(5)], panel, truth)
    assert found.share < 0.005
    assert max(found.correlations) < 0.1
    assert recovery([], panel, truth).share == 0.0


def test_a_formula_more_never_lowers_the_share(world: tuple[Panel, PlantedTruth]) -> None:
    panel, truth = world
    texts = (
        "noise1",
        "ts_returns(close, 5)",
        "ts_zscore(volume, 10)",
        "close / open",
        "noise2",
        "ts_returns(close, 10)",
        "rank(ts_returns(close, 10))",
        "ts_zscore(volume, 20)",
    )
    nodes = [parse(text, fields=panel.schema) for text in texts]
    shares = [recovery(nodes[:k], panel, truth).share for k in range(len(nodes) + 1)]
    assert (np.diff(shares) >= -1e-9).all()
    assert shares[0] == 0.0
    assert 0.3 < shares[4] < shares[-1] < 0.99


def test_one_planted_formula_is_found_by_its_neighbour(world: tuple[Panel, PlantedTruth]) -> None:
    panel, truth = world
    found = recovery([parse("ts_returns(close, 8)")], panel, truth)
    assert found.correlations[0] > 0.7 > 0.2 > found.correlations[1]


def test_without_a_planted_formula_there_is_no_share(world: tuple[Panel, PlantedTruth]) -> None:
    assert np.isnan(recovery([parse("close")], world[0], PlantedTruth()).share)


def test_one_score_moves_the_labels_that_hold_its_days() -> None:
    """Weights 4/7, 2/7, 1/7 on the returns of days 22, 23, 24 after a score on day 20."""
    signal = np.zeros((40, 2))
    signal[20, 1] = 7.0
    part = planted_part(signal, Effect(lag=2, days=3, decay=0.5), LabelSpec(horizon=2, delay=1))
    # The label of day t holds the returns of days t + 2 and t + 3.
    expected = np.zeros((40, 2))
    expected[19:23, 1] = [4.0, 6.0, 3.0, 1.0]
    np.testing.assert_allclose(part, expected, atol=1e-12)


def test_a_found_formula_counts_by_what_it_forecasts(world: tuple[Panel, PlantedTruth]) -> None:
    """A planted formula of ten times less strength is a smaller part of what can be found."""
    panel, truth = world
    alone = recovery(truth.formulas[1:2], panel, truth).share
    weaker = PlantedTruth(truth.formulas, (-0.0010, -0.00006, 0.0028), truth.effect)
    assert recovery(truth.formulas[1:2], panel, weaker).share < 0.1 * alone
    assert 0.05 < alone < 0.6


def test_what_is_delivered_is_what_the_signal_itself_explains(
    world: tuple[Panel, PlantedTruth],
) -> None:
    """Against numpy's correlation with the planted part, over the cells of the split."""
    panel, truth = world
    values = Evaluator(panel).values(truth.formulas)
    rows = panel.sample("valid").rows
    scored = combine(values, truth.strengths, panel.universe)
    part = planted_part(np.nan_to_num(scored), truth.effect, panel.label_spec)
    inside = panel.universe[rows]
    expected = np.corrcoef(np.nan_to_num(scored)[rows][inside], part[rows][inside])[0, 1]
    assert delivered(scored, panel, truth) == pytest.approx(expected**2, abs=1e-6)
    assert delivered(-7.0 * scored, panel, truth) == pytest.approx(-(expected**2), abs=1e-6)
    assert delivered(part, panel, truth) == pytest.approx(1.0)
    assert 0.2 < expected**2 < 0.95


def test_luck_in_the_weights_lowers_what_is_delivered_alone(
    world: tuple[Panel, PlantedTruth],
) -> None:
    panel, truth = world
    found = [*truth.formulas, *(panel.schema[f"noise{k}"].node for k in range(5))]
    values = Evaluator(panel).values(found)
    sober = combine(values, [*truth.strengths, *[0.0] * 5], panel.universe)
    lucky = combine(values, [*truth.strengths, *[0.002] * 5], panel.universe)
    assert recovery(found, panel, truth).share == pytest.approx(1.0, abs=1e-9)
    assert delivered(lucky, panel, truth) < 0.7 * delivered(sober, panel, truth)
    assert abs(delivered(values[-1], panel, truth)) < 0.01
    assert delivered(np.full(panel.shape, np.nan), panel, truth) == 0.0
    assert np.isnan(delivered(sober, panel, PlantedTruth()))
