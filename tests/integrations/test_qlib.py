"""In the real qlib, on a directory that we wrote from a real panel: our numbers are its numbers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import alphamine as am
from alphamine.data.costs import Costs
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.sources.qlib_dir import write_qlib
from alphamine.data.splits import Splits
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import FormulaError
from alphamine.evaluation.backtest import TopkDropout, backtest
from alphamine.exporters.qlib_target import expression
from alphamine.expression.text.parser import parse
from alphamine.pool.alpha_pool import AlphaPool

from ..environments import ROOT, environment, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning"),
]
# What its handlers and `qrun` import; a plain `pip install pyqlib` brings a gigabyte of notebooks.
NEEDS = (
    "numpy pandas scipy scikit-learn lightgbm pyarrow ruamel.yaml pydantic-settings joblib tqdm "
    "python-redis-lock requests packaging filelock dill mlflow-skinny sqlalchemy alembic pymongo "
    "loguru jinja2 fire gym cvxpy"
)
TEXTS = (
    "ts_std_dev(volume, 20) / ts_mean(volume, 20)",
    "zscore(ts_std_dev(close, 20) / close)",
    "-rank(ts_corr(rank(close), rank(volume), 10))",
    "group_neutralize(ts_rank(volume, 5), sector)",
    "rank(ts_delta(close, 5) / close)",
)
WEIGHTS = (0.5, -1.0, 2.0, 0.25, 1.0)
NAMES = [f"formula_{i}" for i in range(1, 6)]
ROWS = slice(600, 860)


@dataclass
class Place:
    """A panel, the folder that holds its directory and what qlib made of it."""

    panel: Panel
    pool: AlphaPool
    folder: Path

    def table(self, column: pd.Series) -> np.ndarray:
        """Values by date and instrument as (T, N)."""
        order = [n for n in ("datetime", "instrument") if n in column.index.names]
        wide = column.reorder_levels(order).unstack()
        days = pd.DatetimeIndex(self.panel.dates)
        return wide.reindex(index=days, columns=[*self.panel.symbols]).to_numpy(float)

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def reference(self, formula: am.Node | str, dtype: str = "float64") -> np.ndarray:
        """Our values within the universe, where qlib has a row."""
        node = parse(formula) if isinstance(formula, str) else formula
        [values] = Evaluator(self.panel, dtype, backend="reference").values([node])
        return np.where(self.panel.universe, values, np.nan)


def part_of(data: Path) -> Panel:
    """80 names and 260 days of the National Stock Exchange of India, in single precision."""
    whole = am.load(ROOT / "data_specs" / "in_nse.yaml")
    traded = np.nan_to_num(whole.field("amount")[ROWS]).sum(axis=0)
    kept = np.sort(np.argsort(-traded)[:320:4])
    fields = {
        name: whole.field(name)[ROWS][:, kept].astype(np.float32)
        for name in ("open", "high", "low", "close", "vwap", "volume", "amount")
    }
    close = fields["close"].astype(np.float64)
    change = np.full_like(close, np.nan)
    change[1:] = close[1:] / close[:-1] - 1.0
    codes = whole.group("sector")[ROWS][:, kept]
    names = np.array([*whole.group_names["sector"], None])
    first, last = len(close) * 4 // 5, len(close) - 2
    return Panel.from_arrays(
        whole.dates[ROWS],
        whole.symbols[kept],
        {**fields, "change": change.astype(np.float32)},
        whole.universe[ROWS][:, kept],
        {"sector": names[codes]},
        factor=np.where(np.isnan(close), np.nan, 1.0),
        costs=Costs(5e-4, 15e-4, 5.0),
        splits=Splits((first, last), None, None, gap=0),
        label_spec=LabelSpec(horizon=1, delay=1),
    )


@pytest.fixture(scope="module")
def place(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("qlib")
    python = environment("qlib", ["--no-deps", "pyqlib==0.9.7"], NEEDS.split())
    panel = part_of(shared_data)
    write_qlib(panel, folder / "data", market="mine")
    pool = AlphaPool(tuple(parse(text, fields=panel.schema) for text in TEXTS), WEIGHTS)
    am.export(pool, folder / "signal_q", ["qlib"], panel=panel)
    (folder / "expressions.json").write_text(json.dumps(said()))
    days = [str(panel.dates[40]), str(panel.dates[-2])]
    formula = str(am.library("alpha101")["alpha101"])
    (folder / "asked.json").write_text(json.dumps({"days": days, "alpha101": formula}))
    (folder / "alpha101.yaml").write_text(alpha101_workflow(folder / "signal_q"))
    settings = {
        "QLIB_DATA": str(folder / "data"),
        "QLIB_MARKET": "mine",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns.db",
        "PYTHONPATH": str(ROOT),
    }
    for where in (["--to", folder / "values.parquet"], ["--fields"]):
        source = ["--provider-uri", folder / "data", "--market", "mine"]
        run(python, "-m", "signal_q.qlib_handler", *source, *where, cwd=folder)
    for name in ("signal_q/qlib_workflow.yaml", "alpha101.yaml"):
        run(python, "-m", "qlib.cli.run", folder / name, cwd=folder, **settings)
    run(python, Path(__file__).with_name("qlib_side.py"), folder, cwd=folder, **settings)
    return Place(panel, pool, folder)


def said() -> dict[str, str]:
    """Expressions of Alpha158, and of formulas that guard in every way, where qlib can say them."""
    formulas = {**am.library("alpha158"), **{text: parse(text) for text in MORE}}
    found = {}
    for name, formula in formulas.items():
        try:
            found[name] = expression(formula, "full")
        except FormulaError:
            continue
    return found


MORE = (
    "ts_covariance(close, volume, 10)",
    "ts_mean(1 / ts_delta(close, 1), 3)",
    "ts_sum(log(ts_delta(close, 1)), 3)",
    "sign(close / ts_delta(close, 1)) * ts_max(high, 5)",
    "ts_min(ts_mean(close, 3), 4) / ts_median(close, 10)",
    "-ts_mean(sqrt(ts_delta(close, 1)), 3) * inverse(ts_delta(volume, 2))",
    "-ts_delta(close, 5)",
    "ts_product(1 + ts_delta(close, 1) / close, 5)",
)


def alpha101_workflow(bundle: Path) -> str:
    """The bundle's workflow, with our handler and a model of qlib's."""
    said = yaml.safe_load((bundle / "qlib_workflow.yaml").read_text())
    kept = {key: said["handler"][key] for key in ("instruments", "start_time", "end_time")}
    task = said["task"]
    task["dataset"]["kwargs"]["handler"] = {
        "class": "FormulaHandler",
        "module_path": "alphamine.integrations.qlib",
        "kwargs": {
            **kept,
            "formulas": "library:alpha101",
            "infer_processors": [
                {"class": "CSRankNorm", "kwargs": {"fields_group": "feature"}},
                {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
            ],
            "learn_processors": [{"class": "DropnaLabel"}],
        },
    }
    task["model"] = {
        "class": "LinearModel",
        "module_path": "qlib.contrib.model.linear",
        "kwargs": {"estimator": "ridge", "alpha": 0.05},
    }
    return json.dumps({**said, "experiment_name": "alpha101"}, indent=1, default=str)


def equal(got: np.ndarray, want: np.ndarray, rtol: float = 2e-5) -> None:
    """The same cells are missing, and values differ by what single precision rounds."""
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.nanmax(np.abs(want)))


def test_features_of_qlib_equal_our_values(place: Place) -> None:
    texts = json.loads((place.folder / "expressions.json").read_text())
    frame = place.read("expressions")
    formulas = {**am.library("alpha158"), **{text: parse(text) for text in MORE}}
    assert len(texts) > 110
    assert {*MORE} - {*texts} == {MORE[-1]}  # products are computed beforehand
    for name in texts:
        equal(place.table(frame[name]), place.reference(formulas[name]))


def test_formulas_of_every_tier_are_read_from_every_place(place: Place) -> None:
    rows = json.loads((place.folder / "signal_q" / "qlib_factors.json").read_text())
    assert [row["tier"] for row in rows] == [1, 2, 3, 3, 2]
    computed = place.read("computed")
    inside = slice(40, -1)
    for name, formula in zip(NAMES, place.pool.formulas, strict=True):
        want = place.reference(formula)
        equal(place.table(computed[name]), want, 1e-9)
        for where in ("live", "stored", "fields"):
            got = place.table(place.read(f"handler_{where}")[name])[inside]
            if name == "formula_5":  # ties in single precision share a rank
                assert (np.isnan(got) == np.isnan(want[inside])).all()
                assert np.nanmax(np.abs(got - want[inside])) < 1.0 / 60.0
            else:
                equal(got, want[inside])


def test_stored_values_of_another_market_or_of_fewer_days_are_refused(place: Place) -> None:
    other, short = json.loads((place.folder / "refused.json").read_text())
    assert "has no values of formula_3 on this market; compute it again" in other
    assert re.search(r"ends on 20\d\d-\d\d-\d\d, before 20\d\d-\d\d-\d\d; compute", short)


def test_a_field_of_tier_3_can_be_used_in_expressions(place: Place) -> None:
    want = pd.DataFrame(place.reference(TEXTS[2])).rolling(3, min_periods=1).mean().to_numpy()
    got = place.table(place.read("field")["mean"])
    everywhere = place.panel.universe[2:] & place.panel.universe[1:-1] & place.panel.universe[:-2]
    assert everywhere.mean() > 0.5
    equal(np.where(everywhere, got[2:], np.nan), np.where(everywhere, want[2:], np.nan))


def test_the_handler_computes_alpha101(place: Place) -> None:
    frame = place.read("alpha101")
    published = am.library("alpha101")
    assert [*frame.columns] == [*published]
    inside = slice(40, -1)
    for name, formula in published.items():
        [want] = Evaluator(place.panel, "float32").values([formula])
        want = np.where(place.panel.universe, want, np.nan)[inside]
        got = place.table(frame[name])[inside]
        np.testing.assert_array_equal(got, want.astype(float), err_msg=name)


def test_the_processor_computes_formulas_of_columns(place: Place) -> None:
    frame = place.read("processed")
    table = place.table(frame["alpha101"])[40:-1]
    mean = pd.DataFrame(table).rolling(3).mean()
    want = (mean.rank(axis=1) - 1.0).div(mean.count(axis=1) - 1.0, axis=0).to_numpy()
    equal(place.table(frame["of_it"])[40:-1], want, 1e-6)


def test_the_workflows_run_to_their_end(place: Place) -> None:
    signal = place.table(place.read("signal_q_pred")["score"])
    values = [place.table(place.read("handler_live")[name]) for name in NAMES]
    want = place.pool.combined(values, place.panel.universe)
    judged = slice(len(signal) * 4 // 5, -1)
    equal(signal[judged], want[judged], 1e-5)
    for name in ("signal_q", "alpha101"):
        metrics = json.loads((place.folder / f"{name}_metrics.json").read_text())
        assert np.isfinite(metrics["Rank IC"])
        assert np.isfinite(metrics["1day.excess_return_with_cost.annualized_return"])


@pytest.mark.parametrize("name", ["signal_q", "alpha101"])
def test_our_backtest_has_the_days_of_qlibs(place: Place, name: str) -> None:
    theirs = place.read(f"{name}_report")
    score = place.table(place.read(f"{name}_pred").iloc[:, 0])
    report = backtest(
        score,
        place.panel,
        TopkDropout(topk=50, n_drop=5),
        mode="qlib",
        account=1e8,
        benchmark=theirs["bench"],
    )
    days = pd.DatetimeIndex(report.dates)
    ours = pd.DataFrame({name: report.daily[name] for name in report.daily}, days)
    both = theirs.index.intersection(ours.index)
    assert len(both) == len(theirs) - 2  # theirs begin a day before a trade; ours end with a label
    columns = {
        "account": "account", "turnover": "turnover", "cost": "cost", "cash": "cash",
        "value": "long",
    }  # fmt: skip
    for theirs_name, our_name in columns.items():
        np.testing.assert_allclose(
            ours.loc[both, our_name], theirs.loc[both, theirs_name], rtol=1e-9, err_msg=theirs_name
        )
