"""What a bundle brings to qlib's workflows: numpy code of every formula, and a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from alphamine.expression.nodes import Call, Node
from alphamine.operators import Family

from .module import docstring, function, wrapped
from .numpy_target import NumpyModule

if TYPE_CHECKING:
    from alphamine.data.panel import Panel


def outermost(formula: Node) -> Call | None:
    """The formula's last step, if it is a statistic of the day of one input; or its opposite's."""
    if isinstance(formula, Call) and formula.operator.laws.negates:
        [formula] = formula.inputs
    if not isinstance(formula, Call) or len(formula.inputs) != 1:
        return None
    return formula if formula.operator.family is Family.CROSS_SECTION else None


class QlibModule(NumpyModule):
    """Values of each formula, the outermost steps of those of tier 2, and what pools make of them.

    Parameters
    ----------
    pool : AlphaPool
    tiers : list of int
        Of each formula.
    """

    target: ClassVar[str] = "qlib"
    capitals: ClassVar[bool] = False  # a field is a file in small letters

    def __init__(self, pool: Any, tiers: list[int]) -> None:
        super().__init__(pool)
        self.tiers = tiers

    def signal(self) -> str:
        return "\n\n\n".join([self._values(), *self._across(), self._table(), self._combined()])

    def _values(self) -> str:
        text = (
            "fields: the arrays that NUMBERS and GROUPS name, (days, symbols); NaN is missing, "
            "groups are codes. universe: bool, which names count on a day. alive: bool, from a "
            "symbol's first row on. Returns arrays by the formulas' names."
        )
        names = [f'"formula_{i}": formula_{i}(v)' for i in range(1, len(self.pool) + 1)]
        body = [
            docstring(["The formulas' values of each day and symbol.", "", *wrapped(text)]),
            "v = {name: finite(np.asarray(fields[name], dtype=np.float64)) for name in NUMBERS}",
            "v.update({name: codes(np.asarray(fields[name])) for name in GROUPS})",
            "v.update(universe=np.asarray(universe), alive=np.asarray(alive))",
            'with np.errstate(all="ignore"):',
            *(["    shared(v)"] if self.program.shared else []),
            "    return {",
            *(f"        {name}," for name in names),
            "    }",
        ]
        arguments = "fields: dict[str, Any], universe: Any, alive: Any"
        return function("values", arguments, body, "dict[str, Any]")

    def _across(self) -> list[str]:
        found = []
        for index, tier in enumerate(self.tiers):
            call = outermost(self.pool.formulas[index])
            if tier == 2 and call is not None:
                given = [self._called(call), "[x]", "universe", *map(repr, call.params)]
                meaning = wrapped(f"{call.operator.meaning}.", 8)
                sign = "" if call is self.pool.formulas[index] else "-"
                body = [
                    docstring([f"The last step of formula {index + 1}.", "", *meaning]),
                    'with np.errstate(all="ignore"):',
                    f"    return {sign}by_day({', '.join(given)})",
                ]
                found.append(function(f"across_{index + 1}", "x: Any, universe: Any", body, "Any"))
        return found

    def _table(self) -> str:
        pairs = [
            f'    "formula_{place}": across_{place},'
            for place, tier in enumerate(self.tiers, start=1)
            if tier == 2
        ]
        return "\n".join(["ACROSS: dict[str, Any] = {", *pairs, "}"]) if pairs else _NOTHING

    def _combined(self) -> str:
        pool = self.pool
        doc = docstring(["The signal of formulas' values by name, (days, symbols)."])
        arguments = "given: dict[str, Any], universe: Any"
        if pool.standardisation == "none":
            body = [doc, 'return inside(given["formula_1"], universe)']
            return function("combined", arguments, body, "Any")
        by_rank = pool.standardisation == "rank"
        body = [
            doc,
            "total = np.zeros(universe.shape)",
            "seen = np.zeros(total.shape, dtype=bool)",
            'with np.errstate(all="ignore"):',
            "    for name, weight in WEIGHTS.items():",
            f"        z = standardised(inside(given[name], universe), {by_rank})",
            "        total += weight * np.nan_to_num(z)",
            "        seen |= ~np.isnan(z)",
            "return np.where(seen, total, np.nan)",
        ]
        return function("combined", arguments, body, "Any")

    def facts(self) -> str:
        weights = [
            f'    "formula_{place}": {float(weight)!r},'
            for place, weight in enumerate(self.pool.weights, start=1)
        ]
        return "\n".join([super().facts(), "WEIGHTS = {", *weights, "}"])


_NOTHING = "ACROSS: dict[str, Any] = {}"


def workflow(name: str, panel: Panel | None) -> str:
    """A configuration for `qrun`, whose first lines say where the data is.

    Parameters
    ----------
    name : str
        Of the bundle's directory.
    panel : Panel, optional
        Whose days are split into the workflow's segments.
    """
    days = _EXAMPLE if panel is None else _segments(panel)
    text = _WORKFLOW.replace("BUNDLE", name)
    for key, (first, last) in days.items():
        text = text.replace(f"<{key}>", f"[{first}, {last}]")
    text = text.replace("<first>", days["test"][0]).replace("<last>", days["test"][1])
    return text.replace("<start>", days["train"][0]).replace("<end>", days["test"][1])


def _segments(panel: Panel) -> dict[str, tuple[str, str]]:
    """Three fifths of the days to fit, a fifth to choose, a fifth to judge."""
    dates = [str(day) for day in panel.dates[:-1]]  # qlib's last day is the one after the last
    first, second = len(dates) * 3 // 5, len(dates) * 4 // 5
    return {
        "train": (dates[0], dates[max(first - 1, 0)]),
        "valid": (dates[first], dates[max(second - 1, first)]),
        "test": (dates[second], dates[-1]),
    }


_EXAMPLE = {
    "train": ("2008-01-01", "2014-12-31"),
    "valid": ("2015-01-01", "2016-12-31"),
    "test": ("2017-01-01", "2020-08-01"),
}

_WORKFLOW = """\
# The signal of this bundle in qlib: from the directory that holds BUNDLE,
#
#     QLIB_DATA=~/.qlib/qlib_data/cn_data qrun BUNDLE/qlib_workflow.yaml
#
# Formulas that qlib cannot say are computed when they are loaded. To have them beforehand, run
#
#     python -m BUNDLE.qlib_handler --provider-uri DIR --market all --to values.parquet
#
# (or `--fields`) and set `values` below to the file (or to "fields"). Any model of qlib can stand
# in the place of SignalModel, which adds the formulas up with the weights of the pool.
qlib_init:
    provider_uri: "{{ QLIB_DATA | default('~/.qlib/qlib_data/cn_data') }}"
    region: "{{ QLIB_REGION | default('cn') }}"
    exp_manager:
        class: MLflowExpManager
        module_path: qlib.workflow.expm
        kwargs:
            uri: "{{ MLFLOW_TRACKING_URI | default('sqlite:///mlruns.db') }}"
            default_exp_name: Experiment
