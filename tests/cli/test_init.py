"""`alphamine init`, and what the command line knows by name."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine import shipped
from alphamine.cli import app
from alphamine.errors import AlphamineError
from alphamine.jobs.config import read_job


def call(*words: str) -> None:
    app(list(words), standalone_mode=False)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    days = np.busday_offset("2021-01-04", np.arange(140), roll="forward")
    close = 20.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (140, 24)), axis=0))
    frame = pd.DataFrame({
        "Date": np.repeat(days, 24), "Ticker": np.tile([f"N{i:02d}" for i in range(24)], 140),
        "Close": close.ravel(), "Volume": 100.0,
    })  # fmt: skip
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def test_init_writes_what_runs(
    prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "work"
    call("init", str(folder), "--data", str(prices))
    assert {p.name for p in folder.iterdir()} == {"mine.yaml", "search.yaml", "first_factor.ipynb"}
    panel = am.load(folder / "mine.yaml")
    assert panel.shape == (140, 24)
    job = read_job(folder / "search.yaml", {})
    assert Path(job.data) == folder / "mine.yaml"
    cells = json.loads((folder / "first_factor.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert "panel = am.load('mine.yaml')" in code[0]
    assert "alphamine search" in capsys.readouterr().out


def test_the_notebook_runs(prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("init", str(tmp_path / "work"), "--data", str(prices))
    monkeypatch.chdir(tmp_path / "work")
    cells = json.loads(Path("first_factor.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert "budget=500" in code
    Path("notebook.py").write_text(code.replace("budget=500", "budget=16"))
    assert runpy.run_path("notebook.py")["run"].trials == 16


def test_init_without_data_writes_the_template_for_prices_beside_it(
    prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_CSV", "elsewhere.csv")  # is for the template, not for its copy
    spec = tmp_path / "work" / "prices.yaml"
    call("init", str(spec.parent))
    template = (shipped.folder("data_specs") / "csv.yaml").read_text().splitlines()
    changed = [new for new in spec.read_text().splitlines() if new not in template]
    assert changed == ["name: prices", "  path: prices.csv"]
    with pytest.raises(AlphamineError, match=r"'prices' needs .*prices\.csv, .*put it there, or"):
        am.load(spec)
    prices.rename(spec.with_name("prices.csv"))
    assert am.load(spec).shape == (140, 24)


def test_init_says_what_is_open(
    prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(prices).rename(columns={"Ticker": "who"})
    frame.to_csv(prices, index=False)
    call("init", str(tmp_path / "work"), "--data", str(prices), "--json")
    [question] = json.loads(capsys.readouterr().out)["open"]
    assert question.endswith("write `symbol: COLUMN` under source")


def test_init_overwrites_nothing(prices: Path, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text("mine")
    with pytest.raises(AlphamineError, match="overwrites nothing"):
        call("init", str(tmp_path), "--data", str(prices))
    assert (tmp_path / "search.yaml").read_text() == "mine"
    assert not (tmp_path / "mine.yaml").exists()


def test_init_brings_the_notebooks(tmp_path: Path) -> None:
    call("init", str(tmp_path), "--notebooks")
    assert {p.stem for p in (tmp_path / "notebooks").iterdir()} == set(shipped.names("notebooks"))


def test_a_search_without_data_names_what_there_is() -> None:
    with pytest.raises(AlphamineError) as caught:
        call("search")
    for word in ("quickstart", "synthetic", "alphamine init", "--data prices.csv"):
        assert word in str(caught.value)


def test_jobs_are_known_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    call("search", "random", "--budget", "8", "--run-dir", str(run), "--islands", "none", "--json")
    assert json.loads(capsys.readouterr().out)["trials"] == 8


def test_data_list_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    call("data", "list", "--json")
    known = json.loads(capsys.readouterr().out)["datasets"]
    assert [row["name"] for row in known] == shipped.names("data_specs")
