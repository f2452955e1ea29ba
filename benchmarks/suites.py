"""What is measured: single operators, whole libraries, searches, and whether values agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .agreement import formula_agreement, operator_agreement
from .data import market, real_market, save
from .environment import peer_python
from .formulas import population, random_formulas
from .peers import OURS, PEERS, Peer, measure, running

SMALL, LARGE = (2000, 300), (2500, 3000)
MISSING = 0.02
WINDOWED = (
    "mean",
    "std",
    "corr",
    "min",
    "argmax",
    "ts_rank",
    "quantile",
    "decay",
    "skew",
    "slope",
)
DAILY = ("cs_rank", "cs_zscore", "ic", "rank_ic")
WINDOWS = (5, 20, 60)
# unfold makes arrays of (days, names, window); a large panel does not leave room for that.
LARGE_PEERS = ("kunquant", "pandas", "polars", "bottleneck", "numbagg")


@dataclass(frozen=True)
class Bench:
    """Where the peers live, where panels and results go, and how much is measured.

    Attributes
    ----------
    environments : Path
        Folder of the peers' environments, each made from the package index on first use.
    scratch : Path
        Folder for panels and results.
    quick : bool
        A tenth of the work, to see that everything runs.
    """

    environments: Path
    scratch: Path
    quick: bool

    @property
    def python(self) -> Path:
        """Interpreter of the environment that most peers share."""
        return peer_python(self.environments / "benchmark-peers")

    def panel(self, shape: tuple[int, int], missing: float) -> Path:
        """Folder of a panel, made on first use."""
        if self.quick:
            shape = (shape[0] // 4, shape[1] // 4)
        folder = self.scratch / f"{shape[0]}x{shape[1]}-{missing:g}"
        return folder if folder.exists() else save(market(*shape, missing), folder)

    def repeats(self, count: int) -> int:
        return 1 if self.quick else count


def cells(shape: tuple[int, int], bench: Bench) -> int:
    return shape[0] * shape[1] // (16 if bench.quick else 1)


def shape_name(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"


def operators(bench: Bench) -> dict[str, Any]:
    """Nanoseconds per cell of single operators, one thread."""
    return {
        shape_name(SMALL): _operators(bench, SMALL, PEERS, WINDOWS, 5),
        shape_name(LARGE): _operators(bench, LARGE, LARGE_PEERS, (20,), 2),
    }


def _operators(
    bench: Bench, shape: tuple[int, int], names: Sequence[str], windows: Sequence[int], repeats: int
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with running((OURS, *names), bench.python, bench.panel(shape, MISSING)) as peers:
        tasks: list[tuple[str, dict[str, int]]] = [
            (name, {"window": d}) for name in WINDOWED for d in windows
        ]
        tasks += [(name, {}) for name in DAILY]
        for name, settings in tasks:
            key = " ".join([name, *map(str, settings.values())])
            times = measure(peers, name, bench.repeats(repeats), bench.scratch, None, **settings)
            for time in times.values():
                time["ns"] = time["cpu"] / cells(shape, bench) * 1e9
            agreement = operator_agreement(bench.scratch, name, list(times))
            found[key] = {
                "peers": times,
                "in_engine_ns": _in_engine(bench, shape, peers[0], name, settings),
                "agreement": agreement,
            }
            text = ", ".join(f"{k} {t['ns']:.2f}" for k, t in times.items())
            print(f"  {key}: {text}", flush=True)
    return found


def _in_engine(
    bench: Bench, shape: tuple[int, int], ours: Peer, name: str, settings: dict[str, int]
) -> float | None:
    """Cost of an operator inside a program: scores of five formulas, less scores of five fields."""
    if name in ("ic", "rank_ic"):
        return None
    with_it, without = (
        measure([ours], "in_engine", bench.repeats(5), operator=operator, **more)[OURS]["cpu"]
        for operator, more in ((name, settings), ("", {}))
    )
    return (with_it - without) / 5 / cells(shape, bench) * 1e9


def libraries(bench: Bench) -> dict[str, Any]:
    """Seconds for all formulas of Alpha101 and Alpha158, against KunQuant's own definitions."""
    found: dict[str, Any] = {}
    both = (OURS, "kunquant")
    for library, shape, threads, repeats, names in (
        ("alpha101", SMALL, (1, 2), 5, both),
        ("alpha158", SMALL, (1, 2), 5, both),
        ("alpha101", LARGE, (1,), 1, both),
        ("alpha101", LARGE, (2,), 1, (OURS,)),
    ):
        with running(names, bench.python, bench.panel(shape, 0.0)) as peers:
            for count in threads:
                key = f"{library} {shape_name(shape)} {count}"
                found[key] = measure(
                    peers, "library", bench.repeats(repeats), library=library, threads=count
                )
                print(f"  {key}: {_seconds(found[key])}", flush=True)
    return found


