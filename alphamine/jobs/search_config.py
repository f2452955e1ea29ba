"""The configuration of a search: the same for the API, for job files and for the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Final, Literal, Self

from alphamine.engine.base import BACKENDS
from alphamine.engine.cells import Series
from alphamine.errors import SearchError, nearest
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.llm.settings import LLMSettings
from alphamine.models.registry import make_model
from alphamine.runs.budget import Budget
from alphamine.searchers.rl.settings import PRESETS

from .executors.config import ExecutorConfig

Distil = Literal["reproduction", "none"]
Islands = int | str | None
DISTIL: Final = ("reproduction", "none")
# Which one searches if nothing is said.
SEARCHER: Final = "genetic"
_ISLAND_EVALUATIONS: Final = 5000


class _Part:
    """Settings of one part of a search, of which those that are None are left to the part."""

    _whose: ClassVar[str]

    @classmethod
    def of(cls, given: Mapping[str, Any] | Self | None) -> Self:
        """Settings from a mapping.

        Raises
        ------
        SearchError
            Names a setting that there is not.
        """
        if isinstance(given, _Part):
            assert isinstance(given, cls)
            return given
        known = [own.name for own in fields(cls)]  # type: ignore[arg-type]
        for name in given or {}:
            if name not in known:
                raise SearchError(
                    f"{cls._whose} has no setting {name!r}{nearest(name, known)}; there are: "
                    f"{', '.join(known)}"
                )
        return cls(**(given or {}))

    @property
    def settings(self) -> dict[str, Any]:
        """Those that are given."""
        found = {own.name: getattr(self, own.name) for own in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class GrammarConfig(_Part):
    """What formulas may be like; `Grammar` has the defaults."""

    _whose = "a grammar"

    operators: Sequence[str] | None = None
    windows: Sequence[int] | None = None
    constants: Sequence[int | float] | None = None
    max_length: int | None = None
    max_depth: int | None = None
    max_lookback: int | None = None
    units: bool | None = None
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class PoolConfig(_Part):
    """The pool: how many members, how correlated two of them may be, and what they maximise.

    `Pool` has the defaults of the rest; `parity` keeps to the rules of AlphaGen's pool.
    """

    _whose = "a pool"

    size: int = 20
    max_correlation: float = 0.7
    objective: Literal["ic", "icir", "lcb"] | None = None
    beta: float | None = None
    l1: float | None = None
    ridge: float | None = None
    series: Series | None = None
    token_price: float | None = None
    parity: Literal["alphagen"] | None = None

    def __post_init__(self) -> None:
        # So that a job file is refused before any data is read; `Pool` has the other laws.
        if self.size < 1:
            raise SearchError(f"pool.size is at least 1, but got {self.size}")
        if not 0.0 < self.max_correlation <= 1.0:
            raise SearchError(
                "a pool's largest mutual correlation (max_correlation) is in (0, 1], but got "
                f"{self.max_correlation}"
            )


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """Settings of a search; equal ones on equal panels give the same run, executors apart.

    Attributes
    ----------
    searcher : str
        Name of a registered searcher, or of the class or function that was handed in.
    seed : int
    options : mapping
        Settings of the searcher.
    seeds : sequence of str
        Formulas that the search starts from.
    grammar : GrammarConfig
    pool : PoolConfig
    limits : Budget
        When the search stops.
    batch : int
        Formulas asked for and evaluated at a time.
    islands : int
        Independent searches, each with a seed, a searcher and a pool of its own.
    distil : {"reproduction", "none"}
        What becomes of the pools of several islands (see `pool.blend`): as many formulas as a pool
        holds, or all of them.
    placebos : int
        Searches on shuffled labels at the end.
    combine : sequence of str
        Models that combine the pool at the end.
    llm : mapping
        The language model that the searcher may ask (see `LLMSettings`); none if empty.
    backend : str
        Name of the engine that evaluates (see `Evaluator`).
    executor : ExecutorConfig
        Where formulas are evaluated: no part of what a seed reproduces, and not recorded.
    earlier : mapping
        A `TrialCount`: what was tried to find the formulas that the search starts from.

    Raises
    ------
    SearchError, AlphamineError
        If a setting breaks a law.
    """

    searcher: str = SEARCHER
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[str] = ()
    grammar: GrammarConfig = field(default_factory=GrammarConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    limits: Budget = field(default_factory=lambda: Budget(1000))
    batch: int = 32
    islands: int = 1
    distil: str = "reproduction"
    placebos: int = 0
    combine: Sequence[str] = ()
    llm: Mapping[str, Any] = field(default_factory=dict)
    backend: str = "auto"
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    earlier: Mapping[str, Any] = field(default_factory=lambda: asdict(TrialCount()))

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise SearchError(f"a seed is a whole number of at least 0, but got {self.seed!r}")
        if self.placebos < 0:
            raise SearchError(f"the number of placebo runs is 0 or more, but got {self.placebos}")
        if self.distil not in DISTIL:
            raise SearchError(f"distil is {' or '.join(DISTIL)}, but got {self.distil!r}")
        for name in self.combine:
            make_model(name)
        BACKENDS.find(self.backend)
        LLMSettings.of(self.llm)

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any], executor: ExecutorConfig) -> SearchConfig:
        """The configuration that a run recorded."""
        same = {own.name for own in fields(cls)} - {"grammar", "pool", "limits", "executor"}
        return cls(
            **{name: facts[name] for name in same if name in facts},
            grammar=GrammarConfig.of(facts["grammar"]),
            pool=PoolConfig.of(facts["pool"]),
            limits=Budget(**facts["limits"]),
            executor=executor,
        )

    def facts(self) -> dict[str, Any]:
        """What a run records of it, as JSON values."""
        recorded = {own.name: getattr(self, own.name) for own in fields(self)}
        del recorded["executor"]
        return {
            **recorded,
            "grammar": self.grammar.settings,
            "pool": self.pool.settings,
            "limits": asdict(self.limits),
            "budget": self.limits.evaluations,
        }

    def within(self, limits: Budget) -> SearchConfig:
        """The same search with other limits."""
        return replace(self, limits=limits)


def number_of_islands(islands: Islands, budget: int) -> int:
    """How many searches share a budget.

    Parameters
    ----------
    islands : "auto", "none", None or int
        `auto`: one for each 5,000 evaluations, at least one: what one search finds after that is
        mostly luck (`benchmarks/README.md`).
    budget : int

    Raises
    ------
    SearchError
    """
    if islands == "auto":
        return max(1, budget // _ISLAND_EVALUATIONS)
    if islands in (None, "none"):
        return 1
    if isinstance(islands, bool) or not isinstance(islands, int) or not 1 <= islands <= budget:
        raise SearchError(
            f"islands are auto, none, or a number from 1 to the budget ({budget}), but got "
            f"{islands!r}"
        )
    return islands


def with_preset(name: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those of a published configuration where they say nothing.

    Parameters
    ----------
    name : {"kdd23", "fcs"}, optional
        AlphaGen as of its paper (KDD 2023), or as of its later code.
    given : mapping
        As in a job file: `searcher`, `options`, `grammar`, `pool` ...

    Raises
    ------
    SearchError
        If there is no such preset, or the settings ask for another searcher.
    """
    if name is None:
        return dict(given)
    if name not in PRESETS:
        raise SearchError(
            f"there is no preset {name!r}{nearest(str(name), PRESETS)}; there are: "
            f"{', '.join(PRESETS)}"
        )
    preset = PRESETS[name]
    if (asked := given.get("searcher", preset.searcher)) != preset.searcher:
        raise SearchError(f"the preset {name} is one of {preset.searcher!r}, but got {asked!r}")
    merged: dict[str, Any] = {**given, "searcher": preset.searcher}
    for part in ("options", "grammar", "pool"):
        own = given.get(part) or {}
        if isinstance(own, Mapping):  # of anything else the reader of job files has more to say
            merged[part] = {**getattr(preset, part), **own}
    return merged
