"""The README of a bundle, for whoever runs it."""

from __future__ import annotations

from typing import Any


def readme(spec: dict[str, Any]) -> str:
    """Text for people who have never seen alphamine."""
    provenance = spec["pool"]["provenance"]
    rows = [
        f"| {field['name']} | {field['kind']} | {field['unit'] or 'any'} | {field['history']} |"
        for field in spec["inputs"]
    ]
    formulas = [
        f"{i}. `{f['canonical']}`, weight {f['weight']:.6g}"
        + (f" ({f['verdict']})" if f["verdict"] else "")
        for i, f in enumerate(spec["formulas"], start=1)
    ]
    source = [
        f"- {name}: {provenance[name]}"
        for name in (
            "name",
            "run",
            "searcher",
            "seed",
            "trials",
            "trials_on_dataset",
            "test_openings",
            "version",
        )
        if provenance.get(name) is not None
    ] or ["- a single formula, exported by hand"]
    return "\n".join([
        f"# {spec['name']}", "",
        "This directory computes a signal from daily prices. It needs no alphamine: pandas (with "
        "pyarrow), Polars, DuckDB, or numpy (with pyarrow) is enough. Targets here: "
        f"{', '.join(spec['targets'])}.", "",
        "## Compute a day", "",
        "From the directory that holds this one:", "", "```",
        "python -m BUNDLE compute --input prices.parquet --output signal.parquet --date 2026-11-27",
        "```", "",
        "BUNDLE is the name of this directory. Without `--date` every day with enough history is "
        "computed. Exit code 2 and one line on stderr say what is wrong with the input; nothing is "
        "written then.", "",
        "## Input", "",
        "Parquet with a row for each date and symbol, in order of date, and the columns `date`, "
        "`symbol`, `universe` (bool) and:", "",
        "| column | kind | unit | days of history |", "|---|---|---|---|", *rows, "",
        f"A day's signal reads {spec['lookback']} days before it. {spec['universe']}", "",
        "## Output", "", "`date`, `symbol`, `signal`; a higher signal is a higher forecast. "
        f"Standardisation of the formulas: {spec['settings']['standardisation']}; min_periods: "
        f"{spec['settings']['min_periods']}. {spec['settings']['missing']}.", "",
        "## Is it still right?", "", "```", "python BUNDLE/test_equivalence.py", "```", "",
        "compares the code with `golden_output.parquet` to 1e-9, missing cells included; "
        "`python -m BUNDLE verify` checks that no file was changed.", "",
        "## Formulas", "", *formulas, "", "## Where it comes from", "", *source, "",
        "`spec.json` has the rest (schema: `spec.schema.json`).", "",
    ])  # fmt: skip
