"""An engine of one's own, by its name: in the API, in job files, in runs and their workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.base import BACKENDS, EngineSettings, Sinks, ValuesEngine, delivered
from alphamine.engine.cells import Cells
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.numpy_engine import NumpyEngine
from alphamine.errors import AlphamineError, SearchError
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.jobs.config import read_job

FORMULAS = ("ts_mean(volume, 5)", "rank(close)", "ts_corr(close, volume, 10)")


class Mirror(ValuesEngine):
    """Gives each value with the other sign, so that one sees who computed."""

    name = "mirror"

    def __init__(self, panel: Panel, settings: EngineSettings) -> None:
        self.numpy = NumpyEngine(panel, settings)

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, np.ndarray, int]]:
        for index, values, infinite in self.numpy.stream(formulas):
            yield index, -values, infinite


@pytest.fixture(autouse=True)
def mirror() -> Iterator[None]:
    am.register_backend("mirror", Mirror)
    yield
    del BACKENDS._things["mirror"]


def test_values_and_reports_come_from_the_engine_that_is_named(small_panel: Panel) -> None:
    text = FORMULAS[0]
    want = am.values(text, small_panel, backend="reference")
    np.testing.assert_array_equal(am.values(text, small_panel, backend="mirror"), -want)
    ours = am.evaluate(text, small_panel, backend="reference")
    theirs = am.evaluate(text, small_panel, backend="mirror")
    assert theirs.rank_ic == pytest.approx(-ours.rank_ic, abs=1e-12)
    first, last = (ours.detail.quantiles[5].stats[i].mean for i in (0, -1))
    assert theirs.detail.quantiles[5].stats[0].mean == pytest.approx(last)
    assert first != pytest.approx(last)
    table = am.evaluate(FORMULAS, small_panel, backend="mirror")
    np.testing.assert_allclose(table["rank_ic"], -am.evaluate(FORMULAS, small_panel)["rank_ic"])


@pytest.mark.parametrize("backend", ["auto", "reference", "mirror"])
def test_all_sinks_of_a_pass_receive_what_each_would_alone(
    small_panel: Panel, backend: str
) -> None:
    sample = small_panel.sample()
    cells = Cells(sample)
    nodes = [parse(text) for text in FORMULAS]
    evaluator = Evaluator(sample.panel, backend=backend)
    together = dict(evaluator.run(nodes, Sinks(values=True, scores=sample, vectors=cells)))
    values, scores = evaluator.values(nodes), dict(evaluator.scores(nodes, sample))
    vectors = dict(evaluator.run(nodes, Sinks(vectors=cells)))
    for i in range(len(nodes)):
        np.testing.assert_array_equal(delivered(together[i].values), values[i])
        np.testing.assert_array_equal(delivered(together[i].daily).rank_ic, scores[i].rank_ic)
        vector = delivered(together[i].vector)
        np.testing.assert_array_equal(vector.data, delivered(vectors[i].vector).data)
        np.testing.assert_array_equal(vector.data, cells.vector(values[i]).data)
        assert (vectors[i].values, vectors[i].daily, together[i].infinite) == (None, None, 0)


def test_a_run_and_its_resumption_are_by_the_engine(small_panel: Panel, tmp_path: Path) -> None:
    ours = am.search(small_panel, "random", 24, 3, tmp_path / "a", batch=8, backend="reference")
    theirs = am.search(small_panel, "random", 24, 3, tmp_path / "b", batch=8, backend="mirror")
    assert [r.formula for r in ours.records] == [r.formula for r in theirs.records]
    for a, b in zip(ours.records, theirs.records, strict=True):
        np.testing.assert_allclose(b.train["rank_ic"], -a.train["rank_ic"], atol=1e-12)
    longer = am.resume(tmp_path / "b", small_panel, budget=40)
    whole = am.search(small_panel, "random", 40, 3, tmp_path / "c", batch=8, backend="mirror")
    assert longer.facts["engine"].split(", ")[1] == "mirror"
    assert repr(longer.records) == repr(whole.records)
    del BACKENDS._things["mirror"]
    with pytest.raises(AlphamineError, match="there is no backend 'mirror'"):
        am.resume(tmp_path / "b", small_panel, budget=80)
    am.register_backend("mirror", Mirror)


def test_workers_say_that_they_do_not_know_an_engine_of_this_process(
    small_panel: Panel, tmp_path: Path
) -> None:
    with pytest.raises(SearchError, match=r"'mirror' was registered in this process.*serial"):
        am.search(
            small_panel,
            "random",
            8,
            0,
            tmp_path / "run",
            executor="processes",
            workers=2,
            backend="mirror",
        )


def test_a_job_names_an_engine(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("data: x.yaml\nbackend: mirror\n")
    assert read_job(job, {}).settings["backend"] == "mirror"
    with pytest.raises(SearchError, match=r"backend must be one of auto, cpu, reference, mirror"):
        read_job(job, {"backend": "gpu"})


def test_names_are_given_once(small_panel: Panel) -> None:
    with pytest.raises(AlphamineError, match="there is a 'cpu' already"):
        am.register_backend("cpu", Mirror)
    with pytest.raises(AlphamineError, match="there is no backend 'miror'; did you mean 'mirror'"):
        am.values("close", small_panel, backend="miror")
    with pytest.raises(AlphamineError, match="a function of a panel"):
        BACKENDS._adapt(3)
