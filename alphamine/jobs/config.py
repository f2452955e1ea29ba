"""The job file: validated whole before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

import alphamine.shipped as shipped
from alphamine.data.dataset.specfile import read_mapping
from alphamine.data.paths import resolve
from alphamine.data.risk import RiskSettings
from alphamine.engine.base import BACKENDS
from alphamine.errors import DataError, SearchError, nearest
from alphamine.llm.base import LLMError
from alphamine.llm.settings import LLMSettings
from alphamine.searchers.registry import SEARCHERS, setting_of_text, settings

from .executors.config import ExecutorConfig
from .search_config import SEARCHER, GrammarConfig, PoolConfig, number_of_islands, with_preset


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _reader(part: Any) -> PlainValidator:
    """Makes a part of a configuration of a mapping, whose values are of the part's own types."""
    kinds = get_type_hints(part)
    known: dict[str, Any] = {own.name: (kinds[own.name], own.default) for own in fields(part)}
    form: type[BaseModel] = create_model(part.__name__, __base__=_Strict, **known)

    def read(given: Any) -> Any:
        if isinstance(given, part):
            return given
        return part(**form.model_validate(given).model_dump(exclude_unset=True))

    return PlainValidator(read)


class Task(_Strict):
    """What a search and a comparison of searches have in common.

    Attributes
    ----------
    data : str
        Dataset specification; in a job file, a relative path starts at the file's folder.
    budget : int
        Distinct formulas to evaluate.
    run_dir : str, optional
        Where the work is recorded.
    universe, horizon, delay, price, residual, splits : optional
        What of the dataset specification the job changes.
    grammar : GrammarConfig
    pool : PoolConfig
    batch : int
        Formulas asked for and evaluated at a time. It is part of what a seed reproduces.
    islands, distil : optional
        Independent searches that share the budget, and what becomes of their pools; part of what
        a seed reproduces (see `search`).
    executor, workers, address : optional
        Where formulas are evaluated (see `ExecutorConfig`); no part of what a seed reproduces.
    backend : str
        Name of the engine that evaluates.
    """

    data: str
    budget: Annotated[int, Field(ge=1)] = 1000
    run_dir: str | None = None
    universe: str | None = None
    horizon: int | None = None
    delay: int | None = None
    price: str | None = None
    residual: str | dict[str, JsonValue] | None = None
    splits: Literal["spec", "none"] = "spec"
    grammar: Annotated[GrammarConfig, _reader(GrammarConfig)] = GrammarConfig()
    pool: Annotated[PoolConfig, _reader(PoolConfig)] = PoolConfig()
    batch: Annotated[int, Field(ge=1, le=4096)] = 32
    islands: int | str = "auto"
    distil: Literal["reproduction", "none"] = "reproduction"
    executor: Literal["serial", "processes", "ray"] = "serial"
    workers: int | None = None
    address: str | None = None
    backend: str = "auto"

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        try:
            self.check()
        except (SearchError, DataError) as error:
            raise ValueError(str(error)) from None
        return self

    @field_validator("backend")
    @classmethod
    def _is_an_engine(cls, name: str) -> str:
        if name not in BACKENDS:
            raise ValueError(f"one of {', '.join(BACKENDS)}")
        return name

    def check(self) -> None:
        """Laws of several keys together."""
        number_of_islands(self.islands, self.budget)
        if self.residual is not None:
            RiskSettings.of(self.residual)
        ExecutorConfig(self.executor, self.workers, self.address)

    @property
    def overrides(self) -> dict[str, Any]:
        """Arguments of `alphamine.load` beside the specification."""
        names = ("universe", "horizon", "delay", "price")
        chosen = {name: getattr(self, name) for name in names}
        if self.residual is not None:
            chosen["residual"] = RiskSettings.of(self.residual).to_dict()
        return {**chosen, "splits": self.splits == "spec"}

    @property
    def source(self) -> dict[str, Any]:
        """How to load the data again, from any working directory."""
        known = Path(self.data)
        return {"data": str(known.resolve()) if known.exists() else self.data, **self.overrides}

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of `alphamine.search` that do not depend on the searcher."""
        return {
            "budget": self.budget,
            "grammar": self.grammar,
            "pool": self.pool.settings,
            "batch": self.batch,
            "islands": self.islands,
            "distil": self.distil,
            "executor": self.executor,
            "workers": self.workers,
            "address": self.address,
            "backend": self.backend,
            "source": self.source,
        }


class Job(Task):
    """One search, as written in YAML and on the command line.

    Attributes
    ----------
    searcher : str
        Name of a registered searcher, with its settings in `options`.
    seeds : list of str
        Formulas (or `library:NAME`, `run:DIRECTORY`, `file:PATH`) that the search starts from
        (see `search`).
    combine : list of str
        Models that combine the pool at the end, for the report.
    seconds, tokens, money : optional
        Stop earlier, after this much searching, or after a searcher that asks a language model
        has spent so much.
    seed : int
    llm : mapping
        The language model of a searcher that asks one (see `LLMSettings`).
    placebos : int
        Searches on shuffled labels at the end (see `search`).
    preset : {"kdd23", "fcs"}, optional
        A published configuration (see `with_preset`).
    """

    searcher: str = SEARCHER
    options: dict[str, JsonValue] = {}
    seeds: list[str] = []
    combine: list[str] = []
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    money: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    llm: dict[str, int | float | str] = {}
    placebos: Annotated[int, Field(ge=0)] = 0
    preset: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, content: Any) -> Any:
        """The settings that the preset has and the job does not."""
        try:
            return with_preset(content.get("preset"), content)
        except SearchError as error:
            raise ValueError(str(error)) from None

    @field_validator("searcher")
    @classmethod
    def _is_registered(cls, name: str) -> str:
        if name not in SEARCHERS:
            raise ValueError(f"one of {', '.join(SEARCHERS)}")
        return name

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of `alphamine.search`, beside the panel."""
        own = (
            *("searcher", "options", "seeds", "combine", "seconds", "tokens", "money", "seed"),
            *("llm", "placebos", "run_dir"),
        )
        return {**super().settings, **{name: getattr(self, name) for name in own}}

    def check(self) -> None:
        super().check()
        settings(self.searcher, self.options)
        try:
            LLMSettings.of(self.llm)
        except LLMError as error:
            raise SearchError(str(error)) from None


