"""Commands that take a formula, which may begin with a minus sign as options do."""

from __future__ import annotations

import re
from typing import Any, Final

from typer.core import TyperCommand

from alphamine.errors import AlphamineError, nearest

_OPTION: Final = re.compile(r"--[a-z][a-z-]*")


class FormulaCommand(TyperCommand):
    """Takes what begins with one minus sign for a formula, and with two for an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse options that there are not; with `ignore_unknown_options` they are arguments."""
        known = {"--help", *(name for option in self.params for name in option.opts)}
        for argument in args:
            if argument == "--":
                break
            name = argument.partition("=")[0]
            if _OPTION.fullmatch(name) and name not in known:
                raise AlphamineError(f"there is no option {name}{nearest(name, known)}")
        return super().parse_args(ctx, args)
