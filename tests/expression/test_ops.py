"""`am.ops`: every operator as a function, with its documentation."""

from __future__ import annotations

import inspect

import pytest

import alphamine as am
from alphamine.errors import FormulaError
from alphamine.expression.nodes import call
from alphamine.operators import CATALOGUE


def test_builds_the_same_node_as_the_language() -> None:
    built = am.ops.ts_corr(am.close, am.volume, 20)
    assert built is call("ts_corr", am.close, am.volume, 20)
    assert built is am.ops.ts_corr(am.close, am.volume, d=20)
    assert am.ops.winsorize(am.close, std=4) is am.ops.winsorize(am.close)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_operator_is_there_with_its_documentation(name: str) -> None:
    function = getattr(am.ops, name)
    op = CATALOGUE[name]
    doc = inspect.getdoc(function)
    assert doc is not None
    assert doc.lower().startswith(op.meaning.lower())
    parameters = inspect.signature(function).parameters
    assert list(parameters) == [i.name for i in op.inputs] + [p.name for p in op.params]
    assert name in dir(am.ops)


@pytest.mark.parametrize("name", ["abs", "max", "min", "and", "or", "not", "round"])
def test_names_of_python_have_an_underscore(name: str) -> None:
    assert getattr(am.ops, f"{name}_") is getattr(am.ops, name)


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(AttributeError, match="did you mean 'ts_corr'"):
        _ = am.ops.ts_cor
    assert not hasattr(am.ops, "__wrapped__")


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(FormulaError, match="takes 2 inputs"):
        am.ops.ts_corr(am.close)
    with pytest.raises(FormulaError, match="no parameter 'window'"):
        am.ops.ts_mean(am.close, window=5)
