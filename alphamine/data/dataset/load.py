"""`alphamine.load`: from a dataset specification to a panel."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import alphamine.shipped as shipped
from alphamine.data.build import make_splits
from alphamine.data.costs import Costs
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.paths import cache_folder, here, variables
from alphamine.data.risk import RiskSettings
from alphamine.data.splits import Splits
from alphamine.data.wording import listing
from alphamine.errors import DataError, nearest
from alphamine.version import __version__
from alphamine.waiting import steps

from .cache import digest, files_state, open_panel, read_json
from .shelf import spec_path, spec_text

if TYPE_CHECKING:
    pass


def load(
    spec: str | os.PathLike[str],
    *,
    universe: str | None = None,
    horizon: int | None = None,
    delay: int | None = None,
    price: str | None = None,
    residual: str | Mapping[str, Any] | RiskSettings | None = None,
    splits: bool = True,
    start: str | None = None,
    end: str | None = None,
    progress: bool | None = None,
) -> Panel:
    """Open the dataset that a specification describes.

    The first time its sources are read, checked and kept in a cache (`ALPHAMINE_CACHE`, else the
    user's cache directory; "off" for none). Later the arrays are mapped into memory at once, until
    the specification or one of its files changes.

    Parameters
    ----------
    spec : path or str
        A YAML file; the name of one that comes with the package, such as "synthetic" (see
        `alphamine.datasets`); or a CSV or Parquet file of prices whose header says what it holds
        (one row per date and symbol, or one column per symbol in a file called `close.csv`).
    universe : str, optional
        `all` (everything quoted), `tradable` (volume above 0), or an index of the dataset:
        its tradable members. Symbols that are never members of it are left out.
    horizon, delay, price : optional
        Replace these settings of the label.
    residual : str or mapping, optional
        What rank ICs are free of, and searches with them: "default" (all styles and the sector),
        names of styles and groups separated by commas, or a mapping of `styles`, `groups` and
        `weights` (see `alphamine.data.risk.RiskSettings`).
    splits : bool
        False for the whole sample without splits. If the dataset has a test split, by any
        specification that was used with it before, that is recorded as an opening of it.
    start, end : str, optional
        First and last day used.
    progress : bool, optional
        Whether to say what goes on while sources are read for the first time; by default where
        stderr is a terminal.

    Raises
    ------
    DataError
        If the specification or the data break a law; the message says which, and what to do.
    """
    if not isinstance(splits, bool):
        raise DataError(
            f"splits is True for those of the specification or False for none, but got {splits!r}; "
            "write others into the specification (`alphamine init --data FILE` makes one), or give "
            "them to Panel.from_frame"
        )
    path = spec_path(spec)
    overrides: dict[str, Any] = {
        "universe": universe,
        "horizon": horizon,
        "delay": delay,
        "price": price,
        "splits": splits,
        "start": start and str(start),
        "end": end and str(end),
    }
    if residual is not None:
        overrides["residual"] = RiskSettings.of(residual).to_dict()
    folder = cache_folder()
    if folder is None:
        panel = _build(path, overrides, None, progress)
    else:
        pointer = folder / "opened" / f"{_request_key(path, overrides)}.json"
        panel = _reopen(folder, pointer) or _build(path, overrides, pointer, progress)
    if not splits:
        _record_opening(panel, path)
    # A name means the same wherever the package is installed; a path, wherever one stands.
    named = shipped.find("data_specs", spec) is not None
    data = os.fspath(spec) if named else str(path.absolute())
    return replace(panel, source={"data": data, **overrides})


def _record_opening(panel: Panel, path: Path) -> None:
    """Without splits, days lie open that somebody keeps as a test: that is an opening of it."""
    from .ledger import DatasetLedger

    with DatasetLedger.of(panel, "loaded whole", str(path)) as ledger:
        if any(
            end >= str(panel.dates[0]) and start <= str(panel.dates[-1])
            for start, end in ledger.tests() or ()
        ):
            ledger.opened(0)


def _request_key(path: Path, overrides: dict[str, Any]) -> str:
    """Hash of everything but the input files that decides what a panel is."""
    text = spec_text(path)
    place = [str(path.absolute()), str(here())]
    return digest(__version__, place, text, variables(text), overrides)


def _reopen(folder: Path, pointer: Path) -> Panel | None:
    known = read_json(pointer)
    if known is None:
        return None
    try:
        current = files_state(map(Path, known["inputs"])) == known["state"]
    except OSError:  # an input is gone: the slow path says which
        return None
    panel = open_panel(folder / "panels" / known["panel"]) if current else None
    return None if panel is None else configured(panel, known["settings"])


def _build(
    path: Path, overrides: dict[str, Any], pointer: Path | None, progress: bool | None
) -> Panel:
    with steps(progress) as say:
        return _built(path, overrides, pointer, say)


def _built(
    path: Path, overrides: dict[str, Any], pointer: Path | None, say: Callable[[str], None]
) -> Panel:
    from alphamine.data.sources.readers import inputs, read_source, require_inputs

    from .cache_write import store_panel, write_json
    from .compose import compose
    from .specfile import read_overridden

    spec = read_overridden(path, overrides)
    settings = spec.settings

    def composed() -> Panel:
        say(f"reading the sources of {spec.name}")
        source = read_source(spec)
        say(f"checking {spec.name}, and arranging it by day and symbol")
        return compose(spec, source)

    if pointer is None:
        return configured(composed(), settings)
    require_inputs(spec)
    used = [str(file) for file in inputs(spec)]
    say(f"looking whether {spec.name} is known")
    state = files_state(map(Path, used))
    name = f"{digest(spec.content)}-{state}"
    known = open_panel(pointer.parents[1] / "panels" / name)
    panel = known or composed()
    fresh = configured(panel, settings)
    say(f"keeping {spec.name} for the next time")
    try:
        stored = known or store_panel(panel, pointer.parents[1] / "panels" / name)
        write_json(pointer, {"inputs": used, "state": state, "panel": name, "settings": settings})
    except OSError as error:
        warnings.warn(
            f"the panel cache cannot be written: {error}; let ALPHAMINE_CACHE name a folder that "
            'can be, or be "off"',
            stacklevel=4,
        )
        return fresh
    return configured(stored, settings)


def configured(panel: Panel, settings: dict[str, Any]) -> Panel:
    """The panel with its label, splits and costs, which are no part of its arrays."""
    label = LabelSpec(**settings["label"])
    if label.price not in panel.columns:
        raise DataError(
            f"the label's price {label.price!r} is not a field of {settings['name']!r}; "
            f"it has {listing(panel.columns)}"
        )
    descriptions = settings.get("descriptions") or {}
    for name in descriptions:
        if name not in panel.schema:
            raise DataError(
                f"descriptions are of fields, but {settings['name']!r} has no {name!r}"
                f"{nearest(name, panel.schema)}"
            )
    if label.residual is not None:
        label.residual.require_groups(panel.groups, settings["name"])
    splits: Splits | None = make_splits(settings["splits"], panel.dates, label)
    return replace(
        panel,
        name=settings["name"],
        label_spec=label,
        splits=splits,
        costs=Costs(**settings["costs"]),
        min_names=settings["min_names"],
        periods=settings.get("periods"),
        notes={**panel.notes, "descriptions": descriptions} if descriptions else panel.notes,
        dataset=panel.fingerprint,
        fingerprint=digest(panel.fingerprint, label.to_dict(), splits and asdict(splits)),
    )
