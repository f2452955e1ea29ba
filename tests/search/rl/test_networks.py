"""Encoders see what they should, and nothing of the batch that an episode happens to be in."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from alphamine.expression import ops  # noqa: E402
from alphamine.expression.grammar.grammar import Grammar  # noqa: E402
from alphamine.expression.nodes import field  # noqa: E402
from alphamine.operators.types import PRICE, VOLUME  # noqa: E402
from alphamine.searchers.rl.episodes import Episodes, Writer  # noqa: E402
from alphamine.searchers.rl.networks import Policy, logs  # noqa: E402
from alphamine.searchers.rl.prior import prior_of  # noqa: E402
from alphamine.searchers.rl.settings import RLSettings  # noqa: E402

CLOSE, VOLUME_FIELD = field("close", unit=PRICE), field("volume", unit=VOLUME)


@pytest.fixture(scope="module")
def writer() -> Writer:
    grammar = Grammar(max_length=12)
    return Writer(grammar, prior_of(grammar))


def policy(writer: Writer, encoder: str) -> Policy:
    made = Policy(RLSettings(encoder=encoder, hidden=16), writer.prior.table, writer.steps, 0)
    torch.nn.init.normal_(made.head.weight, generator=torch.Generator().manual_seed(1))
    return made


def tokenised(writer: Writer, *formulas: object) -> Episodes:
    found = [writer.tokenised(formula) for formula in formulas]
    return Episodes.all([episode for episode in found if episode is not None])


@pytest.mark.parametrize("encoder", ["lstm", "stack"])
def test_a_state_does_not_depend_on_its_batch(writer: Writer, encoder: str) -> None:
    short, long = ops.rank(CLOSE), ops.ts_corr(ops.rank(CLOSE), ops.ts_mean(VOLUME_FIELD, 5), 10)
    both = tokenised(writer, short, long)
    with torch.no_grad():
        alone, _ = policy(writer, encoder)(both.take([0]))
        among, _ = policy(writer, encoder)(both)
    np.testing.assert_allclose(alone[0], among[0, : alone.shape[1]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("encoder", ["lstm", "stack"])
def test_the_first_operator_is_not_taken_for_padding(writer: Writer, encoder: str) -> None:
    """AlphaGen's observation is the same before and after its operator number 0."""
    assert str(writer.grammar.tokens[0]) == "add"
    episodes = tokenised(writer, ops.rank(CLOSE) + ops.rank(VOLUME_FIELD))
    with torch.no_grad():
        logits, _ = policy(writer, encoder)(episodes)
    step = int(np.flatnonzero(episodes.tokens[0] == 0)[0])
    assert float((logits[0, step + 1] - logits[0, step]).abs().max()) > 1e-3


@pytest.mark.parametrize("encoder", ["lstm", "stack"])
def test_the_untrained_policy_is_the_prior(writer: Writer, encoder: str) -> None:
    untrained = Policy(RLSettings(encoder=encoder, hidden=16), writer.prior.table, writer.steps, 0)
    episodes = tokenised(writer, ops.ts_corr(ops.rank(CLOSE), VOLUME_FIELD, 10))
    with torch.no_grad():
        found = logs(*untrained(episodes)).exp().numpy()
    shares = np.exp(writer.prior.table[episodes.rows[0]].astype(float)) * episodes.masks[0]
    live = episodes.live[0]
    expected = shares[live] / shares[live].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found[0][live], expected, rtol=1e-4, atol=1e-7)
