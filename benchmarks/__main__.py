"""Measure, write `results.json` and the tables in `README.md`."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from .environment import machine
from .peers import OURS, PEERS, running
from .qweave import measured as qweave
from .suites import SMALL, SUITES, Bench
from .tables import Results, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
# One needs an environment of its own, and keeps the facts of its run.
ALL = {**SUITES, "qweave": qweave}


def main() -> None:
    """Run the suites that were asked for; figures of the others are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*ALL, "tables"], default=list(ALL))
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, nothing written")
    parser.add_argument(
        "--environments",
        type=Path,
        default=HERE.parent / "build",
        help="folder of the peers' environments; made from the package index if absent",
    )
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    suites = [name for name in asked.only if name in ALL]
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(asked.environments, Path(scratch), asked.quick)
        if any(name in SUITES for name in suites):
            results |= _facts(bench)
        for name in suites:
            print(name, flush=True)
            # A suite that had to be skipped leaves the figures that there are.
            results[name] = ALL[name](bench) or results.get(name, {})
            if not asked.quick:
                RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if not asked.quick:
        write_readme(results, HERE / "README.md")


def _facts(bench: Bench) -> Results:
    """The machine, and the versions of the peers that share an environment."""
    found = {"machine": machine()}
    with running((OURS, *PEERS), bench.python, bench.panel(SMALL, 0.0)) as peers:
        facts = [peer.ask("facts") for peer in peers]
    return {**found, "versions": {k: v for fact in facts for k, v in fact.items()}}


if __name__ == "__main__":
    main()
