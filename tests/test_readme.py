"""What the README shows runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_python_blocks_run_from_top_to_bottom(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 3
    # A smaller budget than a reader would give; everything else as printed.
    text = "\n".join(blocks)
    assert "budget=2000" in text
    text = text.replace("budget=2000", "budget=100") + "\nprint(report.rank_ic, formula)\n"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("rank(ts_range(close, 10))\n")
    assert (tmp_path / "runs" / "first" / "report.html").stat().st_size > 10_000
