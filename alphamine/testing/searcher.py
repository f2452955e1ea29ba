"""The searcher contract: laws that every searcher keeps, ours and a plug-in's.

Each law takes a `Case` and raises `SearchError` with the law and what broke it. `check_searcher`
runs those that the searcher's `Capabilities` call for; no panel is needed, because a searcher knows
nothing of panels.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from alphamine.errors import SearchError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.grammar import Grammar
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import (
    Candidate,
    Evaluation,
    Observer,
    SearchContext,
    Searcher,
    Spender,
    capabilities,
)
from alphamine.searchers.models import ModelCandidate, ModelEvaluation, Modeller

Factory = Callable[[SearchContext], Searcher]
_ARRAY: Final = "$array"


@dataclass(frozen=True, slots=True)
class Case:
    """A searcher to be tested: how to make one, its grammar, and how much to ask for."""

    make: Factory
    context: SearchContext
    rounds: int
    batch: int

    def new(self, seed: int | None = None) -> Searcher:
        """Another one like it, or one with another seed."""
        chosen = self.context.seed if seed is None else seed
        return self.make(replace(self.context, seed=chosen))

    @property
    def other_seed(self) -> int:
        return self.context.seed + 1


def check_searcher(
    make: Factory,
    context: SearchContext | None = None,
    rounds: int = 8,
    batch: int = 25,
) -> None:
    """Put a searcher to the test.

    Parameters
    ----------
    make : callable
        `make(context)` builds the searcher: its class, as a rule.
    context : SearchContext, optional
        What it is built from, services included; by default a small grammar and seed 0.
    rounds, batch : int
        Batches asked for, and formulas in each; more than the searcher's warm-up is best.

    Raises
    ------
    SearchError
        For the first broken law.
    """
    case = Case(make, context or SearchContext(Grammar(max_length=10), 0), rounds, batch)
    for law in LAWS:
        law(case)
    for law in LAWS_OF_REPEATABLE if capabilities(case.new()).repeatable else LAWS_OF_OTHERS:
        law(case)


def proposals(
    searcher: Searcher, rounds: int, batch: int, score: Callable[[str], float] | None = None
) -> list[str]:
    """Digests of what a searcher proposes when scored by a function of the digest alone."""
    found: list[str] = []
    for _ in range(rounds):
        candidates = searcher.ask(batch)
        results = [_judged(c, (score or _score)(c.formula.digest)) for c in candidates]
        searcher.tell(results, _pool(results))
        found += [c.formula.digest for c in candidates]
    return found


def _score(digest: str) -> float:
    """A score in [0, 1) that any process gives to a formula."""
    return int(hashlib.blake2b(digest.encode(), digest_size=4).hexdigest(), 16) / 2.0**32


def _judged(candidate: Candidate, fitness: float) -> Evaluation:
    if not math.isfinite(fitness):
        return Evaluation(candidate, {"rank_ic": math.nan, "ic": math.nan}, fitness)
    scores = {"rank_ic": fitness, "ic": fitness}
    return Evaluation(candidate, scores, fitness, daily_ics=np.full(2, fitness))


def _pool(results: Sequence[Evaluation]) -> PoolModel:
    best = sorted(results, key=lambda r: -r.fitness if math.isfinite(r.fitness) else 1.0)
    return PoolModel.of(tuple(r.candidate.formula for r in best[:3]))


def proposes_no_more_than_asked(case: Case) -> None:
    """`ask(n)` returns at most n candidates whose formulas are canonical and valid."""
    searcher = case.new()
    for n in (0, 1, case.batch, 3):
        candidates = searcher.ask(n)
        if len(candidates) > n:
            raise SearchError(f"ask({n}) returns at most {n} candidates, but got {len(candidates)}")
        for candidate in candidates:
            _check(case.context.grammar, candidate)
        searcher.tell([_judged(c, _score(c.formula.digest)) for c in candidates], PoolModel())


def _check(grammar: Grammar, candidate: Candidate) -> None:
    formula = candidate.formula
    problem = grammar.problem(formula)
    if problem is not None:
        raise SearchError(f"proposals are formulas of the grammar, but {formula}: {problem}")
    if canonicalise(formula) is not formula:
        raise SearchError(
            f"proposals are canonical, but {formula} is written {canonicalise(formula)}; "
            "pass formulas through canonicalise"
        )
    if not candidate.origin or not all(isinstance(p, str) for p in candidate.parents):
        raise SearchError(f"proposals name their origin and their parents' digests: {candidate}")
    try:
        json.dumps(dict(candidate.notes), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SearchError(f"a candidate's notes are plain JSON values: {error}") from None


def keeps_to_the_grammar(case: Case) -> None:
    """Learning from scores never leads out of the grammar."""
    searcher = case.new()
    for _ in range(case.rounds):
        candidates = searcher.ask(case.batch)
        for candidate in candidates:
            _check(case.context.grammar, candidate)
        results = [_judged(c, _score(c.formula.digest)) for c in candidates]
        searcher.tell(results, _pool(results))


def follows_its_seed(case: Case) -> None:
    """Equal seeds give equal proposals; another seed gives others."""
    first = proposals(case.new(), case.rounds, case.batch)
    if proposals(case.new(), case.rounds, case.batch) != first:
        raise SearchError(
            "equal seeds give equal proposals, but two searchers differ; draw all randomness from "
            "a generator made of the seed, and never iterate over a set"
        )
    other = proposals(case.new(case.other_seed), case.rounds, case.batch)
    if first and other == first:
        raise SearchError("another seed gives other proposals, but they are the same")


def begins_alike(case: Case) -> None:
    """The first proposals are the same however many are asked for."""
    few, many = (
        [c.formula.digest for c in case.new().ask(n)] for n in (case.batch // 2, case.batch)
    )
    if few != many[: len(few)]:
        raise SearchError(
            "a smaller batch is the beginning of a larger one, or a run with a raised budget would "
            f"not be the longer run, but ask({len(few)}) and ask({len(many)}) begin differently"
        )


def resumes(case: Case) -> None:
    """Saved as JSON and arrays and loaded at any round, it goes on as if never stopped."""
    whole = proposals(case.new(), case.rounds, case.batch)
    for stop in range(1, case.rounds):
        before = case.new()
        done = proposals(before, stop, case.batch)
        state = _through_json(before.state_dict())
        after = case.new(case.other_seed)
        after.load_state_dict(state)
        if done + proposals(after, case.rounds - stop, case.batch) != whole:
            raise SearchError(
                f"a resumed search is the uninterrupted one, but it differs after a stop at round "
                f"{stop}; put everything that proposals depend on into state_dict"
            )


def _through_json(state: dict[str, Any]) -> Any:
    try:
        text = json.dumps(state, allow_nan=False, default=_packed)
    except (TypeError, ValueError) as error:
        raise SearchError(
            f"state_dict holds plain JSON values and numpy arrays only: {error}"
        ) from None
    return json.loads(text, object_hook=_unpacked)


def _packed(value: object) -> dict[str, str]:
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        raise TypeError(f"{type(value).__name__} is neither")
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return {_ARRAY: base64.b64encode(file.getvalue()).decode()}


def _unpacked(value: dict[str, Any]) -> Any:
    if set(value) != {_ARRAY}:
        return value
    return np.load(io.BytesIO(base64.b64decode(value[_ARRAY])), allow_pickle=False)


def survives_bad_scores(case: Case) -> None:
    """Scores that are NaN or infinite, all or some of them, stop nothing."""

    def mixed(digest: str) -> float:
        bad = (math.nan, -math.inf, _score(digest), 0.0)
        return bad[int(digest[:2], 16) % 4]

    for score in (_score, lambda _: math.nan, lambda _: -math.inf, mixed):
        searcher = case.new()
        if not proposals(searcher, case.rounds, case.batch, score):
            raise SearchError("a searcher goes on proposing whatever the scores are")
        _through_json(searcher.state_dict())


def seldom_repeats_itself(case: Case) -> None:
    """At least nine of ten proposals are new."""
    found = proposals(case.new(), case.rounds, case.batch)
    if len(set(found)) < 0.9 * len(found):
        raise SearchError(
            f"proposals are new, but only {len(set(found))} of {len(found)} were; "
            "remember what was proposed"
        )


def learns_from_what_is_told(case: Case) -> None:
    """Restored, and told of proposals from before a break, it goes on."""
    before = case.new()
    proposals(before, 1, case.batch)
    state = _through_json(before.state_dict())
    stored = before.ask(case.batch)
    after = case.new()
    after.load_state_dict(state)
    results = [_judged(c, _score(c.formula.digest)) for c in stored]
    after.tell(results, _pool(results))
    if not proposals(after, case.rounds, case.batch):
        raise SearchError(
            "a searcher that does not repeat itself goes on after it was told of stored proposals, "
            "but it proposes nothing; learn from the candidates in `tell`"
        )


def accounts_for_what_it_spends(case: Case) -> None:
    """`spent()` never falls, and a restored searcher has spent what the first had."""
    searcher = case.new()
    if not isinstance(searcher, Spender):
        return
    before = dict(searcher.spent())
    proposals(searcher, case.rounds, case.batch)
    after = dict(searcher.spent())
    restored = case.new()
    restored.load_state_dict(_through_json(searcher.state_dict()))
    if not isinstance(restored, Spender) or dict(restored.spent()) != after:
        raise SearchError("what was spent is part of a searcher's state, but it was forgotten")
    for what in ("tokens", "money"):
        if not 0 <= before.get(what, 0) <= after.get(what, -1):
            raise SearchError(f"{what} spent never fall, but went from {before} to {after}")


def takes_in_what_others_propose(case: Case) -> None:
    """An `Observer` goes on in the grammar, and a restored one has seen what the first had."""
    searcher, grammar = case.new(), case.context.grammar
    if not isinstance(searcher, Observer):
        return
    rng = np.random.default_rng(case.other_seed)
    for number in range(case.rounds):
        drawn = [Candidate(grammar.sample(rng), "other") for _ in range(case.batch)]
        others = [_judged(c, _score(c.formula.digest) if number else math.nan) for c in drawn]
        searcher.observe(others, _pool(others))
        candidates = searcher.ask(case.batch)
        for candidate in candidates:
            _check(grammar, candidate)
        results = [_judged(c, _score(c.formula.digest)) for c in candidates]
        searcher.tell(results, _pool(results))
        searcher.observe(others, _pool(others))
    if not capabilities(searcher).repeatable:
        return
    restored = case.new(case.other_seed)
    restored.load_state_dict(_through_json(searcher.state_dict()))
    if proposals(restored, 2, case.batch) != proposals(searcher, 2, case.batch):
        raise SearchError(
            "a restored searcher goes on as the first, but it differs once both have seen what "
            "others proposed; put what `observe` keeps into state_dict"
        )


def proposes_models_that_can_be_judged(case: Case) -> None:
    """A `Modeller` proposes models of the context on formulas of the grammar, whatever comes."""
    searcher = case.new()
    if not isinstance(searcher, Modeller):
        return
    for number in range(case.rounds):
        results = [_judged(c, _score(c.formula.digest)) for c in searcher.ask(case.batch)]
        searcher.tell(results, _pool(results))
        models = searcher.ask_models()
        for candidate in models:
            _check_model(case.context, candidate)
        failure = "out of memory" if number % 3 == 1 else None
        searcher.tell_models(
            [ModelEvaluation(c, number % 3 == 0, 0.001, 0.02, failure=failure) for c in models]
        )
        _through_json(searcher.state_dict())


def _check_model(context: SearchContext, candidate: ModelCandidate) -> None:
    model = candidate.model
    if model.name not in context.models:
        raise SearchError(
            f"models are those of the context ({', '.join(context.models) or 'none'}), but got "
            f"{model.name!r}"
        )
    if not model.formulas or len(set(model.formulas)) < len(model.formulas):
        raise SearchError(f"a model combines formulas, each once, but got {model.formulas}")
    for formula in model.formulas:
        _check(context.grammar, Candidate(formula, candidate.origin, notes=candidate.notes))


Law = Callable[[Case], None]
LAWS: Final[tuple[Law, ...]] = (
    proposes_no_more_than_asked,
    keeps_to_the_grammar,
    survives_bad_scores,
    seldom_repeats_itself,
    accounts_for_what_it_spends,
    proposes_models_that_can_be_judged,
)
LAWS_OF_REPEATABLE: Final[tuple[Law, ...]] = (
    follows_its_seed,
    begins_alike,
    resumes,
    takes_in_what_others_propose,
)
LAWS_OF_OTHERS: Final[tuple[Law, ...]] = (
    learns_from_what_is_told,
    takes_in_what_others_propose,
)
