"""`alphamine init [DIR]`: a specification, a job and a notebook to start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import alphamine.shipped as shipped
from alphamine.errors import AlphamineError

from . import options, starter
from .output import console, print_json

if TYPE_CHECKING:
    from alphamine.data.dataset.draft import Question


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Created if it does not exist.")
    ] = Path("."),
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your prices, CSV or Parquet: the header fills the spec."
        ),
    ] = None,
    notebooks: Annotated[
        bool, typer.Option("--notebooks", help="Also copy the notebooks that come with alphamine.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Write a dataset specification, a job and a notebook; nothing that exists is overwritten."""
    name, text, questions = _specification(folder, data)
    texts = {
        name: text,
        "search.yaml": starter.job(name),
        "first_factor.ipynb": starter.notebook(name),
    }
    if notebooks:
        for path in sorted(shipped.folder("notebooks").glob("*.ipynb")):
            texts[f"notebooks/{path.name}"] = path.read_text(encoding="utf-8")
    _write(folder, texts)
    if json:
        print_json(
            {"directory": str(folder), "files": list(texts), "open": [str(q) for q in questions]}
        )
    else:
        _say(folder, texts, name, questions, data)


def _specification(folder: Path, data: Path | None) -> tuple[str, str, tuple[Question, ...]]:
    """Name and text of the specification, and what its file leaves open."""
    if data is None:
        return "prices.yaml", starter.empty_spec(), ()
    from alphamine.data.paths import table_kind

    if table_kind(data) is None:
        raise AlphamineError(
            f"--data takes a CSV or Parquet file of prices, but got {data}; of qlib directories "
            "and DuckDB queries `alphamine data list` names specifications to copy"
        )
    from alphamine.data.dataset.draft import draft

    found = draft(data, folder)
    return f"{data.name.split('.')[0] or 'prices'}.yaml", found.text, found.questions


def _write(folder: Path, texts: dict[str, str]) -> None:
    if there := [name for name in texts if os.path.lexists(folder / name)]:
        raise AlphamineError(
            f"init overwrites nothing, but {folder / there[0]} exists; give another directory: "
            "`alphamine init DIR`"
        )
    try:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise AlphamineError(f"init cannot write to {folder}: {error}") from None


def _say(
    folder: Path,
    texts: dict[str, str],
    name: str,
    questions: tuple[Question, ...],
    data: Path | None,
) -> None:
    screen = console()
    screen.print(f"written to {folder}: {', '.join(texts)}", soft_wrap=True)
    for question in questions:
        screen.print(f"still open in {name}: {question}", soft_wrap=True)
    if data is None:
        screen.print(
            f"put your prices beside {name} as prices.csv, or say in it where they are; "
            "`alphamine init --data FILE` fills it from the header of FILE",
            soft_wrap=True,
        )
    spec, job = folder / name, folder / "search.yaml"
    formula = "rank(-ts_returns(close, 5))"
    for command in (
        f"alphamine data check {spec}",
        f"alphamine evaluate '{formula}' --data {spec}",
        f"alphamine search {job}",
    ):
        screen.print(f"  {command}", soft_wrap=True)
