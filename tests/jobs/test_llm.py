"""Searches with a language model, whole: recorded, resumed, replayed, stopped by their budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.cli.search import conclude
from alphamine.data.panel import Panel
from alphamine.errors import SearchError, WorkFailed
from alphamine.jobs.config import read_job
from alphamine.jobs.study import Progress
from alphamine.runs.run import Run
from tests.llm.server import Turn, proposal, serving

pytest.importorskip("openai")
OPTIONS = {"proposer": "llm", "trees": 4, "crossover": 0.0}


def analyst(request: dict[str, Any], number: int) -> Turn:
    """Draws by the words of the question alone, so that equal questions get equal answers."""
    rng = np.random.default_rng(list(json.dumps(request["messages"][1:]).encode()))
    a, b = rng.choice(("open", "close", "volume"), 2, replace=False)
    inner = rng.choice((a, f"ts_delta({a}, w2)", f"ts_mean({a}, w2)", f"rank({a})"))
    shape = rng.choice(
        (
            f"rank(ts_corr({inner}, {b}, w1))",
            f"ts_zscore({inner}, w1)",
            f"ts_rank({inner}, w1)",
            f"ts_corr({inner}, ts_std_dev({b}, w2), w1)",
        )
    )
    settings = ({"w1": int(x), "w2": int(y)} for x, y in rng.integers(3, 60, (3, 2)))
    return Turn(proposal(str(shape), *settings))


def _search(panel: Panel, folder: Path, url: str, budget: int = 60, **more: Any) -> Run:
    settings = {
        "searcher": "mcts", "options": OPTIONS, "batch": 8, "run_dir": folder,
        "llm": {"model": "m", "url": url, "max_calls": 200}, **more,
    }  # fmt: skip
    return am.search(panel, budget=budget, **settings)


def _ledger(run: Run) -> list[tuple[Any, ...]]:
    return [(r.formula, r.fitness, r.gain, r.parents, dict(r.notes)) for r in run.records]


def test_a_run_keeps_portraits_and_is_replayed_bit_for_bit(
    small_panel: Panel, tmp_path: Path
) -> None:
    with serving(analyst) as server:
        live = _search(small_panel, tmp_path / "live", server.url)
    record = tmp_path / "live" / "llm.jsonl"
    assert len(record.read_text().splitlines()) == len(server.requests)
    ledger = _ledger(live)
    assert len(ledger) == 60
    assert all(notes["rationale"] == "r" for *_, notes in ledger)
    replay = {"model": "m", "mode": "replay", "cassette": str(record)}
    options = {**OPTIONS, "proposer": "cassette"}
    again = _search(small_panel, tmp_path / "again", "", llm=replay, options=options)
    assert _ledger(again) == ledger
    assert str(again.pool.table()) == str(live.pool.table())


def test_a_run_whose_model_says_nothing_of_use_says_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specification = tmp_path / "market.yaml"
    specification.write_text(
        "name: planted\n"
        "source: {kind: synthetic, days: 160, symbols: 20, sectors: 4, seed: 1,\n"
        "  planted: [{formula: 'ts_returns(close, 10)', strength: -0.001}]}\n"
        "splits: {train: 2015-01-05, valid: 2015-04-13, test: 2015-06-15}\n"
    )
    small_panel = am.load(str(specification))
    with serving(lambda request, number: Turn("I would rather not.")) as server:
        run = _search(
            small_panel, tmp_path / "run", server.url, llm={"model": "m", "url": server.url}
        )
        # Ten rounds of four trees, each of which asks four times.
        assert len(server.requests) <= 160
    assert run.trials == 0
    assert run.why_empty.startswith("nothing was evaluated: ")
    assert "proposed nothing new 10 times in a row: no answer was of use; of the last: " in (
        run.why_empty
    )
    page = run.report().read_text("utf-8")
    assert "no answer was of use" in page
    assert run.record.recovery == 0.0
    assert "of the planted signal recovered" not in page
    for json_asked in (False, True):
        with pytest.raises(WorkFailed, match=r"^nothing was evaluated: .* no answer was of use"):
            conclude(run, json=json_asked)
    assert "recovered" not in capsys.readouterr().out.split("{")[0]
    with pytest.raises(SearchError, match="the pool is empty"):
        run.pool.signal(small_panel)


@pytest.mark.parametrize("kind", ["mcts", "rd_loop"])
def test_a_run_that_met_useless_answers_goes_on_with_questions_of_its_own(
    kind: str, small_panel: Panel, tmp_path: Path
) -> None:
    """What was answered is not asked again, and the server is asked anew."""
    search, answers = (_search, analyst) if kind == "mcts" else (_research, researcher)
    useful = False

    def answer(request: dict[str, Any], number: int) -> Turn:
        return answers(request, number) if useful else Turn("I would rather not.")

    with serving(answer) as server:
        run = search(small_panel, tmp_path / "run", server.url)
        asked = len(server.requests)
        assert not run.evaluated
        useful = True
        again = am.resume(run.directory, small_panel)
        assert len(server.requests) > asked
        lines = _lines(again)
        assert len({line["digest"] for line in lines}) == len(lines) == len(server.requests)
        assert len(_ledger(again)) == 60


@pytest.mark.parametrize("kind", ["mcts", "rd_loop"])
def test_a_run_whose_server_is_down_ends_soon_and_goes_on_when_it_is_back(
    kind: str, small_panel: Panel, tmp_path: Path
) -> None:
    search, answers = (_search, analyst) if kind == "mcts" else (_research, researcher)
    up = False

    def answer(request: dict[str, Any], number: int) -> Turn:
        return answers(request, number) if up or number < 5 else Turn(status=500, raw=b"{}")

    with serving(answer) as server:
        llm = {"model": "m", "url": server.url, "max_calls": 400, "retries": 0}
        run = search(small_panel, tmp_path / "run", "", llm=llm)
        assert 5 + 10 <= len(server.requests) <= 5 + 20 + 8
        assert "gave no answer" in run.facts["stopped"]
        up = True
        again = am.resume(run.directory, small_panel)
    with serving(answers) as server:
        whole = search(small_panel, tmp_path / "whole", "", llm={**llm, "url": server.url})
    answered = [line["digest"] for line in _lines(again) if "answer" in line]
    assert len(set(answered)) == len(answered)
    assert len(_ledger(again)) == len(_ledger(whole)) == 60
    # Of questions side by side some may have been answered after others had failed.
    assert kind == "mcts" or _ledger(again) == _ledger(whole)


def test_a_stopped_run_goes_on_without_paying_twice(small_panel: Panel, tmp_path: Path) -> None:
    seen = 0

    def observe(progress: Progress) -> None:
        nonlocal seen
        seen = progress.evaluated

    with serving(analyst) as server:
        folder = tmp_path / "run"
        stopped = _search(small_panel, folder, server.url, observe=observe, stop=lambda: seen >= 24)
        before = _ledger(stopped)
        assert 24 <= len(before) < 60
        resumed = am.resume(folder, small_panel)
        after = _ledger(resumed)
    assert after[: len(before)] == before
    assert len(after) == 60
    assert resumed.trial_count.trials == 60
    lines = (folder / "llm.jsonl").read_text().splitlines()
    paid = [json.loads(line)["digest"] for line in lines]
    assert len(set(paid)) == len(paid) == len(server.requests)


@pytest.mark.parametrize("kind", ["mcts", "rd_loop"])
def test_a_budget_of_tokens_ends_a_run_before_the_call_that_could_exceed_it(
    kind: str, small_panel: Panel, tmp_path: Path
) -> None:
    """What was asked until then is kept, and the run that goes on with more pays nothing twice."""
    search, answers = (_search, analyst) if kind == "mcts" else (_research, researcher)
    llm = {"model": "m", "max_tokens": 500}
    with serving(answers) as server:
        llm["url"] = server.url
        run = search(small_panel, tmp_path / "run", "", budget=500, tokens=9000, llm=llm)
        asked = len(server.requests)
        *paid, refused = _lines(run)
        words = refused["request"]
        texts = [m["content"] for m in words["messages"]] + [json.dumps(words["schema"])]
        most = len("".join(texts).encode()) + 500
        # Each call is of 120 tokens.
        assert 9000 - most - 200 < 120 * asked <= 9000
        assert sum(line["usage"]["calls"] for line in paid) == asked
        assert run.facts["stopped"].startswith(f"the tokens were spent: {120 * asked:,} of 9,000")
        assert 20 < len(_ledger(run)) < 500
        # Formulas that were paid are evaluated: no more than the rest of a question is left over.
        replay = {**llm, "mode": "replay", "cassette": str(run.directory / "llm.jsonl")}
        for tokens in (9000, None):
            folder = tmp_path / f"replay of {tokens}"
            again = search(small_panel, folder, "", budget=500, tokens=tokens, llm=replay)
            assert _ledger(again) == _ledger(run)
        more = am.resume(run.directory, small_panel, tokens=12_000)
        assert asked < len(server.requests) <= 12_000 / 120
        answered = [line["digest"] for line in _lines(more) if "answer" in line]
        assert len(set(answered)) == len(answered) == len(server.requests)
    with serving(answers) as server:
        llm["url"] = server.url
        whole = search(small_panel, tmp_path / "whole", "", budget=500, tokens=12_000, llm=llm)
    assert _ledger(more) == _ledger(whole)


def _most(run: Run) -> int:
    """The most tokens that a question of a run could have cost: one a byte, and the answer."""
    asked = [line["request"] for line in _lines(run)]
    sizes = [len(json.dumps([a["messages"], a["schema"]]).encode()) for a in asked]
    return max(sizes) + asked[0]["max_tokens"] + 200


def _lines(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.directory / "llm.jsonl").read_text().splitlines()]


def test_no_p_value_is_given_to_a_search_that_placebos_could_not_repeat(
    small_panel: Panel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They find the budget of the language model spent, and less for that reason alone."""
    with serving(analyst) as server:
        llm = {"model": "m", "url": server.url, "max_calls": 20}
        run = _search(small_panel, tmp_path / "run", server.url, 200, llm=llm, placebos=3)
        assert len(server.requests) <= 20
    placebo = run.facts["placebo"]
    assert placebo["p_value"] is None
    assert f"evaluated {_number(placebo['why'])} formulas, not {run.evaluated}:" in placebo["why"]
    assert _number(placebo["why"]) < run.evaluated < 200
    assert len(placebo["best"]) < 3
    told = "no p-value: search 1 of 3 on shuffled labels evaluated"
    assert told in run.report(tmp_path / "page.html").read_text(encoding="utf-8")
    conclude(run, json=False)
    assert f"placebo: {told}" in capsys.readouterr().out


