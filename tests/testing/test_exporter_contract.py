"""Our targets keep the exporter contract, and it finds out those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError
from alphamine.exporters.targets import EXPORTERS, Request
from alphamine.operators import Kind
from alphamine.testing import check_exporter

FEW = ("close", "ts_mean(close, 5)", "rank(ties)", "group_rank(ties, sector)")
CALLS = count()


def computed(files: Mapping[str, str], panel: Panel) -> np.ndarray:
    """What the code for numpy gives."""
    names: dict[str, object] = {"__name__": "exported"}
    exec(files["signal_numpy.py"], names)
    fields = {
        name: panel.group(name) if info.kind is Kind.GROUP else panel.field(name)
        for name, info in panel.schema.items()
    }
    return names["signal"](fields, panel.universe, panel.alive)  # type: ignore[operator]


@pytest.mark.parametrize("target", EXPORTERS)
def test_ours_keep_it(target: str) -> None:
    pytest.importorskip("polars") if target == "polars" else None
    check_exporter(EXPORTERS[target], computed if target == "numpy" else None, FEW)


def formula(request: Request) -> dict[str, str]:
    """A target that writes the formula itself."""
    return {"formula.txt": str(request.pool.formulas[0])}


def crashing(request: Request) -> dict[str, str]:
    raise KeyError("rank")


def refusing(request: Request) -> dict[str, str]:
    raise AlphamineError("nothing can be said in it")


def hidden(request: Request) -> dict[str, str]:
    return {"../formula.txt": str(request.pool.formulas[0])}


def taken(request: Request) -> dict[str, str]:
    return {"spec.json": str(request.pool.formulas[0])}


def binary(request: Request) -> dict[str, str]:
    return {"formula.txt": b"formula"}  # type: ignore[dict-item]


def dated(request: Request) -> dict[str, str]:
    return {"formula.txt": f"{request.pool.formulas[0]} {next(CALLS)}"}


def constant(request: Request) -> dict[str, str]:
    return {"formula.txt": "close"}


def invalid(request: Request) -> dict[str, str]:
    return {"formula.py": f"signal = {request.pool.formulas[0]} +"}


def dependent(request: Request) -> dict[str, str]:
    return {"formula.py": f"from alphamine.operators import rank  # {request.pool.formulas[0]}"}


@pytest.mark.parametrize(
    ("exporter", "law"),
    [
        (crashing, "refuses by an AlphamineError.*KeyError"),
        (refusing, "it refuses all of them"),
        (hidden, r"plain names.*'\.\./formula"),
        (taken, r"plain names.*'spec\.json'"),
        (binary, "a file is a text, but formula.txt is bytes"),
        (dated, "equal pools give equal files"),
        (constant, "other formulas give other files"),
        (invalid, "code is valid"),
        (dependent, "needs no alphamine, but formula.py imports it"),
    ],
)
def test_what_breaks_it_is_found_out(exporter: object, law: str) -> None:
    with pytest.raises(AlphamineError, match=law):
        check_exporter(exporter, formulas=FEW)  # type: ignore[arg-type]


def test_wrong_numbers_are_found_out() -> None:
    def approximate(files: Mapping[str, str], panel: Panel) -> np.ndarray:
        return computed(files, panel) * (1 + 1e-6)

    with pytest.raises(AlphamineError, match="the code of a signal computes it"):
        check_exporter(EXPORTERS["numpy"], approximate, FEW)


@pytest.fixture
def registered() -> Iterator[None]:
    am.register_exporter("formula_text", formula)
    am.register_exporter("taken_name", taken)
    yield
    del EXPORTERS._things["formula_text"], EXPORTERS._things["taken_name"]


@pytest.mark.usefixtures("registered")
def test_a_target_of_one_s_own_is_in_the_bundle(tmp_path: Path) -> None:
    check_exporter(formula)
    bundle = am.export("rank(close)", tmp_path / "mine", ["formula_text", "numpy"])
    assert (tmp_path / "mine" / "formula.txt").read_text() == "rank(close)"
    assert set(bundle.targets) == {"formula_text", "numpy"}
    assert "formula.txt" in am.load_bundle(tmp_path / "mine").spec["files"]
    assert am.parse("rank(close)").to("formula_text") == "rank(close)"
    with pytest.raises(AlphamineError, match=r"'taken_name' has one called 'spec\.json'"):
        am.export("rank(close)", tmp_path / "other", ["taken_name"])
    with pytest.raises(AlphamineError, match="a function of a Request"):
        am.register_exporter("number", 3)  # type: ignore[arg-type]
