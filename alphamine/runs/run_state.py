"""What is known of a run at any moment, also while it searches or after it was cut short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphamine.data.panel import Panel
from alphamine.errors import SearchError

from .budget import Budget

INTERRUPTED = "it was interrupted"


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
