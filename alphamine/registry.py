"""Things by name: those that are built in, and those that plug-ins bring.

A plug-in is a package with an entry point in one of our groups (`alphamine.searchers` ...). It is
loaded when somebody asks for its name, so that a broken one hinders nobody else. Operators have no
name before they are registered: packages that bring some are asked to do so once a process.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from .errors import AlphamineError, nearest

OPERATORS = "alphamine.operators"
Thing = TypeVar("Thing")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


@cache
def add_operators() -> None:
    """Let each installed package of the group `alphamine.operators` register its operators.

    Its entry point is a function without arguments that calls `alphamine.register_operator`. One
    that fails is named in a warning, and the others are there.
    """
    for plugin in sorted(entry_points(group=OPERATORS), key=lambda plugin: plugin.value):
        try:
            plugin.load()()
        except Exception as error:  # whatever a stranger's module raises
            warnings.warn(
                f"the operators of {_package(plugin)} cannot be loaded: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )


def _package(plugin: EntryPoint) -> str:
    return f"the package {plugin.dist.name if plugin.dist is not None else plugin.module}"


class Registry(Mapping[str, Thing], Generic[Thing]):
    """A mapping that grows: names are given once.

    Parameters
    ----------
    kind : str
        What is registered ("searcher"), for messages.
    group : str
        Of the entry points of plug-ins.
    built_in : mapping
    adapt : callable
        What an entry point refers to, as a thing of this kind.
    error : type of AlphamineError
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, Thing],
        adapt: Callable[[Any], Thing],
        error: type[AlphamineError],
    ) -> None:
        self._kind, self._group, self._error = kind, group, error
        self._built_in = frozenset(built_in)
        self._things = dict(built_in)
        self._adapt = adapt

    def add(self, name: str, thing: Thing) -> None:
        """Register a thing.

        Raises
        ------
        AlphamineError
            If the name is taken or cannot be written in a job file.
        """
        if not _NAME.fullmatch(name):
            raise self._error(
                f"the name of a {self._kind} is of lower-case letters, digits and underscores, "
                f"but got {name!r}"
            )
        if name in self:
            raise self._error(
                f"the names of {self._kind}s are unique, but there is a {name!r} already; choose "
                "another name"
            )
        self._things[name] = thing

    def register(self, name: str, given: Any) -> None:
        """As `add`, of what an entry point would refer to.

        Raises
        ------
        AlphamineError
            As `add`, or if what is given is nothing of this kind.
        """
        self.add(name, self._adapt(given))

    def find(self, name: str) -> Thing:
        """A thing by name.

        Raises
        ------
        AlphamineError
            If there is none, or the plug-in that brings it cannot be loaded.
        """
        if name not in self:
            raise self._error(
                f"there is no {self._kind} {name!r}{nearest(name, self)}; "
                f"there are: {', '.join(self)}"
            )
        return self[name]

    def everywhere(self, name: str) -> bool:
        """Whether other processes know the name: it is built in or of an installed package."""
        return name in self._built_in or name in self._plugins

    def __getitem__(self, name: str) -> Thing:
        if name not in self._things:
            self._things[name] = self._loaded(self._plugins[name])
        return self._things[name]

    def _loaded(self, plugin: EntryPoint) -> Thing:
        try:
            return self._adapt(plugin.load())
        except Exception as error:  # whatever a stranger's module raises
            raise self._error(
                f"the {self._kind} {plugin.name!r} of {_package(plugin)} cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        """By name; built-in ones go first."""
        found = sorted(entry_points(group=self._group), key=lambda plugin: plugin.value)
        return {plugin.name: plugin for plugin in found if plugin.name not in self._built_in}

    def __contains__(self, name: object) -> bool:
        return name in self._things or name in self._plugins

    def __iter__(self) -> Iterator[str]:
        return iter({**self._things, **self._plugins})

    def __len__(self) -> int:
        return len({*self._things, *self._plugins})
