"""The source of numpy functions with all that they need, as a module that imports nothing of ours.

Definitions are copied as they are written, helpers before their users.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, Final

from alphamine.errors import AlphamineError

_STANDARD: Final = sys.stdlib_module_names


class NotSelfContained(AlphamineError):
    """A function uses what cannot be written down beside it."""


class Source:
    """Collects imports and definitions.

    Parameters
    ----------
    library : str
        What may be imported beside the standard library.

    Attributes
    ----------
    imports : dict of str to str
        Import statement by the name that it binds.
    definitions : dict of str to str
        Text by name, in an order in which they can be executed.
    """

    def __init__(self, library: str = "numpy") -> None:
        self._free = {*_STANDARD, "numpy", library}
        self.imports: dict[str, str] = {}
        self.definitions: dict[str, str] = {}
        self._origin: dict[str, tuple[str, str]] = {}
        self._modules: dict[str, _Module] = {}

    def add(self, function: Callable[..., Any], name: str) -> None:
        """Take in a function under a name, and everything that it uses.

        Raises
        ------
        NotSelfContained
            Names what cannot be written down.
        """
        if not isinstance(function, FunctionType) or function.__code__.co_freevars:
            raise NotSelfContained(
                f"an operator is exported by the source of its function, but that of {name!r} is "
                "no plain function of a module; define it with def at the top of a module"
            )
        module = self._module(function)
        node = module.definition(function.__name__)
        if node is None:
            raise NotSelfContained(
                f"the source of the operator {name!r} is not to be found; define it in a file"
            )
        text = module.text(node)
        if function.__name__ != name:
            text = text.replace(f"def {function.__name__}(", f"def {name}(", 1)
        self._needs(module, node)
        self._define(name, (module.name, function.__name__), text)

    def include(self, kit: ModuleType, name: str) -> None:
        """Take in a function or class of a kit under its own name, and everything that it uses."""
        self._resolve(self._module_of(kit), name)

    def text(self) -> str:
        """Imports and definitions, ready to be executed."""
        plain = sorted(line for line in set(self.imports.values()) if line.startswith("import"))
        others: dict[str, set[str]] = {}
        for line in self.imports.values():
            if line.startswith("from"):
                module, names = line.removeprefix("from ").split(" import ")
                others.setdefault(module, set()).add(names)
        lines = [f"from {m} import {', '.join(sorted(n))}" for m, n in sorted(others.items())]
        every = [*plain, *lines]
        standard = [line for line in every if line.split()[1].split(".")[0] in _STANDARD]
        blocks = ["\n".join(standard), "\n".join(line for line in every if line not in standard)]
        head = "\n\n".join(block for block in blocks if block)
        body = [*self.definitions.values()]
        gap = "\n\n\n" if body and body[0].startswith(("def ", "class ")) else "\n\n"
        return head + gap + "\n\n\n".join(body) + "\n"

    def _define(self, name: str, origin: tuple[str, str], text: str) -> None:
        known = self._origin.get(name)
        if known is not None and self.definitions[name] != text:
            raise _ambiguous(name, known[0], origin[0])
        if known is None:
            self._origin[name] = origin
            self.definitions[name] = text

    def _needs(self, module: _Module, node: ast.AST) -> None:
        for name in _names(node):
            if name in module.namespace:
                self._resolve(module, name)

    def _resolve(self, module: _Module, name: str) -> None:
        thing = module.namespace[name]
        node = module.definition(name)
        if node is not None:
            known = self._origin.get(name)
            if known == (module.name, name):
                return
            if known is not None:
                raise _ambiguous(name, known[0], module.name)
            self._origin[name] = (module.name, name)  # first, for what refers to itself
            self._needs(module, node)
            self.definitions[name] = module.text(node)
            return
        statement = module.imports.get(name)
        if statement is not None:
            origin, original = statement
            if origin.split(".")[0] in self._free:
                self.imports[name] = _import(origin, original, name)
                return
            if origin == "alphamine.errors":
                text = (
                    f'class {name}(ValueError):\n    """What was asked for cannot be computed."""'
                )
                self._define(name, (origin, name), text)
                return
            source = sys.modules.get(origin)
            if source is not None and original == name:
                self._resolve(self._module_of(source), name)
                return
        if isinstance(thing, bool | int | float | str):
            self._define(name, (module.name, name), f"{name} = {thing!r}")
            return
        raise NotSelfContained(
            f"code that is exported uses numpy and the standard library, but {module.name} uses "
            f"{name!r}; write it without"
        )

    def _module(self, function: FunctionType) -> _Module:
        module = sys.modules.get(function.__module__)
        if module is not None and _has_source(module):
            return self._module_of(module)
        lines = linecache.getlines(function.__code__.co_filename)
        return _Module(function.__module__, "".join(lines), function.__globals__)

    def _module_of(self, module: ModuleType) -> _Module:
        known = self._modules.get(module.__name__)
        if known is None:
            text = inspect.getsource(module)
            known = self._modules[module.__name__] = _Module(module.__name__, text, module.__dict__)
        return known


def _ambiguous(name: str, here: str, there: str) -> NotSelfContained:
    return NotSelfContained(
        f"{name!r} means one thing in {here} and another in {there}; rename one"
    )


class _Module:
    """The text of a module, its top-level definitions and what it imports."""

    def __init__(self, name: str, text: str, namespace: Mapping[str, Any]) -> None:
        self.name, self.namespace = name, namespace
        self.lines = text.splitlines()
        self._nodes: dict[str, ast.stmt] = {}
        self.imports: dict[str, tuple[str, str]] = {}
        for node in _parsed(text).body:
            match node:
                case ast.FunctionDef() | ast.ClassDef():
                    self._nodes[node.name] = node
                case (
                    ast.Assign(targets=[ast.Name(id=target)])
                    | ast.AnnAssign(target=ast.Name(id=target))
                ):
                    self._nodes[target] = node
                case ast.Import():
                    for alias in node.names:
                        self.imports[alias.asname or alias.name] = (alias.name, "")
                case ast.ImportFrom():
                    origin = self._origin(node)
                    for alias in node.names:
                        self.imports[alias.asname or alias.name] = (origin, alias.name)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")[: -node.level]
        return ".".join([*package, *([node.module] if node.module else [])])

    def definition(self, name: str) -> ast.stmt | None:
        return self._nodes.get(name)

    def text(self, node: ast.stmt) -> str:
        """As written, without the decorators of a function."""
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        return textwrap.dedent("\n".join(lines))


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])


def _has_source(module: ModuleType) -> bool:
    try:
        inspect.getsource(module)
    except (OSError, TypeError):
        return False
    return True


def _names(node: ast.AST) -> Iterator[str]:
    """Names that a definition reads, without those of its decorators."""
    stack: list[ast.AST] = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Name) and not hasattr(builtins, part.id):
            yield part.id
        for key, child in ast.iter_fields(part):
            if key == "decorator_list" and part is node:
                continue
            for item in child if isinstance(child, list) else [child]:
                if isinstance(item, ast.AST):
                    stack.append(item)


def _import(origin: str, original: str, name: str) -> str:
    if not original:
        return f"import {origin}" if origin == name else f"import {origin} as {name}"
    alias = "" if original == name else f" as {name}"
    return f"from {origin} import {original}{alias}"
