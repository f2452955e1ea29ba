"""What an operator says of itself to algebra and to other languages, held against what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from alphamine.errors import OperatorError, nearest
from alphamine.operators import CATALOGUE, Kind, Operator
from alphamine.operators.entry import DIALECTS
from alphamine.operators.laws import NO_LAWS, Laws
from alphamine.operators.typeset import Typeset

from .samples import Sample, Values, samples

_PLACE = re.compile(r"<(\d+)>")
_FOREIGN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")


def check_entry(operator: Operator) -> None:
    """Check names, LaTeX and algebraic laws of an operator that is not in the catalogue yet.

    A law is tried on random inputs with gaps and ties: one that does not hold would let the
    canonical form turn a formula into another one.

    Raises
    ------
    OperatorError
        Names what is wrong, the operator and the fix.
    """
    _check_dialects(operator.name, operator.dialects)
    if isinstance(operator.latex, Typeset):
        _check_typeset(operator, operator.latex)
    check_laws(operator)


def check_laws(operator: Operator, windows: tuple[int, ...] = (1, 2, 5), seed: int = 0) -> None:
    """Try the laws of an operator bit for bit.

    Raises
    ------
    OperatorError
        For the first that does not hold.
    """
    laws = operator.laws
    if laws == NO_LAWS:
        return
    _check_places(operator, laws)
    for sample in samples(operator, windows, seed):
        for law, got, want in _sides(sample, laws):
            if not ((got == want) | (np.isnan(got) & np.isnan(want))).all():
                raise OperatorError(
                    f"operator {operator.name!r} does not keep the law {law!r} in {sample}: both "
                    "sides differ, and formulas would be rewritten into others; do not state it"
                )


def _check_places(operator: Operator, laws: Laws) -> None:
    """Laws speak of inputs that are numbers, and of operators that there are."""
    places = {*laws.odd, *range(len(operator.inputs) if _of_all(laws) else 0)}
    places |= {0} if laws.keeps_nonnegative else set()
    numbers = {i for i, own in enumerate(operator.inputs) if own.kind is Kind.NUMBER}
    if wrong := sorted(places - numbers):
        raise OperatorError(
            f"laws of a sign are about inputs that are numbers, but input {wrong[0]} of "
            f"{operator.signature} is none"
        )
    for name in (laws.mirror, laws.swap, laws.opposite):
        if name is not None and name != operator.name and name not in CATALOGUE:
            raise OperatorError(
                f"the laws of {operator.name!r} name the operator {name!r}, which does not exist"
                f"{nearest(name, CATALOGUE)}; register it first"
            )
    if laws.opposite and len(operator.inputs) != 2:
        raise OperatorError(
            f"an operator with an opposite takes two inputs, but that is {operator.signature}"
        )
    if (laws.window_of_one or laws.additive) and operator.window != 0:
        raise OperatorError(
            f"laws of a window are about a first parameter that is one, but that is "
            f"{operator.signature}"
        )


def _of_all(laws: Laws) -> bool:
    return bool(laws.even or laws.mirror or laws.swap or laws.opposite or laws.negates)


def _sides(sample: Sample, laws: Laws) -> Iterator[tuple[str, Values, Values]]:
    """Name, left and right side of each law that is stated."""
    inputs, run = sample.inputs, sample.run
    result = run()
    opposite = [-x for x in inputs] if laws.odd or _of_all(laws) else []
    for place in laws.odd:
        turned = [opposite[i] if i == place else x for i, x in enumerate(inputs)]
        yield f"odd in input {place}", run(turned), -result
    if laws.even:
        yield "even", run(opposite), result
    if laws.negates:
        yield "negates", result, opposite[0]
    if laws.mirror:
        yield "mirror", run(opposite), -_other(sample, laws.mirror)
    if laws.swap:
        yield "swap", run(opposite), _other(sample, laws.swap)
    if laws.opposite:
        yield "opposite", run([inputs[0], opposite[1]]), _other(sample, laws.opposite)
    if laws.idempotent:
        yield "idempotent", run([result, *inputs[1:]]), result
    if laws.additive:
        twice = replace(sample, params=(2 * int(sample.params[0]), *sample.params[1:]))
        yield "additive", run([result, *inputs[1:]]), twice.run()
    if laws.nonnegative:
        yield "nonnegative", np.abs(result), result
    if laws.keeps_nonnegative:
        yield "keeps_nonnegative", run([np.abs(inputs[0])]), np.abs(inputs[0])
    if laws.window_of_one and sample.params[0] == 1:
        yield "window_of_one", result, inputs[0]


def _other(sample: Sample, name: str) -> Values:
    """The result of another operator on the same inputs and parameters."""
    operator = sample.operator if name == sample.operator.name else CATALOGUE[name]
    return replace(sample, operator=operator).run()


def _check_dialects(name: str, dialects: Mapping[str, str]) -> None:
    """A name in a dialect belongs to one operator."""
    for dialect, own in dialects.items():
        if dialect not in DIALECTS:
            raise OperatorError(
                f"there is no dialect {dialect!r}{nearest(dialect, DIALECTS)}; operators have "
                f"names in {', '.join(DIALECTS)}"
            )
        if not isinstance(own, str) or not _FOREIGN_NAME.fullmatch(own):
            raise OperatorError(
                f"a name in a dialect is letters, digits and underscores, but {name!r} was given "
                f"{own!r} for {dialect}"
            )
        taken = [op.name for op in CATALOGUE.values() if op.dialects.get(dialect) == own]
        if taken:
            raise OperatorError(
                f"{own!r} is {taken[0]} in {dialect} and cannot be {name!r} as well; choose "
                "another name there, or none"
            )


def _check_typeset(operator: Operator, form: Typeset) -> None:
    places = {int(place) for place in _PLACE.findall(form.text)}
    count = len(operator.inputs)
    if places != set(range(count)) or len(form.sides) not in (0, count):
        raise OperatorError(
            f"the LaTeX of {operator.signature} has a place <0> .. <{count - 1}> for each input "
            f"and as many sides, or none, but got {form.text!r} with {len(form.sides)} sides"
        )
    if operator.params:
        raise OperatorError(
            f"LaTeX with places shows inputs only, but {operator.signature} has parameters, which "
            "would not be seen; give the name of a function"
        )
