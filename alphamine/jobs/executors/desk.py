"""What a worker does, in whatever kind of process: read a request, judge, answer.

Requests and answers are JSON. A request has an `id` and `formulas` (see `expression.portable`);
the answer has the same `id`, `seconds` and `judgements`, or an `error`. The first answer, to no
request, tells the names of the operators that the worker knows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from alphamine.errors import AlphamineError
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.inference import MeanTest
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.jobs.judge import Judge, Judgement, as_mapping
from alphamine.operators import CATALOGUE

from .parcel import Buffer, unpack

_TEST: Final = tuple(field.name for field in fields(MeanTest))


class Desk:
    """One worker's place of work.

    Parameters
    ----------
    parcel : (bytes,) uint8
        The panel (see `parcel`).
    threads : int
    """

    def __init__(self, parcel: Buffer, threads: int) -> None:
        panel, train = unpack(parcel)
        self._judge = Judge(panel, train, threads=threads)

    def greeting(self) -> bytes:
        """The first answer."""
        return json.dumps({"operators": list(CATALOGUE)}).encode()

    def answer(self, request: bytes) -> bytes:
        """What a request asks for."""
        asked = json.loads(request)
        began = time.monotonic()
        try:
            formulas = [from_data(data, self._judge.panel.schema) for data in asked["formulas"]]
            judgements = [_to_data(judgement) for judgement in self._judge.judge(formulas)]
        except AlphamineError as error:
            return json.dumps({"id": asked["id"], "error": str(error)}).encode()
        seconds = time.monotonic() - began
        return json.dumps(
            {"id": asked["id"], "seconds": seconds, "judgements": judgements}
        ).encode()


def request(number: int, formulas: Sequence[Node]) -> bytes:
    """A request for the judgements of some formulas."""
    content = {"id": number, "formulas": [to_data(formula) for formula in formulas]}
    return json.dumps(content).encode()


def judgement_of(data: Sequence[Any]) -> Judgement:
    """One judgement of an answer."""
    train, valid, fitness, test = data
    return Judgement(
        Summary(**train), None if valid is None else Summary(**valid), fitness, MeanTest(*test)
    )


def _to_data(judgement: Judgement) -> list[Any]:
    valid = judgement.valid
    return [
        as_mapping(judgement.train), None if valid is None else as_mapping(valid),
        judgement.fitness, [getattr(judgement.test, name) for name in _TEST],
    ]  # fmt: skip
