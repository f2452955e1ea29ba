"""`am.export` and `am.load_bundle`: a directory that computes a signal without alphamine."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.errors import AlphamineError, DataError, nearest
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.models.fitted import sha256
from alphamine.pool.alpha_pool import AlphaPool
from alphamine.runs.library import BY_MODEL, FittedPool

from .golden import golden, last_days, made_up, prices, single_precision
from .numpy_target import MODEL_FILES
from .readme import readme
from .spec import JSON_SCHEMA, check, describe, encoded
from .targets import EXPORTERS, Request

if TYPE_CHECKING:
    import pandas as pd

    from alphamine.data.panel import Panel

OWN_FILES: Final = frozenset(
    [
        "__init__.py",
        "__main__.py",
        "README.md",
        "golden.npz",
        "golden_input.parquet",
        "golden_output.parquet",
        "readers.py",
        "spec.json",
        "spec.schema.json",
        "test_equivalence.py",
    ]
)
"""Files of every bundle, beside those of its targets."""
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
# The signal is at most so far from the reference on the golden input.
TOLERANCE: Final = 1e-9
# What a model makes of formulas, only these can say.
BY_MODEL_TARGETS: Final = ("numpy", "latex")


@dataclass(frozen=True, slots=True)
class Bundle:
    """An exported signal, as it lies on disk.

    Attributes
    ----------
    directory : Path
    spec : dict
        What `spec.json` says.
    pool : AlphaPool
        What was exported.
    """

    directory: Path
    spec: dict[str, Any]
    pool: AlphaPool

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.spec["targets"])

    def signal(self, panel: Panel) -> npt.NDArray[np.floating]:
        """The signal (T, N) on a panel, by our engine in double precision."""
        return self.pool.signal(panel, "float64")

    def prices(self, panel: Panel) -> pd.DataFrame:
        """A panel as the bundle's command reads it, for the first days of a production.

        A row for each date and symbol since it is listed, in order of date: `date`, `symbol`, the
        inputs in double precision (prices as adjusted as the panel's), groups by their labels, and
        `universe`.

        Raises
        ------
        AlphamineError
            If the panel has not all inputs.
        """
        return prices(panel, self.pool)

    def __repr__(self) -> str:
        return f"<bundle {self.spec['name']} in {self.directory}: {', '.join(self.targets)}>"


def export(
    source: AlphaPool | Node | str,
    directory: str | PathLike[str],
    targets: Sequence[str] = ("numpy", "pandas"),
    *,
    panel: Panel | None = None,
    min_periods: Any = None,
) -> Bundle:
    """Write a pool or a formula as a directory that computes it without alphamine.

    The directory is a package: code for each target that imports nothing of ours, `spec.json`,
    golden input and output, a test that compares them, a README and a command (`python -m
    DIRECTORY compute --input prices.parquet --output signal.parquet`). It is written whole or not
    at all.

    Parameters
    ----------
    source : AlphaPool, Node or str
        For instance `run.pool` or `run.library`. Text is a formula. A library that a linear model
        combines is written as the weighted sum that it is; one by LightGBM with its trees beside
        the code, for the targets "numpy" and "latex".
    directory : path
        Must not exist. Its name is that of a Python package.
    targets : sequence of str
        Of "numpy", "pandas", "polars", "duckdb", "streaming", "qlib", "latex".
    panel : Panel, optional
        Whose last days become the golden input; made up by default.
    min_periods : "full", int or float
        Observations that a window of a formula needs, all by default; a pool has its own.

    Returns
    -------
    Bundle

    Raises
    ------
    AlphamineError
        If a target has no template of an operator (nothing is approximated), min_periods is not
        the pool's own, or the directory cannot be written.
    """
    pool = _pool(source, panel, min_periods)
    chosen = _chosen(targets)
    _require_sayable(pool, chosen)
    path = _path(directory)
    if path.exists():
        raise DataError(f"a bundle is written to a new directory, but {path} exists; remove it")
    if not path.name.isidentifier():
        raise DataError(
            f"a bundle is a Python package, but {path.name!r} is no name of one; use letters, "
            "digits and underscores"
        )
    content = _content(pool, path.name, chosen, panel)
    _write(path, content)
    return load_bundle(path)


def load_bundle(directory: str | PathLike[str]) -> Bundle:
    """Open an exported signal.

    Parameters
    ----------
    directory : path
        What `export` has written.

    Raises
    ------
    AlphamineError
        If it is no bundle, of a newer schema, or a file was changed after the export.
    """
    path = _path(directory)
    try:
        spec = check(json.loads((path / "spec.json").read_text(encoding="utf-8")))
        for name, expected in spec["files"].items():
            if sha256((path / name).read_bytes()) != expected:
                raise DataError(f"{path / name} was changed after the export; export again")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no whole bundle: {error}; export again") from None
    by_model = spec["pool"]["standardisation"] == BY_MODEL
    pool = (FittedPool if by_model else AlphaPool).from_dict(spec["pool"])
    return Bundle(path, spec, pool)


def _path(directory: object) -> Path:
    if not isinstance(directory, str | PathLike):
        raise DataError(
            "a bundle is a directory, such as 'bundles/first_signal', but got "
            f"{type(directory).__name__}"
        )
    return Path(directory)


def _pool(source: AlphaPool | Node | str, panel: Panel | None, min_periods: Any) -> AlphaPool:
    if isinstance(source, str):
        source = parse(source, fields=None if panel is None else panel.schema)
    if isinstance(source, Node):
        return AlphaPool.of(source, min_periods="full" if min_periods is None else min_periods)
    if not isinstance(source, AlphaPool):
        raise AlphamineError(
            f"what is exported is a pool, such as run.pool, or a formula, but got "
            f"{type(source).__name__}"
        )
    if min_periods not in (None, source.min_periods):
        raise AlphamineError(
            f"a pool is exported as it was judged, with its min_periods of {source.min_periods!r}, "
            f"but got min_periods {min_periods!r}; leave it out, or export a formula"
        )
    if not len(source):
        raise AlphamineError("an empty pool has no signal to export; search longer")
    linear = source.linear if isinstance(source, FittedPool) else None
    return source if linear is None else linear


def _chosen(targets: Sequence[str]) -> list[str]:
    if isinstance(targets, str) or not isinstance(targets, Sequence):
        raise AlphamineError(f'targets are a list such as ["pandas"], but got {targets!r}')
    for target in targets:
        if target not in EXPORTERS:
            raise AlphamineError(
                f"the targets are {', '.join(EXPORTERS)}, but got {target!r}"
                f"{nearest(target, EXPORTERS)}"
            )
    if not targets:
        raise AlphamineError(f"an export has at least one target of {', '.join(EXPORTERS)}")
    return [target for target in EXPORTERS if target in targets]


def _require_sayable(pool: AlphaPool, targets: list[str]) -> None:
    """Refuse targets that cannot say what a model makes of the formulas."""
    if not isinstance(pool, FittedPool):
        return
    name = pool.model.name
    if name not in MODEL_FILES:
        raise AlphamineError(
            f"exported code computes pools that {', '.join(MODEL_FILES)} or a linear model "
            f"combines, but this one is combined by {name}; its file is in "
            "`run.library.model.files()`, which PyTorch reads"
        )
    if foreign := [target for target in targets if target not in BY_MODEL_TARGETS]:
        raise AlphamineError(
            f"the target {foreign[0]!r} cannot say what {name} makes of the formulas; those that "
            f"can are {', '.join(BY_MODEL_TARGETS)}"
        )


def _content(
    pool: AlphaPool, name: str, targets: list[str], panel: Panel | None
) -> dict[str, bytes]:
    """Every file by its name."""
    text: dict[str, str] = {}
    for target in targets:
        for file, body in EXPORTERS[target](Request(pool, name, panel)).items():
            if file in text or file in OWN_FILES or not FILE_NAME.fullmatch(file):
                raise AlphamineError(
                    f"files of a bundle have plain names of their own, but the target {target!r} "
                    f"has one called {file!r}"
                )
            text[file] = body
    kits = files("alphamine.exporters.kits")
    text["__init__.py"] = f'"""{pool}: see README.md."""\n'
    text["__main__.py"] = (kits / "command.py").read_text(encoding="utf-8")
    text["readers.py"] = (kits / "readers.py").read_text(encoding="utf-8")
    text["test_equivalence.py"] = (kits / "equivalence.py").read_text(encoding="utf-8")
    text["spec.schema.json"] = encoded(JSON_SCHEMA)
    days = made_up(pool) if panel is None else last_days(panel, pool)
    spec = describe(pool, targets)
    spec["settings"]["agreement_with_float32"] = single_precision(days, pool)
    text["README.md"] = readme(spec)
    content = {name: body.encode() for name, body in text.items()}
    if isinstance(pool, FittedPool):
        content[MODEL_FILES[pool.model.name]] = pool.model.content
    content |= golden(days, pool)
    spec["files"] = {name: sha256(body) for name, body in sorted(content.items())}
    return content | {"spec.json": encoded(spec).encode()}


def _write(path: Path, content: dict[str, bytes]) -> None:
    """All files or none: a directory beside it is filled and then renamed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            for name, body in content.items():
                (part / name).write_bytes(body)
            part.chmod(0o755)
            os.rename(part, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}; choose another directory") from None
