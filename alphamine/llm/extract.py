"""The JSON object in what a model said, whatever it is wrapped in."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .base import ContentError
from .redact import redacted

MAX_CHARACTERS: Final = 200_000
_FENCE: Final = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def json_object(text: str) -> dict[str, Any]:
    """The object that an answer is, or that it holds.

    A list stands for an object whose `proposals` it is. Texts are `redacted`: what JSON has escaped
    is seen here first.

    Raises
    ------
    ContentError
        If there is none, or the answer is too long to be one.
    """
    if len(text) > MAX_CHARACTERS:
        raise ContentError(
            f"an answer has at most {MAX_CHARACTERS} characters, but this one has {len(text)}; "
            "answer with the JSON object alone"
        )
    for candidate in _candidates(text):
        try:
            found = json.loads(candidate)
            found = json.loads(redacted(json.dumps(found, ensure_ascii=False)))
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
        if isinstance(found, list):
            return {"proposals": found}
    raise ContentError(
        f"an answer is one JSON object, but this one begins {text[:80]!r} and holds none that is "
        "whole"
    )


def _candidates(text: str) -> list[str]:
    """Parts that may be JSON: all of it, what is fenced, from the first to the last brace."""
    found = [text, *_FENCE.findall(text)]
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            found.append(text[start : end + 1])
    return found