sys:
    rel_path: [".."]
experiment_name: BUNDLE
market: &market "{{ QLIB_MARKET | default('all') }}"
handler: &handler
    instruments: *market
    start_time: <start>
    end_time: <end>
    values: null
    label: ["Ref($close, -2)/Ref($close, -1) - 1", "LABEL0"]
portfolio: &portfolio
    strategy:
        class: TopkDropoutStrategy
        module_path: qlib.contrib.strategy
        kwargs: {signal: <PRED>, topk: 50, n_drop: 5}
    backtest:
        start_time: &first <first>
        end_time: &last <last>
        account: 100000000
        benchmark: {market: *market, filter_pipe: []}  # the market's names in equal shares
        exchange_kwargs:
            deal_price: close
            open_cost: 0.0005
            close_cost: 0.0015
            min_cost: 5
task:
    model:
        class: SignalModel
        module_path: BUNDLE.qlib_handler
    dataset:
        class: DatasetH
        module_path: qlib.data.dataset
        kwargs:
            handler:
                class: SignalHandler
                module_path: BUNDLE.qlib_handler
                kwargs: *handler
            segments:
                train: <train>
                valid: <valid>
                test: <test>
    record:
        - class: SignalRecord
          module_path: qlib.workflow.record_temp
          kwargs: {model: <MODEL>, dataset: <DATASET>}
        - class: SigAnaRecord
          module_path: qlib.workflow.record_temp
          kwargs: {ana_long_short: false, ann_scaler: 252}
        - class: PortAnaRecord
          module_path: qlib.workflow.record_temp
          kwargs: {config: *portfolio}
"""
