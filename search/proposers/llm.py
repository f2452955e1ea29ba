"""A language model as the proposer; what it says is parsed like anybody's text.

One structured call an expansion: diagnosis, name, rationale, formula, settings of its windows. An
answer that is of no use goes back with the parser's message as often as the settings say, then to
a stronger model if there is one, and then the expansion is spent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from alphamine.errors import FormulaError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse, reread
from alphamine.searchers.base import SearchContext

from . import prompts
from .base import Proposal, ProposalSettings, RefineContext, SeedContext, StatelessProposer
from .dialogue import Dialogue, Question
from .spending import client_of, require_replay

_NAME, _RATIONALE, _FORMULA = 80, 600, 4000
_WINDOW: Final = re.compile(r"\bw[123]\b")


class LLMProposer(StatelessProposer):
    """Asks the client that the search was given as the service "llm".

    Parameters
    ----------
    context : SearchContext
        Its settings may be `ProposalSettings`.

    Raises
    ------
    SearchError
        If there is no such service.
    """

    slow = True

    def __init__(self, context: SearchContext) -> None:
        self.client = client_of(context, "the proposer llm")
        self.repeatable = bool(self.client.repeatable)
        self._fields = {field.name: field for field in context.grammar.fields}
        self._units = context.grammar.units
        chosen = context.settings
        self._chosen = chosen if isinstance(chosen, ProposalSettings) else ProposalSettings()
        system = prompts.system(context.grammar, context.descriptions, self._chosen.settings)
        self._dialogue = Dialogue(self.client, system, context.seed, self._chosen.repairs)

    @property
    def silence(self) -> str:
        """Why the language model brought nothing; empty if it did."""
        return self._dialogue.failure

    def seed(self, context: SeedContext, n: int) -> list[Proposal]:
        return self._ask(self._question(context, n), n)

    def refine(self, context: RefineContext, n: int) -> list[Proposal]:
        return self._ask(self._question(context, n), n)

    def repair(self, proposal: Proposal, objection: str, context: SeedContext) -> Proposal | None:
        """Another proposal in answer to an objection, within the same number of attempts.

        The last is the strong model's, if there is one.
        """
        attempt = int(proposal.provenance.get("attempt", 0)) + 1
        if attempt > self._chosen.repairs + bool(self.client.strong):
            return None
        reply = f"{proposal.formulas[0] if proposal.formulas else 'nothing'}"
        asked = self._question(context, 1)
        return next(iter(self._ask(asked, 1, attempt, reply, objection)), None)

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self._dialogue.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._dialogue.seed = state["seed"]

    def _question(self, context: SeedContext, n: int) -> Question:
        if isinstance(context, RefineContext):
            sample = f"tree {context.number} step {context.step}"
            return Question(prompts.REFINE_ID, prompts.refine(context, n), sample)
        return Question(prompts.SEED_ID, prompts.seed(context, n), f"tree {context.number} root")

    def _ask(
        self, asked: Question, n: int, attempt: int = 0, reply: str = "", objection: str = ""
    ) -> list[Proposal]:
        """At most `n` proposals; none if the budget or the server has no more."""
        found = self._dialogue.ask(asked, prompts.SCHEMA, self._read, attempt, reply, objection)
        return list(found[:n])

    def _read(
        self, found: Mapping[str, Any], made: Mapping[str, Any]
    ) -> tuple[list[Proposal], str]:
        """What of an answer can be read, and what is wrong with the rest."""
        items = found.get("proposals")
        if not isinstance(items, list) or not items:
            # Some models answer with one proposal as the object.
            items = [found] if "formula" in found else []
        proposals: list[Proposal] = []
        problems: list[str] = [] if items else ["there is no list `proposals` with a formula in it"]
        for item in items:
            try:
                formulas = self._formulas(item)
            except FormulaError as error:
                problems.append(str(error))
                continue
            name = prompts.plain(item.get("name", ""), _NAME)
            rationale = prompts.plain(item.get("rationale", ""), _RATIONALE)
            proposals.append(Proposal(formulas, name, rationale, "language model", provenance=made))
        return proposals, "\n".join(problems)

    def _formulas(self, item: object) -> tuple[Node, ...]:
        """A proposal's formula in each setting of its windows.

        Raises
        ------
        FormulaError
        """
        if not isinstance(item, dict) or not isinstance(item.get("formula"), str):
            raise FormulaError("a proposal is an object with a text `formula`")
        text = item["formula"].strip().strip("`$")
        if len(text) > _FORMULA:
            raise FormulaError(f"a formula has at most {_FORMULA} characters, got {len(text)}")
        names = sorted(set(_WINDOW.findall(text)))
        given = item.get("param_sets")
        settings = [s for s in given if isinstance(s, dict)] if isinstance(given, list) else []
        if not names:
            return (self._parsed(text),)
        filled = [_filled(text, names, setting) for setting in settings[: self._chosen.settings]]
        if not filled:
            raise FormulaError(f"`{text}` uses {', '.join(names)}, but param_sets gives no values")
        return tuple(dict.fromkeys(self._parsed(t) for t in filled))

    def _parsed(self, text: str) -> Node:
        if self._units:
            return canonicalise(parse(text, fields=self._fields, strict_units=True))
        return canonicalise(reread(text, self._fields))


def _filled(text: str, names: list[str], setting: Mapping[str, Any]) -> str:
    for name in names:
        value = setting.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise FormulaError(f"`{name}` is a whole number of days, got {value!r:.40}")
        text = re.sub(rf"\b{name}\b", str(value), text)
    return text


def replaying(context: SearchContext) -> LLMProposer:
    """The proposer `cassette`: a language model that was recorded.

    Raises
    ------
    SearchError
        If the client would ask a server.
    """
    proposer = LLMProposer(context)
    require_replay(proposer.client)
    return proposer
