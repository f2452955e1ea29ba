"""The table of targets says what exporting does."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphamine.errors import FormulaError
from alphamine.exporters.support import COLUMNS, example, support, written
from alphamine.exporters.targets import EXPORTERS, Request
from alphamine.operators import CATALOGUE, Operator
from alphamine.pool.alpha_pool import AlphaPool

DOCUMENT = Path(__file__).parents[2] / "docs" / "exports.md"

pytestmark = pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")


@pytest.mark.parametrize("operator", CATALOGUE.values(), ids=lambda op: op.name)
def test_an_operator_is_exported_or_refused_by_name_as_the_table_says(operator: Operator) -> None:
    said = support(operator)
    assert {*said} == {*COLUMNS} <= {*EXPORTERS}
    pool = AlphaPool.of(example(operator))
    for target, how in said.items():
        if how:
            EXPORTERS[target](Request(pool))
        else:
            with pytest.raises(FormulaError, match=f"template of the operator '{operator.name}'"):
                EXPORTERS[target](Request(pool))


def test_the_document_has_the_table_of_today() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == written(text), "run python -m alphamine.exporters.support docs/exports.md"
    assert all(f"\n| `{name}` |" in text for name in CATALOGUE)
