"""A generated Python module: its head, its operators, a function a formula, the signal."""

from __future__ import annotations

import json
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final

from alphamine.errors import FormulaError
from alphamine.expression.nodes import Call
from alphamine.operators import Family, Kind, Operator
from alphamine.pool.alpha_pool import AlphaPool

from .program import Program

RESERVED: Final = frozenset({"date", "symbol", "universe", "alive", "row", "signal"})
"""Columns that mean something in every target."""

# Steps and members, and what is computed on the way to them.
_OURS: Final = re.compile(r"(v|z|formula_)\d+(_\w+)?")

_WIDTH: Final = 100
_CALL: Final = re.compile(r'(return |[\w.", \[\]]+ = )?[\w.]+\(')


def refused(operator: Operator, target: str, why: str) -> FormulaError:
    """The error for an operator that a target cannot express."""
    return FormulaError(
        f"the target {target!r} has no template of the operator {operator.name!r}: {why}; "
        "leave the target or the formula out"
    )


class Module(ABC):
    """Writes the module of a pool for one target.

    Parameters
    ----------
    pool : AlphaPool
    """

    target: ClassVar[str]
    capitals: ClassVar[bool] = True
    """Whether names that differ by capitals only are different names."""

    def __init__(self, pool: AlphaPool) -> None:
        self.pool = pool
        self.program = Program.of(pool.formulas, pool.min_periods)
        known: dict[str, str] = {}
        for field in self.program.fields:
            name = field.name if self.capitals else field.name.lower()
            if name in RESERVED or _OURS.fullmatch(name):
                raise FormulaError(
                    f"columns called {', '.join(sorted(RESERVED))}, v1, z1 or formula_1 have a "
                    "meaning of their own in exported code, but a formula reads the field "
                    f"{field.name!r}; rename it"
                )
            if name in known:
                raise FormulaError(
                    f"the target {self.target!r} does not tell capitals apart, but formulas read "
                    f"the fields {known[name]!r} and {field.name!r}; rename one of them"
                )
            known[name] = field.name
        for node in self.program.steps:
            if node.operator.path_dependent:
                raise refused(node.operator, self.target, "it depends on all of its own past")

    @abstractmethod
    def text(self) -> str:
        """The module."""

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the number fields."""
        return tuple(f.name for f in self.program.fields if f.kind is not Kind.GROUP)

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.program.fields if f.kind is Kind.GROUP)

    def head(self) -> str:
        """The docstring of the module."""
        pool, origin = self.pool, self.pool.provenance
        lines = [f"The signal of {pool}, computed with {self.target}.", ""]
        lines += wrapped(
            f"{len(pool)} formulas, standardised: {pool.standardisation}; min_periods "
            f"{pool.min_periods}. Made by alphamine"
            + (f" from the run {origin['run']}" if "run" in origin else "")
            + (f" after {pool.trials:,} formulas tried." if origin else ".")
        )
        return docstring(lines)

    def facts(self) -> str:
        """Constants of the module."""
        return (
            f"NUMBERS = {listed(self.numbers)}\n"
            f"GROUPS = {listed(self.groups)}\n"
            f"LOOKBACK = {self.pool.lookback}"
        )

    def about(self, index: int) -> list[str]:
        """What there is to say of a formula."""
        pool = self.pool
        lines = [f"Formula {index + 1} of {len(pool)}.", "", *wrapped(f"{pool.formulas[index]}")]
        verdict = (pool.records[index].get("verdict") if pool.records else None) or "not judged"
        run = pool.provenance.get("name", "none")
        facts = f"Weight {pool.weights[index]:.6g}; run {run}; verdict: {verdict}."
        return [*lines, "", *wrapped(facts)]


def wrapped(text: str, indent: int = 4) -> list[str]:
    """Lines that fit the width; a formula is broken at its commas and spaces."""
    clean = text.replace("\\", "\\\\").replace('"""', "'''")
    return textwrap.wrap(clean, _WIDTH - indent, break_long_words=False) or [""]


def docstring(lines: list[str]) -> str:
    """A docstring of some lines."""
    if len(lines) == 1 and len(lines[0]) < _WIDTH - 12:
        end = " " if lines[0].endswith('"') else ""
        return f'"""{lines[0]}{end}"""'
    return "\n".join(['"""' + lines[0], *lines[1:], '"""'])


def laid_out(line: str, indent: int = 4) -> str:
    """A statement broken at the arguments of its last call where it is too long for a line."""
    if len(line) + indent < _WIDTH:
        return line
    if line.startswith("lambda k: "):
        inner = "\n".join(_operands(line.removeprefix("lambda k: ")))
        return "lambda k: (\n" + textwrap.indent(inner, "    ") + "\n)"
    start = _opening(line) if line.endswith(")") else -1
    head = line[: start + 1]
    if not _CALL.fullmatch(head):
        return line
    parts = [laid_out(part, indent + 4) for part in _arguments(line[start + 1 : -1])]
    body = textwrap.indent("\n".join(f"{part}," for part in parts), "    ")
    return f"{head}\n{body}\n)"


def _operands(text: str) -> list[str]:
    """The operands of an expression, each but the first behind its operator."""
    depth, start, parts = 0, 0, []
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if not depth and text[place : place + 3] in (" + ", " - ", " * ", " / "):
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _opening(line: str) -> int:
    """Where the bracket opens that closes at the end."""
    depth = 0
    for place in range(len(line) - 1, -1, -1):
        depth += (line[place] in ")]") - (line[place] in "([")
        if depth == 0:
            return place
    return 0


def _arguments(text: str) -> list[str]:
    """The arguments of a call, by the commas that no bracket encloses."""
    parts, depth, start, quoted_by = [], 0, 0, ""
    for place, letter in enumerate(text):
        if quoted_by:
            quoted_by = "" if letter == quoted_by and text[place - 1] != "\\" else quoted_by
        elif letter in "\"'":
            quoted_by = letter
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth and not quoted_by:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]


def function(name: str, arguments: str, body: Iterable[str], result: str = "") -> str:
    """A function definition."""
    arrow = f" -> {result}" if result else ""
    inner = textwrap.indent("\n".join(map(_statement, body)), "    ")
    return f"def {name}({arguments}){arrow}:\n{inner}"


def _statement(line: str) -> str:
    if line.startswith('"""'):
        return line
    margin = len(line) - len(line.lstrip())
    return textwrap.indent(laid_out(line.lstrip(), 4 + margin), " " * margin)


def quoted(name: str) -> str:
    """A text as Python writes it."""
    return json.dumps(name, ensure_ascii=False)


def listed(names: Iterable[str]) -> str:
    """A list of texts."""
    return f"[{', '.join(map(quoted, names))}]"


def inline(node: Call) -> bool:
    """Whether a step is arithmetic of single cells, written as an expression."""
    return node.operator.family is Family.ELEMENTWISE and not node.operator.fills_missing
