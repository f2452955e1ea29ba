"""The tables of `README.md`, written from `results.json` between markers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Results = dict[str, Any]
COLUMNS = ("alphamine", "kunquant", "pandas", "polars", "bottleneck", "numbagg", "torch")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value: float | None) -> str:
    """Three digits or so."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def machine(results: Results) -> str:
    """Facts that the figures depend on."""
    m = results["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in results["versions"].items())
    return "\n".join(
        [
            f"- {m['processor']} (family {m['family']}, model {m['model']}), {m['cores']} cores, "
            f"vector instructions {m['vectors']}, {m['cache']} cache, {m['memory_gib']} GiB",
            f"- {m['system']}, Python {m['python']}, {m['compiler']}",
            f"- {versions}",
            f"- load average before the last run: {' '.join(map(str, m['load_before']))}",
        ]
    )


def operators(results: Results) -> str:
    """Nanoseconds per cell."""
    parts = []
    for shape, found in results["operators"].items():
        names = list(dict.fromkeys(key.split()[0] for key in found))
        peers = [c for c in COLUMNS if any(c in entry["peers"] for entry in found.values())]
        windows = list(dict.fromkeys(key.split()[1] for key in found if " " in key))
        rows = []
        for name in names:
            entries = [found[k] for k in found if k.split()[0] == name]
            cells = [" / ".join(_ns(e["peers"].get(p)) for e in entries) for p in peers]
            inside = " / ".join(number(e["in_engine_ns"]) for e in entries)
            rows.append([name, inside, *("-" if set(c) <= set("- /") else c for c in cells)])
        title = f"**{shape}**, windows of {', '.join(windows)} days:"
        parts.append(f"{title}\n\n{table(['', 'in a batch', *peers], rows)}")
    return "\n\n".join(parts)


def _ns(time: Results | None) -> str:
    return "-" if time is None else number(time["ns"])


def operator_agreement(results: Results) -> str:
    """Which values of the peers differ from ours."""
    compared, differing = 0, []
    for shape, found in results["operators"].items():
        for key, entry in found.items():
            for peer, a in entry["agreement"].items():
                compared += 1
                if a["present"] < 1.0 or a["close"] < 1.0:
                    differing.append(
                        [
                            f"{key}, {shape}",
                            peer,
                            f"{100 * a['present']:.3f}",
                            f"{100 * a['close']:.3f}",
                        ]
                    )
    text = f"Of {compared} comparisons {compared - len(differing)} agree in every cell."
    header = ["operator", "peer", "% equally present", "% of values that agree"]
    return text + ("\n\n" + table(header, differing) if differing else "")


def libraries(results: Results) -> str:
    """Seconds for a whole library."""
    rows = []
    for key, times in results["libraries"].items():
        library, *shape, threads = key.split()
        unit = "cpu" if threads == "1" else "wall"
        ours, theirs = times["alphamine"][unit], times.get("kunquant")
        name = f"{library}, {' '.join(shape)}, {threads} thread{'s' * (threads != '1')}"
        compared = ["-"] * 3
        if theirs:
            ratio, build = theirs[unit] / ours, theirs["prepare"]
            compared = [f"{theirs[unit]:.2f} s", f"{ratio:.1f}", f"{build:.0f} s"]
        rows.append([name, f"{ours:.3f} s", *compared])
    header = ["", "alphamine", "KunQuant", "ratio", "KunQuant's compilation"]
    return table(header, rows)


def workloads(results: Results) -> str:
    """Formulas scored in a second."""
    rows = []
    for key, times in results["workloads"].items():
        kind, *shape, score, threads, count = key.split()
        what = "IC and rank IC" if score == "rank" else "IC"
        for peer, time in times.items():
            if peer not in ("alphamine", "torch"):
                continue
            rows.append(
                [
                    f"{'random' if kind == 'unfold' else kind}, {' '.join(shape)}, {what}",
                    peer,
                    threads,
                    f"{int(count):,}",
                    number(time["per_second"]),
                    f"{time['peak_mib']:,.0f} MiB",
                ]
            )
    header = ["formulas", "engine", "threads", "number", "a second", "peak memory"]
    return table(header, rows)


def real(results: Results) -> str:
    """Formulas a second on a real panel, before and after."""
    rows = []
    for key, times in results["real"].items():
        *shape, backend, threads, count = key.split()
        rate, memory = times["alphamine"]["per_second"], times["alphamine"]["peak_mib"]
        engine = "numpy's reference" if backend == "reference" else "kernels"
        rows.append(
            [f"{' '.join(shape)}, {engine}", threads, count, number(rate), f"{memory:,.0f} MiB"]
        )
    return table(["panel, engine", "threads", "number", "a second", "peak memory"], rows)


def agreement(results: Results) -> str:
    """The formulas of Alpha101 on which KunQuant and alphamine differ."""
    found = results["agreement"]
    agreed = [name for name, a in found.items() if a["agrees"]]
    text = f"{len(agreed)} of {len(found)} formulas agree cell by cell in double precision."
    rows = [
        [
            name,
            f"{100 * a['close']:.2f}",
            f"{a['correlation']:.4f}",
            f"{100 * a['present']:.2f}",
            f"{100 * a['single']:.1f}",
        ]
        for name, a in found.items()
        if not a["agrees"]
    ]
    header = [
        "differs",
        "% of values that agree",
        "correlation",
        "% equally present",
        "% of ours that single precision leaves alone",
    ]
    return text + "\n\n" + table(header, rows)


SMALL, LARGE = "2000 x 300", "2500 x 3000"
# What was aimed at: nanoseconds per cell in a batch; with AVX2 where that was text apart.
OPERATOR_TARGETS = (
    ("mean 20", SMALL, 0.25),
    ("min 20", SMALL, 0.25),
    ("std 20", SMALL, 0.45),
    ("decay 20", SMALL, 0.45),
    ("argmax 20", SMALL, 0.45),
    ("corr 20", SMALL, 0.75),
    ("slope 20", SMALL, 0.55),
    ("skew 20", SMALL, 0.70),
    ("ts_rank 20", SMALL, 1.0),
    ("ts_rank 60", SMALL, 2.5),
    ("quantile 20", SMALL, 2.2),
    ("quantile 60", SMALL, 4.0),
    ("cs_rank", SMALL, 4.0),
    ("cs_rank", LARGE, 5.0),
    ("cs_zscore", SMALL, 0.18),
)
RATE_TARGETS = (
    (f"random {SMALL} ic 2 2000", 1500),
    (f"random {SMALL} rank 2 2000", 800),
    (f"screened {SMALL} rank 2 2000", 4000),
    (f"population {SMALL} ic 2 2000", 2500),
    (f"population {SMALL} rank 2 2000", 1100),
)
LIBRARY_TARGETS = (
    (f"alpha101 {SMALL} 1", "cpu", 0.30),
    (f"alpha101 {SMALL} 2", "wall", 0.17),
    (f"alpha158 {SMALL} 1", "cpu", 0.10),
    (f"alpha101 {LARGE} 1", "cpu", 5.0),
    (f"alpha101 {LARGE} 2", "wall", 3.0),
)


def qweave(results: Results) -> str:
    found, lines = results["qweave"], []
    for library in ("alpha101", "alpha158"):
        times, agrees = found[library]["times"], found[library]["agreement"]
        ours, theirs = times["alphamine"]["cpu"], times["qweave"]["cpu"]
        lines.append(
            [
                f"{library}, {found['shape']}, {agrees['factors']} factors",
                f"{number(ours)} s",
                f"{number(theirs)} s",
                f"{theirs / ours:.1f}",
                f"{agrees['close']} of {agrees['factors']}",
                f"{agrees['agree']} of {agrees['factors']}",
            ]
        )
    agree = "values agree where both have one"
    head = ["", "alphamine", "qweave", "ratio", agree, "and equally present"]
    load = found["machine"]["load_before"][0]
    return (
        f"{table(head, lines)}\n\nqweave {found['versions']['qweave']}; from arrays to its frame "
        f"{number(found['frame']['cpu'])} s more; load average before the run {load:.1f}."
    )


def targets(results: Results) -> str:
    """What was aimed at, and what was measured."""
    rows = []
    for key, shape, target in OPERATOR_TARGETS:
        measured = results["operators"][shape][key]["in_engine_ns"]
        rows.append([f"{key}, {shape}, ns per cell", f"at most {target}", number(measured)])
    for key, unit, limit in LIBRARY_TARGETS:
        times = results["libraries"][key]
        ours = times["alphamine"][unit]
        rows.append([f"{key}, seconds ({unit})", f"at most {limit}", f"{ours:.3f}"])
        if key.startswith("alpha101") and "kunquant" in times:
            ratio = times["kunquant"][unit] / ours
            rows.append([f"{key}, times as fast as KunQuant", "at least 18", f"{ratio:.1f}"])
    for key, rate in RATE_TARGETS:
        measured = results["workloads"][key]["alphamine"]["per_second"]
        rows.append([f"{key}, formulas a second", f"at least {rate:,}", number(measured)])
    return table(["", "target", "measured"], rows)


def interval(hits: int, of: int) -> str:
    """A share in per cent with its exact 95 % confidence interval (Clopper and Pearson)."""
    from scipy.stats import binomtest

    exact = binomtest(hits, of).proportion_ci(method="exact")
    return f"{hits / of:.1%} ({exact.low:.1%} to {exact.high:.1%})"


def null_searches(results: Results) -> str:
    """Claims of searches that had nothing to find."""
    groups: dict[str, list[dict[str, Any]]] = {}
    every: dict[str, list[dict[str, Any]]] = {}
    for key, runs in results["nulls"]["searches"].items():
        searcher, horizon, islands = key.split()
        kind = "one search" if islands == "1" else f"{islands} islands"
        groups[f"{searcher}, horizon {horizon}, {kind}"] = runs
        every.setdefault(f"all, {kind}", []).extend(runs)
    groups |= every
    rows = []
    for name, runs in groups.items():
        claims = [
            [run["survive"] > 0 for run in runs],
            [run["confirmed"] > 0 for run in runs],
            [run["weak"] > 0 for run in runs],
            [run["family_p"] <= 0.05 for run in runs],
        ]
        best = max(run["best_t"] for run in runs)
        rows.append(
            [name, str(len(runs)), *(interval(sum(c), len(c)) for c in claims), number(best)]
        )
    header = [
        "searches of nothing",
        "number",
        "a member survives",
        "and is confirmed on valid",
        "a member is weak",
        "family p at most 5 %",
        "largest t",
    ]
    return table(header, rows)


def null_series(results: Results) -> str:
    """Independent useless series, many at a time."""
    rows = []
    for key, found in results["nulls"]["lucky"].items():
        days, horizon = key.split()
        rows.append(
            [
                f"{days} days, horizon {horizon}",
                str(found["degrees"]),
                interval(found["alone"], found["runs"]),
                f"{found['single']:.2%}",
                interval(found["best"], found["runs"]),
                f"{found['family']:.2%}",
                interval(found["claims"], found["runs"]),
            ]
        )
    header = [
        "series of luck",
        "degrees of freedom",
        "one is real at 5 %",
        "computed",
        "the best of 10,000 is",
        "computed",
        "something survives",
    ]
    return table(header, rows)


def power(results: Results) -> str:
    """Share of factors of a known t that survive."""
    rows = []
    for key, tables in results["nulls"]["power"].items():
        days, horizon = key.split()
        for count, shares in tables.items():
            cells = [f"{100 * share:.0f}" for share in shares.values()]
            rows.append([f"{days} days, horizon {horizon}", f"{int(count):,}", *cells])
    strengths = next(iter(next(iter(results["nulls"]["power"].values())).values()))
    return table(["", "trials", *(f"t = {t}" for t in strengths)], rows)


SECTIONS: dict[str, Callable[[Results], str]] = {
    "machine": machine,
    "operators": operators,
    "operator agreement": operator_agreement,
    "libraries": libraries,
    "workloads": workloads,
    "real": real,
    "agreement": agreement,
    "qweave": qweave,
    "targets": targets,
    "null searches": null_searches,
    "null series": null_series,
    "power": power,
}
NEEDS = {
    "operator agreement": ("operators",),
    "targets": ("operators", "libraries", "workloads"),
    "null searches": ("nulls",),
    "null series": ("nulls",),
    "power": ("nulls",),
}


def write_readme(
    results: Results, path: Path, sections: Mapping[str, Callable[[Results], str]] | None = None
) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- end -->`."""
    text = path.read_text("utf-8")
    for name, section in (SECTIONS if sections is None else sections).items():
        if not all(results.get(needed) for needed in NEEDS.get(name, (name,))):
            continue
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        body = section(results)
        text = pattern.sub(lambda m, body=body: f"{m[1]}\n{body}\n\n{m[2]}", text)  # type: ignore[misc]
    path.write_text(text, "utf-8")
