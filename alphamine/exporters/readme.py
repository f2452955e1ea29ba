"""The README of a bundle, for whoever runs it."""

from __future__ import annotations

from typing import Any

from .kits.command import LEAST


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
        f"pyarrow), Polars ({LEAST['polars']} or later), DuckDB ({LEAST['duckdb']} or later) or "
        "numpy (with pyarrow) is enough. Targets here: "
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
        *_prices(spec),
        "## Output", "", "`date`, `symbol`, `signal`; a higher signal is a higher forecast. "
        f"Standardisation of the formulas: {spec['settings']['standardisation']}; min_periods: "
        f"{spec['settings']['min_periods']}. {spec['settings']['missing']}.", "",
        "It is computed in double precision. Searches judge values that are stored in single "
        "precision: where formulas rank numbers that are equal up to rounding, the two order them "
        f"differently. On the golden days their ranks correlate by {_agreement(spec)}.", "",
        "## Is it still right?", "", "```", "python BUNDLE/test_equivalence.py", "```", "",
        "compares the code with `golden_output.parquet` to 1e-9, missing cells included; "
        "`python -m BUNDLE verify` checks that no file was changed.", "",
        *_others(spec["targets"]),
        "## Formulas", "", *formulas, "", "## Where it comes from", "", *source, "",
        "`spec.json` has the rest (schema: `spec.schema.json`).", "",
    ])  # fmt: skip


def _prices(spec: dict[str, Any]) -> list[str]:
    """What prices have to be, if any are read."""
    if not any(field["unit"] == "price" for field in spec["inputs"]):
        return []
    dataset = spec["pool"]["provenance"].get("panel", {}).get("name")
    text = (
        "Prices are adjusted for splits and dividends, so that days are comparable, and so are "
        f"those of the {f'dataset {dataset!r}' if dataset else 'panel'} that the formulas were "
        "found on: a split that is not adjusted for is a loss to them. Where they compare prices "
        "of different names, it also matters on which day adjusted prices are those traded."
    )
    return [text, ""]


def _others(targets: list[str]) -> list[str]:
    """What the targets are for that compute from no file."""
    lines: list[str] = []
    if "streaming" in targets:
        lines += [
            "## Day by day",
            "",
            "```python",
            "from BUNDLE.signal_streaming import Stream",
            "",
            'stream = Stream()  # or Stream.load("state.npz")',
            "signal = stream.append(date, symbols, fields, universe)",
            'stream.save("state.npz")',
            "```",
            "",
            "One day in, its signal out; the values are those of all days at once.",
            "",
        ]
    if "qlib" in targets:
        lines += [
            "## In qlib",
            "",
            "```",
            "QLIB_DATA=DIR QLIB_MARKET=csi300 qrun BUNDLE/qlib_workflow.yaml",
            "```",
            "",
            "`qlib_factors.json` says which formulas are expressions of qlib; "
            "`qlib_handler.py` computes the others, and the pool's signal.",
            "",
        ]
    return lines


def _agreement(spec: dict[str, Any]) -> str:
    found = spec["settings"]["agreement_with_float32"]
    return "no number, for want of names" if found is None else f"{found:.4f}"
