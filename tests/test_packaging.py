"""The three code folders are one import package, complete in every form it is shipped in."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {
    "duckdb", "jinja2", "openai", "pandas", "plotly", "polars", "pyarrow", "pydantic", "qlib",
    "ray", "scipy", "sklearn", "sympy", "torch",
}  # fmt: skip
FOLDERS = {
    "alphamine": "alphamine",
    "operators": "alphamine.operators",
    "search": "alphamine.search",
}


def packages_in_the_tree() -> set[str]:
    found = set()
    for folder, package in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder)
            if folder == "alphamine" and inner.parts[:1] in (("operators",), ("search",)):
                continue  # the links to the other two folders
            found.add(".".join((package, *inner.parts)))
    return found


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(packages_in_the_tree())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str], Path]:
    """Python files of the wheel built from the tree's sdist, of the tree, and the sdist."""
    out = tmp_path_factory.mktemp("dist")
    # Without flags, `build` makes the sdist from the tree and the wheel from that sdist.
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if name.startswith("alphamine/")}
    expected = set()
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            inner = path.relative_to(ROOT / folder)
            if folder == "alphamine" and inner.parts[0] in ("operators", "search"):
                continue
            expected.add("/".join((*package.split("."), *inner.parts)))
    return shipped, expected, sdist


def test_wheel_from_sdist_holds_every_module(built: tuple[set[str], set[str], Path]) -> None:
    shipped, expected, _ = built
    assert expected - shipped == set()
    assert {name for name in shipped if name.endswith(".py")} - expected == set()
    assert "alphamine/py.typed" in shipped


def test_sdist_holds_each_file_once(built: tuple[set[str], set[str], Path]) -> None:
    with tarfile.open(built[2]) as archive:
        names = [m.name.split("/", 1)[1] for m in archive.getmembers() if m.isfile()]
    assert not [n for n in names if n.startswith(("alphamine/operators/", "alphamine/search/"))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("folder", ["operators", "search"])
def test_code_folders_refuse_a_second_name(folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"import alphamine.{folder}, not {folder}" in done.stderr


@pytest.mark.parametrize("statement", ["import alphamine", "import alphamine.cli"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert HEAVY & set(loaded) == set()


def test_public_names_resolve() -> None:
    import alphamine

    for name in alphamine.__all__:
        assert getattr(alphamine, name) is not None, name
    assert set(alphamine.__all__) <= set(dir(alphamine))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = alphamine.no_such_name
