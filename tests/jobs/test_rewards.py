"""What the policy is rewarded for is what the pool of the search would gain."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.expression.grammar.grammar import Grammar
from alphamine.jobs.island import Island
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.study import Study
from alphamine.pool import sketch as sketch_module
from alphamine.pool.pool import Pool
from alphamine.runs.budget import Budget
from alphamine.runs.store import Store
from alphamine.searchers.base import SearchContext
from alphamine.searchers.registry import make_searcher

pytest.importorskip("torch")


@pytest.mark.parametrize("objective", ["ic", "icir"])
def test_rewards_are_the_gains_of_the_pool_under_its_objective(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: Any
) -> None:
    monkeypatch.setattr(sketch_module, "_DAYS", 1000)
    scorer = Scorer(small_panel.without_test())
    grammar = Grammar.for_panel(scorer.panel.schema, max_lookback=30)
    searcher = make_searcher("rl", SearchContext(grammar, 0), {"hidden": 8, "steps": 1})
    # Sketches are estimates: of unit length, whatever is missing.
    pool = Pool(scorer.train, 6, 1.0, objective=objective, token_price=0.0)
    island = Island(searcher, pool)
    with closing(Store.create(tmp_path, {})) as store:
        Study([island], scorer, store, 16).run(Budget(128), lambda progress: None)
    replay, model = searcher._replay, island.pool.model()
    rewards = replay.gains(model)
    assert replay.daily_ics.shape == (len(replay), island.pool.cells.days * (objective == "icir"))
    members = [replay.place(formula) for formula in model.formulas]
    known = [k for k in members if k is not None]
    losses = [loss for k, loss in zip(members, model.losses(), strict=True) if k is not None]
    np.testing.assert_array_equal(rewards[known], losses)
    others = [k for k in range(len(replay)) if k not in known and replay.ics[k] != 0.0]
    vectors = scorer.vectors([replay.formulas[k] for k in others], island.pool.cells)
    expected = island.pool.gains(vectors)
    assert np.corrcoef(rewards[others], expected)[0, 1] > 0.9
    restored = make_searcher("rl", SearchContext(grammar, 1), {"hidden": 8, "steps": 1})
    restored.load_state_dict(searcher.state_dict())
    np.testing.assert_array_equal(restored._replay.gains(model), rewards)
