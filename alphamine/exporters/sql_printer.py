"""Printing terms as SQL for DuckDB: columns in levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from alphamine.errors import FormulaError
from alphamine.operators.terms import Term

from .printing import AND, ATOM, COMPARED, NOT, OR, PRODUCT, Printer, Text, series_of

_FUNCTIONS: Final = {
    "abs": "abs",
    "sqrt": "sqrt",
    "log": "ln",
    "exp": "exp",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "tanh": "tanh",
    "tan": "tan",
    "pow": "pow",
}
_STATISTICS: Final = {
    "high": "max({})",
    "low": "min({})",
    "count": "count({})",
}
_RISKY: Final = {"add", "sub", "mul", "div", "pow", "exp", "log", "log1p", "tan", "raised", "sqrt"}


def identifier(name: str) -> str:
    """A quoted SQL identifier.

    Raises
    ------
    FormulaError
        If the name cannot be one.
    """
    if "\x00" in name or not name:
        raise FormulaError(f"a column has a name without NUL, but got {name!r}; rename the field")
    return '"' + name.replace('"', '""') + '"'


class SqlPrinter(Printer):
    """Columns in levels: a column reads those of earlier levels only."""

    missing = "NULL"
    infix: ClassVar[dict[str, tuple[str, int]]] = {
        **Printer.infix,
        "and": (" AND ", AND),
        "or": (" OR ", OR),
        "eq": (" = ", COMPARED),
    }

    def __init__(self) -> None:
        super().__init__({})
        self.levels: list[dict[str, str]] = []
        self.level: dict[str, int] = {}
        self.windows: dict[str, str] = {}
        self.prefix = ""
        self._reads: list[int] = [0]
        self._fold: dict[int, str] | None = None
        self._lists: dict[tuple[int, str], str] = {}

    def column(self, name: str, code: str, at: int) -> str:
        """Write a column at a level."""
        while len(self.levels) <= at:
            self.levels.append({})
        self.levels[at][name] = code
        self.level[name] = at
        return identifier(name)

    def kept(self, name: str, term: Term) -> None:
        """Write a term down as the column of a step."""
        self._reads.append(0)
        code = self.text(term)
        at = self._reads.pop()
        self.column(name, finite(code) if _may_be_infinite(term) else code, at)

    def written(self, value: object) -> Text:
        if isinstance(value, Term) and value.name:
            known = self._written.get(id(value))
            if known is None:
                fold, self._fold = self._fold, None
                self._reads.append(0)
                code = self.expression(value)[0]
                at = self._reads.pop()
                self._fold = fold
                name = self._free(f"{self.prefix}_{value.name}")
                self.column(name, finite(code) if _may_be_infinite(value) else code, at)
                known = self._written[id(value)] = (name, ATOM)
                self._kept.append(value)
            return self.read(known[0])
        return super().written(value)

    def read(self, name: str) -> Text:
        """Refer to a column."""
        self._reads[-1] = max(self._reads[-1], self.level.get(name, -1) + 1)
        return identifier(name), ATOM

    def assign(self, name: str, code: Text) -> str:
        raise NotImplementedError

    def number(self, value: float) -> Text:
        text, strength = super().number(value)
        return text if "e" in text else f"{text}e0", strength

    def raised(self, term: Term) -> Text:
        base = self.text(term.args[0], ATOM)
        return " * ".join([base] * term.args[1]), PRODUCT

    def special(self, term: Term) -> Text:
        args, op = term.args, term.op
        if op in _FUNCTIONS:
            return f"{_FUNCTIONS[op]}({', '.join(self.text(a) for a in args)})", ATOM
        kind, _, statistic = op.partition("_")
        match kind:
            case "row" | "alive":
                return f'"{kind}"', ATOM
            case "sign":
                return f"sign({self.text(args[0])})::DOUBLE", ATOM
            case "rint":
                return f"round_even({self.text(args[0])}, 0)", ATOM
            case "log1p":
                x = self.text(args[0], ATOM)
                sum_ = f"(1e0 + {x})"
                return (
                    f"CASE WHEN {sum_} = 1e0 THEN {x} ELSE ln({sum_}) * {x} / ({sum_} - 1e0) END"
                ), OR
            case "smaller" | "larger":
                return self.extreme(kind, args), ATOM
            case "present":
                return f"{self.text(args[0], ATOM)} IS NOT NULL", COMPARED
            case "not":
                return f"NOT coalesce({self.text(args[0])}, FALSE)", NOT
            case "truth":
                return f"CASE WHEN {self.text(args[0])} THEN 1e0 ELSE 0e0 END", ATOM
            case "where":
                condition, a, b = (self.text(a) for a in args)
                other = "" if b == "NULL" else f" ELSE {b}"
                return f"CASE WHEN {condition} THEN {a}{other} END", ATOM
            case "power":
                x = self.text(args[0])
                steps = f"greatest(least(round(log2({x}) / 64e0), 15e0), -15e0)"
                return f"CASE WHEN {x} > 0e0 THEN pow(2e0, -64e0 * {steps}) ELSE 1e0 END", ATOM
            case "age":
                assert self._fold is not None
                return f"(len({next(iter(self._fold.values()))}) - i)::DOUBLE", ATOM
            case "ago":
                return self.ago(args)
            case "total" | "least" | "most":
                return self.fold(kind, args), ATOM
            case "last":
                known = f"list_filter({self.past(args[0], args[1])}, lambda v: v IS NOT NULL)"
                return f"{known}[-{self.text(args[2]).removesuffix('e0')}]", ATOM
            case "window":
                return self.window(statistic, args), ATOM
            case "day" | "group":
                return self.across(statistic, args), ATOM
        raise AssertionError(op)

    def extreme(self, kind: str, args: Sequence[object]) -> str:
        sides = [self.text(a, ATOM) for a in args]
        known = " AND ".join(
            f"{s} IS NOT NULL" for s, a in zip(sides, args, strict=True) if isinstance(a, Term)
        )
        function = "least" if kind == "smaller" else "greatest"
        return f"CASE WHEN {known} THEN {function}({', '.join(sides)}) END"

    def ago(self, args: Sequence[object]) -> Text:
        if len(args) > 1:
            self.windows["by_symbol"] = 'PARTITION BY "symbol" ORDER BY "date"'
            return f"lag({self.text(args[0])}, {args[1]}) OVER by_symbol", ATOM
        assert self._fold is not None
        array = self._fold[id(args[0])]
        first = next(iter(self._fold.values()))
        return ("v" if array == first else f"{array}[i]"), ATOM

    def frame(self, d: object) -> str:
        """The window of the last d rows."""
        name = f"last_{d}"
        rows = f"ROWS BETWEEN {int(str(d)) - 1} PRECEDING AND CURRENT ROW"
        self.windows[name] = f'PARTITION BY "symbol" ORDER BY "date" {rows}'
        return name

    def past(self, series: object, d: object) -> str:
        """A column of the last d values of a series, oldest first."""
        key = (id(series), str(d))
        if key not in self._lists:
            fold, self._fold = self._fold, None
            self._reads.append(0)
            code = f"list({self.text(series)}) OVER {self.frame(d)}"
            at = self._reads.pop()
            self._fold = fold
            name = self._free(f"{self.prefix}_past")
            self.column(name, code, at)
            self._lists[key] = name
            self._kept.append(series)  # type: ignore[arg-type]
        return self.read(self._lists[key])[0]

    def fold(self, kind: str, args: Sequence[object]) -> str:
        body, d = args
        arrays = {id(s): self.past(s, d) for s in series_of(body)}
        outer, self._fold = self._fold, arrays
        powers = body.args[1] if isinstance(body, Term) and body.op == "raised" else 1
        inner = self.text(body.args[0] if powers > 1 else body)  # type: ignore[attr-defined]
        self._fold = outer
        mapped = f"list_transform({next(iter(arrays.values()))}, lambda v, i: {inner})"
        if powers > 1:
            mapped = f"list_transform({mapped}, lambda e: {' * '.join(['e'] * powers)})"
        if kind == "total":
            return f"coalesce(list_sum({mapped}), 0e0)"
        return f"list_{'min' if kind == 'least' else 'max'}({mapped})"

    def window(self, statistic: str, args: Sequence[object]) -> str:
        x, frame = self.text(args[0]), self.frame(args[1])
        if statistic == "count":
            return f"(count({x}) OVER {frame})::DOUBLE"
        if statistic == "quantile":
            return self.quantile(args)
        return f"{'max' if statistic == 'high' else 'min'}({x}) OVER {frame}"

    def quantile(self, args: Sequence[object]) -> str:
        """Linear between the two nearest, as the reference rounds it."""
        past, q = self.past(args[0], args[1]), self.text(args[2])
        name = self._free(f"{self.prefix}_ordered")
        at = self.level[past.strip('"')] + 1
        ordered = f"list_sort(list_filter({past}, lambda v: v IS NOT NULL))"
        array = self.column(name, ordered, at)
        self.read(name)
        place = f"(greatest(len({array}) - 1, 0) * {q})"
        low = f"{array}[floor({place})::BIGINT + 1]"
        high = f"{array}[ceil({place})::BIGINT + 1]"
        share = f"({place} - floor({place}))"
        value = f"{low} + ({high} * {share} - {low} * {share})"
        return f"greatest({low}, least({high}, {value}))"

    def across(self, statistic: str, args: Sequence[object]) -> str:
        keys = ['"date"', *(self.text(a) for a in args[1:])]
        x = self.text(args[0])
        place = "by_day"
        if len(keys) > 1:
            place = f"by_{keys[1].strip(chr(34))}".replace('"', "")
            place = identifier(place)
        self.windows[place] = f"PARTITION BY {', '.join(keys)}"
        if statistic == "rank":
            ties = f"count(*) OVER (PARTITION BY {', '.join([*keys, f'{x} + 0e0'])})"
            first = f"rank() OVER (PARTITION BY {', '.join(keys)} ORDER BY {x} NULLS LAST)"
            return f"CASE WHEN {x} IS NOT NULL THEN {first} + ({ties} - 1) * 0.5e0 END"
        if statistic == "total":
            return self.exact_total(args[0], place)
        if statistic == "median":
            low = f"quantile_disc({x}, 0.5e0) OVER {place}"
            high = f"(-quantile_disc(-{self.text(args[0], ATOM)}, 0.5e0) OVER {place})"
            middle = f"{low} * 0.5e0 + {high} * 0.5e0"
            return f"CASE WHEN {low} = {high} THEN {low} ELSE {middle} END"
        code = f"{_STATISTICS[statistic].format(x)} OVER {place}"
        return f"({code})::DOUBLE" if statistic == "count" else code

    def exact_total(self, term: object, place: str) -> str:
        """A sum whose parts are multiples of one power of two each, so that no order rounds."""
        self._reads.append(0)
        code = self.text(term)
        at = self._reads.pop()
        x = self.part("part", code, at)
        size = f"max(abs({x})) OVER {place}"
        bits = f"ceil(log2({size})) + ceil(log2(count({x}) OVER {place})) + 2e0"
        unit = self.part(
            "unit", f"CASE WHEN {size} > 0e0 THEN pow(2e0, {bits}) ELSE 0e0 END", at + 1
        )
        finer = f"({unit} * pow(2e0, ceil(log2(count({x}) OVER {place})) - 51e0))"
        head = self.part("head", f"({x} + {unit}) - {unit}", at + 2)
        step = self.part("step", finer, at + 2)
        rest = f"({x} - {head})"
        tail = self.part("tail", f"({rest} + {step}) - {step}", at + 3)
        self.read(tail.strip('"'))
        sums = (
            f"sum({head}) OVER {place} + (sum({tail}) OVER {place} "
            f"+ kahan_sum({rest} - {tail}) OVER {place})"
        )
        return f"coalesce({sums}, 0e0)"

    def part(self, name: str, code: str, at: int) -> str:
        """Write a part of a computation down as a column."""
        return self.column(self._free(f"{self.prefix}_{name}"), code, at)


def _may_be_infinite(term: Any) -> bool:
    """Whether the arithmetic of a term can overflow or be undefined."""
    if not isinstance(term, Term):
        return False
    return term.op in _RISKY or any(_may_be_infinite(a) for a in term.args if not _is_kept(a))


def _is_kept(term: Any) -> bool:
    return isinstance(term, Term) and bool(term.name)


def finite(code: str) -> str:
    """An expression with infinities and NaN taken as missing."""
    return f"nullif(nullif(nullif({code}, 'nan'), 'inf'), '-inf')"
