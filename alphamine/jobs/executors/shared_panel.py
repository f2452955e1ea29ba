"""A panel as one run of bytes that other processes map or share, without copies of it.

Eight bytes that give the length of the header, the header (JSON), and the arrays, each where its
elements are aligned. What comes out scores as the panel did, to the last bit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.residual import Projection
from alphamine.data.splits import Sample, Splits
from alphamine.engine.base import FLOAT32
from alphamine.engine.cells import Cells
from alphamine.engine.shared import Shared
from alphamine.engine.storage import PanelArrays
from alphamine.jobs.scorer import Scorer
from alphamine.operators import Unit

Buffer = npt.NDArray[np.uint8]
_ALIGNMENT: Final = 64
# An array by role and name: its type and shape, and how to come by it.
_Part = tuple[str, str, np.dtype[Any], tuple[int, ...], Callable[[], npt.NDArray[Any]]]


def pack(file: IO[bytes], scorer: Scorer, cells: Cells) -> None:
    """Write all that a worker needs to score as this scorer does, array by array.

    The panel, the samples with their labels, the fields as the kernel library reads them (so that
    workers share these, too), the kind of cells and the backend.
    """
    panel = scorer.panel
    samples = [sample for sample in (scorer.train, scorer.valid) if sample is not None]
    parts = [*_parts(panel), *_labels(samples), *_padded(panel)]
    items, place = [], 0
    for role, name, dtype, shape, _ in parts:
        items.append([role, name, dtype.str, shape, place])
        place += -(-_size(dtype, shape) // _ALIGNMENT) * _ALIGNMENT
    header = json.dumps(
        {
            "arrays": items,
            "samples": [[s.name, s.rows.start, s.rows.stop, s.panel.shape[0]] for s in samples],
            "settings": _settings(panel),
            "label": panel.label_spec.to_dict(),
            "splits": panel.splits and asdict(panel.splits),
            "projections": {s.name: s.projection.header for s in samples if s.projection},
            "cells": [cells.series, cells.labelled],
            "backend": scorer.backend,
        }
    ).encode()
    header += b" " * (-(8 + len(header)) % _ALIGNMENT)
    file.write(len(header).to_bytes(8, "little") + header)
    for *_, array_of in parts:
        array = np.ascontiguousarray(array_of())
        file.write(array.reshape(-1).view(np.uint8).data)
        file.write(b"\0" * (-array.nbytes % _ALIGNMENT))
    file.flush()


def unpack(buffer: Buffer, threads: int) -> tuple[Scorer, Cells]:
    """The scorer that was packed, made of views of the buffer, and the cells."""
    length = int.from_bytes(buffer[:8].tobytes(), "little")
    header = json.loads(buffer[8 : 8 + length].tobytes())
    arrays: dict[str, dict[str, Any]] = {}
    for role, name, dtype, shape, place in header["arrays"]:
        start = 8 + length + place
        raw = buffer[start : start + _size(np.dtype(dtype), shape)]
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
    train, *late = (
        Sample(
            replace(panel.rows(rows), splits=None),
            slice(start, stop),
            arrays["label"][name],
            name,
            _projection(header["projections"].get(name), arrays.get(f"projection {name}", {})),
        )
        for name, start, stop, rows in header["samples"]
    )
    # Kernels read whole cache lines. Where a cluster's store begins between two of them, a worker
    # makes copies of its own.
    lines = {k: a for k, a in arrays["padded"].items() if a.ctypes.data % _ALIGNMENT == 0}
    shared = Shared(panel, FLOAT32, lines)
    valid = late[0] if late else None
    scorer = Scorer.on(panel, train, valid, threads, header["backend"], shared)
    return scorer, Cells(train, *header["cells"])


def _size(dtype: np.dtype[Any], shape: Sequence[int]) -> int:
    return math.prod(shape) * dtype.itemsize


def _parts(panel: Panel) -> Iterator[_Part]:
    yield _there("axis", "dates", panel.dates)
    yield _there("axis", "symbols", panel.symbols)
    yield _there("axis", "universe", panel.universe)
    if panel.started is not None:
        yield _there("axis", "started", panel.started)
    for role, arrays in (("column", panel.columns), ("group", panel.groups)):
        for name, array in arrays.items():
            yield _there(role, name, array)


def _labels(samples: Sequence[Sample]) -> Iterator[_Part]:
    for sample in samples:
        yield _there("label", sample.name, sample.label)
        for name, array in sample.projection.arrays.items() if sample.projection else ():
            yield _there(f"projection {sample.name}", name, array)


def _projection(header: dict[str, Any] | None, arrays: dict[str, Any]) -> Projection | None:
    return None if header is None else Projection(**arrays, **header)


def _there(role: str, name: str, array: npt.NDArray[Any]) -> _Part:
    return role, name, array.dtype, array.shape, lambda: array


def _padded(panel: Panel) -> Iterator[_Part]:
    """One array at a time is made of these, written and forgotten."""
    arrays = PanelArrays(panel, FLOAT32)
    shape = (arrays.rows, arrays.stride)
    for name, make in arrays.prepare().items():
        codes = name.removeprefix("field ") in panel.groups and name.startswith("field ")
        yield "padded", name, np.dtype(np.int32) if codes else FLOAT32, shape, make


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
