"""A corpus of hostile strings renders as text wherever a page shows what came from outside."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.evaluation.backtest import SimulationSettings, backtest
from alphamine.expression.fields import FieldInfo
from alphamine.report.html import backtest_page, factor_page
from alphamine.runs.run import Run


class Shape(HTMLParser):
    """Every element with the names of its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.data: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.data.append(data)


def hostile_panel(text: str) -> Panel:
    """A panel whose name, symbols, group field and groups are `text`."""
    rng = np.random.default_rng(0)
    days, names = 60, 24
    sector = np.where(np.arange(names) % 2, text, f"{text} too")
    panel = Panel.from_arrays(
        np.busday_offset("2022-01-03", np.arange(days), roll="forward"),
        [f"{text}{i}" for i in range(names)],
        {"close": rng.uniform(10, 20, (days, names)), "volume": rng.uniform(1, 9, (days, names))},
        groups={"sector": np.tile(sector, (days, 1))},
        label_spec=LabelSpec(horizon=1),
        min_names=5,
        name=text,
    )
    # `from_arrays` refuses such names of fields; a page must not rely on that.
    groups, names_of = {text: panel.groups["sector"]}, {text: panel.group_names["sector"]}
    return replace(panel, groups=groups, group_names=names_of)


def factor_page_of(text: str, folder: Path) -> str:
    formula = am.parse("rank(volume) < 0.5")
    return factor_page(am.evaluate(formula, hostile_panel(text), rationale=f"why: {text}"))


def backtest_page_of(text: str, folder: Path) -> str:
    panel = hostile_panel(text)
    values = panel.columns["volume"]
    rule = SimulationSettings(neutralization=text.upper())
    # Groups are found by their name in small letters.
    groups = {text.lower(): panel.groups[text]}
    panel = replace(panel, groups=groups, group_names={})
    rivals = {text: -values}
    return backtest_page(backtest(values, panel, rule, name=text, rivals=rivals))


PAGES = {"factor": factor_page_of, "backtest": backtest_page_of}


@pytest.fixture(scope="module", autouse=True)
def small_library() -> Iterator[None]:
    """The library alone is 5 MB, the same on every page and not what is tried here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plotly.offline.get_plotlyjs", lambda: "0")
        yield


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, write_run: Callable[..., Run]
) -> dict[str, Callable[[str], str]]:
    """Writers of every page of which every free text is the given one."""

    def run_page_of(text: str, folder: Path) -> str:
        return write_run(folder / "run", text).report().read_text(encoding="utf-8")

    def writer(make: Callable[[str, Path], str]) -> Callable[[str], str]:
        return lambda text: make(text, tmp_path_factory.mktemp("page"))

    return {name: writer(make) for name, make in {**PAGES, "run": run_page_of}.items()}


@pytest.fixture(scope="module")
def plain(pages: dict[str, Callable[[str], str]]) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    return {name: Shape(make("harmless")).found for name, make in pages.items()}


def figures_of(page: str) -> Iterator[str]:
    for block in page.split('<script type="application/json">')[1:]:
        yield block.split("</script>")[0]


@pytest.mark.parametrize("kind", [*PAGES, "run"])
def test_hostile_names_are_text(
    hostile: str,
    kind: str,
    pages: dict[str, Callable[[str], str]],
    plain: dict[str, list[tuple[str, tuple[str, ...]]]],
) -> None:
    page = pages[kind](hostile)
    shape = Shape(page)
    assert shape.found == plain[kind]
    for block in figures_of(page):
        assert not set(block) & set("<>&\u2028\u2029")
        json.loads(block)
    if kind == "factor":
        hostile = f"why: {hostile}"
    # HTML has no NUL: parsers replace it.
    assert hostile.replace("\x00", "\ufffd") in "".join(shape.data).replace("\x00", "\ufffd")


def test_notebook_tables_are_text_too(escaping: str) -> None:
    panel = hostile_panel(escaping)
    report = am.evaluate(am.parse("rank(volume) < 0.5"), panel, rationale=f"why: {escaping}")
    assert report.to_dict()["rationale"] == f"why: {escaping}"
    traded = backtest(panel.columns["volume"], panel, name=escaping)
    for shown in (Shape(report._repr_html_()), Shape(traded._repr_html_())):
        assert {tag for tag, _ in shown.found} <= {
            "table", "caption", "code", "br", "thead", "tbody", "tr", "th", "td", "p"
        }  # fmt: skip
        assert all(not names for _, names in shown.found)
    assert f"why: {html.escape(escaping)}" in report._repr_html_()


def test_a_hostile_field_in_a_formula_is_text(tmp_path: Path) -> None:
    panel = hostile_panel("harmless")
    node = FieldInfo("<img src=x onerror=alert(1)>").node
    columns = {**panel.columns, node.name: panel.columns["volume"]}
    report = am.evaluate(node, replace(panel, columns=columns))
    page = report.write_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img" not in page.split("<script>")[0]
    assert "&lt;img src=x" in page
