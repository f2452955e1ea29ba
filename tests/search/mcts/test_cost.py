"""What the tree search costs beside the evaluation of its formulas."""

from __future__ import annotations

import time

import numpy as np
import pytest

from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.grammar import Grammar
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Evaluation, SearchContext
from alphamine.searchers.mcts.repository import Known, thinned
from alphamine.searchers.mcts.scoring import Metrics
from alphamine.searchers.mcts.searcher import MCTSSearcher
from alphamine.searchers.mcts.settings import MCTSSettings

ALPHAS, BATCH, BATCHES, SKETCH = 5000, 32, 12, 3072


@pytest.mark.slow
def test_with_five_thousand_alphas_a_candidate_costs_less_than_a_millisecond() -> None:
    """Mining, likeness, ranks, trees and commits; the draws of formulas apart."""
    rng, grammar = np.random.default_rng(0), Grammar()
    searcher = MCTSSearcher(SearchContext(grammar, 0, MCTSSettings(capacity=ALPHAS)))
    while len(searcher.repository) < ALPHAS:
        metrics = Metrics(*rng.uniform(0.1, 1.0, 3), 0.0, 1.0)
        searcher.repository.offer(
            Known(canonicalise(grammar.sample(rng)), metrics, thinned(_sketch(rng)))
        )
    costs = []
    for _ in range(BATCHES):
        results = [_judged(candidate, rng) for candidate in searcher.ask(BATCH)]
        pool = PoolModel.of(tuple(r.candidate.formula for r in results[:20]))
        began = time.thread_time()
        searcher.tell(results, pool)
        assert searcher.repository.avoid is not None
        costs.append((time.thread_time() - began) / len(results))
    assert np.median(costs) < 1e-3


def _sketch(rng: np.random.Generator) -> np.ndarray:
    sampled = rng.normal(size=SKETCH).astype(np.float32)
    return sampled / np.linalg.norm(sampled)


def _judged(candidate: Candidate, rng: np.random.Generator) -> Evaluation:
    fitness = float(rng.uniform(0.01, 0.05))
    scores = {"rank_ic": fitness, "rank_icir": 8 * fitness, "turnover": 0.5}
    return Evaluation(candidate, scores, fitness, fitness / 10, sketch=_sketch(rng))
