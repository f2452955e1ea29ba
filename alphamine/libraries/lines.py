"""Formulas in a text: one a line, with a name or without."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from alphamine.errors import AlphamineError

_MAX_BYTES: Final = 16 << 20
_NAMED: Final = re.compile(r"([A-Za-z_][\w.]*)\s*=(?!=)\s*(.*)")


def read_lines(text: str) -> dict[str, str]:
    """Formulas by name from lines `NAME = FORMULA` or `FORMULA`.

    A formula without a name is called by the number of its line. Blank lines, and those that begin
    with #, are passed over.

    Raises
    ------
    AlphamineError
        If two have one name.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        named = _NAMED.fullmatch(content)
        name, formula = named.groups() if named else (str(number), content)
        if name in found:
            raise AlphamineError(
                f"each formula has a name of its own, but line {number} is another {name!r}; "
                "rename one"
            )
        found[name] = formula
    return found


def read_file(path: Path) -> dict[str, str]:
    """Formulas by name from a file of lines (see `read_lines`), in UTF-8.

    Raises
    ------
    AlphamineError
        If it is missing, no text, too large, or holds no formula.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise AlphamineError(
                f"{path} is larger than {_MAX_BYTES} bytes: not a list of formulas"
            )
        found = read_lines(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise AlphamineError(f"cannot read the formulas in {path}: {error}") from None
    except UnicodeDecodeError:
        raise AlphamineError(
            f"cannot read the formulas in {path}: it is no UTF-8 text; save it as such"
        ) from None
    if not found:
        raise AlphamineError(
            f"{path} holds no formula; write one a line, `NAME = FORMULA` or alone"
        )
    return found
