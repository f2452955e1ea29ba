"""A small market with splits, and a searcher that says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.expression.text.parser import parse
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Evaluation

TRAIN, VALID, TEST = (0, 200), (206, 280), (286, 340)


def make_panel(seed: int = 0) -> Panel:
    """340 days x 24 names; the volume of a day moves the return two days later."""
    rng = np.random.default_rng(seed)
    days, names = TEST[1], 24
    volume = np.exp(rng.normal(10, 1, (days, names)))
    noise = rng.normal(0, 0.02, (days, names))
    noise[2:] += 0.006 * (np.log(volume[:-2]) - 10)
    close = 30 * np.exp(np.cumsum(noise, axis=0))
    open_ = close * np.exp(rng.normal(0, 0.01, (days, names)))
    return Panel.from_arrays(
        np.busday_offset("2020-01-06", np.arange(days), roll="forward"),
        [f"N{i:02d}" for i in range(names)],
        {"open": open_, "close": close, "volume": volume},
        label_spec=LabelSpec(horizon=5, delay=1),
        splits=Splits(TRAIN, VALID, TEST, gap=6),
        name="small",
    )


@pytest.fixture(scope="session")
def small_panel() -> Panel:
    return make_panel()


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture(scope="session")
def poison() -> Callable[[Panel, int], Panel]:
    return poison_after


class Scripted:
    """Proposes given formulas in order, again and again; keeps what it is told."""

    def __init__(self, formulas: Iterable[str]) -> None:
        self.formulas = [parse(text) for text in formulas]
        self.position = 0
        self.told: list[tuple[list[Evaluation], PoolModel]] = []

    def ask(self, n: int) -> list[Candidate]:
        start = self.position
        self.position += n
        size = len(self.formulas)
        return [Candidate(self.formulas[i % size], "script") for i in range(start, start + n)]

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self.told.append((list(results), pool))

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


def poison_after(panel: Panel, row: int) -> Panel:
    """The same panel with every number from `row` on replaced by nonsense."""
    rng = np.random.default_rng(99)
    columns = {}
    for name, column in panel.columns.items():
        changed = np.array(column)
        changed[row:] = rng.uniform(1, 1e6, changed[row:].shape)
        columns[name] = changed
    return replace(panel, columns=columns)
