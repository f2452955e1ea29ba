"""A pool as a value: the formulas, how they are combined, and where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.encoding import finite, undefined
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods, required_observations
from alphamine.errors import Hinted, SearchError
from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Field, Node
from alphamine.expression.portable import from_data, to_data
from alphamine.operators import UNITS, Kind
from alphamine.rendering import html_table

from .combine import combine

if TYPE_CHECKING:
    import pandas as pd

Standardisation: TypeAlias = Literal["rank", "value", "none"]

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, repr=False)
class AlphaPool(Hinted):
    """Formulas and the weights of their standardised values: one signal.

    The signal of a day is the sum of `weight * z`, over the formulas, where z is the formula's
    daily rank (or value) within the universe, of mean 0 and variance 1; a missing one counts as
    average. It is missing outside the universe and where no formula has a value.

    Parameters
    ----------
    formulas : tuple of Node
    weights : tuple of float
        Of each formula as it stands. The formulas of a run forecast returns of their own sign on
        train; one with a weight below 0 hedges what the others have in common with it.
    standardisation : {"rank", "value", "none"}
        `none`: the values themselves, of a single formula.
    min_periods : "full", int or float
        Observations that a window needs (see `Evaluator`).
    records : tuple of mapping, optional
        What is known of each formula: scores, verdict (see `jobs.run.POOL_COLUMNS`).
    provenance : mapping
        Where the pool comes from: run, data, trials, verdicts; JSON values.

    Raises
    ------
    SearchError
        If the parts do not fit together.
    """

    formulas: tuple[Node, ...]
    weights: tuple[float, ...]
    standardisation: Standardisation = "rank"
    min_periods: MinPeriods = "full"
    records: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, compare=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        count = len(self.formulas)
        if len(self.weights) != count:
            raise SearchError(
                f"a pool has a weight for each formula, but {count} formulas came with "
                f"{len(self.weights)} weights"
            )
        if len(self.records) not in (0, count):
            raise SearchError(
                f"a pool has a record for each formula or none at all, but {count} formulas came "
                f"with {len(self.records)} records"
            )
        if not np.isfinite(self.weights).all():
            raise SearchError(f"the weights of a pool are finite, but got {self.weights}")
        if self.standardisation not in get_args(Standardisation):
            raise SearchError(
                f"standardisation is rank, value or none, but got {self.standardisation!r}"
            )
        if self.standardisation == "none" and len(self.formulas) != 1:
            raise SearchError(
                f"values of {len(self.formulas)} formulas are of different scales; combine them "
                'with standardisation="rank" or "value"'
            )
        required_observations(1, self.min_periods)

    @classmethod
    def of(cls, formula: Node, **settings: Any) -> Self:
        """A single formula, as it stands."""
        return cls((formula,), (1.0,), standardisation="none", **settings)

    def __len__(self) -> int:
        return len(self.formulas)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.formulas)

    def __str__(self) -> str:
        name = self.provenance.get("name")
        return f"pool of {name}" if name else f"pool of {len(self)} formulas"

    def __repr__(self) -> str:
        verdicts = [str(row.get("verdict") or "not judged") for row in self.records]
        # Without the number of trials, and without what later days say.
        counts = Counter(
            "survives" if v.startswith("survives") else v.split(",")[0] for v in verdicts
        )
        judged = "".join(f", {count} {word}" for word, count in counts.items())
        return f"<AlphaPool of {len(self)} formulas, out of {self.trials:,} tried{judged}>"

    @property
    def trials(self) -> int:
        """Distinct formulas that were evaluated to arrive at this pool."""
        return int(self.provenance.get("trials", len(self)))

    @property
    def lookback(self) -> int:
        """Rows before today that the signal depends on."""
        return max((formula.lookback for formula in self.formulas), default=0)

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """Kind and unit of every field that the formulas read, by name."""
        nodes = (n for formula in self.formulas for n in formula.walk() if isinstance(n, Field))
        return {n.name: FieldInfo(n.name, n.kind, n.unit) for n in nodes}

    def signal(self, panel: Panel, dtype: npt.DTypeLike = "float32") -> npt.NDArray[np.floating]:
        """The formulas combined, (T, N); NaN outside the universe.

        Parameters
        ----------
        panel : Panel
        dtype : {"float32", "float64"}
            Storage of the formulas' values, as in a search by default.
        """
        if not self.formulas:
            raise SearchError(
                "the pool is empty: no formula added more than luck could show; search longer, or "
                "with a pool whose token_price is 0"
            )
        values = Evaluator(panel, dtype, self.min_periods).each(self.formulas)
        return self.combined(values, panel.universe)

    def combined(
        self, values: Iterable[npt.NDArray[np.floating]], universe: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.floating]:
        """The signal, (T, N), from values of the formulas in their order and the universe.

        The values are taken one at a time.
        """
        if self.standardisation == "none":
            [own] = values
            return np.where(universe, own, np.nan)
        return combine(values, self.weights, universe, self.standardisation)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per formula, best first: what the run recorded, or text and weight."""
        if self.records:
            return [dict(row) for row in self.records]
        together = zip(self.formulas, self.weights, strict=True)
        return [
            {"position": i + 1, "formula": str(formula), "weight": weight}
            for i, (formula, weight) in enumerate(together)
        ]

    def to_frame(self) -> pd.DataFrame:
        """One row per formula, best first."""
        import pandas as pd

        rows = [{k: v for k, v in row.items() if k not in _UNSHOWN} for row in self.rows()]
        columns = [*rows[0]] if rows else [*_COLUMNS]
        return pd.DataFrame(rows, columns=columns).set_index("position")

    def table(self) -> pd.DataFrame:
        """One row per formula, best first, for reading; see `to_frame`."""
        return self.to_frame()

    def _repr_html_(self) -> str:
        return html_table(self.table())

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` makes an equal pool of them."""
        return {
            "schema": SCHEMA,
            "standardisation": self.standardisation,
            "min_periods": self.min_periods,
            "fields": {
                name: {"kind": str(info.kind), "unit": _unit_name(info)}
                for name, info in sorted(self.fields.items())
            },
            "formulas": [
                {"text": str(formula), "tree": to_data(formula), "weight": weight}
                for formula, weight in zip(self.formulas, self.weights, strict=True)
            ],
            "records": [finite(row) for row in self.records],
            "provenance": finite(self.provenance),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` made, also after a passage through JSON.

        Raises
        ------
        SearchError
            If the data is of a newer schema or no pool.
        """
        schema = data.get("schema")
        if schema != SCHEMA:
            raise SearchError(
                f"a pool of schema {SCHEMA} is read here, but this one has schema {schema!r}; "
                "open it with the version of alphamine that wrote it"
            )
        try:
            fields = {name: _field_info(name, given) for name, given in data["fields"].items()}
            members = data["formulas"]
            return cls(
                formulas=tuple(from_data(member["tree"], fields) for member in members),
                weights=tuple(float(member["weight"]) for member in members),
                standardisation=data["standardisation"],
                min_periods=data["min_periods"],
                records=tuple(undefined(row) for row in data["records"]),
                provenance=dict(data["provenance"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SearchError(f"this is no pool as `to_dict` writes it: {error!r}") from None


_COLUMNS: Final = ("position", "formula", "weight")
_UNSHOWN: Final = ("digest", "trust")


def _unit_name(info: FieldInfo) -> str | None:
    return next((name for name, unit in UNITS.items() if unit == info.unit), None)


def _field_info(name: str, given: Mapping[str, Any]) -> FieldInfo:
    return FieldInfo(
        name, Kind(given["kind"]), None if given["unit"] is None else UNITS[given["unit"]]
    )
