"""Hypotheses without a language model: families of factors, and edits with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from alphamine.errors import AlphamineError
from alphamine.expression.fields import FieldInfo
from alphamine.expression.grammar.grammar import Grammar
from alphamine.libraries.formulas import read_formulas
from alphamine.searchers.base import SearchContext
from alphamine.searchers.proposers.base import NothingAvoided, RefineContext, SeedContext, objection
from alphamine.searchers.proposers.grammar import GrammarProposer
from alphamine.searchers.proposers.motifs import RULES
from alphamine.searchers.proposers.rules import RuleProposer, edited

from .families import FAMILIES, Family
from .ideas import MODEL, NEW, PERSON, PRUNE, Hypothesis, Idea, Member, ModelTask, Situation, Task
from .model_moves import KINDS, MOVES, changed
from .people import formulas_of
from .settings import RDLoopSettings

UNNAMED: Final = Family(
    "unnamed",
    "there is an effect that nobody has named",
    "what is published is crowded",
    "a rank IC of either sign",
    (),
)
_DIMENSIONS: Final = ("turnover", "stability", "effectiveness", "diversity")
_EXPECTED: Final[Mapping[str, str]] = {
    "turnover": "the same rank IC at a lower turnover",
    "stability": "a higher ICIR",
    "effectiveness": "a higher rank IC",
    "diversity": "a gain of the pool, whatever the rank IC",
    "overfitting": "about the same rank IC with fewer tokens",
}
_PRUNING: Final = "overfitting"
_WORD: Final = re.compile(r"[a-z]{4,}")
_SHORTEST: Final = 3
_PROBES: Final = 4
_FORECASTS: Final = "a higher rank IC on days that it has not learnt from"
_NO_MODEL: Final = Hypothesis("no other model is known", "all were tried", "nothing", "model")
# Formulas of a library that is not made smaller.
_FEWEST: Final = 3


class HeuristicProposer:
    """Supposes what the literature supposes, and edits what the library has.

    Families, and dimensions in which a factor may lack, are chosen by Thompson sampling from what
    they have earned.

    Parameters
    ----------
    context : SearchContext
    """

    repeatable = True
    silent = False

    def __init__(self, context: SearchContext) -> None:
        self._schema = {field.name: field for field in context.grammar.fields}
        self._edits = RuleProposer()
        self._draws = GrammarProposer()
        self._earned: dict[str, list[int]] = {}
        self._tuning = (context.settings or RDLoopSettings()).tuning
        named = [_usable(family, context.grammar, self._schema) for family in FAMILIES]
        self.families = (*(family for family in named if family.templates), UNNAMED)

    def propose(self, situation: Situation, n: int) -> Idea:
        if situation.words:
            return self._of_person(situation, n)
        if situation.arm == MODEL:
            return self._model(situation)
        standing = situation.model if len(situation.accepted) > _FEWEST else None
        if situation.arm == PRUNE and standing and situation.rng.random() < 0.5:
            idea = self._without_one(situation, standing)
            if idea is not None and str(idea.model) not in situation.refused:
                return idea
        if situation.arm == NEW:
            family = self._chosen({family.name: 1.0 for family in self.families}, situation.rng)
            chosen = next(f for f in self.families if f.name == family)
            return Idea(_supposed(chosen), self._tasks(chosen, situation, n))
        return self._edited(situation, n)

    def _of_person(self, situation: Situation, n: int) -> Idea:
        """A person's formulas; words alone are tested by the family nearest them."""
        if (idea := formulas_of(situation.words, self._schema)) is not None:
            return idea
        said = set(_WORD.findall(situation.words.lower()))
        near = max(self.families, key=lambda family: len(said & _words(family)))
        if not said & _words(near):
            near = UNNAMED
        reason = f"a person has said so; tested by formulas of the family {near.name!r}"
        hypothesis = Hypothesis(situation.words, reason, near.expected, near.name, PERSON)
        return Idea(hypothesis, self._tasks(near, situation, n))

    def _model(self, situation: Situation) -> Idea:
        """Another kind of model, or a change of the one that stands."""
        known = {
            hypothesis.family: Idea(hypothesis, (), task)
            for hypothesis, task in self._models(situation.models, situation.model)
            if str(task) not in situation.refused
        }
        if not known:
            return Idea(_NO_MODEL, ())
        return known[self._chosen(dict.fromkeys(known, 1.0), situation.rng)]

    def _models(
        self, kinds: Sequence[str], standing: ModelTask | None
    ) -> Iterator[tuple[Hypothesis, ModelTask]]:
        """What might be tried, each with its reason."""
        for kind in kinds:
            if standing is None or kind != standing.name:
                said, reason = KINDS[kind]
                yield Hypothesis(said, reason, _FORECASTS, f"model: {kind}"), ModelTask(kind)
        if standing is None:
            return
        name = standing.name
        for move in MOVES[name]:
            settings = changed(name, standing.settings, move)
            hypothesis = Hypothesis(
                move.statement, move.reason, _FORECASTS, f"{name}: {move.statement}"
            )
            yield hypothesis, ModelTask(name, settings)
        if self._tuning:
            said, reason = "its settings can be better", "nobody has looked for them yet"
            hypothesis = Hypothesis(said, reason, _FORECASTS, f"{name}: tuned")
            yield hypothesis, ModelTask(name, {}, self._tuning)

    def _without_one(self, situation: Situation, standing: ModelTask) -> Idea | None:
        """The library without one of its weaker formulas; of what was not scored, nothing is known.

        Weakest are those that the pool has let go since.
        """
        pool = {member.formula for member in situation.library}
        known = [m for m in situation.accepted if "rank_ic" in m.scores or m.formula not in pool]
        weakest = sorted(known, key=lambda m: abs(m.scores.get("rank_ic", 0.0)))
        weaker = weakest[: len(weakest) // 2]
        if not weaker:
            return None
        member = weaker[int(situation.rng.random() * len(weaker))]
        hypothesis = Hypothesis(
            f"the library is as good without {member.formula}",
            "what the others say already only adds noise",
            "no loss of rank IC",
            "library without one",
        )
        task = ModelTask(standing.name, standing.settings, without=member.formula.digest)
        return Idea(hypothesis, (), task)

    def _chosen(self, weights: Mapping[str, float], rng: np.random.Generator) -> str:
        promised = {}
        for name, weight in weights.items():
            won, lost = self._earned.get(name, (0, 0))
            promised[name] = weight * rng.beta(1 + won, 2 + lost)
        return max(promised, key=lambda name: promised[name])

    def _tasks(self, family: Family, situation: Situation, n: int) -> tuple[Task, ...]:
        rng, grammar = situation.rng, situation.grammar
        if not family.templates:
            sampled = self._draws.seed(SeedContext(grammar, rng, situation.turn), n)
            return tuple(Task(str(proposal.formulas[0])) for proposal in sampled)
        order = rng.permutation(len(family.templates))[:n]
        return tuple(Task(_filled(family.templates[i], grammar, rng)) for i in order)

    def _edited(self, situation: Situation, n: int) -> Idea:
        """Edits of a member for the sake of one dimension."""
        rng, library = situation.rng, situation.library
        if situation.arm == PRUNE:
            lengths = np.array([member.formula.length for member in library], dtype=float)
            member = library[int(rng.choice(len(library), p=lengths / lengths.sum()))]
            dimension = _PRUNING
        else:
            member = library[int(rng.random() * len(library))]
            dimension = self._chosen(_shortfalls(member, len(library)), rng)
        context = RefineContext(
            situation.grammar,
            rng,
            situation.turn,
            situation.similar(member.formula),
            formula=member.formula,
            dimension=dimension,
        )
        if situation.arm == PRUNE:
            made = edited(context, n, RULES[dimension])
        else:
            made = self._edits.refine(context, n)
        reasons = list(dict.fromkeys(proposal.rationale for proposal in made))
        hypothesis = Hypothesis(
            f"{member.formula} can be better in {dimension}",
            "; ".join(reasons) or "no edit applies",
            _EXPECTED[dimension],
            dimension,
        )
        above = member.formula.digest
        return Idea(hypothesis, tuple(Task(str(p.formulas[0]), (above, *p.parents)) for p in made))

    def learn(self, family: str, accepted: bool) -> None:
        cell = self._earned.setdefault(family, [0, 0])
        cell[not accepted] += 1

    def state_dict(self) -> dict[str, Any]:
        return {"earned": {name: list(counts) for name, counts in self._earned.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._earned = {name: list(counts) for name, counts in state["earned"].items()}


def _supposed(family: Family) -> Hypothesis:
    return Hypothesis(family.statement, family.reason, family.expected, family.name)


def _words(family: Family) -> set[str]:
    texts = (family.name, family.statement, family.reason, family.expected)
    return set(_WORD.findall(" ".join(texts).lower()))


def _shortfalls(member: Member, members: int) -> dict[str, float]:
    """How much a member lacks in each dimension, from 0.5 to 1.5."""
    scores = member.scores
    lacking = {
        "turnover": scores.get("turnover", 0.5),
        "stability": 1.0 - 2.0 * abs(scores.get("rank_icir", 0.25)),
        "effectiveness": 1.0 - 20.0 * abs(scores.get("rank_ic", 0.025)),
        "diversity": members / 20.0,
    }
    return {name: 0.5 + float(np.clip(np.nan_to_num(lacking[name]), 0, 1)) for name in _DIMENSIONS}


def _filled(template: str, grammar: Grammar, rng: np.random.Generator) -> str:
    """A template with a window, and a longer one if there is any."""
    windows = [d for d in grammar.windows if d >= _SHORTEST] or list(grammar.windows)
    short = int(rng.random() * max(1, len(windows) - 1))
    long = min(len(windows) - 1, short + 1 + int(rng.random() * (len(windows) - 1 - short)))
    return template.replace("{d}", str(windows[short])).replace("{D}", str(windows[long]))


def _usable(family: Family, grammar: Grammar, schema: Mapping[str, FieldInfo]) -> Family:
    """A family with those of its templates that the grammar can say, in some windows."""
    rng = np.random.default_rng(0)
    kept = [t for t in family.templates if _sayable(t, grammar, schema, rng)]
    return Family(family.name, family.statement, family.reason, family.expected, tuple(kept))


def _sayable(
    template: str, grammar: Grammar, schema: Mapping[str, FieldInfo], rng: np.random.Generator
) -> bool:
    texts: Sequence[str] = [_filled(template, grammar, rng) for _ in range(_PROBES)]
    try:
        formulas = [formula for text in texts for formula in read_formulas(text, schema)]
    except AlphamineError:
        return False
    return any(objection(grammar, NothingAvoided(), formula) is None for formula in formulas)
