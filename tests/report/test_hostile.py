"""A corpus of hostile strings renders as text wherever a page shows what came from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.expression.fields import FieldInfo
from alphamine.report.html import factor_page

_CODE = ("alert(1)", "fetch('//x')", "top.location='//x'")
_ELEMENTS = (
    "<script>{c}</script>", "</script><script>{c}</script>", "<img src=x onerror={c}>",
    "<svg onload={c}>", "<svg/onload={c}>", "<iframe srcdoc='<script>{c}</script>'>",
    "<body onpageshow={c}>", "<details open ontoggle={c}>", "<video><source onerror={c}></video>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror={c}>",
    "<style>@import 'javascript:{c}';</style>", "<object data=javascript:{c}>",
    "<a href=javascript:{c}>x</a>", "<form action=javascript:{c}><input type=submit>",
    "<input onfocus={c} autofocus>", "<marquee onstart={c}>", "<template><script>{c}</script>",
    "<noscript><p title='</noscript><img src=x onerror={c}>'>", "<base href=javascript:{c}//>",
    "<meta http-equiv=refresh content='0;url=javascript:{c}'>",
)  # fmt: skip
_ESCAPES = (
    "\"><script>{c}</script>", "'><img src=x onerror={c}>", "\" onmouseover=\"{c}",
    "' onclick='{c}",
    "</title><script>{c}</script>", "</style><script>{c}</script>", "--><script>{c}</script>",
    "]]><script>{c}</script>", "</textarea><script>{c}</script>", "<!--<script>{c}",
    "<scr\x00ipt>{c}</scr\x00ipt>", "\u2028{c}\u2029", "\\u003cscript>{c}", "\u202e<b>{c}",
)  # fmt: skip
_TEMPLATES = (
    "{{{{ 7 * 7 }}}}{c}", "{{% for x in y %}}{c}", "{{# {c} #}}", "${{{c}}}", "<%= {c} %>",
)  # fmt: skip
CORPUS = tuple(
    template.format(c=code) for template in (*_ELEMENTS, *_ESCAPES, *_TEMPLATES) for code in _CODE
)


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


def page_of(text: str) -> str:
    panel = hostile_panel(text)
    report = am.evaluate(am.parse("rank(volume) < 0.5"), panel)
    return factor_page(report)


@pytest.fixture(scope="module")
def plain() -> list[tuple[str, tuple[str, ...]]]:
    return Shape(page_of("harmless")).found


def figures_of(page: str) -> Iterator[str]:
    for block in page.split('<script type="application/json">')[1:]:
        yield block.split("</script>")[0]


def test_the_corpus_is_what_it_says() -> None:
    assert len(set(CORPUS)) >= 100


@pytest.mark.parametrize("text", CORPUS)
def test_hostile_names_are_text(
    text: str, plain: list[tuple[str, tuple[str, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library alone is 5 MB, the same on every page and not what is tried here.
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "0")
    page = page_of(text)
    shape = Shape(page)
    assert shape.found == plain
    for block in figures_of(page):
        assert not set(block) & set("<>&\u2028\u2029")
        json.loads(block)
    # HTML has no NUL: parsers replace it.
    assert text.replace("\x00", "\ufffd") in "".join(shape.data).replace("\x00", "\ufffd")


@pytest.mark.parametrize("text", CORPUS[::6])
def test_notebook_tables_are_text_too(text: str) -> None:
    report = am.evaluate(am.parse("rank(volume) < 0.5"), hostile_panel(text))
    shown = Shape(report._repr_html_())
    assert {tag for tag, _ in shown.found} <= {
        "table", "caption", "code", "br", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip
    assert all(not names for _, names in shown.found)


def test_a_hostile_field_in_a_formula_is_text(tmp_path: Path) -> None:
    panel = hostile_panel("harmless")
    node = FieldInfo("<img src=x onerror=alert(1)>").node
    columns = {**panel.columns, node.name: panel.columns["volume"]}
    report = am.evaluate(node, replace(panel, columns=columns))
    page = report.write_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img" not in page.split("<script>")[0]
    assert "&lt;img src=x" in page
