"""Measure, write `results.json` and the tables in `README.md`."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from .environment import machine, peer_python
from .peers import OURS, PEERS, running
from .suites import SMALL, SUITES, Bench
from .tables import write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"


def main() -> None:
    """Run the suites that were asked for; figures of the others are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*SUITES, "tables"], default=list(SUITES))
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, nothing written")
    parser.add_argument(
        "--peers",
        type=Path,
        default=HERE.parent / "build" / "benchmark-peers",
        help="environment of the peers; made from the package index if absent",
    )
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    suites = [name for name in asked.only if name in SUITES]
    if suites:
        python = peer_python(asked.peers)
        results["machine"] = machine()
        with tempfile.TemporaryDirectory() as scratch:
            bench = Bench(python, Path(scratch), asked.quick)
            panel = bench.panel(SMALL, 0.0)
            with running((OURS, *PEERS), python, panel) as peers:
                facts = [peer.ask("facts") for peer in peers]
            results["versions"] = {k: v for fact in facts for k, v in fact.items()}
            for name in suites:
                print(name, flush=True)
                # A suite that had to be skipped leaves the figures that there are.
                results[name] = SUITES[name](bench) or results.get(name, {})
                if not asked.quick:
                    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if not asked.quick:
        write_readme(results, HERE / "README.md")


if __name__ == "__main__":
    main()