def _number(why: str) -> int:
    return int(why.split(" evaluated ")[1].split()[0])


def test_placebos_and_their_search_share_a_budget_of_tokens(
    small_panel: Panel, tmp_path: Path
) -> None:

    def dear(request: dict[str, Any], number: int) -> Turn:
        return replace(analyst(request, number), tokens=3000)

    with serving(dear) as server:
        free = _search(small_panel, tmp_path / "free", server.url, 24, placebos=2)
        asked = len(server.requests)
        alone = len((tmp_path / "free" / "llm.jsonl").read_text().splitlines())
    placebo = free.facts["placebo"]
    assert asked == alone
    assert placebo["p_value"] in (1 / 3, 2 / 3, 1.0)
    assert (len(placebo["best"]), placebo["why"]) == (2, None)
    with serving(dear) as server:
        tight = _search(small_panel, tmp_path / "one", server.url, 24)
        search = len(server.requests) * 3000
    most = _most(free)
    assert (asked * 3000 - search) > most
    with serving(dear) as server:
        # Enough for the search itself, and some of a placebo, whose roots the record answers.
        limit = search + most
        both = _search(small_panel, tmp_path / "both", server.url, 24, placebos=2, tokens=limit)
        assert search <= len(server.requests) * 3000 <= limit
    assert _ledger(both) == _ledger(tight)
    assert both.facts["placebo"]["p_value"] is None
    assert ": the tokens were spent: " in both.facts["placebo"]["why"]


