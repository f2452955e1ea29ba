"""What pyproject.toml claims to run on: the default suite in environments of their own.

`make compat` runs it with every Python that the machine has, on the newest packages of a plain
install, where the tests of optional packages must skip; and once with all optional packages, in
the lowest versions that pyproject.toml allows. `python tests/compat.py 3.12 lowest` runs some.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv" / "compat"
PYTHONS = ("3.11", "3.12", "3.13")
LOWEST = "lowest"


def interpreter(version: str) -> str | None:
    """The first Python of a version that runs, on the path or kept by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    for found in (shutil.which(f"python{version}"), *map(str, kept)):
        # A shim of pyenv is on the path whether it leads anywhere or not.
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    return None


def lowest(project: dict[str, Any]) -> Iterator[str]:
    """The lower bounds of all requirements, as constraints."""
    optional = project["optional-dependencies"].values()
    for requirement in [*project["dependencies"], *(one for extra in optional for one in extra)]:
        if match := re.match(r"([\w-]+)>=([\d.]+)", requirement):
            yield f"{match[1]}=={match[2]}"


def build_wheel(python: str) -> Path:
    """The wheel that every environment installs: its kernels are compiled once."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # modules of yesterday would be shipped
    folder = ENVIRONMENTS / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    [wheel] = folder.glob("*.whl")
    return wheel


def run_suite(name: str, python: str, package: str, constraints: Iterator[str]) -> bool:
    """Install into an environment of this name, and run the default suite there."""
    folder = ENVIRONMENTS / name
    subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
    (folder / "constraints.txt").write_text("".join(f"{one}\n" for one in constraints))
    own = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    subprocess.run(
        [own, "-m", "pip", "install", "-q", "-c", str(folder / "constraints.txt"), package],
        check=True,
    )
    # -P: what is installed is tested, not the folder that the tests are in.
    tests = [own, "-P", "-m", "pytest", "-q", "-n", "2", "-m", "not slow"]
    return subprocess.run(tests, cwd=ROOT).returncode == 0


def main(wanted: list[str]) -> int:
    """Run what is wanted, by default all; how many suites failed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wheel = build_wheel(sys.executable)
    failed = []
    for name in wanted or [*PYTHONS, LOWEST]:
        python = interpreter(PYTHONS[0] if name == LOWEST else name)
        print(f"== {name}: {python or 'no such Python here'}", flush=True)
        if python is None:
            continue
        extra, bounds = ("dev", lowest(project)) if name == LOWEST else ("test", iter(()))
        if not run_suite(name, python, f"{wheel}[{extra}]", bounds):
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all pass")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
