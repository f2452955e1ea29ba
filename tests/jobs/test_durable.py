"""No proposal is lost and none is scored twice, whatever the searcher, wherever it was cut off."""

from __future__ import annotations

import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.jobs.executors.serial import Serial
from alphamine.jobs.island import Island
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.study import Study
from alphamine.pool.model import PoolModel
from alphamine.pool.pool import Pool
from alphamine.runs.budget import Budget
from alphamine.runs.checkpoint import Checkpoints
from alphamine.runs.run import Run
from alphamine.runs.schema import CONTENT
from alphamine.runs.seal import Seal
from alphamine.runs.store import EVENTS_NAME, FILE_NAME, Store
from alphamine.searchers.base import Candidate, Capabilities, Evaluation, SearchContext, Searcher
from alphamine.searchers.random import RandomSearcher


def language() -> Grammar:
    return Grammar(fields=("open", "close", "volume"), max_length=8)


class Restless:
    """Never says the same twice: its dice are the clock. Keeps all that it was ever told."""

    capabilities = Capabilities(repeatable=False)

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self.asked = 0
        self.told: list[list[Any]] = []

    def ask(self, n: int) -> list[Candidate]:
        rng = np.random.default_rng(time.perf_counter_ns())
        self.asked += 1
        count = int(rng.integers(0, n + 1))
        notes = {"why": f"it was {time.perf_counter_ns()}"}
        formulas = [self._grammar.sample(rng) for _ in range(count)]
        return [Candidate(f, "clock", arm="dice", notes=notes) for f in formulas]

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        for result in results:
            c = result.candidate
            self.told.append(
                [c.formula.digest, str(result.fitness), result.repeated, dict(c.notes)]
            )

    def state_dict(self) -> dict[str, Any]:
        return {"told": self.told}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.told = state["told"]


class _Cut(Exception):
    """The power went out."""


def study_of(
    searcher: Searcher, panel: Panel, folder: Path, executor: Any = None, batch: int = 16
) -> Study:
    scorer = Scorer(panel.without_test())
    known = (folder / FILE_NAME).exists()
    store = Store.open(folder) if known else Store.create(folder, {"run": "r"})
    return Study(
        [Island(searcher, Pool(scorer.train, 5))],
        scorer,
        store,
        batch,
        executor and executor(scorer),
        Checkpoints(folder, "r"),
    )


def ignore(progress: object) -> None:
    pass


def require_whole(store: Store, budget: int) -> list[str]:
    """Every proposal was evaluated, once, in the order of proposal; returns them."""
    rounds = store.proposals(0)
    assert sorted(rounds) == list(range(len(rounds)))
    proposed = [p.digest for number in sorted(rounds) for p in rounds[number]]
    first = list(dict.fromkeys(proposed))
    assert store.digests(0) == first
    assert store.count() == len(first) == budget
    return proposed


