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
Horizon = Annotated[int | None, typer.Option(help="Holding period of the label, in rows.")]
Delay = Annotated[
    int | None,
    typer.Option(
        help="Rows between signal and entry; 0 trades at the price that the signal has seen."
    ),
]
Price = Annotated[str | None, typer.Option(help="Price field of entry and exit.")]
Residual = Annotated[
    str | None,
    typer.Option(
        metavar="default|NAMES",
        help="Target the residual of factor and label on styles and groups (default: all styles "
        "and the sector), or on some, such as size,beta,sector.",
    ),
]
Splits = Annotated[
    Literal["spec", "none"] | None,
    typer.Option(help="spec: the splits of the specification (default); none: no splits."),
]
Dialect = Annotated[
    str, typer.Option(help="Syntax of the formula: brain, alpha101, qlib or alphagen.")
]
Seconds = Annotated[
    float | None, typer.Option(help="Time limit of the search in seconds, pauses excluded.")
]
Tokens = Annotated[
    int | None, typer.Option(help="Limit of language-model tokens, prompts and completions.")
]
Money = Annotated[float | None, typer.Option(help="Limit of what language-model calls cost.")]
Islands = Annotated[
    str | None,
    typer.Option(
        metavar="auto|none|N",
        help="Independent searches that share the budget; auto: one per 5,000 formulas.",
    ),
]
Distil = Annotated[
    Literal["reproduction", "none"] | None,
    typer.Option(
        help="reproduction: distil the average of the islands into one pool; none: keep all."
    ),
]
Executor = Annotated[
    Literal["serial", "processes", "ray"] | None,
    typer.Option(help="Where formulas are evaluated; results are the same."),
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
        help="Of a run of rd_loop: its library with the fitted model, not the weighted pool.",
    ),
]
SingleFile = Annotated[
    bool,
    typer.Option(
        "--single-file",
        help="Embed the plotting library (5 MB), so that the page can be sent alone.",
    ),
]


def number_or_word(text: str | None) -> int | str | None:
    """A whole number, or what is none as it is: a job's form says what it may be."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else text
