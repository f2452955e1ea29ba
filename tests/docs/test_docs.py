"""The documentation builds without a warning, is complete, fetches nothing, and runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import alphamine as am
from alphamine.data.sources.registry import SOURCES
from alphamine.exporters.targets import EXPORTERS
from alphamine.operators import CATALOGUE
from alphamine.searchers.registry import SEARCHERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RUN_PAGE = Path(__file__).with_name("run_page.py")
PAGES = [
    DOCS / "index.md",
    DOCS / "tutorial.md",
    *sorted((DOCS / "howto").glob("*.md")),
    *sorted((DOCS / "explanation").glob("*.md")),
]
# More than ten seconds each.
SLOW = {"tutorial", "executors", "plugins", "production"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    for name in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    done = subprocess.run(
        [*command, "-d", folder / "kept", "-b", "html", DOCS, folder / "html"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_everything_that_has_a_name_is_in_the_reference(site: Path) -> None:
    def page(name: str) -> str:
        return (site / "reference" / f"{name}.html").read_text(encoding="utf-8")

    operators = page("operators")
    for name in CATALOGUE:
        assert f'id="operator-{name.replace("_", "-")}"' in operators, name
    python = page("python")
    for name in {*am.__all__} - {"__version__"}:
        assert f'id="alphamine.{name}"' in python or f'id="alphamine-{name}"' in python, name
    commands = page("commands")
    shown = subprocess.run(
        [sys.executable, "-m", "alphamine.cli", "--help"], capture_output=True, text=True
    ).stdout
    listed = re.findall(r"^  ([a-z]+) ", shown.split("Commands:")[1], re.MULTILINE)
    assert len(listed) > 12
    for name in listed:
        assert f'id="alphamine-{name}"' in commands, name
    assert 'id="alphamine-data-check"' in commands
    assert "--placebo" in commands
    names, settings = page("names"), page("settings")
    for name in (*SEARCHERS, *SOURCES, *EXPORTERS):
        assert f">{name}</span>" in names, name
    assert all(f">{name}</span>" in settings for name in SEARCHERS)
    assert "max_correlation" in settings


def test_every_link_leads_somewhere_and_nothing_is_fetched(site: Path) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert len(texts) > 20
    for path, text in texts.items():
        fetched = re.findall(
            r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=\"([^\"]+)", text
        )
        for address in fetched:
            assert not urlsplit(address).netloc, f"{path.name} fetches {address}"
        for address in re.findall(r"<a\b[^>]*?href=\"([^\"]+)", text):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name} links to {address}"
            if parts.fragment and target.suffix == ".html":
                anchor = f'id="{unquote(parts.fragment)}"'
                assert anchor in texts[target], f"{path.name} links to {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", sheet.read_text(encoding="utf-8")), (
            sheet
        )


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow) if page.stem in SLOW else page for page in PAGES],
    ids=lambda page: page.stem,
)
def test_blocks_run_and_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    # In a process of its own: pages register operators.
    done = subprocess.run(
        [sys.executable, str(RUN_PAGE), str(page)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_page_that_says_something_else_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    done = subprocess.run(
        [sys.executable, str(RUN_PAGE), str(page)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "page.md says" in done.stderr
