"""A panel as one run of bytes that other processes map or share, without copies of it.

Eight bytes that give the length of the header, the header (JSON), and the arrays, each where its
elements are aligned. What comes out is the same panel to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample, Splits
from alphamine.engine.cells import Cells
from alphamine.jobs.scorer import Scorer
from alphamine.operators import Unit

Buffer = npt.NDArray[np.uint8]
_ALIGNMENT: Final = 64


def pack(file: IO[bytes], scorer: Scorer, cells: Cells) -> None:
    """Write the panel of a scorer, the label it trains on if it is another, and their settings."""
    panel = scorer.panel
    parts = list(_parts(panel, scorer.own_train))
    items, place = [], 0
    for role, name, array in parts:
        items.append([role, name, array.dtype.str, array.shape, place])
        place += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    header = json.dumps(
        {
            "arrays": items,
            "settings": _settings(panel),
            "label": asdict(panel.label_spec),
            "splits": panel.splits and asdict(panel.splits),
            "cells": [cells.series, cells.labelled],
            "backend": scorer.backend,
        }
    ).encode()
    header += b" " * (-(8 + len(header)) % _ALIGNMENT)
    file.write(len(header).to_bytes(8, "little") + header)
    for _, _, array in parts:
        file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        file.write(b"\0" * (-array.nbytes % _ALIGNMENT))
    file.flush()


def unpack(buffer: Buffer) -> tuple[Panel, Sample | None, Cells, str]:
    """What was packed; the panel is made of views of the buffer, and the sample may be its own."""
    length = int.from_bytes(buffer[:8].tobytes(), "little")
    header = json.loads(buffer[8 : 8 + length].tobytes())
    arrays: dict[str, dict[str, Any]] = {}
    for role, name, dtype, shape, place in header["arrays"]:
        start, count = 8 + length + place, int(np.prod(shape))
        raw = buffer[start : start + count * np.dtype(dtype).itemsize]
        arrays.setdefault(role, {})[name] = raw.view(dtype).reshape(shape)
    splits, settings = header["splits"], header["settings"]
    axis = arrays["axis"]
    panel = Panel(
        dates=axis["dates"],
        symbols=axis["symbols"],
        columns=arrays["column"],
        universe=axis["universe"],
        groups=arrays.get("group", {}),
        group_names={k: tuple(v) for k, v in settings["group_names"].items()},
        units={k: None if v is None else Unit(*v) for k, v in settings["units"].items()},
        label_spec=LabelSpec(**header["label"]),
        splits=splits and _splits(splits),
        started=axis.get("started"),
        min_names=settings["min_names"],
        name=settings["name"],
    )
    sample, label = panel.sample(), axis.get("train")
    train = None if label is None else replace(sample, label=label)
    return panel, train, Cells(train or sample, *header["cells"]), header["backend"]


def _parts(panel: Panel, train: Sample | None) -> Iterator[tuple[str, str, npt.NDArray[Any]]]:
    yield "axis", "dates", panel.dates
    yield "axis", "symbols", panel.symbols
    yield "axis", "universe", panel.universe
    if panel.started is not None:
        yield "axis", "started", panel.started
    if train is not None:
        yield "axis", "train", train.label
    for role, arrays in (("column", panel.columns), ("group", panel.groups)):
        for name, array in arrays.items():
            yield role, name, array


def _settings(panel: Panel) -> dict[str, Any]:
    return {
        "name": panel.name,
        "min_names": panel.min_names,
        "group_names": {k: list(v) for k, v in panel.group_names.items()},
        "units": {k: u and [u.price, u.share, u.role] for k, u in panel.units.items()},
    }


def _splits(found: Mapping[str, Any]) -> Splits:
    rows = {name: found[name] and tuple(found[name]) for name in ("train", "valid", "test")}
    return Splits(**rows, gap=found["gap"])
