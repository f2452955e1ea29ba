"""What Ray's errors become."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_cluster_that_wants_a_token_says_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from conftest import make_panel\n"
        "import alphamine as am\n"
        "try: am.search(make_panel(), run_dir=sys.argv[2], executor='ray', address='127.0.0.1:1')\n"
        "except am.AlphamineError as error: print(error)"
    )
    tokenless = {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parents[1]), str(tmp_path / "run")],
        env={**os.environ, **tokenless},
        capture_output=True,
        text=True,
    )
    assert "RAY_AUTH_MODE=token" in done.stdout, done.stderr