# Names of folders that every file system takes.
_FOLDER: Final = re.compile(r"[\w-][\w ,.-]*")
_OF_A_MARKET: Final = ("data", "universe", "horizon", "delay", "price", "residual", "splits")


class Comparison(Task):
    """Several searchers on the same data, with equal budgets and seeds.

    Attributes
    ----------
    searchers : mapping of str to mapping
        Settings by searcher; `random`, the baseline, is always among them.
    seeds : int
        Runs of each: seeds 0, 1 ...
    markets : mapping of str to mapping
        Where they are compared, if in several places: `data`, `universe`, `horizon`, `delay`,
        `price`, `residual` and `splits` by name, in place of those of the comparison.
    """

    data: str = ""
    searchers: dict[str, dict[str, JsonValue] | None]
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    markets: dict[str, dict[str, JsonValue]] = {}

    def check(self) -> None:
        super().check()
        for name, options in self.contenders.items():
            settings(name, options)
        _ = self.by_market
        if not self.data and not self.markets:
            raise SearchError("data is missing: a comparison names a dataset, or several markets")

    @property
    def by_market(self) -> dict[str, Comparison]:
        """A comparison for each market by its name; without markets itself, which has none."""
        if not self.markets:
            return {"": self}
        common = {name: getattr(self, name) for name in self.model_fields_set - {"markets"}}
        found = {}
        for name, changes in self.markets.items():
            if not _FOLDER.fullmatch(name):
                raise SearchError(
                    "the name of a market is that of its folder: letters, digits, spaces and "
                    f"`,.-_`, got {name!r}"
                )
            if unknown := sorted({*changes} - {*_OF_A_MARKET}):
                raise SearchError(
                    f"the market {name} has no key {unknown[0]!r}; there are: "
                    f"{', '.join(_OF_A_MARKET)}"
                )
            try:
                found[name] = Comparison.model_validate({**common, **changes})
            except ValidationError as error:
                raise SearchError(f"the market {name}: {_explain(error, Comparison)}") from None
        return found

    @property
    def contenders(self) -> dict[str, dict[str, Any]]:
        """Settings by searcher, the baseline first."""
        return {"random": {}, **{name: options or {} for name, options in self.searchers.items()}}


