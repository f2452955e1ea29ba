"""Every searcher on four markets, raw and residual: `alphamine compare jobs/compare_markets.yaml`.

    python -m benchmarks.markets RUN_DIR      # hours on one core; runs that are there are kept

The command is run as its users run it, test splits opened at its end; what it prints goes to
`markets.json`, and the table to `README.md`.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import alphamine as am

from .tables import table, write_readme

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "markets.json"
JOB: Final = HERE.parent / "jobs" / "compare_markets.yaml"
COLUMNS: Final[Mapping[str, tuple[str, float, str]]] = {
    "valid_raw_rank_ic": ("rank IC on valid, times 100", 100.0, ".2f"),
    "test_raw_rank_ic": ("rank IC on test, times 100", 100.0, ".2f"),
    "valid_rank_ic": ("residual rank IC on valid, times 100", 100.0, ".2f"),
    "test_rank_ic": ("residual rank IC on test, times 100", 100.0, ".2f"),
    "recovery": ("recovered", 1.0, ".3f"),
    "delivered": ("delivered", 1.0, ".3f"),
    "survivors": ("members that survive", 1.0, ".1f"),
    "confirmed": ("and are confirmed on valid", 1.0, ".1f"),
}
RAW: Final = {"valid_raw_rank_ic": "valid_rank_ic", "test_raw_rank_ic": "test_rank_ic"}


def compared(folder: Path) -> dict[str, Any]:
    """What the command prints, with the CPU hours of its searches, less the paths of the runs."""
    command = [sys.executable, "-m", "alphamine.cli", "compare", str(JOB), "--reveal", "--json"]
    done = subprocess.run(
        [*command, "--run-dir", str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    said = json.loads(done.stdout)
    seconds = 0.0
    for rows in said["markets"].values():
        for row in rows:
            seconds += sum(am.open_run(Path(run)).record.seconds for run in row.pop("runs"))
    return {"budget": said["budget"], "markets": said["markets"], "hours": seconds / 3600.0}


def markets_section(results: dict[str, Any]) -> str:
    """One row a market and searcher; a raw label's only rank IC stands in the columns of raw."""
    found, rows = results["markets"], []
    for market, searchers in found["markets"].items():
        for row in searchers:
            raw = "valid_raw_rank_ic" not in row
            estimates = {n: row.get(RAW.get(n, "") if raw else n, row.get(n)) for n in COLUMNS}
            if raw:
                estimates |= dict.fromkeys(RAW.values())
            cells = [_cell(estimates[n], *COLUMNS[n][1:]) for n in COLUMNS]
            rows.append([f"{market}, {row['searcher']}", *cells])
    return table(["", *(title for title, *_ in COLUMNS.values())], rows)


def _cell(estimate: Mapping[str, float] | None, scale: float, form: str) -> str:
    if estimate is None:
        return "-"
    half = estimate["half_width"]
    shown = format(scale * estimate["mean"], form)
    return shown if half is None or math.isnan(half) else f"{shown} ± {scale * half:{form}}"


def main() -> None:
    """Run the comparison; write `markets.json` and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.markets", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the runs are kept")
    results = {"markets": compared(parser.parse_args().folder)}
    RESULTS.write_text(json.dumps(results["markets"], indent=1) + "\n", "utf-8")
    write_readme(results, HERE / "README.md", {"markets": markets_section})


if __name__ == "__main__":
    main()
