"""The parser proper: tokens to syntax by operator precedence (Pratt, 1973)."""

from __future__ import annotations

from alphamine.errors import FormulaError
from alphamine.expression.limits import Limits

from .syntax import COMPARISON, MINUS, TERNARY, Apply, Name, Notation, Number, Syntax, Word
from .tokens import Token, shortened, tokens


def read_syntax(text: str, notation: Notation, limits: Limits) -> Syntax:
    """The syntax of `text`.

    Raises
    ------
    FormulaError
        With the position of what cannot be read, or of what breaks a limit.
    """
    limits.check_text(text)
    return _Pratt(text, notation, limits).formula()


class _Pratt:
    def __init__(self, text: str, notation: Notation, limits: Limits) -> None:
        self.text = text
        self.notation = notation
        self.limits = limits
        # Read as they are needed, so that what is refused early costs little.
        self.stream = tokens(text)
        self.peek = next(self.stream)
        self.following = next(self.stream)
        self.nesting = 0
        self.nodes = 0
        # Named intermediate results: syntax, depth, nodes.
        self.assigned: dict[str, tuple[Syntax, int, int]] = {}

    def fail(self, message: str, token: Token) -> FormulaError:
        return FormulaError(message, self.text, token.position)

    def formula(self) -> Syntax:
        if self.peek.kind == "end":
            raise self.fail("a formula has at least one field, but this text is empty", self.peek)
        if self.notation.statements:
            self.assignments()
        syntax, _ = self.expression(0)
        if self.notation.statements and self.peek.text == ";":
            self.take()
        if self.peek.kind != "end":
            raise self.unexpected("an operator or the end")
        return syntax

    def assignments(self) -> None:
        """Read `name = formula;` as often as it stands there; the names mean their formulas."""
        while self.peek.kind == "name" and self.following.text == "=":
            token = self.take()
            self.take()
            before = self.nodes
            syntax, depth = self.expression(0)
            self.assigned[token.text] = syntax, depth, self.nodes - before
            if self.peek.kind == "end":
                raise self.fail(
                    f"the last statement is the formula itself; end with `; {token.text}`, or "
                    "compare with ==",
                    self.peek,
                )
            self.expect(";")
            if self.peek.kind == "end":
                raise self.fail(
                    f"the last statement is the formula itself; end with `{token.text}`", self.peek
                )

    def take(self) -> Token:
        token = self.peek
        self.peek = self.following
        self.following = next(self.stream)
        return token

    def unexpected(self, wanted: str) -> FormulaError:
        token = self.peek
        found = "the text ends" if token.kind == "end" else f"found {shortened(token.text)!r}"
        return self.fail(f"expected {wanted}, but {found}", token)

    def expect(self, symbol: str) -> None:
        if self.peek.text != symbol:
            raise self.unexpected(repr(symbol))
        self.take()

    def count(self, depth: int, token: Token, nodes: int = 1) -> None:
        """Enforce the limits as the tree grows, so that nothing large is ever built."""
        self.nodes += nodes
        if self.nodes > 2 * self.limits.nodes:
            raise self.fail(f"a formula has at most {self.limits.nodes} nodes", token)
        if depth > self.limits.depth:
            raise self.fail(f"a formula is at most {self.limits.depth} levels deep", token)

    def expression(self, floor: int) -> tuple[Syntax, int]:
        """An operand and all that binds it at least as strongly as `floor`; and its depth."""
        self.nesting += 1
        if self.nesting > 2 * self.limits.depth:
            raise self.fail(
                f"a formula is at most {self.limits.depth} levels deep, and this one nests deeper; "
                "remove parentheses or split it",
                self.peek,
            )
        left, depth = self.operand()
        infix = self.notation.infix
        while True:
            token = self.peek
            if token.text == "?" and self.notation.ternary and floor <= TERNARY:
                left, depth = self.conditional(left, depth)
                continue
            entry = infix.get(token.text)
            if entry is None or entry.strength < floor:
                break
            self.take()
            right, below = self.expression(entry.strength + (not entry.right_associative))
            depth = 1 + max(depth, below)
            self.count(depth, token)
            left = Apply(entry.operator, (left, right), (), token.position, True)
            if entry.strength == COMPARISON:
                self.refuse_chain()
        self.nesting -= 1
        return left, depth

    def refuse_chain(self) -> None:
        following = self.notation.infix.get(self.peek.text)
        if following is not None and following.strength == COMPARISON:
            raise self.fail("comparisons do not chain; write a < b and b < c", self.peek)

    def conditional(self, condition: Syntax, depth: int) -> tuple[Syntax, int]:
        token = self.take()
        then, depth_then = self.expression(TERNARY)
        self.expect(":")
        other, depth_other = self.expression(TERNARY)
        depth = 1 + max(depth, depth_then, depth_other)
        self.count(depth, token)
        return Apply("if_else", (condition, then, other), (), token.position, True), depth

    def operand(self) -> tuple[Syntax, int]:
        token = self.peek
        match token.kind:
            case "name" if token.text not in self.notation.infix or self.following.text == "(":
                return self.named(token)
            case "number" | "days":
                self.take()
                self.count(1, token)
                return self.number(token), 1
            case "word":
                self.take()
                return Word(token.text[1:-1], token.position), 1
            case "symbol" if token.text == "(":
                self.take()
                inner = self.expression(0)
                self.expect(")")
                return inner
            case "symbol" if token.text in self.notation.prefix:
                return self.prefixed(token)
            case _:
                raise self.unexpected("a field, a number, an operator call or '('")

    def number(self, token: Token) -> Number:
        days = token.kind == "days"
        if days and not self.notation.days:
            raise self.fail(f"windows are plain numbers here; write {token.text[:-1]}", token)
        value = float(token.text[:-1] if days else token.text)
        if not value <= self.limits.constant:
            raise self.fail(
                f"constants are at most {self.limits.constant:g} in absolute value, got {value:g}",
                token,
            )
        return Number(value, token.position, days)

    def prefixed(self, token: Token) -> tuple[Syntax, int]:
        operator, strength = self.notation.prefix[token.text]
        self.take()
        literal = self.peek.kind in ("number", "days")
        operand, depth = self.expression(strength)
        if literal and strength == MINUS and isinstance(operand, Number):
            return operand._replace(value=-operand.value, position=token.position), depth
        self.count(depth + 1, token)
        return Apply(operator, (operand,), (), token.position, True), depth + 1

    def named(self, token: Token) -> tuple[Syntax, int]:
        if token.text in self.notation.prefix:
            return self.prefixed(token)
        self.take()
        if self.peek.text == "(":
            if token.text[0] == "$":
                raise self.fail(f"{shortened(token.text)} is a field and takes no arguments", token)
            return self.call(token)
        if token.text in self.assigned:
            syntax, depth, nodes = self.assigned[token.text]
            self.count(depth, token, nodes)
            return syntax, depth
        self.count(1, token)
        if token.text[0] == "$":
            return Name(token.text[1:], token.position, True), 1
        return Name(token.text, token.position), 1

    def call(self, token: Token) -> tuple[Syntax, int]:
        self.take()
        arguments: list[Syntax] = []
        named: list[tuple[str, Syntax]] = []
        depth = 0
        while self.peek.text != ")":
            if arguments or named:
                if self.peek.text != ",":
                    raise self.unexpected("',' or ')'")
                self.take()
            key = self.peek
            if key.kind == "name" and self.following.text == "=":
                self.take()
                self.take()
                named.append((key.text, self.expression(0)[0]))
                continue
            if named:
                raise self.fail("arguments by position come before those by name", key)
            argument, below = self.expression(0)
            arguments.append(argument)
            depth = max(depth, below)
        self.take()
        self.count(depth + 1, token)
        return Apply(token.text, tuple(arguments), tuple(named), token.position), depth + 1
