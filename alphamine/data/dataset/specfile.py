"""Reading a specification file: strict YAML, and errors that name the key and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from alphamine.data import spec as parts
from alphamine.data.paths import read_text
from alphamine.data.sources import kinds
from alphamine.data.spec import Spec
from alphamine.data.wording import brief
from alphamine.errors import DataError

from .shelf import spec_text

_MAX_DEPTH: Final = 20
_MAX_FAULTS: Final = 3
_OVERRIDES: Final = {
    "label": ("horizon", "delay", "price", "residual"),
    "calendar": ("start", "end"),
}


def read_spec(path: Path) -> Spec:
    """The specification in a file.

    Raises
    ------
    DataError
        If the file is missing, is not plain YAML, or breaks a law of `Spec`.
    """
    return _validated(path, parse_mapping(spec_text(path), path))


def read_overridden(path: Path, overrides: Mapping[str, Any]) -> Spec:
    """The specification in a file with the overrides of `alphamine.load` (None: no change)."""
    content = parse_mapping(spec_text(path), path)
    if overrides.get("universe") is not None:
        content["universe"] = overrides["universe"]
    if not overrides.get("splits", True):
        content.pop("splits", None)
    for part, names in _OVERRIDES.items():
        given = {name: overrides[name] for name in names if overrides.get(name) is not None}
        stated = content.get(part)
        if given and isinstance(stated, dict | None):
            content[part] = {**(stated or {}), **given}
    return _validated(path, content)


def _validated(path: Path, content: dict[str, Any]) -> Spec:
    content.setdefault("name", path.stem)
    try:
        context = {"folder": path.absolute().parent, "written": {}}
        return Spec.model_validate(content, context=context)
    except ValidationError as error:
        raise DataError(f"{path.name}: {_explain(error)}") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file; doubled keys, aliases and deep nesting are refused."""
    return parse_mapping(read_text(path), path)


def parse_mapping(text: str, path: Path) -> dict[str, Any]:
    """The keys and values of a YAML text, which came from `path`; see `read_mapping`."""
    try:
        _check_events(text, path)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # an impossible date is a ValueError
        raise DataError(f"{path.name} is not valid YAML: {_fault(error)}") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        held = "nothing" if content is None else f"a {type(content).__name__} of another form"
        raise DataError(f"{path.name} must be a YAML mapping of `key: value`, but it holds {held}")
    return content


def _check_events(text: str, path: Path) -> None:
    """Refuse what YAML allows and a specification must not have."""
    open_keys: list[set[str] | None] = []  # keys of each open mapping, None for a sequence
    expects_key: list[bool] = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise DataError(f"{path.name}: YAML aliases (*{brief(event.anchor)}) are not allowed")
        if isinstance(event, yaml.CollectionEndEvent):
            open_keys.pop()
            expects_key.pop()
            continue
        starts = isinstance(event, yaml.CollectionStartEvent)
        if not starts and not isinstance(event, yaml.ScalarEvent):
            continue
        if open_keys and open_keys[-1] is not None:
            if expects_key[-1] and isinstance(event, yaml.ScalarEvent):
                if event.value in open_keys[-1]:
                    raise DataError(
                        f"{path.name}: {_place(event.start_mark)}key {brief(event.value)!r} "
                        "occurs twice"
                    )
                open_keys[-1].add(event.value)
            expects_key[-1] = not expects_key[-1]
        if starts:
            open_keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
            expects_key.append(True)
            if len(open_keys) > _MAX_DEPTH:
                raise DataError(f"{path.name} is nested more than {_MAX_DEPTH} levels deep")


def _fault(error: Exception) -> str:
    """Where a YAML file goes wrong, and how."""
    place = _place(getattr(error, "problem_mark", None))
    return f"{place}{brief(getattr(error, 'problem', None) or error)}"


def _place(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "


def _explain(error: ValidationError) -> str:
    """The first violations, each with the key that it is about."""
    lines: dict[str, None] = {}
    for item in error.errors():
        where = ".".join(brief(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(item["loc"][-1]), _known_keys(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            lines[f"unknown key {where!r}{hint}"] = None
        else:
            message = item["msg"].removeprefix("Value error, ")
            if item["type"] == "string_type":
                message = f"must be a text, but is {item['input']!r}; put it in quotes"
            lines[f"{where or 'the specification'}: {brief(message)}"] = None
    more = f"; and {len(lines) - _MAX_FAULTS} more" if len(lines) > _MAX_FAULTS else ""
    return "; ".join([*lines][:_MAX_FAULTS]) + more


def _known_keys() -> list[str]:
    named = [*vars(parts).values(), *vars(kinds).values()]
    models = [m for m in named if isinstance(m, type) and issubclass(m, BaseModel)]
    return sorted({name for model in models for name in model.model_fields})
