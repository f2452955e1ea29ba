"""The table of targets says what exporting does."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphamine.errors import FormulaError
from alphamine.exporters.qlib_target import qlib_files
from alphamine.exporters.support import COLUMNS, example, support, written
from alphamine.exporters.targets import CODE, text_of
from alphamine.operators import CATALOGUE, Operator
from alphamine.pool.alpha_pool import AlphaPool

DOCUMENT = Path(__file__).parents[2] / "docs" / "exports.md"

pytestmark = pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")


def code(pool: AlphaPool, target: str) -> None:
    if target == "qlib":
        qlib_files(pool, "signal_a", None)
    else:
        assert text_of(pool.formulas[0], target)


@pytest.mark.parametrize("operator", CATALOGUE.values(), ids=lambda op: op.name)
def test_an_operator_is_exported_or_refused_by_name_as_the_table_says(operator: Operator) -> None:
    said = support(operator)
    assert {*said} == {*COLUMNS} == {*CODE, "qlib", "latex"}
    pool = AlphaPool.of(example(operator))
    for target, how in said.items():
        if how:
            code(pool, target)
        else:
            with pytest.raises(FormulaError, match=f"template of the operator '{operator.name}'"):
                code(pool, target)


def test_the_document_has_the_table_of_today() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == written(text), "run python -m alphamine.exporters.support docs/exports.md"
    assert all(f"\n| `{name}` |" in text for name in CATALOGUE)
