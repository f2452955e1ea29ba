"""A class that computes the signal day by day: the numpy code on the last rows of its inputs."""

from __future__ import annotations

import hashlib
import json
import textwrap
from typing import ClassVar

from alphamine.operators.types import PRICE
from alphamine.pool.alpha_pool import AlphaPool

from .kits import streaming_kit
from .module import docstring, function, listed, quoted
from .numpy_target import NumpyModule
from .source import Source


class StreamingModule(NumpyModule):
    """One day in, its signal out; the state is saved and restored."""

    target: ClassVar[str] = "streaming"
    rows_type: ClassVar[str] = "History"

    def __init__(self, pool: AlphaPool) -> None:
        super().__init__(pool)
        self._limits: dict[str, int] = {}
        self.read("universe", 1)
        self.read("alive", 1)

    def read(self, name: str, rows: int) -> str:
        """The last rows of a field, a step or a mask."""
        self._limits[name] = max(rows, self._limits.get(name, 1))
        return f"v.last({quoted(name)}, {rows})"

    def helpers(self, source: Source, code: list[str]) -> None:
        super().helpers(source, code)
        source.include(streaming_kit, "DayByDay")

    def text(self) -> str:
        for node in self.program.steps:  # who is read by nobody is kept for a day
            self.read(self.program.names[node], 1)
        return super().text()

    def facts(self) -> str:
        return f"LOOKBACK = {self.pool.lookback}"

    def signal(self) -> str:
        body = [
            docstring(["The signal of today, (1, symbols)."]),
            *self.combined(),
        ]
        inner = "\n".join(
            [
                f"IDENTITY = {quoted(self.identity())}",
                f"NUMBERS = {listed(self.numbers)}",
                f"GROUPS = {listed(self.groups)}",
                f"PRICES = {listed(f.name for f in self.program.fields if f.unit == PRICE)}",
                "ROWS = {",
                *(f"    {quoted(name)}: {rows}," for name, rows in self._limits.items()),
                "}",
            ]
        )
        today = function("today", "self, v: History", body, "Any")
        text = docstring(
            [
                "The signal of the pool, one day after the other.",
                "",
                "stream = Stream()  # or Stream.load(path)",
                "signal = stream.append(date, symbols, fields, universe)",
                "stream.save(path)",
            ]
        )
        members = "\n\n".join([text, inner, today])
        return f"class Stream(DayByDay):\n{textwrap.indent(members, '    ')}"

    def identity(self) -> str:
        """What tells the state of this signal from those of others."""
        told = {key: self.pool.to_dict()[key] for key in ("formulas", "standardisation")}
        text = json.dumps({**told, "min_periods": self.pool.min_periods}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
