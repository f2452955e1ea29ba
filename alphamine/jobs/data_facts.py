"""Facts about the data and the engine of a run, by which they are recognised when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphamine.data.labels import forward_returns
from alphamine.data.panel import Panel
from alphamine.data.residual import Projection
from alphamine.encoding import finite
from alphamine.errors import SearchError

from .scorer import Scorer


def describe(panel: Panel, scorer: Scorer) -> dict[str, Any]:
    """What a run records of a panel without its test split, and of its scorer."""
    rows, symbols = panel.shape
    samples = [s for s in (scorer.train, scorer.valid) if s is not None]
    return {
        "fitted_on": scorer.train.name,
        "engine": scorer.identity,
        "panel": {
            "name": panel.name,
            "dataset": panel.dataset,
            "fingerprint": panel.fingerprint,
            "rows": rows,
            "symbols": symbols,
            "fields": list(panel.schema),
            "groups": list(panel.groups),
            "min_names": panel.min_names,
        },
        "splits": {
            sample.name: {
                "start": str(sample.panel.dates[sample.rows][0]),
                "end": str(sample.panel.dates[sample.rows][-1]),
                "days": len(sample.label),
            }
            for sample in samples
        },
        "label": {
            **panel.label_spec.to_dict(),
            "settled_share": forward_returns(panel).settled_share,
            **_taken_out(scorer.train.projection),
        },
    }


def _taken_out(projection: Projection | None) -> dict[str, str]:
    """What rank ICs are free of, in words, where the label is residual."""
    return {} if projection is None else {"taken_out": projection.described}


def require_same_data(facts: Mapping[str, Any], scorer: Scorer) -> None:
    """Refuse to go on with other data, or another engine.

    Raises
    ------
    SearchError
    """
    for what, given in finite(describe(scorer.panel, scorer)).items():
        if facts[what] != given:
            raise SearchError(
                f"a run goes on with the data and the engine of its beginning, but its {what} was "
                f"{facts[what]!r} and is {given!r} now; load the data as the run did, or search "
                "anew"
            )
