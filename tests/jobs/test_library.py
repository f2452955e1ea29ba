"""Library and model improved in turn: what is accepted, recorded, kept, traded and resumed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.scores import daily_scores
from alphamine.errors import SearchError
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.paired import chance_of_no_more
from alphamine.expression.text.parser import parse
from alphamine.jobs import bench as bench_module
from alphamine.jobs.bench import AcceptanceRule, Bench, Fit
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.study import Progress
from alphamine.models import fitted as fitted_module
from alphamine.models.base import Design, FitError, FloatArray, Rows
from alphamine.models.linear import LinearModel
from alphamine.models.registry import make_model
from alphamine.pool.model import PoolModel
from alphamine.runs.library import FittedPool
from alphamine.runs.run import Run
from alphamine.searchers.base import Evaluation
from alphamine.searchers.models import ModelCandidate, ModelEvaluation, ModelSpec
from tests.jobs.conftest import Scripted, poison_after

OPTIONS = {"models": "ridge lightgbm", "library_step": 2, "tuning": 2}
A, B, C = (parse(text) for text in ("ts_delay(volume, 1)", "ts_mean(close, 5) / close", "volume"))


def research(panel: Panel, folder: Path, budget: int = 200, **more: Any) -> Run:
    settings = {"options": OPTIONS, "batch": 16, "seed": 1, "run_dir": folder, **more}
    return am.search(panel, "rd_loop", budget, **settings)


@pytest.fixture(scope="module")
def run(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return research(small_panel, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def bench(small_panel: Panel) -> Bench:
    return Bench(Scorer(small_panel.without_test()))


def test_library_and_models_improve_in_turn(run: Run) -> None:
    arms = [record.proposal.arm for record in run.models]
    assert "library" in arms
    assert "model" in arms
    accepted = [record for record in run.models if record.accepted]
    assert accepted[0].against == ""
    # Each that was accepted is what the next ones are held against.
    standing = ""
    for record in run.models:
        assert record.against == standing
        standing = record.proposal.digest if record.accepted else standing
    assert run.facts["library"]["digest"] == standing
    for record in accepted[1:]:
        assert record.gain > 0 or record.proposal.arm == "pruned factors"


def test_numbers_of_the_library_are_those_of_its_signal(run: Run, small_panel: Panel) -> None:
    library, panel = run.library, small_panel.without_test()
    assert isinstance(library, FittedPool)
    signal = library.signal(panel)
    for split in ("train", "valid"):
        sample = panel.sample(split)
        found = Summary.of(daily_scores(signal[: sample.panel.shape[0]], sample))
        assert found.rank_ic == pytest.approx(run.facts["library"]["numbers"][split]["rank_ic"])
    report = am.backtest(library, panel, am_topk(), split="valid")
    assert report.trials == run.trials == library.trials
    assert library.provenance["looks_at_valid"] == len(run.models)


def test_the_library_is_a_row_of_the_revealed_test(small_panel: Panel, tmp_path: Path) -> None:
    found = research(small_panel, tmp_path / "run", 60)
    *_, combined, library = found.reveal_test().rows
    assert combined.formula == "combined"
    assert library.formula == str(found.library)
    sample = type(small_panel.splits)._test_sample(small_panel)
    daily = daily_scores(found.library.signal(sample.panel), sample)
    assert library.numbers == Summary.of(daily)


def am_topk() -> Any:
    from alphamine.evaluation.backtest import TopkDropout

    return TopkDropout(topk=6, n_drop=1)


def test_decisions_are_those_of_the_rule_on_the_recorded_series(run: Run) -> None:
    """The rule once more from the ledger: difference of daily rank ICs, blocks, step."""
    rule, series = AcceptanceRule(), {}
    for record in run.models:
        series[record.proposal.digest] = np.array(Fit.from_dict(record.fit).series)
        own = series[record.proposal.digest]
        difference = own - series[record.against] if record.against else own
        mean = float(np.nanmean(difference))
        smaller = record.proposal.arm == "pruned factors"
        p = chance_of_no_more(difference, -rule.step if smaller else 0.0, 5, rule.draws)
        assert record.p_value == p
        assert record.accepted == (p < rule.level and (smaller or mean >= rule.step))
        # Not one digit more of valid than whole steps.
        assert record.gain == pytest.approx(rule.step * round(record.gain / rule.step), abs=1e-15)
        assert record.gain <= max(0.0, mean)


def spec(*formulas: Any, model: str = "ridge", **settings: Any) -> ModelSpec:
    return ModelSpec(model, settings, formulas)


def fit(series: Sequence[float]) -> Fit:
    return Fit({}, {}, tuple(series))


def test_the_rule_of_acceptance(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0.02, 0.1, 74)
    last = spec(A, B), fit(base)
    better = bench.decide(spec(C), fit(base + 0.0123), last)
    assert better.accepted
    assert better.gain == pytest.approx(0.012)
    assert better.against == last[0].digest
    # Better by less than a step, better by luck, worse.
    assert not bench.decide(spec(C), fit(base + 0.0004), last).accepted
    assert not bench.decide(spec(C), fit(rng.normal(0.022, 0.1, 74)), last).accepted
    assert not bench.decide(spec(C), fit(base - 0.001), last).accepted
    # A smaller library may lose less than a step.
    smaller = bench.decide(spec(A), fit(base - 0.0004), last)
    assert (smaller.accepted, smaller.gain) == (True, 0.0)
    assert not bench.decide(spec(A), fit(base - 0.0006), last).accepted
    assert not bench.decide(spec(C), fit(base - 0.0004), last).accepted
    # The first has to be better than nothing.
    assert bench.decide(spec(A), fit(base + 0.05), None).accepted
    assert not bench.decide(spec(A), fit(-base), None).accepted
    holes = np.where(np.arange(74) % 3 == 0, np.nan, base + 0.0123)
    assert bench.decide(spec(C), fit(holes), last).accepted


def test_a_fit_reads_train_alone(small_panel: Panel, bench: Bench) -> None:
    assert small_panel.splits is not None
    assert small_panel.splits.valid is not None
    found = bench.fitted(spec(A, B, model="lightgbm"))
    start = small_panel.splits.valid[0]
    other = Bench(Scorer(poison_after(small_panel, start).without_test()))
    assert other.fitted(spec(A, B, model="lightgbm")).content == found.content
    tuned = ModelSpec("ridge", {}, (A, B), 3)
    assert other.fitted(tuned) == bench.fitted(tuned)
    assert bench.fitted(tuned).settings["alpha"] != 0.01


class Broken(LinearModel):
    """Fails as it is told to."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def fit(self, design: Design, days: Rows) -> None:
        if self.how == "memory":
            raise MemoryError("unable to allocate 400 GiB")
        if self.how == "diverged":
            raise FitError("the loss is nan in epoch 1")
        if self.how == "crashed":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:128] can't allocate memory")
        super().fit(design, days)
        if self.how == "nan":
            self.weights[:] = math.nan

    def predict(self, design: Design) -> FloatArray:
        return np.asarray(super().predict(design))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("memory", "out of memory: unable to allocate 400 GiB"),
        ("diverged", "FitError: the loss is nan"),
        ("crashed", "RuntimeError: [enforce fail"),
        ("nan", "FitError: the model forecasts what is no number"),
    ],
)
def test_bad_models_are_recorded_failures_and_the_loop_goes_on(
    how: str,
    said: str,
    small_panel: Panel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def make(name: str, settings: Any = None) -> Any:
        return Broken(how) if name == "lightgbm" else make_model(name, settings)

    for module in (bench_module, fitted_module):
        monkeypatch.setattr(module, "make_model", make)
    run = research(small_panel, tmp_path / "run", 160, options={**OPTIONS, "tuning": 0})
    failed = [record for record in run.models if record.failure]
    assert failed
    assert {record.proposal.model for record in failed} == {"lightgbm"}
    assert all(record.failure and record.failure.startswith(said) for record in failed)
    assert not any(record.accepted for record in failed)
    assert run.evaluated == 160
    assert run.library.model.name == "ridge"


def test_settings_that_no_model_has_are_a_failure(bench: Bench) -> None:
    pytest.importorskip("sklearn")
    assert "alpha=-1" in str(bench.fit(spec(A, alpha=-1.0)).failure)
    assert "no model 'oracle'" in str(bench.fit(spec(A, model="oracle")).failure)
    assert "none yet" in str(bench.fit(spec()).failure)
    assert bench.fit(spec(A)).failure is None


def test_a_stopped_run_goes_on_to_the_same_library(
    run: Run, small_panel: Panel, tmp_path: Path
) -> None:
    seen = 0

    def observe(progress: Progress) -> None:
        nonlocal seen
        seen = progress.evaluated

    folder = tmp_path / "run"
    stopped = research(small_panel, folder, observe=observe, stop=lambda: seen >= 90)
    assert 0 < len(stopped.models) < len(run.models)
    resumed = am.resume(folder, small_panel)
    require_same_library(resumed, run)


def require_same_library(found: Run, whole: Run) -> None:
    assert repr(found.models) == repr(whole.models)
    assert found.facts["library"] == whole.facts["library"]
    assert found.library == whole.library
    assert repr(found.records) == repr(whole.records)


def test_test_rows_that_are_poisoned_change_no_bit(
    run: Run, small_panel: Panel, tmp_path: Path
) -> None:
    assert small_panel.splits is not None
    assert small_panel.splits.test is not None
    poisoned = poison_after(small_panel, small_panel.splits.test[0])
    require_same_library(research(poisoned, tmp_path / "run"), run)


def test_valid_tells_the_search_no_more_than_what_was_accepted(
    run: Run, small_panel: Panel, tmp_path: Path, poison: Callable[[Panel, int], Panel]
) -> None:
    """With valid rows poisoned the same formulas are tried until a decision differs."""
    assert small_panel.splits is not None
    assert small_panel.splits.valid is not None
    other = research(poison(small_panel, small_panel.splits.valid[0]), tmp_path / "run")
    pairs = zip(run.models, other.models, strict=False)
    differs = next(
        (a.evaluations for a, b in pairs if (a.accepted, a.gain) != (b.accepted, b.gain)), None
    )
    assert differs is not None
    before = [record.digest for record in run.records][:differs]
    assert [record.digest for record in other.records][:differs] == before


def test_no_valid_split_no_models(small_panel: Panel, tmp_path: Path) -> None:
    from dataclasses import replace

    assert small_panel.splits is not None
    panel = replace(small_panel, splits=replace(small_panel.splits, valid=None, test=None))
    run = research(panel, tmp_path / "run", 60)
    assert run.models == []
    with pytest.raises(SearchError, match="has no library: no model was proposed"):
        _ = run.library
    with pytest.raises(SearchError, match="panel has none"):
        Bench(Scorer(panel))


def test_a_changed_model_is_refused(small_panel: Panel, tmp_path: Path) -> None:
    research(small_panel, tmp_path / "run", 60)
    weights = tmp_path / "run" / "model" / "weights.json"
    weights.write_text(weights.read_text().replace("0.", "1.", 1))
    with pytest.raises(SearchError, match="is not what the search has written"):
        _ = am.open_run(tmp_path / "run").library
    weights.unlink()
    with pytest.raises(SearchError, match="cannot be read"):
        _ = am.open_run(tmp_path / "run").library


class ScriptedModeller(Scripted):
    """Proposes given models after each round, the same ones again and again."""

    def __init__(self, formulas: Sequence[str], models: Sequence[ModelSpec]) -> None:
        super().__init__(formulas)
        self.models = list(models)
        self.heard: list[ModelEvaluation] = []

    def ask_models(self) -> list[ModelCandidate]:
        return [ModelCandidate(model, "script", "m", {"why": "because"}) for model in self.models]

    def tell_models(self, results: Sequence[ModelEvaluation]) -> None:
        self.heard += results

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self.told.append((list(results), pool))


def test_any_searcher_may_propose_models(small_panel: Panel, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    models = [spec(A), spec(A, alpha=1e-3), spec(A), spec(B, model="nothing")]
    searcher = ScriptedModeller(["volume", "close", "open", "rank(volume)"], models)
    run = am.search(small_panel, searcher, 4, run_dir=tmp_path / "run", batch=2)
    assert len(searcher.heard) == 8
    assert searcher.heard[0].accepted
    assert [result.repeated for result in searcher.heard[:4]] == [False, False, True, False]
    assert all(result.repeated for result in searcher.heard[4:])
    assert "no model 'nothing'" in str(searcher.heard[3].failure)
    assert [record.proposal.notes for record in run.models] == [{"why": "because"}] * 8
    assert [str(formula) for formula in run.library.formulas] == [str(A)]
    linear = run.library.linear
    assert linear is not None
    panel = small_panel.without_test()
    np.testing.assert_allclose(run.library.signal(panel), linear.signal(panel), atol=1e-6)
    restored = FittedPool.from_dict(json.loads(json.dumps(run.library.to_dict())))
    assert restored == run.library
    with pytest.raises(SearchError, match="standardisation is rank, value or none"):
        am.AlphaPool.from_dict(run.library.to_dict())
    with pytest.raises(SearchError, match="no pool with a model"):
        FittedPool.from_dict(linear.to_dict())
