"""Exported code in environments that hold the library of its target and no other."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.exporters.golden import made_up
from alphamine.exporters.targets import code_of
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.pool.alpha_pool import AlphaPool

from ..environments import environment, run
from .conftest import long_frame, wide
from .test_formulas import random_formulas
from .test_operators import differing, shaken

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning"),
]
RANDOM = 500
SHORT = 62  # rows before today that most formulas look back at most
ENVIRONMENTS = {
    "numpy": ("numpy", ["numpy"]),
    "streaming": ("numpy", ["numpy"]),
    "pandas-2": ("pandas", ["pandas>=2.2,<3", "pyarrow"]),
    "pandas-3": ("pandas", ["pandas>=3,<4", "pyarrow"]),
    "polars": ("polars", ["polars"]),
    "duckdb": ("duckdb", ["duckdb"]),
}
READS = "anchor * open * high * low * close * vwap * group_mean(close, volume, sector)"


@dataclass
class Case:
    """Formulas on a panel, with what the reference makes of them and how far it rounds."""

    panel: Panel
    pools: dict[str, AlphaPool]
    want: dict[str, np.ndarray]
    noise: dict[str, np.ndarray]


def case(formulas: dict[str, Node], lookback: int) -> Case:
    panel = made_up(AlphaPool.of(parse(f"ts_delay({READS}, {lookback})")))
    pools = {name: AlphaPool.of(formula) for name, formula in formulas.items()}
    engine = Evaluator(panel, "float64", backend="reference")
    values = engine.values([*formulas.values()])
    want = {
        name: np.where(panel.universe, x, np.nan) for name, x in zip(formulas, values, strict=True)
    }
    noise = {name: shaken(pools[name], panel, want[name], 1) for name in formulas}
    return Case(panel, pools, want, noise)


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    published = {**am.library("alpha101"), **am.library("alpha158")}
    assert len(published) == 82 + 158
    deep = {name: f for name, f in published.items() if f.lookback > SHORT}
    flat = {name: f for name, f in published.items() if f.lookback <= SHORT}
    schema = made_up(AlphaPool.of(parse(READS)))
    drawn = {f"random_{i:03d}": f for i, f in enumerate(random_formulas(schema, RANDOM))}
    return {"long": case(deep, 250), "short": case({**flat, **drawn}, SHORT)}


def given(folder: Path, made: Case, target: str) -> None:
    """Write what the other side reads."""
    (folder / "code").mkdir(parents=True)
    everything = AlphaPool.of(parse(READS))
    fields = {n: made.panel.field(n) for n in made.panel.columns}
    np.savez(
        folder / "arrays.npz",
        universe=made.panel.universe,
        alive=made.panel.alive,
        sector=made.panel.group("sector"),
        **fields,
    )
    long_frame(made.panel, everything).to_parquet(folder / "prices.parquet", index=False)
    ending = "sql" if target == "duckdb" else "py"
    for name, pool in made.pools.items():
        path = folder / "code" / f"{name}.{ending}"
        path.write_text(code_of(pool, target), encoding="utf-8")


def returned(path: Path, panel: Panel) -> np.ndarray:
    return np.load(path) if path.suffix == ".npy" else wide(pd.read_parquet(path), panel)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_formulas_equal_the_reference_with_nothing_but_the_targets_library(
    name: str, cases: dict[str, Case], tmp_path: Path
) -> None:
    library, packages = ENVIRONMENTS[name]
    target = name.split("-")[0]
    python = environment(library + "".join(re.findall(r"-\d", name)), packages)
    script = shutil.copy(Path(__file__).with_name("alone.py"), tmp_path)
    problems, compared = [], 0
    for kind, made in cases.items():
        folder = tmp_path / kind
        given(folder, made, target)
        run(python, "-I", script, target, folder)
        for path in sorted((folder / "got").iterdir()):
            formula = path.stem
            got = returned(path, made.panel)
            problem = differing(got, made.want[formula], made.noise[formula])
            problems += [f"{formula}: {problem}"] if problem else []
            compared += 1
    assert not problems
    assert compared == RANDOM + 82 + 158
