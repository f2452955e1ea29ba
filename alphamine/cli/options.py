"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import typer

DATA: Final = "Dataset: a YAML file, a name (`alphamine data list`), or a CSV or Parquet file."
Data = Annotated[str, typer.Option(metavar="SPEC", help=DATA)]
OptionalData = Annotated[str | None, typer.Option("--data", metavar="SPEC", help=DATA)]
Universe = Annotated[
    str | None, typer.Option(help="Universe of the specification to use, for instance CSI300.")
]
Horizon = Annotated[int | None, typer.Option(help="Rows that the label holds.")]
Delay = Annotated[
    int | None, typer.Option(help="Rows between signal and entry; 0 must be asked for.")
]
Price = Annotated[str | None, typer.Option(help="Field of the entry and exit price.")]
Residual = Annotated[
    str | None,
    typer.Option(
        metavar="default|NAMES",
        help="Target: what styles and groups leave of factor and label (default: all styles and "
        "the sector), or names such as size,beta,sector.",
    ),
]
Splits = Annotated[
    Literal["spec", "none"] | None,
    typer.Option(help="Splits of the specification (default), or none at all."),
]
Dialect = Annotated[
    str, typer.Option(help="Language of the formula: brain, alpha101, qlib or alphagen.")
]
Seconds = Annotated[
    float | None, typer.Option(help="Stop after so much searching at latest, breaks apart.")
]
Tokens = Annotated[int | None, typer.Option(help="Stop when a language model was sent so many.")]
Money = Annotated[float | None, typer.Option(help="Stop when a language model has cost so much.")]
Islands = Annotated[
    str | None,
    typer.Option(
        metavar="auto|none|N",
        help="Searches side by side that share the budget; auto: one for each 5,000 formulas.",
    ),
]
Distil = Annotated[
    Literal["reproduction", "none"] | None,
    typer.Option(help="The islands' average in as many formulas as a pool holds, or in all."),
]
Executor = Annotated[
    Literal["serial", "processes", "ray"] | None,
    typer.Option(help="Who evaluates; the run is the same for all."),
]
Workers = Annotated[
    int | None, typer.Option(help="Worker processes; one per processor by default.")
]
Address = Annotated[str | None, typer.Option(help="Ray cluster; this machine by default.")]
Backend = Annotated[
    str | None, typer.Option(help="Engine: auto (default), cpu, reference, or a plug-in's.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Library = Annotated[
    bool,
    typer.Option(
        "--library",
        help="Of a run: its library by the fitted model (rd_loop), not the pool by its weights.",
    ),
]
SingleFile = Annotated[
    bool,
    typer.Option(
        "--single-file",
        help="The page holds the library that draws its figures (5 MB), and can be sent alone.",
    ),
]


def number_or_word(text: str | None) -> int | str | None:
    """A whole number, or what is none as it is: a job's form says what it may be."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else text
