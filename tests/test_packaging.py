"""The three code folders are one import package, complete in every form it is shipped in."""

from __future__ import annotations

import os
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
SHIPPED = ("data_specs", "jobs", "notebooks")
FOLDERS = {
    "alphamine": "alphamine",
    "operators": "alphamine.operators",
    "search": "alphamine.searchers",
}


def packages_in_the_tree() -> set[str]:
    found = set()
    for folder, package in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder)
            if folder == "alphamine" and inner.parts[:1] in (("operators",), ("searchers",)):
                continue  # the links to the other two folders
            found.add(".".join((package, *inner.parts)))
    return found | {f"alphamine.shipped.{folder}" for folder in SHIPPED}


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(packages_in_the_tree())


def build(out: Path, **environment: str) -> tuple[Path, Path]:
    """The sdist of the tree, and the wheel made from that sdist."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
        env=os.environ | environment,
    )
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.startswith("alphamine/")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Sdist and wheel, built on a machine whose compiler does not work."""
    return build(tmp_path_factory.mktemp("dist"), CC="false", CXX="false")


def modules_in_the_tree() -> set[str]:
    expected = set()
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            inner = path.relative_to(ROOT / folder)
            if folder == "alphamine" and inner.parts[0] in ("operators", "searchers"):
                continue
            expected.add("/".join((*package.split("."), *inner.parts)))
    return expected


def test_wheel_from_sdist_holds_every_module(built: tuple[Path, Path]) -> None:
    shipped = members(built[1])
    assert modules_in_the_tree() - shipped == set()
    assert {name for name in shipped if name.endswith(".py")} - modules_in_the_tree() == set()
    data = {
        "alphamine/py.typed",
        "alphamine/report/base.html.j2",
        "alphamine/libraries/alpha101.txt",
    }
    assert data <= shipped
    given = [p for folder in SHIPPED for p in (ROOT / folder).iterdir() if p.suffix != ".py"]
    assert {f"alphamine/shipped/{p.parent.name}/{p.name}" for p in given} <= shipped


def test_without_a_compiler_there_is_a_wheel_without_kernels(built: tuple[Path, Path]) -> None:
    assert not [name for name in members(built[1]) if "_kernels_" in name]
    assert built[1].name.endswith("-py3-none-any.whl")


@pytest.mark.slow
def test_with_a_compiler_the_wheel_holds_the_kernels(tmp_path: Path) -> None:
    _, wheel = build(tmp_path)
    assert "-py3-none-" in wheel.name
    assert "-any" not in wheel.name
    assert [name for name in members(wheel) if "_kernels_baseline" in name]


def test_sdist_holds_each_file_once(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = [m.name.split("/", 1)[1] for m in archive.getmembers() if m.isfile()]
    assert not [n for n in names if n.startswith(("alphamine/operators/", "alphamine/searchers/"))]
    assert len(names) == len(set(names))
    assert {"operators/kernels/library.cpp", "operators/kernels/kernel.hpp"} <= set(names)


@pytest.mark.parametrize("folder", ["operators", "search"])
def test_code_folders_refuse_a_second_name(folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"import {FOLDERS[folder]}, not {folder}" in done.stderr


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