Form = TypeVar("Form", bound=Task)


def read_job(
    path: Path | None, changes: Mapping[str, Any], written: Mapping[str, str] | None = None
) -> Job:
    """A job from a file, from options of the command line, or from a file changed by options.

    Parameters
    ----------
    path : Path, optional
    changes : mapping
        Values by key, in place of those of the file.
    written : mapping of str to str, optional
        Settings of the searcher as they were written on the command line, in place of those of
        the file; each is read as the type of the setting says.

    Raises
    ------
    DataError, SearchError
        Names the file, every key that is wrong, and the law that it breaks.
    """
    return _read(Job, path, changes, written or {})


def read_comparison(path: Path, changes: Mapping[str, Any]) -> Comparison:
    """A comparison from a file, changed by options of the command line; see `read_job`."""
    return _read(Comparison, path, changes, {})


def _read(
    form: type[Form], path: Path | None, changes: Mapping[str, Any], written: Mapping[str, str]
) -> Form:
    if path is not None and not path.exists():
        known = shipped.names("jobs")
        raise SearchError(
            f"there is no job file {path}{nearest(str(path), known)}; give the path of a YAML "
            f"file, or one of the jobs {', '.join(known)}"
        )
    content = {} if path is None else read_mapping(path)
    if path is not None:
        markets = content.get("markets")
        for part in (content, *(markets.values() if isinstance(markets, dict) else ())):
            if isinstance(part, dict) and isinstance(part.get("data"), str):
                part["data"] = _specification(part["data"], path.parent)
    source = "the options" if path is None else str(path)
    if path is not None and (changes or written):
        source += " and the options"
    content |= changes
    try:
        if written:
            whole = with_preset(content.get("preset"), content)
            searcher = str(whole.get("searcher", SEARCHER))
            chosen = {key: setting_of_text(searcher, key, text) for key, text in written.items()}
            content["options"] = {**(content.get("options") or {}), **chosen}
        return form.model_validate(content)
    except ValidationError as error:
        raise SearchError(f"{source}: {_explain(error, form)}") from None
    except SearchError as error:
        raise SearchError(f"{source}: {error}") from None


def _specification(name: str, folder: Path) -> str:
    """A dataset's specification: a file, from the job's folder on, or a shipped one."""
    beside = resolve(name, folder)
    return str((None if beside.exists() else shipped.find("data_specs", name)) or beside)


_PARTS: Final[dict[str, Any]] = {"pool": PoolConfig, "grammar": GrammarConfig}


def _explain(error: ValidationError, form: type[Task]) -> str:
    problems = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            part = _PARTS.get(str(item["loc"][0]))
            known = form.model_fields if part is None else [own.name for own in fields(part)]
            near = nearest(str(item["loc"][-1]), known)
            problems.append(f"there is no key {key!r}{near}; there are: {', '.join(known)}")
        elif item["type"] == "missing":
            problems.append(f"{key} is missing")
        elif item["type"] == "invalid-json-value":
            # pydantic names the container of every level beside its key.
            key = ".".join(str(part) for part in item["loc"] if part not in ("dict", "list"))
            problems.append(f"{key} must be text, a number, a list or a mapping")
        else:
            law = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            given = item["input"]
            near = nearest(given, re.findall(r"\w+", law)) if isinstance(given, str) else ""
            problems.append(f"{key} must be {law}, got {given!r}{near}" if key else law)
    return "; ".join(problems)
