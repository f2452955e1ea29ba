"""A question to a language model, asked again with what was wrong until an answer is of use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from alphamine.llm.base import (
    BudgetError,
    ChatClient,
    ChatRequest,
    ContentError,
    Message,
    TransportError,
)
from alphamine.llm.extract import json_object

from .prompts import REPAIR_ID, plain, repair

_REPAIR_TEMPERATURE: Final = 0.8
_ECHO: Final = 4000
_SHOWN: Final = 300
T = TypeVar("T")
Made = Mapping[str, Any]
"""Model, request and attempt of an answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question: its template, its words, and where in the search it is asked."""

    template: str
    text: str
    sample: str


class Dialogue:
    """Asks a client: the model, again after an answer of no use, then a stronger one if any.

    Parameters
    ----------
    client : ChatClient
    system : str
        The beginning of every conversation.
    seed : int
    repairs : int
        Times that the model is asked again.

    Attributes
    ----------
    seed : int
        Of who asks, part of every question: islands, and runs with other seeds, get answers of
        their own. It belongs to the state of who asks.
    failure : str
        Why the last question brought nothing; empty if it did.
    unheard : bool
        Whether nobody answered it: the budget is spent, or the server is gone.
    """

    def __init__(self, client: ChatClient, system: str, seed: int, repairs: int) -> None:
        self.client = client
        self._system = system
        self._repairs = repairs
        self.seed = seed
        self.failure = ""
        self.unheard = False
        # What was wrong with the last answer, as long as none was of use; then None.
        self._useless: str | None = ""

    def ask(
        self,
        asked: Question,
        schema: Mapping[str, Any],
        read: Callable[[Mapping[str, Any], Made], tuple[Sequence[T], str]],
        attempt: int = 0,
        reply: str = "",
        objection: str = "",
    ) -> Sequence[T]:
        """What was made of the first answer that is of use; nothing if there is none.

        There is none, either, if the budget was spent or the server does not answer.

        Parameters
        ----------
        asked : Question
        schema : mapping
            JSON schema of the answer.
        read : callable
            Of the answer and `Made`: what was made of it, and what is wrong with the rest.
        attempt, reply, objection
            Where the conversation stands: attempts so far, the last answer, what was wrong.
        """
        models = [self.client.model] * (self._repairs + 1 - attempt)
        models += [self.client.strong] * bool(self.client.strong)
        for number, model in enumerate(models, attempt):
            request = self._request(asked, schema, model, number, reply, objection)
            try:
                answer = self.client.ask(request)
            except (TransportError, BudgetError) as error:
                self.failure, self.unheard = str(error), True
                if self._useless:
                    self.failure += f" ({_useless(self._useless)})"
                return ()
            self.failure, self.unheard = "", False
            reply = answer.text[:_ECHO]
            try:
                found = json_object(answer.text)
            except ContentError as error:
                cut = "it was cut off; be shorter. " if not answer.whole else ""
                objection = f"{cut}{error}"
            else:
                made = {"model": answer.model, "request": request.digest, "attempt": number}
                results, objection = read(found, made)
                if results:
                    self._useless = None
                    return results
            if self._useless is not None:
                self._useless = objection
        self.failure = _useless(objection)
        return ()

    def _request(
        self,
        asked: Question,
        schema: Mapping[str, Any],
        model: str,
        attempt: int,
        reply: str,
        objection: str,
    ) -> ChatRequest:
        messages = [Message("system", self._system), Message("user", asked.text)]
        temperature, template = self.client.temperature, asked.template
        if objection:
            # The last failure alone: a growing conversation costs more and helps no more.
            messages.append(Message("assistant", reply))
            messages.append(Message("user", repair(objection)))
            template = REPAIR_ID
            if temperature is not None:
                temperature = min(temperature, _REPAIR_TEMPERATURE)
        return ChatRequest(
            model,
            tuple(messages),
            schema,
            temperature,
            self.client.max_tokens,
            template,
            f"seed {self.seed} {asked.sample} attempt {attempt}",
        )


def _useless(objection: str) -> str:
    return f"no answer was of use; of the last: {plain(objection, _SHOWN)}"
