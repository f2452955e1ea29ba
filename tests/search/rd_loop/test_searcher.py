"""The research loop: what it supposes, tries, mends, accepts and writes down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from alphamine.errors import SearchError
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.libraries import library
from alphamine.libraries.formulas import read_formulas
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Evaluation, SearchContext
from alphamine.searchers.rd_loop.heuristic import HeuristicProposer
from alphamine.searchers.rd_loop.ideas import (
    FACTOR_ARMS,
    NEW,
    PRUNE,
    REFINE,
    Member,
    ModelTask,
    Situation,
)
from alphamine.searchers.rd_loop.people import formulas_of
from alphamine.searchers.rd_loop.searcher import RDLoopSearcher
from alphamine.searchers.rd_loop.settings import RDLoopSettings

SCORES = {"rank_ic": 0.03, "rank_icir": 0.3, "turnover": 0.4, "coverage": 0.99}


class Desk:
    """Hypotheses of people, by the turn that takes them."""

    def __init__(self, said: Mapping[int, list[str]]) -> None:
        self.said = said

    def take(self, turn: int) -> list[str]:
        return list(self.said.get(turn, []))


def searcher(
    said: Mapping[int, list[str]] | None = None,
    seeds: tuple[Node, ...] = (),
    grammar: Grammar | None = None,
    seed: int = 0,
    **settings: Any,
) -> RDLoopSearcher:
    services = {} if said is None else {"hypotheses": Desk(said)}
    chosen = RDLoopSettings(**settings)
    return RDLoopSearcher(SearchContext(grammar or Grammar(), seed, chosen, services, seeds))


def rounds(
    research: RDLoopSearcher, n: int, gains: Any = lambda c: 0.0, batch: int = 20
) -> list[Candidate]:
    """Candidates of some batches; the pool keeps the last ten with a gain."""
    found: list[Candidate] = []
    kept: list[Node] = []
    for _ in range(n):
        asked = research.ask(batch)
        results = [Evaluation(c, SCORES, 0.03, gains(c)) for c in asked]
        kept = [*kept, *(r.candidate.formula for r in results if r.gain > 0)][-10:]
        research.tell(results, PoolModel.of(tuple(kept)))
        found += asked
    return found


def turns(candidates: Sequence[Candidate]) -> dict[int, list[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        found.setdefault(candidate.notes["turn"], []).append(candidate)
    return found


def learnt(candidates: Sequence[Candidate]) -> dict[int, dict[str, Any]]:
    return {e["turn"]: e for c in candidates for e in c.notes.get("learnt", [])}


def test_a_turn_is_one_hypothesis_with_one_to_five_formulas() -> None:
    found = turns(rounds(searcher(tasks=3), 6))
    assert list(found) == list(range(len(found)))
    for members in found.values():
        assert 1 <= len(members) <= 3
        for name in ("statement", "reason", "expected", "family", "source"):
            assert len({c.notes[name] for c in members}) == 1
            assert members[0].notes[name]


def test_the_specification_is_that_of_the_live_grammar() -> None:
    grammar = Grammar(("close", "volume"), windows=(5, 20), max_lookback=33)
    said = searcher(grammar=grammar).ask(1)[0].notes["specification"]
    assert "\n- close: price\n- volume: volume\n" in said
    assert "common values are 5, 20." in said
    assert "at most 33 days back" in said
    assert "ts_corr" in said
    assert "group_rank" not in said


def test_only_new_factors_are_tried_before_there_is_a_library() -> None:
    assert {c.arm for c in rounds(searcher(), 6)} == {NEW}
    found = rounds(searcher(), 8, lambda c: 0.01)
    assert {c.arm for c in found} == set(FACTOR_ARMS)
    digests = {c.formula.digest for c in found}
    for candidate in found:
        assert bool(candidate.parents) == (candidate.arm != NEW)
        assert set(candidate.parents) <= digests
    sizes = {c.formula.digest: c.formula.length for c in found}
    pruned = [c for c in found if c.arm == PRUNE and "mended" not in c.notes]
    assert pruned
    assert all(c.formula.length <= sizes[c.parents[0]] for c in pruned)


@pytest.mark.parametrize("best", [NEW, REFINE, PRUNE])
def test_the_arm_that_the_pool_gains_by_is_chosen_most(best: str) -> None:
    late = []
    for seed in range(2):
        rng = np.random.default_rng(seed)

        def gain(c: Candidate, rng: np.random.Generator = rng) -> float:
            return float(rng.random() < (0.6 if c.arm == best else 0.06))

        found = turns(rounds(searcher(seed=seed), 12, gain))
        late += [members[0].arm for number, members in found.items() if number > 30]
    assert late.count(best) > 0.5 * len(late)


def test_families_that_earn_are_tried_more() -> None:
    found = rounds(searcher(), 12, lambda c: 0.01 * (c.notes["family"] == "volatility"))
    families = [
        members[0].notes["family"] for members in turns(found).values() if members[0].arm == NEW
    ]
    assert families.count("volatility") > 2 * max(
        families.count(name) for name in set(families) - {"volatility"}
    )


def test_what_cannot_be_read_or_is_too_long_is_mended_or_noted() -> None:
    said = {
        0: ["a mean: ts_mean(clos, 20) / close; ts_cor(close, volume, 20)"],
        1: ["far back: ts_mean(close, 60) / ts_delay(ts_mean(close, 60), 60)"],
        2: ["units: ts_mean(close + volume, 5)"], 3: ["nonsense: close +"],
    }  # fmt: skip
    research = searcher(said, grammar=Grammar(max_lookback=61, max_length=12))
    found = turns(rounds(research, 2))
    assert [str(c.formula) for c in found[0]] == [
        "ts_mean(close, 20) / close",
        "ts_corr(close, volume, 20)",
    ]
    assert all("unreadable" in c.notes["mended"][0] for c in found[0])
    (far,) = found[1]
    assert far.formula.lookback <= 61
    assert "look-back" in far.notes["mended"][0]
    assert [str(c.formula) for c in found[2]] == ["ts_mean(rank(close) + rank(volume), 5)"]
    # Nothing could be made of the last one: it is in the log, and the loop went on.
    assert 3 not in found
    entry = learnt([c for members in found.values() for c in members])[3]
    assert (entry["decision"], entry["statement"]) == ("failed", "nonsense")
    assert "close +" in entry["feedback"]
    assert max(found) > 3


TERNARY = "close > open ? volume : -volume"
BOTH = "rank(close) > 0.5 and rank(volume) > 0.5 ? volume : -volume"
SCHEMA = {field.name: field for field in Grammar(("open", "close", "volume")).fields}


@pytest.mark.parametrize(
    ("said", "statement", "formulas"),
    [
        (f"volume follows the close: {TERNARY}", "volume follows the close", [TERNARY]),
        (f"x: {TERNARY}; rank(close)", "x", [TERNARY, "rank(close)"]),
        (f"x: rank(close); {TERNARY}", "x", ["rank(close)", TERNARY]),
        (
            "x: a = close / open; rank(a); rank(volume)",
            "x",
            ["a = close / open; rank(a)", "rank(volume)"],
        ),
        ("note: momentum: rank(close)", "note: momentum", ["rank(close)"]),
        ("is volume first? yes: rank(close)", "is volume first? yes", ["rank(close)"]),
        (TERNARY, TERNARY, [TERNARY]),
        ("rank(close)", "rank(close)", ["rank(close)"]),
        (BOTH, BOTH, [BOTH]),
        (f"issue #5: {BOTH}  # why: so", "issue #5", [BOTH]),
        # What is misspelt is mended, or fails: no part of it is taken for another formula.
        ("clos > open ? volume : -volume", None, ["clos > open ? volume : -volume"]),
        ("x: clos > opn ? volume : -volume", "x", ["clos > opn ? volume : -volume"]),
        ("mine: rank(clos)", "mine", ["rank(clos)"]),
        ("mine: rank(sentiment)", "mine", ["rank(sentiment)"]),
        ("x: zork ? volume : -volume", "x", ["zork ? volume : -volume"]),
        # So is a slip of syntax: who made it is told.
        ("mine: rank(close", "mine", ["rank(close"]),
        ("mine: close +; rank(open)", "mine", ["close +", "rank(open)"]),
        ("rank(close, open", None, ["rank(close, open"]),
    ],
)
def test_a_persons_formulas_are_told_from_the_words(
    said: str, statement: str | None, formulas: list[str]
) -> None:
    idea = formulas_of(said, SCHEMA)
    assert idea is not None
    assert idea.hypothesis.statement == (statement or said)
    assert [task.text for task in idea.tasks] == formulas


def _formulas() -> list[tuple[str, dict[str, FieldInfo]]]:
    """Formulas as they are printed: of a grammar, ternaries and logic of them, of the libraries."""
    grammar, rng = Grammar(), np.random.default_rng(0)
    a, b, c = ([str(grammar.sample(rng)) for _ in range(60)] for _ in range(3))
    logic = [
        f"{shape.format(x=x, y=y)} ? {y} : {z} "
        for shape, x, y, z in zip(
            ("{x} > 0 and {y} > 0", "{x} > 1 or not {y} < 2", "not ({x} == {y})") * 20,
            a,
            b,
            c,
            strict=True,
        )
    ]
    own = {field.name: field for field in grammar.fields}
    found = [(text.strip(), own) for text in (*a, *b, *c, *logic)]
    for name in ("alpha101", "alpha158"):
        for formula in library(name).values():
            names = sorted(formula.fields)
            found.append((str(formula), {name: standard_field(name) for name in names}))
    return found


def test_every_formula_is_told_from_the_words_before_it() -> None:
    reasons = ("words with a reason", "is it so? yes: by open and close, 5 days", "low-risk stocks")
    for text, schema in _formulas():
        for words in reasons:
            for comment in ("", " # five days, why: so", " /* why: so */"):
                idea = formulas_of(f"{words}: {text}{comment}", schema)
                assert idea is not None, text
                assert (idea.hypothesis.statement, [t.text for t in idea.tasks]) == (words, [text])


SENTENCES = """\
calm: stocks with little volume rise
xyzzy
xyzzy: calm
xyzzy: library:alpha101
momentum: volume-driven, low-turnover
volume-weighted
open and volume
momentum: open and volume
not volume
low-volatility
close-to-open reversal
reversal: close-to-close
volume-driven momentum
high volume - low risk
stocks rank by volume
rank and volume
momentum and volume
quality, value and volume
buy after 5 days: sell after 10
at 10:30 volume rises
the ratio is 1:2
since 2019: returns reverse
prices open high: they close low
volume leads price (after a delay)
volume (high)
max or min of close?
is the close higher than the open? then it falls
volume/turnover
price/volume
log volume: mean-reverting
ts_mean of close over 20 days
why does volume matter? attention: investors notice
size-neutral, sector-neutral
5-day reversal
volume: 5
two-day, three-day: short-term
earnings-related drift; volume-weighted prices
"""


@pytest.mark.parametrize("said", SENTENCES.splitlines())
def test_words_are_no_formulas(said: str) -> None:
    assert formulas_of(said, SCHEMA) is None


def test_all_formulas_of_a_person_are_tried() -> None:
    given = [f"rank(ts_mean(close, {d}) / close)" for d in (3, 5, 10, 20, 40, 60)]
    found = turns(rounds(searcher({0: [f"mine: {'; '.join(given)}"]}, tasks=2), 1))
    assert [str(c.formula) for c in found[0]] == given


def test_words_alone_are_tested_by_the_family_nearest_them() -> None:
    said = {1: ["calm stocks with little risk earn more"], 2: ["xyzzy"]}
    found = turns(rounds(searcher(said), 1))
    assert found[1][0].notes["family"] == "volatility"
    assert found[1][0].notes["statement"] == "calm stocks with little risk earn more"
    assert {c.notes["source"] for c in found[1]} == {"person"}
    assert found[2][0].notes["family"] == "unnamed"
    assert found[3][0].notes["source"] == "heuristic"


def test_people_are_heard_one_a_turn_and_in_their_order() -> None:
    said = {2: ["first: -close / vwap", "second: -volume / ts_mean(volume, 20)"]}
    found = turns(rounds(searcher(said), 1))
    assert found[2][0].notes["statement"] == "first"
    assert found[3][0].notes["statement"] == "second"


def test_formulas_of_people_are_a_list_like_any_other() -> None:
    said = {2: ["mine: a = close / open; rank(a); b = clos / vwap; ts_mean(b, 5)"]}
    found = turns(rounds(searcher(said), 1))
    mended = "ts_mean(close / vwap, 5)"
    assert {str(c.formula) for c in found[2]} == {"rank(close / open)", mended}


def test_given_formulas_are_tried_first() -> None:
    seeds = tuple(
        read_formulas(
            "-close / vwap; ts_rank(volume, 20); rank(close)", {f.name: f for f in Grammar().fields}
        )
    )
    first = searcher(seeds=seeds, tasks=2).ask(5)
    assert [c.formula for c in first[:3]] == list(seeds)
    assert [c.notes["turn"] for c in first[:3]] == [0, 0, 1]


def sketch(*values: float) -> np.ndarray:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_the_rule_of_acceptance() -> None:
    """On what `tell` gives: gain, scores, and likeness to the library and within the batch."""
    said = {
            0: ["one: -close / vwap; ts_rank(volume, 20); ts_rank(volume, 40); -open / vwap"],
            1: ["two: -ts_mean(close / open, 5); rank(close); rank(volume); -high / vwap"],
    }  # fmt: skip
    research = searcher(said)
    first = research.ask(4)
    a, b = sketch(1, 0, 0), sketch(0, 1, 0)
    research.tell(
        [
            Evaluation(first[0], SCORES, 0.03, 0.2, sketch=a),
            Evaluation(first[1], SCORES, 0.03, 0.0, sketch=b),
            Evaluation(first[2], SCORES, 0.03, 0.1, sketch=-sketch(0.01, 1, 0)),
            Evaluation(first[3], SCORES, 0.03, 0.1, repeated=True),
        ],
        PoolModel.of((first[0].formula,)),
    )
    second = research.ask(4)
    research.tell(
        [
            Evaluation(second[0], SCORES, 0.03, 0.3, sketch=-a),
            Evaluation(second[1], {**SCORES, "coverage": 0.1}, 0.03, 0.3, sketch=sketch(0, 0, 1)),
            Evaluation(second[2], {"rank_ic": np.nan}, -np.inf),
            Evaluation(second[3], SCORES, 0.03, 0.0, sketch=sketch(1, 0, 1)),
        ],
        PoolModel.of((first[0].formula,)),
    )
    log = learnt([*second, *research.ask(1)])
    one, two = log[0], log[1]
    assert one["decision"] == "accepted"
    assert "1 of 4 accepted" in one["feedback"]
    assert "-(close / vwap): the pool gains 0.2 (rank IC +0.0300" in one["feedback"]
    assert "the pool gains nothing by it" in one["feedback"]
    assert "ts_rank(volume, 40): it correlates by 1.00" in one["feedback"]  # within the batch
    assert "it was evaluated before" in one["feedback"]
    assert two["decision"] == "rejected"
    assert "it correlates by 1.00 with what is known" in two["feedback"]  # a negated copy
    assert "a value for 10% only" in two["feedback"]
    assert "no rank IC on train" in two["feedback"]


@pytest.mark.parametrize("seed", range(4))
def test_a_number_is_given_up_and_the_search_goes_on(seed: int) -> None:
    research = searcher({1: ["mine: 1; 0.5; 1 + 1; rank(open)"]}, seed=seed)
    found = rounds(research, 3)
    assert all(c.formula.fields for c in found)
    said = [c for c in found if c.notes.get("statement") == "mine"]
    assert [str(c.formula) for c in said] == ["rank(open)"]


def test_mends_that_helped_are_tried_first() -> None:
    knowledge = searcher()._knowledge
    assert knowledge.ordered("size", ["a", "b"]) == ["a", "b"]
    knowledge.mended("size", "a", helped=False)
    knowledge.mended("size", "b", helped=True)
    knowledge.mended("look-back", "a", helped=True)
    assert knowledge.ordered("size", ["a", "b"]) == ["b", "a"]
    assert knowledge.rate("look-back", "a") == pytest.approx(2 / 3)


def test_successes_are_found_by_what_they_are_made_of() -> None:
    knowledge = searcher()._knowledge
    texts = ("ts_corr(close, volume, 10)", "rank(open)", "ts_corr(high, volume, 20)")
    for text in texts:
        knowledge.succeeded(parse(text))
    found = knowledge.similar(parse("ts_corr(close, volume, 40)"))
    assert [str(f) for f in found] == [texts[0], texts[2], texts[1]]


@pytest.mark.parametrize("batch", [3, 10])
def test_a_stop_between_any_two_batches_changes_nothing(batch: int) -> None:
    """Turns straddle batches of 3 and 10, so that states have turns that are half done."""

    def gain(c: Candidate) -> float:
        return 0.01 * (int(c.formula.digest[:2], 16) % 3 == 0)

    said = {2: ["mine: ts_mean(clos, 20) / close", "calm stocks earn more"]}
    whole = rounds(searcher(said), 8, gain, batch)
    research, kept, done = searcher(said), [], []
    for _ in range(8):
        state = json.dumps(research.state_dict(), default=lambda a: a.tolist())
        research = searcher(said, seed=9)
        research.load_state_dict(json.loads(state))
        asked = research.ask(batch)
        results = [Evaluation(c, {**SCORES, "ic": np.nan}, 0.03, gain(c)) for c in asked]
        kept = [*kept, *(r.candidate.formula for r in results if r.gain > 0)][-10:]
        research.tell(results, PoolModel.of(tuple(kept)))
        done += asked
    assert [(c.formula, c.arm, c.notes) for c in done] == [
        (c.formula, c.arm, c.notes) for c in whole
    ]


def test_a_grammar_of_one_field_leaves_families_out() -> None:
    grammar = Grammar(("volume",), max_length=6)
    found = rounds(searcher(grammar=grammar), 3)
    assert {f for c in found for f in c.formula.fields} == {"volume"}
    assert all(grammar.problem(c.formula) is None for c in found)


def test_settings_that_make_no_sense_are_refused() -> None:
    for changes, law in (
        ({"tasks": 6}, "tasks lies in 1 to 5, got 6"),
        ({"repairs": -1}, "repairs is at least 0"),
        ({"max_correlation": 1.1}, "max_correlation lies in 0 to 1"),
        ({"scheduler": "luck"}, "no scheduler 'luck'"),
    ):
        with pytest.raises(SearchError, match=law):
            RDLoopSettings(**changes)


def test_the_library_is_never_tried_without_a_formula_that_was_not_scored() -> None:
    """One of the weaker half of those that were, or one that the pool has let go, goes first."""
    texts = ("rank(open)", "rank(close)", "rank(high)", "rank(low)", "rank(volume)", "rank(vwap)")
    unscored, gone, *rest = map(parse, texts)
    scored = [
        Member(f, {"rank_ic": ic}) for f, ic in zip(rest, (0.01, -0.05, 0.03, -0.02), strict=True)
    ]
    proposer = HeuristicProposer(SearchContext(Grammar(), 0))

    def left_out(accepted: Sequence[Member]) -> set[str]:
        found = set()
        for seed in range(16):
            situation = Situation(
                PRUNE,
                1,
                np.random.default_rng(seed),
                Grammar(),
                [Member(unscored), *scored],
                lambda formula: [],
                model=ModelTask("ridge"),
                accepted=accepted,
            )
            idea = proposer.propose(situation, 1)
            found |= {idea.model.without} if idea.model is not None else set()
        return found

    assert left_out([Member(unscored), *scored]) == {rest[0].digest, rest[3].digest}
    assert left_out([Member(unscored), Member(gone), *scored]) == {gone.digest, rest[0].digest}
    assert left_out([Member(unscored)] * 4) == set()
