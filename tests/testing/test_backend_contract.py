"""Our engines keep the backend contract, and it finds out those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.base import BACKENDS, EngineSettings, Output, Sinks, ValuesEngine
from alphamine.engine.numpy_engine import NumpyEngine
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Node
from alphamine.testing import check_backend

FEW = ("close", "ts_mean(close, 5)", "rank(ties)", "exp(volume)")


@pytest.mark.parametrize("name", ["auto", "cpu", "reference"])
def test_ours_keep_it(name: str) -> None:
    check_backend(BACKENDS[name])


Stream = Iterator[tuple[int, np.ndarray, int]]


class Sound(ValuesEngine):
    """The reference, without its cache."""

    name = "sound"

    def __init__(self, panel: Panel, settings: EngineSettings) -> None:
        self.panel = panel
        self.exact = NumpyEngine(panel, replace(settings, cache_bytes=0))

    def stream(self, formulas: Sequence[Node]) -> Stream:
        yield from self.exact.stream(formulas)


class Partial(Sound):
    """Refuses, as it may."""

    def stream(self, formulas: Sequence[Node]) -> Stream:
        if any("rank" in str(formula) for formula in formulas):
            raise AlphamineError("this engine cannot rank")
        yield from super().stream(formulas)


@pytest.mark.parametrize("engine", [Sound, Partial])
def test_an_engine_of_values_keeps_it(engine: type[Sound]) -> None:
    check_backend(engine, FEW, rows=115)


class Nameless(Sound):
    name = ""


class Crashing(Sound):
    def stream(self, formulas: Sequence[Node]) -> Stream:
        if any("rank" in str(formula) for formula in formulas):
            raise RuntimeError("out of memory")
        yield from super().stream(formulas)


class Refusing(Sound):
    def stream(self, formulas: Sequence[Node]) -> Stream:
        raise AlphamineError("not today")


class Forgetful(Sound):
    def stream(self, formulas: Sequence[Node]) -> Stream:
        yield from (found for found in super().stream(formulas) if found[0] != 2)


class Wide(Sound):
    def stream(self, formulas: Sequence[Node]) -> Stream:
        for index, values, infinite in super().stream(formulas):
            yield index, values.astype(np.float64), infinite


class Filling(Sound):
    def stream(self, formulas: Sequence[Node]) -> Stream:
        for index, values, infinite in super().stream(formulas):
            yield index, np.nan_to_num(values), infinite


class Uncounting(Sound):
    def stream(self, formulas: Sequence[Node]) -> Stream:
        for index, values, _ in super().stream(formulas):
            yield index, values, 0


class Sloppy(Sound):
    def stream(self, formulas: Sequence[Node]) -> Stream:
        for index, values, infinite in super().stream(formulas):
            yield index, values * np.float32(1.001), infinite


class Sociable(Sound):
    """The last bits depend on who else is asked for."""

    def stream(self, formulas: Sequence[Node]) -> Stream:
        for index, values, infinite in super().stream(formulas):
            slip = 1 + 4 * np.finfo(values.dtype).eps * (len(formulas) > 1)
            yield index, values * np.asarray(slip, values.dtype), infinite


class Peeking(Sound):
    """Rounds by a level that it takes from all days."""

    def stream(self, formulas: Sequence[Node]) -> Stream:
        level = int(np.nanmean(self.panel.columns["close"]))
        for index, values, infinite in super().stream(formulas):
            slip = 1 + level * np.finfo(values.dtype).eps
            yield index, values * np.asarray(slip, values.dtype), infinite


class Sharing(Sound):
    """Hands out the same array twice."""

    def __init__(self, panel: Panel, settings: EngineSettings) -> None:
        super().__init__(panel, settings)
        self.kept: dict[Node, tuple[np.ndarray, int]] = {}

    def stream(self, formulas: Sequence[Node]) -> Stream:
        for index, formula in enumerate(formulas):
            if formula not in self.kept:
                [(_, values, infinite)] = super().stream([formula])
                self.kept[formula] = values, infinite
            yield index, *self.kept[formula]


class Unscored(Sound):
    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        for index, output in super().run(formulas, sinks):
            yield index, replace(output, daily=None)


class Misaligned(Sound):
    """Vectors are of yesterday."""

    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        for index, output in super().run(formulas, sinks):
            if output.vector is not None:
                moved = replace(output.vector, data=np.roll(output.vector.data, 1))
                output = replace(output, vector=moved)
            yield index, output


class Overcounting(Sound):
    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        yield from super().run(formulas, replace(sinks, counted=True))


@pytest.mark.parametrize(
    ("engine", "law"),
    [
        (Nameless, "an engine has a name"),
        (Crashing, "or refuses it by an AlphamineError.*out of memory"),
        (Refusing, "it refuses close"),
        (Forgetful, r"one output for each formula.*\[0, 1, 3\]"),
        (Wide, "of float32, but of close they are .* of float64"),
        (Filling, "what the operators' references do"),
        (Uncounting, "infinite cells on the way are counted"),
        (Sloppy, "what the operators' references do"),
        (Sociable, "depend on the formula and the panel alone"),
        (Peeking, "no look-ahead"),
        (Sharing, "values are the caller's"),
        (Unscored, "scores were asked for"),
        (Misaligned, "vectors are the values as"),
        (Overcounting, "nobody wants counted"),
    ],
)
def test_what_breaks_it_is_found_out(engine: type[Sound], law: str) -> None:
    with pytest.raises(AlphamineError, match=law):
        check_backend(engine, FEW, rows=115)
