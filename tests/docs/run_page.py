"""Run the blocks of a page of the documentation from top to bottom: `run_page.py PAGE`.

Python blocks share their names, `console` blocks are run as the commands they show, and a `text`
block is what the block before it prints. What stands below `% not run: REASON` is left out.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from alphamine.cli import app

BLOCK = re.compile(
    r"(?:^% not run: (?P<why>[^\n]+)\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.M | re.S
)


def run(page: Path) -> None:
    """Run a page in the working directory.

    Raises
    ------
    AssertionError
        If a command fails, or a block prints something else than the page says.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        body = block["body"]
        if block["why"]:
            continue
        if block["kind"] == "python":
            seen = io.StringIO()
            with contextlib.redirect_stdout(seen):
                exec(compile(body, f"{page.name}: {body[:40]!r}", "exec"), names)
            printed = seen.getvalue()
        elif block["kind"] == "console":
            printed = "".join(_command(line) for line in body.splitlines())
        elif block["kind"] == "text":
            assert printed.strip() == body.strip(), (
                f"{page.name} says\n{body}\nbut it prints\n{printed}"
            )
        elif shown := re.match(r"# ([\w.]+\.yaml)\n", body):
            # A file that the page shows, by its name in the first line.
            Path(shown[1]).write_text(body, encoding="utf-8")


def _command(line: str) -> str:
    words = shlex.split(line.removeprefix("$ "))
    if words[0] == "alphamine":
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, f"{line}\n{done.output}"
        return done.output
    assert words[0] == "python", f"{line}: mark what cannot be run with `% not run: REASON`"
    ran = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True)
    assert ran.returncode == 0, f"{line}\n{ran.stderr}"
    return ran.stdout


if __name__ == "__main__":
    run(Path(sys.argv[1]).resolve())
