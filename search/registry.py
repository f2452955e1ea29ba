"""The searchers by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from alphamine.errors import SearchError
from alphamine.expression.grammar import Grammar

from .base import Searcher
from .genetic import GeneticSearcher, GeneticSettings
from .random import RandomSearcher, RandomSettings
from .rl.build import build
from .rl.settings import RLSettings
from .tune import TuneSearcher, TuneSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """One searcher: how to build it, its settings (a frozen dataclass), and what it is."""

    build: Callable[[Grammar, int, Any], Searcher]
    settings: type
    meaning: str


SEARCHERS: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        "random": Entry(RandomSearcher, RandomSettings, "draws from the grammar: the baseline"),
        "genetic": Entry(GeneticSearcher, GeneticSettings, "typed genetic programming"),
        "tune": Entry(TuneSearcher, TuneSettings, "windows and literals of given formulas, by TPE"),
        "rl": Entry(build, RLSettings, "a policy over tokens, rewarded for what the pool gains"),
    }
)


def make_searcher(
    name: str, grammar: Grammar, seed: int, options: Mapping[str, Any] | None = None
) -> Searcher:
    """A searcher by name, with some of its settings changed (see `settings`)."""
    chosen = settings(name, options or {})
    return SEARCHERS[name].build(grammar, seed, chosen)


def settings(name: str, options: Mapping[str, Any]) -> Any:
    """The settings of a searcher with some of them changed.

    Raises
    ------
    SearchError
        If there is no such searcher or setting, or the setting is of another type.
    """
    if name not in SEARCHERS:
        raise SearchError(f"there is no searcher {name!r}{_near(name, SEARCHERS)}")
    entry = SEARCHERS[name]
    known = {field.name: field.type for field in fields(entry.settings)}
    for key, value in options.items():
        if key not in known:
            raise SearchError(f"{name}: there is no setting {key!r}{_near(key, known)}")
        # A whole number may stand for a fraction, not the other way round.
        fitting = {"int": (int,), "float": (int, float), "str": (str,)}.get(
            str(known[key]), (object,)
        )
        if isinstance(value, bool) != (known[key] == "bool") or not isinstance(value, fitting):
            raise SearchError(f"{name}: {key} is of type {known[key]}, got {value!r}")
    return entry.settings(**options)


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{hint} There are: {', '.join(known)}"
