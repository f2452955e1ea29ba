"""`alphamine doctor`: what this installation has."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import options
from .output import console, print_json

_REQUIRED = ("numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "typer", "rich", "jinja2",
             "plotly", "sympy")  # fmt: skip
_OPTIONAL = {"duckdb": "sql", "polars": "polars"}


def doctor(json: options.Json = False) -> None:
    """Print versions, the backend and the data that was found."""
    facts = _facts()
    if json:
        print_json(facts)
        return
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("alphamine", facts["alphamine"])
    table.add_row("python", facts["python"])
    table.add_row("backend", facts["backend"])
    table.add_row("cores", str(facts["cores"]))
    for name, found in facts["packages"].items():
        extra = _OPTIONAL.get(name)
        hint = f" (optional: pip install 'alphamine[{extra}]')" if extra else ""
        table.add_row(name, found or "missing" + hint)
    table.add_row("data folder", facts["data"]["folder"])
    table.add_row("datasets", ", ".join(facts["data"]["datasets"]) or "none found there")
    console().print(table)


def _facts() -> dict[str, Any]:
    from alphamine.version import __version__

    folder = Path(os.environ.get("ALPHAMINE_DATA", "../shared/data"))
    found = sorted(p.parent.name for p in folder.glob("*/prices.parquet"))
    return {
        "alphamine": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "backend": _backend(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in (*_REQUIRED, *_OPTIONAL)},
        "data": {"folder": str(folder), "datasets": found},
    }


def _backend() -> str:
    from alphamine.engine.native import load

    library = load()
    if library is None:
        return "numpy reference"
    return f"kernel library, {library.name}, {len(library.kernels())} kernels"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
