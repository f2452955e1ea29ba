"""What a worker does, in whatever kind of process: read a request, judge, answer."""

from __future__ import annotations

import json
import time

from alphamine.errors import AlphamineError
from alphamine.expression.portable import from_data
from alphamine.jobs.judge import Judge
from alphamine.operators import CATALOGUE

from .letters import Answer
from .parcel import Buffer, unpack


class Desk:
    """One worker's place of work.

    Parameters
    ----------
    parcel : (bytes,) uint8
        The panel (see `parcel`).
    threads : int
    """

    def __init__(self, parcel: Buffer, threads: int) -> None:
        panel, train, self._cells = unpack(parcel)
        self._judge = Judge(panel, train, threads=threads)

    def greeting(self) -> bytes:
        """The first answer."""
        return Answer(operators=tuple(CATALOGUE), identity=self._judge.identity).to_bytes()

    def answer(self, request: bytes) -> bytes:
        """What a request asks for."""
        asked = json.loads(request)
        began = time.monotonic()
        try:
            formulas = [from_data(data, self._judge.panel.schema) for data in asked["formulas"]]
            judgements = tuple(self._judge.judge(formulas, self._cells))
        except AlphamineError as error:
            return Answer(asked["id"], error=str(error)).to_bytes()
        return Answer(
            asked["id"], seconds=time.monotonic() - began, judgements=judgements
        ).to_bytes()
