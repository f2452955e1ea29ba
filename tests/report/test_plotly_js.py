"""Pages of a folder share one plotting library, and go on working where the folder goes."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs, get_plotlyjs_version

from alphamine.errors import AlphamineError
from alphamine.report.plotly_js import put_beside
from alphamine.runs.run import Run

WriteRun = Callable[..., Run]


def test_a_folder_holds_the_library_once(tmp_path: Path, write_run: WriteRun) -> None:
    run = write_run(tmp_path / "run")
    pages = [run.report(), run.report(tmp_path / "run" / "again.html")]
    [library] = (tmp_path / "run").glob("plotly-*.js")
    assert library.stat().st_size > 1_000_000
    assert get_plotlyjs_version() in library.name
    assert library.read_text("utf-8").replace("<\\/script", "</script") == get_plotlyjs()
    for page in pages:
        text = page.read_text("utf-8")
        assert len(text) < 300_000
        # Relative, so that it is found wherever the folder goes, and nothing else is asked for.
        assert re.findall(r'\b(?:src|href)="([^"]+)"', text) == [library.name]
        [policy] = re.findall(r"script-src ([^;]+);", html.unescape(text))
        assert policy.split()[0] == "'self'"
        assert len(policy.split()) == 2
        assert "connect-src" not in text


def test_the_library_is_written_once_and_mended_if_it_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / put_beside(tmp_path / "page.html")
    before = path.stat().st_mtime_ns
    assert put_beside(tmp_path / "other.html") == path.name
    assert path.stat().st_mtime_ns == before
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    put_beside(tmp_path / "page.html")
    assert path.read_bytes() == whole
    assert [*tmp_path.iterdir()] == [path]


def test_a_page_alone_holds_the_library(tmp_path: Path, write_run: WriteRun) -> None:
    page = write_run(tmp_path / "run").report(tmp_path / "alone.html", single_file=True)
    assert page.stat().st_size > 1_000_000
    assert [*tmp_path.glob("*.js")] == []
    assert not re.search(r'\b(?:src|href)="', page.read_text("utf-8").split("<script>")[0])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AlphamineError, match=r"cannot write the report to .*file.*plotly-"):
        put_beside(tmp_path / "file" / "report.html")
