"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.metadata import packages_distributions
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from alphamine.errors import MissingDependency
from alphamine.extras import OPTIONAL

# readline, which pytest imports, exports the size of a terminal that there is not.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
# What fixtures of whole modules try is not counted.
os.environ["ALPHAMINE_LEDGER"] = "off"

_TEST = count()
SHARED = Path(os.environ.get("ALPHAMINE_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(autouse=True)
def ledgers(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a test's ledgers of datasets are: not the user's, nor those of other tests."""
    folder = tmp_path_factory.getbasetemp() / "ledgers" / str(next(_TEST))
    monkeypatch.setenv("ALPHAMINE_LEDGER", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the three real panels; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("ALPHAMINE_DATA", SHARED / "data"))
    if not (folder / "cn_csi800" / "prices.parquet").exists():
        pytest.skip(f"needs the real panels, which are not in {folder}")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the anchors' own outputs."""
    folder = SHARED / "reference" / "golden"
    if not folder.exists():
        pytest.skip(f"needs the golden outputs, which are not in {folder}")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    return (yield from _skipping_what_is_not_installed())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    return (yield from _skipping_what_is_not_installed())


def _skipping_what_is_not_installed() -> Generator[None, Any, Any]:
    """A test that an optional package is missing for is skipped; with all of them it has failed."""
    try:
        return (yield)
    except MissingDependency as error:
        installed = {name for names in packages_distributions().values() for name in names}
        # qlib has an environment of its own (tests/environments.py).
        if {name.replace("_", "-").lower() for name in installed} >= set(OPTIONAL) - {"pyqlib"}:
            raise
        pytest.skip(str(error))
