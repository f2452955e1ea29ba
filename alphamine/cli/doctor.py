"""`alphamine doctor`: what this installation has."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from alphamine.extras import OPTIONAL
from alphamine.llm.redact import redacted

from . import options
from .output import console, print_json, print_table

REQUIRED = (
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "scipy",
    "typer",
    "rich",
    "jinja2",
    "plotly",
    "sympy",
    "safetensors",
)


def doctor(
    json: options.Json = False,
    llm: Annotated[
        str | None, typer.Option(metavar="JOB", help="Job file whose language model to check.")
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask that model one question, which may cost money.")
    ] = False,
) -> None:
    """Print versions, the backend, what optional packages are for, and the data that was found."""
    facts = _facts()
    if llm is not None:
        facts["llm"] = _model(Path(llm), ask)
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
        table.add_row(name, _described(name, found))
    table.add_row("panel cache", facts["cache"] or "off")
    folder, datasets = facts["data"]["folder"], facts["data"]["datasets"]
    table.add_row(
        "data folder", folder or "none; ALPHAMINE_DATA names the folder of the real panels"
    )
    if folder:
        table.add_row("datasets", ", ".join(datasets) or "none found there")
    for name, found in facts.get("llm", {}).items():
        table.add_row(f"llm {name}", str(found))
    print_table(console(), table)


def _model(job: Path, ask: bool) -> dict[str, Any]:
    """What can be said of a job's language model, with one question at most.

    Raises
    ------
    AlphamineError
        If a setting, the key or the package is missing, or the server refuses.
    """
    from alphamine.jobs.config import read_job
    from alphamine.llm.base import ChatRequest, Message
    from alphamine.llm.client import Client
    from alphamine.llm.settings import LLMSettings

    chosen = LLMSettings.of({**read_job(job, {}).llm, "max_calls": 1, "mode": "off", "retries": 0})
    client = Client(chosen)
    found = {
        "endpoint": redacted(chosen.url),
        "model": chosen.model,
        "prices": "known" if chosen.priced else "unknown: budgets in calls and tokens only",
        "answers": "not asked; --ask puts one question",
        "form": "not known before it is asked",
    }
    if ask:
        schema = {
            "type": "object",
            "properties": {"ok": {"type": "boolean"}},
            "required": ["ok"],
            "additionalProperties": False,
        }
        words = Message("user", 'Answer with the JSON object {"ok": true}.')
        answer = client.ask(ChatRequest(chosen.model, (words,), schema, client.temperature, 64))
        found["answers"] = repr(answer.text[:60])
        found["form"] = client.capability
        found["tokens"] = str(answer.usage.tokens)
    return found


def _described(name: str, found: str | None) -> str:
    """The version of a package; of an optional one, what it is for and how to get it."""
    if name not in OPTIONAL:
        return found or "missing"
    extra, purpose = OPTIONAL[name]
    how = "" if found else f": pip install 'alphamine[{extra}]'"
    return f"{found or 'missing'} (optional, for {purpose}{how})"


def _facts() -> dict[str, Any]:
    from alphamine.data.paths import cache_folder
    from alphamine.version import __version__

    folder = Path(os.environ.get("ALPHAMINE_DATA", "../shared/data"))
    cache = cache_folder()
    return {
        "alphamine": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "backend": _backend(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in (*REQUIRED, *OPTIONAL)},
        "cache": None if cache is None else str(cache),
        "data": {
            "folder": str(folder) if folder.is_dir() else None,
            "datasets": sorted(p.parent.name for p in folder.glob("*/prices.parquet")),
        },
    }


def _backend() -> str:
    from alphamine.engine.base import kernel_library

    library = kernel_library("auto")
    if library is None:
        return "numpy reference"
    return f"kernel library, {library.name}, {len(library.kernels())} kernels"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
