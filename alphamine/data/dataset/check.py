"""A look at a dataset before it is used: what is wrong with it, and what it is."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alphamine.data.panel import Panel
from alphamine.data.sources.readers import read_source
from alphamine.errors import DataError

from .compose import compose, within_calendar
from .findings import CHECKS, Finding, View
from .load import configured, load
from .shelf import spec_path
from .specfile import read_spec

if TYPE_CHECKING:
    from rich.table import Table

_ORDER = ("error", "warning", "note")


@dataclass(frozen=True)
class CheckReport:
    """Findings on one dataset, the gravest first. A rich console prints it as a table."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the dataset can be opened."""
        return all(finding.level != "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "findings": [f.to_dict() for f in self.findings]}

    def __rich__(self) -> Table:
        from rich.table import Table

        colours = {"error": "bold red", "warning": "yellow", "note": "dim"}
        table = Table("", "topic", "finding", "what to do", title=f"dataset {self.name}")
        for item in self.findings:
            cells = (item.level, item.topic, item.message, item.action)
            table.add_row(*cells, style=colours[item.level])
        return table


@dataclass(frozen=True)
class Description:
    """What a dataset holds. A rich console prints it as a table."""

    name: str
    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.facts}

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(title=f"dataset {self.name}", show_header=False)
        for key, value in self.facts.items():
            table.add_row(key, _in_words(value))
        return table


def check_dataset(path: str | os.PathLike[str]) -> CheckReport:
    """Read the sources of a specification as they are, and say what is wrong with them.

    Bad data gives findings; only a specification that cannot be read, or a file that is not there,
    ends with an error.

    Raises
    ------
    DataError
    """
    spec = read_spec(spec_path(path))
    lenient = spec.model_copy(update={"repair": ["duplicates", "order"]})
    raw = within_calendar(spec, read_source(lenient))
    with np.errstate(all="ignore"):  # bad data are what is looked for
        findings = [finding for check in CHECKS for finding in check(View(spec, raw))]
    try:
        panel = configured(compose(spec, raw), spec.settings)
    except DataError as error:
        # The laws of a panel, in case that they are broken by more than what was found above.
        findings.append(Finding("error", "panel", str(error), "the dataset cannot be opened"))
    else:
        findings += _panel_findings(panel, spec.calendar.min_quoted)
    findings.sort(key=lambda finding: _ORDER.index(finding.level))
    return CheckReport(spec.name, tuple(findings))


def describe_dataset(path: str | os.PathLike[str]) -> Description:
    """What a specification defines, once it is opened: size, fields, universe, splits, label.

    Raises
    ------
    DataError
    """
    panel = load(path)
    members = panel.universe.sum(axis=1)
    quoted = np.isfinite(panel.field(panel.label_spec.price))
    told = panel.notes.get("descriptions")
    facts: dict[str, Any] = {
        "description": read_spec(spec_path(path)).description,
        "dates": [str(panel.dates[0]), str(panel.dates[-1])],
        "days": panel.shape[0],
        "symbols": panel.shape[1],
        "names_a_day": {
            "least": int(members.min()),
            "mean": round(float(members.mean()), 1),
            "most": int(members.max()),
        },
        "fields": {n: str(info.unit or info.kind) for n, info in panel.schema.items()},
        **({"descriptions": dict(told)} if told else {}),
        "groups": {name: len(names) for name, names in panel.group_names.items()},
        "masks": {name: _share(mask[quoted]) for name, mask in panel.masks.items()},
        "label": panel.label_spec.to_dict()
        | {
            "cells": _share(np.isfinite(panel.label.values[panel.universe])),
            "settled": round(panel.label.settled_share, 6),
        },
        "splits": _split_facts(panel),
        "costs": asdict(panel.costs),
        "min_names": panel.min_names,
        "periods": panel.periods_per_year,
        "fingerprint": panel.fingerprint,
    }
    return Description(panel.name, facts)


def _panel_findings(panel: Panel, least: int) -> list[Finding]:
    members = panel.universe.sum(axis=1)
    findings = []
    empty = np.flatnonzero(members == 0)
    if len(empty):
        findings.append(
            Finding(
                "warning",
                "universe",
                f"nobody is in the universe on {len(empty)} days, {panel.dates[empty[0]]} to "
                f"{panel.dates[empty[-1]]}",
                "these days have no score; narrow the calendar",
            )
        )
    thin = int(((members < panel.min_names) & (members > 0)).sum())
    if thin:
        findings.append(
            Finding(
                "warning",
                "universe",
                f"{thin} days have fewer than {panel.min_names} names",
                "these days have no score; lower min_names only if you must",
            )
        )
    dropped = panel.notes.get("dropped_days", ())
    if dropped:
        findings.append(
            Finding(
                "note",
                "calendar",
                f"{len(dropped)} days with fewer than {least} quoted symbols are dropped, first "
                f"{dropped[0]}",
                "dropped as the specification asks",
            )
        )
    settled = panel.label.settled_share
    if panel.label_spec.delisting == "settle" and settled:
        findings.append(
            Finding(
                "note",
                "label",
                f"{settled:.2%} of the labels are settled at a last price",
                "set label.delisting to drop if quotes end for other reasons than delisting",
            )
        )
    return findings


def _split_facts(panel: Panel) -> dict[str, Any] | None:
    if panel.splits is None:
        return None
    facts: dict[str, Any] = {"gap": panel.splits.gap}
    for name, (start, stop) in panel.splits.ranges.items():
        first, last = panel.dates[start], panel.dates[stop - 1]
        facts[name] = {"start": str(first), "end": str(last), "days": stop - start}
    return facts


def _share(values: Any) -> float:
    return round(float(np.mean(values)), 6) if np.size(values) else 0.0


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_in_words(part)}" for key, part in value.items())
    if isinstance(value, list):
        return " to ".join(str(part) for part in value)
    return "-" if value is None or value == "" else str(value)