def test_a_searcher_that_never_repeats_itself_loses_nothing_when_cut_off(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alphamine.jobs.study._CHECKPOINT_SECONDS", 0.0)
    rng, grammar = random.Random(5), language()
    cuts, budget = 0, 0
    searcher = Restless(grammar)
    while cuts < 50:
        budget += 40
        while True:
            searcher = Restless(grammar)
            study = study_of(searcher, small_panel, tmp_path)
            left = rng.randrange(60)

            def power(left: list[int] = [left]) -> bool:  # noqa: B006
                left[0] -= 1
                if left[0] < 0:
                    raise _Cut
                return False

            with closing(study.store):
                try:
                    study.run(Budget(budget), ignore, power if cuts < 50 else lambda: False)
                except _Cut:
                    cuts += 1
                    continue
                break
    assert study.trials.applied == budget
    require_known(tmp_path, budget, searcher.told)


def require_known(folder: Path, budget: int, told: list[list[Any]]) -> None:
    """A searcher was told, or remembers from its checkpoint, the whole recorded history."""
    with closing(Store.open(folder)) as store:
        assert [digest for digest, *_ in told] == require_whole(store, budget)
        records = {r.digest: r for r in store.records()}
        for digest, fitness, _, notes in told:
            assert str(records[digest].fitness) == fitness
            assert records[digest].notes["why"].startswith("it was")
            assert notes
        assert {r.arm for r in records.values()} == {"dice"}
        assert store.altered() is None


LIFE = """
import json, sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from conftest import make_panel
from test_durable import Budget, Restless, language, study_of
from alphamine.jobs import study as loop
loop._CHECKPOINT_SECONDS, loop._CHECKPOINT_SHARE = 0.01, 1.0
searcher = Restless(language())
study = study_of(searcher, make_panel(), Path(sys.argv[2]))
study.run(Budget(int(sys.argv[3])), lambda progress: print(progress.evaluated, flush=True))
Path(sys.argv[2], "told.json").write_text(json.dumps(searcher.told), "utf-8")
"""


@pytest.mark.slow
def test_a_searcher_that_never_repeats_itself_loses_nothing_when_killed(tmp_path: Path) -> None:
    """As above, by SIGKILL: in the ledger, between ledger and checkpoint, inside a checkpoint."""
    rng, count = random.Random(6), 0
    for number in range(51):
        kill = number < 50
        budget = 10**6 if kill else count + 40
        arguments = [str(Path(__file__).parent), str(tmp_path), str(budget)]
        with subprocess.Popen(
            [sys.executable, "-c", LIFE, *arguments], stdout=subprocess.PIPE
        ) as life:
            assert life.stdout is not None
            if kill:
                # Every third is killed while it replays, the others when they have gone further.
                further = count if number % 3 else 0
                assert any(int(line) > further for line in life.stdout)
                time.sleep(rng.random() * 0.4)
                life.kill()
            else:
                life.communicate()
        assert life.returncode == (-signal.SIGKILL if kill else 0)
        with closing(Store.open(tmp_path)) as store:
            assert store.count() > further if kill else store.count() == budget
            count = store.count()
    require_known(tmp_path, budget, json.loads((tmp_path / "told.json").read_text("utf-8")))


def test_another_seed_on_an_old_ledger_goes_on_from_what_was_stored(
    small_panel: Panel, tmp_path: Path
) -> None:
    grammar = language()
    for seed, budget in ((0, 32), (1, 48)):
        scorer = Scorer(small_panel.without_test())
        store = Store.open(tmp_path) if seed else Store.create(tmp_path, {})
        with closing(store):
            searcher = RandomSearcher(SearchContext(grammar, seed))
            study = Study([Island(searcher, Pool(scorer.train, 5))], scorer, store, 16)
            study.run(Budget(budget), ignore)
            assert study.trials.applied == study.trial_count().trials == store.count() == budget
            require_whole(store, budget)


class Planner(RandomSearcher):
    """Looks ahead; notes the order of what it is asked and told."""

    capabilities = Capabilities(lookahead=1)

    def __init__(self, grammar: Grammar, busy: threading.Event | None = None) -> None:
        super().__init__(SearchContext(grammar, 3))
        self.diary: list[str] = []
        self._busy = busy
        self._rounds = itertools.count()

    def ask(self, n: int) -> list[Candidate]:
        number = next(self._rounds)
        if self._busy is not None and number == 1:
            # Comes back only when the first round is being evaluated meanwhile.
            assert self._busy.wait(60)
        found = super().ask(n)
        self.diary.append(f"ask {number}: {len(found)}")
        return found

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self.diary.append(f"tell {len(results)}")


def test_a_searcher_thinks_while_its_last_batch_is_evaluated(
    small_panel: Panel, tmp_path: Path
) -> None:
    busy = threading.Event()

    class Noticing(Serial):
        def score(self, *args: Any, **kwargs: Any) -> Any:
            busy.set()
            return super().score(*args, **kwargs)

    searcher = Planner(language(), busy)
    cells = Pool(Scorer(small_panel.without_test()).train, 5).cells
    study = study_of(searcher, small_panel, tmp_path, lambda scorer: Noticing(scorer, cells))
    with closing(study.store):
        study.run(Budget(56), ignore)
        require_whole(study.store, 56)
    assert searcher.diary == [
        "ask 0: 16", "ask 1: 16", "tell 16", "ask 2: 16", "tell 16", "ask 3: 8", "tell 16",
        "tell 8",
    ]  # fmt: skip


def test_looking_ahead_is_the_same_after_a_break(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alphamine.jobs.study._CHECKPOINT_SECONDS", 0.0)
    grammar = language()
    found = []
    for name, stops in (("whole", []), ("cut", [5, 30, 47])):
        for stop in [*stops, 10**9]:
            left = itertools.count()
            study = study_of(Planner(grammar), small_panel, tmp_path / name)
            with closing(study.store):
                study.run(Budget(120), ignore, lambda left=left, stop=stop: next(left) > stop)
                found.append(
                    [repr(list(study.store.records())), repr(study.islands[0].pool.members)]
                )
    assert found[0] == found[-1]
    assert found[1] != found[0]


class Waiting(RandomSearcher):
    """Has nothing to say at every other time."""

    capabilities = Capabilities(waits=True)

    def __init__(self, grammar: Grammar, waits: int) -> None:
        super().__init__(SearchContext(grammar, 3))
        self._turn, self._waits = 0, waits

    def ask(self, n: int) -> list[Candidate]:
        self._turn += 1
        return super().ask(min(n, 5)) if self._turn % self._waits == 0 else []


def test_a_searcher_may_propose_less_than_asked_and_wait(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alphamine.jobs.study._IDLE_SECONDS", 0.0)
    study = study_of(Waiting(language(), 80), small_panel, tmp_path / "waits")
    with closing(study.store):
        assert study.run(Budget(12), ignore) == "the budget was spent"
        require_whole(study.store, 12)
    mute = Waiting(language(), 10**9)
    mute.capabilities = Capabilities()
    study = study_of(mute, small_panel, tmp_path / "mute")
    with closing(study.store):
        assert "nothing new 50 times" in study.run(Budget(12), ignore)


# --- a ledger that was edited ----------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed") / "run"
    am.search(small_panel, "random", budget=60, run_dir=folder).reveal_test()
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    with closing(sqlite3.connect(finished / FILE_NAME)) as db:
        (tmp_path / "run").mkdir()
        with closing(sqlite3.connect(tmp_path / "run" / FILE_NAME)) as target:
            db.backup(target)
    (tmp_path / "run" / EVENTS_NAME).write_bytes((finished / EVENTS_NAME).read_bytes())
    return tmp_path / "run"


def test_a_ledger_that_nobody_touched_is_not_altered(copied: Path, finished: Path) -> None:
    for folder in (copied, finished):
        run = am.open_run(folder)
        assert run.altered is None
        assert run.to_dict()["altered"] is None
    assert "<b>Altered.</b>" not in am.open_run(copied).report().read_text()


EDITS: dict[str, tuple[str, str]] = {
    "evaluations deleted": ("DELETE FROM eval WHERE seq >= 40", "evaluations"),
    "a score edited": ("UPDATE eval SET train_rank_ic = 0.2 WHERE seq = 3", "evaluations"),
    "a row renamed": ("UPDATE eval SET formula = 'rank(close)' WHERE seq = 3", "evaluations"),
    "a proposal edited": ("UPDATE proposal SET origin = 'seed' WHERE position = 3", "proposals"),
    "proposals deleted": ("DELETE FROM proposal WHERE round = 1", "proposals"),
    "openings removed": ("DELETE FROM event WHERE kind = 'test opened'", "events"),
    "trials edited": (
        "UPDATE run SET value = replace(value, '\"trials\":60', '\"trials\":6') "
        "WHERE key = 'trust'",
        "facts",
    ),
    "a verdict edited": (
        'UPDATE pool SET content = replace(content, \'"verdict":"\', \'"verdict":"not \')',
        "members of the pool",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_ledger_that_was_edited_is_noticed(edit: str, copied: Path, small_panel: Panel) -> None:
    statement, what = EDITS[edit]
    with closing(sqlite3.connect(copied / FILE_NAME)) as db:
        changed = db.execute(statement).rowcount
        db.commit()
    assert changed
    run = am.open_run(copied)
    assert run.altered is not None
    assert what in run.altered
    assert "<b>Altered.</b>" in run.report().read_text()
    assert run.to_dict()["altered"] == run.altered
    with pytest.raises(SearchError, match="altered"):
        am.resume(copied, small_panel, budget=120)
    # Whatever is written afterwards does not make it right.
    with pytest.warns(UserWarning, match="was altered"):
        Run(copied, small_panel).reveal_test()
    assert am.open_run(copied).altered is not None


def test_hashes_are_cross_checked_with_the_log(copied: Path) -> None:
    """Who rewrites rows and hashes in the file is given away by the log beside it."""
    with closing(sqlite3.connect(copied / FILE_NAME)) as db:
        db.execute("DELETE FROM eval WHERE seq >= 40")
        seal = Seal(db.execute(CONTENT["eval"]))
        db.execute("UPDATE seal SET rows = ?, hash = ? WHERE name = 'eval'", (seal.rows, seal.hash))
        db.commit()
    assert EVENTS_NAME in str(am.open_run(copied).altered)
    (copied / EVENTS_NAME).unlink()
    assert "missing" in str(am.open_run(copied).altered)


# --- runs of the version before --------------------------------------------------------------


def test_a_run_of_version_0_1_0_still_opens(copied: Path, small_panel: Panel) -> None:
    new = am.open_run(copied)
    records, pool = {r.digest: r for r in new.records}, new.pool
    with closing(sqlite3.connect(copied / FILE_NAME)) as db:
        for column in ("arm", "notes"):
            db.execute(f"ALTER TABLE eval DROP COLUMN {column}")
        db.execute("DROP TABLE proposal")
        db.execute("DROP TABLE seal")
        for position, content in db.execute("SELECT position, content FROM pool").fetchall():
            # That version wrote the sign beside the formula as it was evaluated.
            member = json.loads(content)
            row = records[member["digest"]]
            sign = 1 if row.formula == member["formula"] else -1
            old = {
                **member,
                "formula": row.formula,
                "sign": sign,
                "weight": sign * member["weight"],
            }
            db.execute(
                "UPDATE pool SET content = ? WHERE position = ?",
                (json.dumps(old), position),
            )
        for fact in ("islands", "distil", "blend", "models", "library", "dataset", "delivered"):
            db.execute("DELETE FROM run WHERE key = ?", (fact,))
        db.execute("UPDATE run SET value = '\"0.1.0\"' WHERE key = 'version'")
        db.execute("PRAGMA user_version = 3")
        db.commit()
    old = am.open_run(copied)
    assert old.altered is None
    assert repr(old.records) == repr(old.attempts) == repr([*records.values()])
    assert old.pool.formulas == pool.formulas
    assert old.pool.weights == pool.weights
    signs = [1 if records[m["digest"]].formula == m["formula"] else -1 for m in new.members]
    turned = np.array(old.facts["correlation"]) * np.outer(signs, signs)
    np.testing.assert_array_equal(old.correlation, turned)
    record = old.record
    assert (record.version, record.islands, record.blend, record.delivered) == (
        "0.1.0",
        1,
        None,
        None,
    )
    assert record.combined == new.record.combined
    assert old.to_dict()["models"] == []
    assert old.report().exists()
    with pytest.raises(SearchError, match=r"0\.1\.0"):
        am.resume(copied, small_panel, budget=120)
