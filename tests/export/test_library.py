"""Libraries as bundles: linear ones as sums, trees beside the code, the rest refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.errors import AlphamineError
from alphamine.expression.text.parser import parse
from alphamine.jobs.bench import Bench
from alphamine.jobs.scorer import Scorer
from alphamine.runs.library import FittedPool
from alphamine.searchers.models import ModelSpec
from tests.jobs.conftest import make_panel

FORMULAS = tuple(parse(t) for t in ("ts_mean(volume, 3)", "close / ts_delay(close, 5)", "open"))


def library(name: str) -> FittedPool:
    bench = Bench(Scorer(make_panel().without_test()))
    settings = {"ridge": {}, "lightgbm": {"trees": 20}, "mlp": {"epochs": 1}}[name]
    model = bench.fitted(ModelSpec(name, settings, FORMULAS))
    return FittedPool(FORMULAS, (0.1, 0.2, 0.3), model=model)


@pytest.mark.parametrize("name", ["ridge", "lightgbm"])
def test_exported_code_says_what_the_model_says(name: str, tmp_path: Path) -> None:
    pool, panel = library(name), make_panel().without_test()
    targets = ["numpy", "pandas"] if name == "ridge" else ["numpy", "latex"]
    bundle = am.export(pool, tmp_path / "bundle", targets, panel=panel)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "bundle" / "test_equivalence.py")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "bundle" / "model.txt").exists() == (name == "lightgbm")
    again = am.load_bundle(tmp_path / "bundle")
    np.testing.assert_allclose(again.signal(panel), pool.signal(panel, "float64"), atol=1e-6)
    code = (tmp_path / "bundle" / "signal_numpy.py").read_text()
    assert "alphamine." not in code.split('"""')[2]
    assert isinstance(bundle.pool, FittedPool) == (name == "lightgbm")


def test_what_cannot_be_said_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    with pytest.raises(AlphamineError, match=r"'pandas' cannot say what lightgbm makes"):
        am.export(library("lightgbm"), tmp_path / "one")
    with pytest.raises(AlphamineError, match="combined by mlp; its file is in"):
        am.export(library("mlp"), tmp_path / "two", ["numpy"])