def workloads(bench: Bench) -> dict[str, Any]:
    """Formulas scored in a second: random ones, and a generation of mutants."""
    found: dict[str, Any] = {}
    # On the large panel a part gives the rate, and all of them the peak of memory.
    for shape, count, threads in (
        (SMALL, 2000, 1),
        (SMALL, 2000, 2),
        (LARGE, 200, 2),
        (LARGE, 2000, 2),
    ):
        size = count // (10 if bench.quick else 1)
        sets = {"random": random_formulas(size), "population": population(size, size // 20)}
        with running((OURS,), bench.python, bench.panel(shape, MISSING)) as peers:
            for name, formulas in sets.items():
                for rank_ic in (False, True):
                    if shape == LARGE and count == 2000 and (rank_ic or name == "population"):
                        continue
                    score = "rank" if rank_ic else "ic"
                    key = f"{name} {shape_name(shape)} {score} {threads} {len(formulas)}"
                    times = measure(
                        peers,
                        "scores",
                        bench.repeats(3 if shape == SMALL else 0),
                        formulas=formulas,
                        rank_ic=rank_ic,
                        threads=threads,
                    )
                    found[key] = _with_rate(times, len(formulas))
                    print(f"  {key}: {found[key][OURS]['per_second']:.0f} a second", flush=True)
    found |= _screened(bench, random_formulas(200 if bench.quick else 2000))
    return found | _unfold(bench, random_formulas(4 if bench.quick else 40))


def _screened(bench: Bench, formulas: list[Any]) -> dict[str, Any]:
    with running((OURS,), bench.python, bench.panel(SMALL, MISSING)) as peers:
        key = f"screened {shape_name(SMALL)} rank 2 {len(formulas)}"
        times = measure(peers, "screened", bench.repeats(3), formulas=formulas, threads=2)
        found = {key: _with_rate(times, len(formulas))}
        print(f"  {key}: {found[key][OURS]['per_second']:.0f} a second", flush=True)
    return found


def real(bench: Bench) -> dict[str, Any]:
    """Formulas a second with rank IC on a real panel: numpy's reference, and the kernels."""
    columns = real_market()
    if columns is None:
        print("  skipped: cn_csi800 is not in $ALPHAMINE_DATA", flush=True)
        return {}
    found: dict[str, Any] = {}
    folder = save(columns, bench.scratch / "cn_csi800")
    shape = shape_name(columns["close"].shape)  # type: ignore[arg-type]
    # Formulas of a few seconds each with numpy: the first of the same list.
    for backend, threads, count in (("reference", 1, 5), ("cpu", 1, 100), ("cpu", 2, 200)):
        formulas = random_formulas(200)[: 4 if bench.quick else count]
        with running((OURS,), bench.python, folder) as peers:
            times = measure(
                peers,
                "scores",
                0,
                formulas=formulas,
                rank_ic=True,
                threads=threads,
                backend=backend,
            )
        key = f"{shape} {backend} {threads} {len(formulas)}"
        found[key] = _with_rate(times, len(formulas))
        print(f"  {key}: {found[key][OURS]['per_second']:.2f} a second", flush=True)
    return found


def _unfold(bench: Bench, formulas: list[Any]) -> dict[str, Any]:
    """The same on torch and unfold, for a part of the formulas; and whether scores agree."""
    found = {}
    with running((OURS, "torch"), bench.python, bench.panel(SMALL, MISSING)) as peers:
        for rank_ic in (False, True):
            score = "rank" if rank_ic else "ic"
            key = f"unfold {shape_name(SMALL)} {score} 1 {len(formulas)}"
            times = measure(
                peers,
                "scores",
                1,
                bench.scratch,
                None,
                formulas=formulas,
                rank_ic=rank_ic,
                threads=1,
            )
            found[key] = _with_rate(times, len(formulas))
            ours, theirs = (
                np.load(bench.scratch / f"scores.{name}.npz")["value"] for name in (OURS, "torch")
            )
            found[key]["largest_difference"] = float(np.nanmax(np.abs(ours - theirs)))
            print(f"  {key}: {found[key]['torch']['per_second']:.1f} a second", flush=True)
    return found


def _with_rate(times: dict[str, dict[str, Any]], formulas: int) -> dict[str, Any]:
    return {
        name: {**time, "formulas": formulas, "per_second": formulas / time["wall"]}
        for name, time in times.items()
    }


def agreement(bench: Bench) -> dict[str, Any]:
    """Alpha101 as KunQuant defines it, cell by cell, both engines in double precision."""
    with running((OURS, "kunquant"), bench.python, bench.panel(SMALL, 0.0)) as (ours, theirs):
        measure([theirs], "alpha101_graph", 0, bench.scratch)
        measure([theirs], "alpha101_double", 0, bench.scratch)
        graph = str(bench.scratch / "alpha101_graph.kunquant.npz")
        for dtype in ("float64", "float32"):
            measure([ours], "kunquant_graph", 0, bench.scratch, path=graph, dtype=dtype)
            name = bench.scratch / "kunquant_graph.alphamine.npz"
            name.rename(bench.scratch / f"{dtype}.npz")
    return formula_agreement(bench.scratch)


def _seconds(times: dict[str, dict[str, Any]]) -> str:
    return ", ".join(f"{k} {t['cpu']:.3f} s CPU {t['wall']:.3f} s" for k, t in times.items())


SUITES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "operators": operators,
    "libraries": libraries,
    "workloads": workloads,
    "real": real,
    "agreement": agreement,
}