def test_a_budget_of_money_without_prices_is_refused(small_panel: Panel, tmp_path: Path) -> None:
    with serving(analyst) as server:
        with pytest.raises(SearchError, match="add prompt_price and completion_price"):
            _search(small_panel, tmp_path / "run", server.url, money=0.01)
        assert not (tmp_path / "run").exists()
        assert not server.requests
        prices = {"prompt_price": 4.0, "completion_price": 8.0}
        llm = {"model": "m", "url": server.url, "max_tokens": 500, **prices}
        run = _search(small_panel, tmp_path / "run", server.url, 500, llm=llm, money=0.06)
        spent = len(server.requests) * (100 * 4.0 + 20 * 8.0) * 1e-6
        assert run.facts["stopped"].startswith(f"the money was spent: {spent:.7g} of 0.06, and")
    # A record says what its answers have cost.
    record = str(tmp_path / "run" / "llm.jsonl")
    replay = {"model": "m", "mode": "replay", "cassette": record, "max_tokens": 500}
    again = _search(small_panel, tmp_path / "again", "", 500, llm=replay, money=0.06)
    assert _ledger(again) == _ledger(run)
    assert again.facts["stopped"] == run.facts["stopped"]
    assert spent <= 0.06


def test_a_job_says_which_model(tmp_path: Path) -> None:
    changes = {"data": "synthetic", "searcher": "mcts", "llm": {"model": "m", "url": "http://h/v1"}}
    assert read_job(None, changes).llm == {"model": "m", "url": "http://h/v1"}
    with pytest.raises(SearchError, match="no setting 'modle'"):
        read_job(None, {**changes, "llm": {"modle": "m"}})
    with pytest.raises(SearchError, match="environment alone"):
        read_job(None, {**changes, "llm": {"model": "sk-something"}})


