"""What `test_qlib.py` asks of the real qlib, in an environment that has it.

`python qlib_side.py FOLDER`: reads FOLDER/asked.json, writes Parquet files beside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import qlib
from qlib.data import D

FOLDER = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(FOLDER))


def main() -> None:
    asked = json.loads((FOLDER / "asked.json").read_text())
    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": f"sqlite:///{FOLDER}/mlruns.db", "default_exp_name": "Experiment"},
    }
    qlib.init(provider_uri=str(FOLDER / "data"), region="cn", exp_manager=manager)
    expressions()
    bundle(asked)
    handler(asked)
    recorded()


def expressions() -> None:
    """Values of exported expressions, as `D.features` has them."""
    texts = json.loads((FOLDER / "expressions.json").read_text())
    frame = D.features(D.instruments("mine"), [*texts.values()])
    frame.columns = [*texts]
    frame.to_parquet(FOLDER / "expressions.parquet")


def bundle(asked: dict[str, list[str]]) -> None:
    """The bundle's formulas, tier 3 from each place, in single days, too."""
    from signal_q import qlib_handler

    start, end = asked["days"]
    qlib_handler.computed("mine").to_parquet(FOLDER / "computed.parquet")
    for name, values in (
        ("live", None),
        ("stored", FOLDER / "values.parquet"),
        ("fields", "fields"),
    ):
        made = qlib_handler.SignalHandler("mine", start, end, values=values and str(values))
        made.fetch(col_set="feature").to_parquet(FOLDER / f"handler_{name}.parquet")
    stored = pd.read_parquet(FOLDER / "values.parquet")
    day = stored.index.get_level_values("datetime").unique()[-3]
    stored[stored.index.get_level_values("datetime") < day].to_parquet(FOLDER / "short.parquet")
    refused = []
    for market, name in (("all", "values"), ("mine", "short")):
        try:
            qlib_handler.SignalHandler(market, start, end, str(FOLDER / f"{name}.parquet"))
        except qlib_handler.Refused as error:
            refused.append(str(error))
    (FOLDER / "refused.json").write_text(json.dumps(refused))
    field = qlib_handler.field_of("formula_3", D.instruments("mine"))
    frame = D.features(D.instruments("mine"), [f"Mean(${field}, 3)"])
    frame.set_axis(["mean"], axis=1).to_parquet(FOLDER / "field.parquet")


def handler(asked: dict[str, list[str]]) -> None:
    """Our handler and our processor."""
    from alphamine.integrations.qlib import FormulaHandler, FormulaProcessor

    start, end = asked["days"]
    made = FormulaHandler("mine", start, end, "library:alpha101")
    made.fetch(col_set="feature").to_parquet(FOLDER / "alpha101.parquet")
    step = FormulaProcessor({"of_it": "rank(ts_mean(alpha101, 3))"})
    formulas = {"alpha101": asked["alpha101"]}
    both = FormulaHandler("mine", start, end, formulas, infer_processors=[step])
    both.fetch(col_set="feature").to_parquet(FOLDER / "processed.parquet")


def recorded() -> None:
    """What the two workflows have left."""
    from qlib.workflow import R

    for name in ("signal_q", "alpha101"):
        [recorder] = R.list_recorders(experiment_name=name).values()
        assert recorder.status == "FINISHED"
        recorder.load_object("pred.pkl").to_parquet(FOLDER / f"{name}_pred.parquet")
        report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
        report.to_parquet(FOLDER / f"{name}_report.parquet")
        metrics = {k: float(v) for k, v in recorder.list_metrics().items()}
        (FOLDER / f"{name}_metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main()
