"""Without qlib, its handlers say what to install, and exports for it need nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import alphamine as am
from alphamine.errors import MissingDependency


@pytest.mark.skipif(find_spec("qlib") is not None, reason="qlib is installed")
def test_handlers_name_the_extra() -> None:
    with pytest.raises(MissingDependency, match=r"pip install 'alphamine\[qlib\]'"):
        import alphamine.integrations.qlib  # noqa: F401


def test_a_bundle_for_qlib_is_exported_and_checked_without_it(tmp_path: Path) -> None:
    bundle = am.export("-rank(ts_corr(close, volume, 10))", tmp_path / "signal_q", ["qlib"])
    names = {path.name for path in bundle.directory.iterdir()}
    assert {
        "qlib_factors.json", "qlib_signal.py", "qlib_handler.py", "qlib_workflow.yaml",
    } <= names  # fmt: skip
    assert "qrun BUNDLE/qlib_workflow.yaml" in (bundle.directory / "README.md").read_text()
    command = [sys.executable, "-m", "signal_q", "verify"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
