"""What is known of a run at any moment, also while it searches or after it was cut short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphamine.data.panel import Panel
from alphamine.engine.cells import Series
from alphamine.errors import SearchError
from alphamine.evaluation.landscape import identity_of
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.operators import Kind

from .budget import Budget

INTERRUPTED = "it was interrupted"
_PROVENANCE = ("name", "run", "version", "searcher", "seed", "panel", "splits", "label", "source")


class RunState:
    """Facts that a search writes at its beginning, and of how it ended if it has.

    All that a finished run has recorded is in its `RunRecord`.

    Parameters
    ----------
    facts : mapping
        As they are stored; one that is asked for and lacking is refused by name.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    @property
    def name(self) -> str:
        return str(self._facts["name"])

    @property
    def identity(self) -> str:
        """Of this run alone: names may be equal."""
        return str(self._facts["run"])

    @property
    def version(self) -> str:
        """Of alphamine, that began it."""
        return str(self._facts["version"])

    @property
    def searcher(self) -> str:
        return str(self._facts["searcher"])

    @property
    def arms(self) -> tuple[str, ...]:
        """Searchers that a portfolio shares its budget among."""
        return tuple(self._facts["options"].get("arms", {}))

    @property
    def limits(self) -> Budget:
        """When the search stops, or has stopped."""
        return Budget(**self._facts["limits"])

    @property
    def llm(self) -> Mapping[str, Any]:
        """Settings of its language model; empty without one."""
        found: Mapping[str, Any] = self._facts.get("llm") or {}
        return found

    @property
    def source(self) -> dict[str, Any] | None:
        """Arguments of `alphamine.load` that made its panel; None of a panel in memory."""
        found = dict(self._facts.get("source") or {})
        return found if "data" in found else None

    @property
    def provenance(self) -> dict[str, Any]:
        """Where what it found comes from: the run, its searcher and seed, and the data."""
        return {name: self._facts[name] for name in _PROVENANCE if name in self._facts}

    @property
    def earlier_trials(self) -> int:
        """What was tried to find the formulas that the search started from."""
        return int(self._facts.get("earlier", {}).get("trials", 0))

    @property
    def trials_on_dataset(self) -> int | None:
        """Formulas that anybody had tried on the dataset at the end; None if nobody knows."""
        found: int | None = self._facts.get("dataset", {}).get("formulas")
        return found

    @property
    def series(self) -> Series:
        """What of the members' values the pool adds up (see `AlphaPool.standardisation`)."""
        settings = self._facts.get("pool", {})
        found: Series = "value" if settings.get("parity") else settings.get("series", "rank")
        return found

    @property
    def taken_out(self) -> str | None:
        """What rank ICs are free of, in words, where the label is residual."""
        found: str | None = self._facts["label"].get("taken_out")
        return found

    @property
    def dataset(self) -> str:
        """Identity of the data that was searched, to which its ledger belongs; empty of none."""
        return str(self._facts.get("panel", {}).get("dataset", ""))

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """Kind and unit of the fields of the panel that was searched."""
        panel = self._facts.get("panel", {})
        groups = panel.get("groups", ())
        return {
            name: FieldInfo(name, Kind.GROUP) if name in groups else standard_field(name)
            for name in panel.get("fields", ())
        }

    def landscape_identity(self, split: str) -> dict[str, Any] | None:
        """By which its null landscape is kept; None of a run of an earlier version."""
        panel = self._facts["panel"]
        if "min_names" not in panel:
            return None
        days = self._facts["splits"][split]
        ends = (days["start"], days["end"])
        return identity_of(self.dataset, panel["fields"], self.label, ends, panel["min_names"])

    @property
    def fingerprint(self) -> str:
        """Of the panel that was searched."""
        return str(self._facts["panel"]["fingerprint"])

    @property
    def symbols(self) -> int:
        """Their number in the panel that was searched."""
        return int(self._facts["panel"]["symbols"])

    @property
    def label(self) -> dict[str, Any]:
        """Settings of the label."""
        found = dict(self._facts["label"])
        for known in ("settled_share", "taken_out"):  # of the panel, not of the label
            found.pop(known, None)
        return found

    @property
    def finished(self) -> bool:
        """Whether the search has ended and has recorded what it found."""
        return "finished" in self._facts

    @property
    def stopped(self) -> str | None:
        """Why the search ended; None while it goes on, or after it was killed."""
        found: str | None = self._facts.get("stopped")
        return found

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the search before its budget was spent."""
        return self.stopped == INTERRUPTED

    @property
    def seconds(self) -> float:
        """Of searching, of a search that has ended."""
        return float(self._facts["seconds"])

    def load_panel(self, progress: bool | None = None) -> Panel:
        """The panel, from the dataset specification that was recorded.

        Parameters
        ----------
        progress : bool, optional
            As for `alphamine.load`.

        Raises
        ------
        SearchError
            If it was made in memory.
        """
        source = self.source
        if source is None:
            raise SearchError(
                f"run {self.name!r} was made from a panel in memory, which is not at hand; pass "
                "it: run.reveal_test(panel), am.resume(run_dir, panel)"
            )
        from alphamine.data.dataset.load import load

        return load(source.pop("data"), **source, progress=progress)
