"""What a worker does, in whatever kind of process: read a request, score, answer."""

from __future__ import annotations

import json
import time

from alphamine.errors import AlphamineError
from alphamine.expression.portable import from_data
from alphamine.operators import CATALOGUE

from .messages import Answer
from .shared_panel import Buffer, unpack


class Handler:
    """Answers the requests of one worker process.

    Parameters
    ----------
    shared_panel : (bytes,) uint8
        The panel (see `alphamine.jobs.executors.shared_panel`).
    threads : int
    """

    def __init__(self, shared_panel: Buffer, threads: int) -> None:
        self._scorer, self._cells = unpack(shared_panel, threads)

    def greeting(self) -> bytes:
        """The first answer."""
        return Answer(operators=tuple(CATALOGUE), identity=self._scorer.identity).to_bytes()

    def answer(self, request: bytes) -> bytes:
        """What a request asks for."""
        asked = json.loads(request)
        began = time.monotonic()
        try:
            formulas = [from_data(data, self._scorer.panel.schema) for data in asked["formulas"]]
            scores = tuple(self._scorer.score(formulas, self._cells))
        except AlphamineError as error:
            return Answer(asked["id"], error=str(error)).to_bytes()
        return Answer(asked["id"], seconds=time.monotonic() - began, scores=scores).to_bytes()