def researcher(request: dict[str, Any], number: int) -> Turn:
    """A hypothesis by the words of the question alone: formulas, or a model."""
    text = request["messages"][1]["content"]
    rng = np.random.default_rng(list(json.dumps(request["messages"][1:]).encode()))
    words = {"hypothesis": "volume tells", "reason": "r", "expected": "e", "family": "volume"}
    if text.startswith("Propose a model"):
        chosen = {"name": "alpha", "value": float(10.0 ** rng.integers(-4, 2))}
        return Turn(json.dumps({**words, "model": "ridge", "settings": [chosen], "tune": False}))
    a, b = rng.choice(("open", "close", "volume"), 2, replace=False)
    formulas = [
        f"ts_corr({a}, {b}, {rng.integers(3, 60)})",
        f"ts_zscore(ts_mean({a}, {rng.integers(3, 20)}), {rng.integers(3, 60)})",
        f"ts_rank(ts_delta({a}, {rng.integers(1, 20)}), {rng.integers(3, 60)})",
    ]
    return Turn(json.dumps({**words, "formulas": formulas}))


def _research(panel: Panel, folder: Path, url: str, budget: int = 60, **more: Any) -> Run:
    settings = {
        "searcher": "rd_loop", "batch": 12, "run_dir": folder,
        "options": {"proposer": "llm", "models": "ridge", "library_step": 2},
        "llm": {"model": "m", "url": url, "max_calls": 400}, **more,
    }  # fmt: skip
    return am.search(panel, budget=budget, **settings)


def test_research_is_recorded_and_replayed_bit_for_bit(small_panel: Panel, tmp_path: Path) -> None:
    with serving(researcher) as server:
        live = _research(small_panel, tmp_path / "live", server.url, 120)
    record = tmp_path / "live" / "llm.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(lines) == len(server.requests)
    assert {r.notes["source"] for r in live.records} == {"language model"}
    models = live.models
    assert {m.proposal.arm for m in models} == {"library", "model"}
    # With the server down.
    replay = {"model": "m", "mode": "replay", "cassette": str(record), "url": server.url}
    options = {"proposer": "cassette", "models": "ridge", "library_step": 2}
    again = _research(small_panel, tmp_path / "again", "", 120, llm=replay, options=options)
    assert _ledger(again) == _ledger(live)
    assert repr(again.models) == repr(models)
    assert again.library == live.library
    assert str(again.pool.table()) == str(live.pool.table())


def test_the_researcher_sees_neither_days_nor_names_nor_numbers_of_valid(
    small_panel: Panel, tmp_path: Path
) -> None:
    with serving(researcher) as server:
        run = _research(small_panel, tmp_path / "run", server.url, 80)
    told = json.dumps([request["messages"] for request in server.requests])
    assert "accepted" in told
    for name in ("N00", "N23", "2020-", "2021-", "valid"):
        assert name not in told
    hidden = [f"{m.fit['numbers']['valid']['rank_ic']:.4f}" for m in run.models]
    hidden += [f"{record.valid['rank_ic']:.4f}" for record in run.records if record.valid]
    # Some number of train has the same four digits as one of valid.
    shown = {f"{score:.4f}" for record in run.records for score in record.train.values()}
    assert not [number for number in hidden if f" {number}" in told and number not in shown]


