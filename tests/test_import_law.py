"""Imports point one way, and the linter notices one that does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    pytest.importorskip("importlinter")
    for folder in ("alphamine", "operators", "search"):
        ignored = shutil.ignore_patterns("*.so", "*.dylib", "__pycache__", "kernels/*.?pp")
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=tree,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={"PYTHONPATH": str(tree), "PYTHONIOENCODING": "utf-8"},
    )


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("search/random.py", "from alphamine.data.panel import Panel"),
        ("alphamine/pool/gram.py", "from alphamine.engine.native import load"),
        ("search/rl/prior.py", "import alphamine.jobs.study"),
        ("operators/units.py", "from alphamine.expression.nodes import Node"),
        ("alphamine/pool/weights.py", "from alphamine.searchers.base import Searcher"),
        ("alphamine/expression/nodes.py", "import alphamine.data.panel"),
    ],
)
def test_a_forbidden_import_fails_the_lint(copy: Path, module: str, line: str) -> None:
    kept = lint(copy)
    assert kept.returncode == 0, kept.stdout + kept.stderr
    path = copy / module
    path.write_text(f"{path.read_text()}\n\n{line}\n")
    broken = lint(copy)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "BROKEN" in broken.stdout
