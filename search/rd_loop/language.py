"""Hypotheses of a language model; what it says is read like anybody's text, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Node
from alphamine.libraries.formulas import read_formula
from alphamine.searchers.base import SearchContext
from alphamine.searchers.proposers.dialogue import Dialogue, Made, Question
from alphamine.searchers.proposers.prompts import plain
from alphamine.searchers.proposers.spending import client_of

from . import prompts
from .ideas import MODEL, NEW, PERSON, Hypothesis, Idea, ModelTask, Situation, Task
from .knowledge import components, overlap
from .model_moves import bounded
from .people import formulas_of
from .settings import RDLoopSettings

Read = Callable[[Mapping[str, Any], Made], tuple[Sequence[Idea], str]]
SOURCE: Final = "language model"
_LONGEST: Final = 4000
_WORDS: Final = 400


class LanguageProposer:
    """Asks the client that the search was given as the service "llm".

    Where a person has given formulas with a hypothesis, nobody else is asked.

    Parameters
    ----------
    context : SearchContext

    Attributes
    ----------
    repeatable : bool
        Whether equal questions get equal answers: the client looks into its record first, as in
        its modes auto and replay.
    silent : bool
        Whether the last question has brought nothing: the budget is spent, or nobody answers.

    Raises
    ------
    SearchError
        If there is no such service.
    """

    def __init__(self, context: SearchContext) -> None:
        client = client_of(context, "the proposer llm")
        self.repeatable = bool(client.repeatable)
        self.silent = False
        system = prompts.system(context.grammar, context.descriptions)
        chosen: RDLoopSettings = context.settings or RDLoopSettings()
        self._dialogue = Dialogue(client, system, context.seed, chosen.repairs)
        self._schema = {field.name: field for field in context.grammar.fields}
        self._tuning = chosen.tuning

    @property
    def silence(self) -> str:
        """Why the language model brought nothing; empty if it did."""
        return self._dialogue.failure

    def propose(self, situation: Situation, n: int) -> Idea:
        self.silent = False
        if (given := formulas_of(situation.words, self._schema)) is not None:
            return given
        sample = f"turn {situation.turn}"
        if situation.arm == MODEL:
            asked = Question(prompts.MODEL_ID, prompts.model(situation, self._tuning), sample)
            found = self._dialogue.ask(asked, prompts.MODEL_SCHEMA, self._model(situation))
        else:
            asked = Question(prompts.FACTORS_ID, prompts.factors(situation, n), sample)
            found = self._dialogue.ask(asked, prompts.FACTORS_SCHEMA, self._factors(situation, n))
        # Words that were answered by nothing of use have failed; those not heard wait.
        tried = bool(situation.words) and not self._dialogue.unheard
        self.silent = not found and not tried
        return found[0] if found else Idea(_hypothesis(_NOTHING, situation), ())

    def _factors(self, situation: Situation, n: int) -> Read:
        """Reads an answer as one hypothesis with formulas."""

        def read(found: Mapping[str, Any], made: Made) -> tuple[Sequence[Idea], str]:
            texts = found.get("formulas")
            given = texts if isinstance(texts, list) else []
            tasks, problems = [], []
            for text in [str(text).strip().strip("`$") for text in given][:n]:
                try:
                    if len(text) > _LONGEST:
                        raise ValueError(f"a formula has at most {_LONGEST} characters")
                    formula = read_formula(text, self._schema)
                except (AlphamineError, ValueError) as error:
                    problems.append(str(error))
                    continue
                tasks.append(Task(text, _parents(formula, situation)))
            if not tasks and not problems:
                problems = ["there is no list `formulas` with a formula in it"]
            idea = Idea(_hypothesis(found, situation), tuple(tasks))
            return ([idea] if tasks else []), "\n".join(problems)

        return read

    def _model(self, situation: Situation) -> Read:
        """Reads an answer as one hypothesis with a model."""

        def read(found: Mapping[str, Any], made: Made) -> tuple[Sequence[Idea], str]:
            name = str(found.get("model", ""))
            if name not in situation.models:
                return [], f"`model` is one of {', '.join(situation.models)}, got {name[:40]!r}"
            given = found.get("settings")
            pairs = given if isinstance(given, list) else []
            settings = {str(p.get("name")): p.get("value") for p in pairs if isinstance(p, dict)}
            tuning = self._tuning if found.get("tune") is True else 0
            task = ModelTask(name, bounded(name, settings), tuning)
            if str(task) in situation.refused or task == situation.model:
                return [], f"{task} was tried for this library already"
            return [Idea(_hypothesis(found, situation), (), task)], ""

        return read

    def learn(self, family: str, accepted: bool) -> None:
        """The log tells the model what came of its hypotheses."""

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self._dialogue.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._dialogue.seed = state["seed"]


_NOTHING: Final[Mapping[str, Any]] = {
    "hypothesis": "nothing",
    "reason": "the language model has given nothing of use",
    "expected": "nothing",
    "family": "none",
}


def _hypothesis(found: Mapping[str, Any], situation: Situation) -> Hypothesis:
    words = {
        name: plain(found.get(name, ""), _WORDS) or "not said"
        for name in ("hypothesis", "reason", "expected", "family")
    }
    source = PERSON if situation.words else SOURCE
    statement = plain(situation.words, _WORDS) if situation.words else words["hypothesis"]
    return Hypothesis(statement, words["reason"], words["expected"], words["family"][:60], source)


def _parents(formula: Node, situation: Situation) -> tuple[str, ...]:
    """Of a formula that is to improve the library: the member that shares most parts with it."""
    members = [member.formula for member in situation.library]
    if situation.arm == NEW or not members:
        return ()
    parts = components(formula)
    nearest = max(members, key=lambda member: overlap(parts, components(member)))
    return (nearest.digest,)