def test_fifty_thousandths_end_the_research_before_the_call_that_would_exceed_them(
    small_panel: Panel, tmp_path: Path
) -> None:
    prices = {"prompt_price": 1.0, "completion_price": 8.0, "max_tokens": 500}
    with serving(researcher) as server:
        llm = {"model": "m", "url": server.url, "max_money": 0.05, **prices}
        run = _research(small_panel, tmp_path / "run", server.url, 500, llm=llm)
    lines = [json.loads(line) for line in (tmp_path / "run" / "llm.jsonl").read_text().splitlines()]
    *paid, refused = lines
    assert refused["error"] == "budget"
    # A call is 100 tokens in and 20 out.
    spent = len(paid) * (100 * 1.0 + 20 * 8.0) * 1e-6
    assert sum(line["usage"]["money"] for line in paid) == pytest.approx(spent)
    assert sum(line["usage"]["calls"] for line in paid) == len(server.requests) == len(paid)
    assert spent <= 0.05
    # What is left would not do for a token of each byte, and what is around it.
    asked = [m["content"] for m in refused["request"]["messages"]]
    size = len("".join([*asked, json.dumps(refused["request"]["schema"])]).encode())
    assert spent + size * 1e-6 + 500 * 8e-6 > 0.05 - 200e-6
    assert 0 < run.evaluated < 500
    assert f": llm: the money was spent: {spent:.7g} of 0.05, and " in run.facts["stopped"]


def _garbled(answers: Any) -> Any:
    """The same, with half a character and a key in all words, and words that look like a key."""
    said = r"risk-adjusted \ud83d sk-abcdefgh12 local-key"

    def answer(request: dict[str, Any], number: int) -> Turn:
        turn = answers(request, number)
        found = json.loads(turn.text)
        for words in (found, *found.get("proposals", [])):
            for name in set(words) - {"formula", "model"}:
                if isinstance(words[name], str):
                    words[name] += "SAID"
            words["MORE"] = "SAID"
        # One answer in three is of no use, and is sent back to the model with what was wrong.
        if number % 3 == 0:
            found = {"proposals": [{"formula": "SAID"}], "formulas": ["MORE SAID"]}
        return Turn(json.dumps(found).replace("SAID", said).replace("MORE", r"\udc00"))

    return answer


@pytest.mark.parametrize("kind", ["mcts", "rd_loop"])
def test_half_characters_and_keys_in_answers_change_nothing_in_a_replay(
    kind: str, small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, answers = (_search, analyst) if kind == "mcts" else (_research, researcher)
    monkeypatch.setenv("ALPHAMINE_LLM_KEY", "local-key")
    with serving(_garbled(answers)) as server:
        live = search(small_panel, tmp_path / "live", server.url)
        record, paid = tmp_path / "live" / "llm.jsonl", len(server.requests)
        llm = {"model": "m", "url": server.url, "cassette": str(record)}
        # A run from the record of another one asks nothing.
        again = search(small_panel, tmp_path / "again", "", llm=llm)
        assert len(server.requests) == paid > 10
    monkeypatch.delenv("ALPHAMINE_LLM_KEY")
    replay = search(small_panel, tmp_path / "replay", "", llm={**llm, "mode": "replay"})
    assert _ledger(live)
    assert _ledger(live) == _ledger(again) == _ledger(replay)
    assert repr(live.models) == repr(again.models) == repr(replay.models)
    told = record.read_text("utf-8")
    for text in (json.dumps(server.requests), told):
        assert "risk-adjusted" in text
        assert "sk-abc" not in text
        assert "local-key" not in text


def test_stopped_research_goes_on_without_paying_twice(small_panel: Panel, tmp_path: Path) -> None:
    seen = 0

    def observe(progress: Progress) -> None:
        nonlocal seen
        seen = progress.evaluated

    with serving(researcher) as server:
        folder = tmp_path / "run"
        stopped = _research(
            small_panel, folder, server.url, observe=observe, stop=lambda: seen >= 24
        )
        before = _ledger(stopped)
        assert 24 <= len(before) < 60
        resumed = am.resume(folder, small_panel)
        after = _ledger(resumed)
    assert after[: len(before)] == before
    assert len(after) == 60
    lines = (folder / "llm.jsonl").read_text().splitlines()
    paid = [json.loads(line)["digest"] for line in lines]
    assert len(set(paid)) == len(paid) == len(server.requests)
