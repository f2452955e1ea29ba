"""What a run leaves is worked out in one pass over its pool, and trials are not scored twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.cells import Cells
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import DailyScores, daily_scores
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.evaluation.trust.verdict import judge_trust
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.jobs.member_series import SeriesOfMembers
from alphamine.jobs.pool_scores import score_pool
from alphamine.jobs.sampled import SampledSeries
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.study import Progress
from alphamine.pool.combine import combine
from alphamine.pool.pool import Pool
from alphamine.runs.pool_series import PoolSeries
from alphamine.runs.store import Store


@pytest.fixture
def scorer(small_panel: Panel) -> Scorer:
    return Scorer(small_panel.without_test())


@pytest.fixture
def pool(scorer: Scorer) -> Pool:
    pool = Pool(scorer.train, token_price=0.0)
    grammar, rng = Grammar.for_panel(scorer.panel.schema), np.random.default_rng(0)
    formulas = [grammar.sample(rng) for _ in range(60)]
    for formula, score in zip(formulas, scorer.score(formulas, pool.cells), strict=True):
        if pool.wants(score.fitness) and score.vector is not None:
            sign = 1 if score.train.rank_ic > 0 else -1
            pool.offer(formula, sign, score.fitness, score.vector)
    assert {member.sign for member in pool.members} == {1, -1}
    return pool


def test_a_member_s_series_keep_no_batch_in_memory(scorer: Scorer) -> None:
    """An engine scores a batch into arrays of the whole batch, and a pool holds few of it long."""
    grammar, rng = Grammar.for_panel(scorer.panel.schema), np.random.default_rng(0)
    formulas = [grammar.sample(rng) for _ in range(20)]
    scores = scorer.score(formulas, Cells(scorer.train))
    kept = SeriesOfMembers()
    for formula, score in zip(formulas, scores, strict=True):
        kept.note(formula.digest, score)
    kept.keep_only([formulas[3].digest])
    [own] = kept.of([formulas[3]], scorer)
    for daily, scored in ((own.train, scores[3].train_daily), (own.valid, scores[3].valid_daily)):
        assert daily is not None
        assert scored is not None
        for name in ("ic", "rank_ic", "pairs", "coverage", "turnover"):
            array = getattr(daily, name)
            assert array.base is None
            assert array.tobytes() == getattr(scored, name).tobytes()


def test_one_pass_scores_and_combines_the_members(scorer: Scorer, pool: Pool) -> None:
    found = score_pool(pool, scorer, features=True)
    panel = scorer.evaluator.panel
    values = am.values([member.formula for member in pool.members], panel)
    weights = [member.weight for member in pool.members]
    assert found.combined.signal.tobytes() == combine(values, weights, panel.universe).tobytes()
    assert scorer.valid is not None
    assert found.valid_rank_ic is not None
    for i, member in enumerate(pool.members):
        [own] = am.values([member.oriented], panel)
        train, valid = daily_scores(own, scorer.train), daily_scores(own, scorer.valid)
        np.testing.assert_allclose(found.train_rank_ic[:, i], train.rank_ic, atol=1e-12)
        np.testing.assert_allclose(found.valid_rank_ic[:, i], valid.rank_ic, atol=1e-12)
        np.testing.assert_allclose(found.train[i].turnover, train.turnover, atol=1e-12)
    assert (found.combined.proven, found.noise) == (None, [])
    assert found.combined.design is not None
    assert found.combined.design.x.shape == (*panel.shape, len(pool))


def test_series_of_members_are_those_of_their_oriented_formulas(scorer: Scorer, pool: Pool) -> None:
    known = SeriesOfMembers()
    formulas = [member.formula for member in pool.members]
    for formula, score in zip(formulas, scorer.score(formulas, pool.cells), strict=True):
        known.note(formula.digest, score)
    at_hand, computed = score_pool(pool, scorer, known), score_pool(pool, scorer)
    panel = scorer.evaluator.panel
    for i, member in enumerate(pool.members):
        [own] = scorer.series([member.oriented])
        [(_, counted)] = Evaluator(panel).scores([member.oriented], panel_sample(scorer))
        for found in (at_hand, computed):
            late = found.valid[i]
            assert late is not None
            assert own.valid is not None
            for name in ("ic", "rank_ic", "pairs", "coverage", "turnover"):
                assert bits(found.train[i], name) == bits(own.train, name), name
                assert bits(late, name) == bits(own.valid, name), name
            assert found.train[i].infinite == own.train.infinite
            assert late.infinite == counted.infinite


def bits(daily: DailyScores, name: str) -> bytes:
    found: bytes = getattr(daily, name).tobytes()
    return found


def panel_sample(scorer: Scorer) -> Sample:
    assert scorer.valid is not None
    return scorer.valid


def test_each_member_is_evaluated_once_and_no_trial_is_scored_again(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    values = Scorer.values

    def counted(self: Scorer, formulas: Sequence[Node]) -> list[tuple[np.ndarray, int]]:
        passes.append(len(formulas))
        return list(values(self, formulas))

    def again(self: Scorer, formulas: Sequence[Node]) -> list[np.ndarray]:
        assert not formulas
        return []

    monkeypatch.setattr(Scorer, "values", counted)
    monkeypatch.setattr(Scorer, "series", again)
    monkeypatch.setattr(Scorer, "train_rank_ic", again)
    phases: list[str] = []

    def observe(progress: Progress) -> None:
        phases.append(progress.phase)

    run = am.search(
        small_panel, "random", 60, run_dir=tmp_path / "run", combine=["equal"], observe=observe
    )
    assert passes == [len(run.members)]
    assert f"combined member {len(run.members)} of {len(run.members)}" in phases
    assert phases[0] == "searching"


def test_a_report_after_a_search_is_the_report_of_the_opened_run(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = am.search(small_panel, "random", 60, run_dir=tmp_path / "run", pool={"token_price": 0.0})
    assert len(run.members) > 1
    opened = am.open_run(run.directory, small_panel).report(tmp_path / "opened.html")

    def computed(cls: type[PoolSeries], pool: object, panel: object) -> PoolSeries:
        raise AssertionError("what the search has made was computed again")

    monkeypatch.setattr(PoolSeries, "of", classmethod(computed))
    after = run.report(tmp_path / "after.html")
    assert after.read_bytes() == opened.read_bytes()


def test_series_at_hand_are_those_that_would_be_computed(
    small_panel: Panel, tmp_path: Path, scorer: Scorer
) -> None:
    run = am.search(small_panel, "random", 40, run_dir=tmp_path / "run")
    store = Store.open(run.directory)
    computed = SampledSeries().of(store, scorer, 200)
    kept = SampledSeries()
    kept.expect(40)
    for i, record in enumerate(run.records):
        [score] = scorer.score([am.parse(record.formula)], Cells(scorer.train))
        kept.note(i, record.digest, score)
    scorer.train_rank_ic = lambda formulas: []  # type: ignore[method-assign]
    assert kept.of(store, scorer, 200).tobytes() == computed.tobytes()
    assert computed.shape == (len(scorer.train.label), 40)
    store.close()


def test_a_few_trials_of_many_are_kept(scorer: Scorer) -> None:
    kept = SampledSeries()
    kept.expect(1000)
    [score] = scorer.score([am.parse("close")], Cells(scorer.train))
    for number in range(1000):
        kept.note(number, f"{number}", score)
    assert len(kept._kept) == 200


def test_members_that_are_noise_by_themselves_are_left_out_of_what_is_proven(
    scorer: Scorer, pool: Pool
) -> None:
    found = score_pool(pool, scorer, tried=TrialCount(60))
    panel = scorer.evaluator.panel
    horizon = panel.label_spec.horizon
    noise = []
    for member in pool.members:
        [values] = am.values([member.oriented], panel)
        daily = daily_scores(values, scorer.train)
        noise.append(judge_trust(daily.rank_ic, horizon, 60).word == "noise-level")
    assert found.noise == noise
    assert 0 < sum(noise) < len(noise)
    kept = [member for member, lost in zip(pool.members, noise, strict=True) if not lost]
    signals = am.values([member.formula for member in kept], panel)
    expected = combine(signals, [member.weight for member in kept], panel.universe)
    assert found.combined.proven is not None
    assert found.combined.proven.tobytes() == expected.tobytes()
