"""The searchers by name: ours, those that were registered, and those of installed plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from alphamine.errors import SearchError, nearest
from alphamine.registry import Registry

from .base import SearchContext, Searcher
from .genetic import GeneticSearcher, GeneticSettings
from .local import LocalSearcher, LocalSettings
from .mcts.build import build as build_mcts
from .mcts.settings import MCTSSettings
from .portfolio import PortfolioSettings
from .portfolio import build as build_portfolio
from .random import RandomSearcher, RandomSettings
from .rd_loop.build import build as build_rd_loop
from .rd_loop.settings import RDLoopSettings
from .rl.build import build
from .rl.settings import RLSettings
from .tune import TuneSearcher, TuneSettings

Build = Callable[[SearchContext], Searcher]


@dataclass(frozen=True, slots=True)
class NoSettings:
    """A searcher without settings."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One searcher: how to build it, its settings (a frozen dataclass), and what it is."""

    build: Build
    settings: type
    meaning: str

    def built(self, context: SearchContext, settings: Any) -> Searcher:
        """A new searcher, with these settings."""
        given = None if isinstance(settings, NoSettings) else settings
        return self.build(replace(context, settings=given))

    @classmethod
    def of(cls, build: Build, settings: type | None = None, meaning: str | None = None) -> Entry:
        """The entry of a class, or a function, that makes a searcher of a context.

        Settings are its attribute `settings` by default, and the meaning is the first line of its
        docstring.
        """
        kind = settings or getattr(build, "settings", NoSettings)
        if not callable(build) or not (isinstance(kind, type) and is_dataclass(kind)):
            raise SearchError(
                "a searcher is a class, or a function, of a SearchContext, and its settings are a "
                f"dataclass, but got {build!r} with {kind!r}"
            )
        said = (build.__doc__ or "").strip().splitlines()
        return cls(build, kind, meaning or (said[0] if said else "without a docstring"))


SEARCHERS: Final = Registry(
    "searcher",
    "alphamine.searchers",
    {
        "random": Entry(RandomSearcher, RandomSettings, "draws from the grammar: the baseline"),
        "genetic": Entry(GeneticSearcher, GeneticSettings, "typed genetic programming"),
        "local": Entry(LocalSearcher, LocalSettings, "draws, and edits of the pool's members"),
        "tune": Entry(TuneSearcher, TuneSettings, "windows and literals of given formulas, by TPE"),
        "mcts": Entry(build_mcts, MCTSSettings, "trees of refinements in five dimensions"),
        "rl": Entry(build, RLSettings, "a policy over tokens, rewarded for what the pool gains"),
        "rd_loop": Entry(build_rd_loop, RDLoopSettings, "hypotheses, tested and learnt from"),
        "portfolio": Entry(build_portfolio, PortfolioSettings, "several searchers, by a bandit"),
    },
    Entry.of,
    SearchError,
)


def make_searcher(
    name: str, context: SearchContext, options: Mapping[str, Any] | None = None
) -> Searcher:
    """A searcher by name, with some of its settings changed (see `settings`).

    Parameters
    ----------
    name : str
    context : SearchContext
        Its `settings` are replaced.
    options : mapping, optional
    """
    return SEARCHERS.find(name).built(context, settings(name, options or {}))


def settings(name: str, options: Mapping[str, Any]) -> Any:
    """The settings of a searcher with some of them changed.

    Raises
    ------
    SearchError
        If there is no such searcher or setting, or the setting is of another type.
    """
    return settings_of(name, SEARCHERS.find(name), options)


def settings_of(name: str, entry: Entry, options: Mapping[str, Any]) -> Any:
    """As `settings`, of a searcher that need not be registered."""
    known = {field.name: field.type for field in fields(entry.settings)}
    for key, value in options.items():
        if key not in known:
            raise SearchError(
                f"{name}: there is no setting {key!r}{nearest(key, known)}; "
                f"there are: {', '.join(known)}"
            )
        _check_type(name, key, known[key], value)
    return entry.settings(**options)


_FITTING: Final[Mapping[str, Any]] = MappingProxyType(
    {"int": int, "float": (int, float), "str": str, "mapping": Mapping}
)


def setting_of_text(name: str, key: str, text: str) -> Any:
    """A setting of a searcher as it is written on a command line, read as its type says.

    What is not of that type stays text, which `settings` refuses by name.
    """
    kinds = {own.name: _name_of(own.type) for own in fields(SEARCHERS.find(name).settings)}
    read = _OF_TEXT.get(kinds.get(key, "str"), str)
    try:
        return read(text.strip())
    except (ValueError, KeyError):
        return text


_OF_TEXT: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {"int": int, "float": float, "bool": {"true": True, "false": False}.__getitem__}
)


def _name_of(kind: object) -> str:
    """The name of a setting's type, without saying that it may be left open."""
    said = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    said = said.removesuffix(" | None")
    return "mapping" if said.startswith("Mapping[") else said


def _check_type(name: str, key: str, kind: object, value: object) -> None:
    """A whole number may stand for a fraction, not the other way round."""
    said = _name_of(kind)
    if value is None and str(kind).endswith(" | None"):
        return
    if isinstance(value, bool) != (said == "bool") or not isinstance(
        value, _FITTING.get(said, object)
    ):
        raise SearchError(f"{name}: {key} is of type {said}, got {value!r}")
