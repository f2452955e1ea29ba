"""Nothing in the package can run text that came from outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for folder in ("alphamine", "operators", "search")
    for path in (ROOT / folder).rglob("*.py")
    if not path.is_symlink()
)

BUILTINS = {"eval", "exec", "compile", "__import__", "execfile"}
MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "code", "codeop"}
# Attributes by the module that they are taken from.
ATTRIBUTES = {
    "yaml": {"load", "load_all", "unsafe_load", "full_load"},
    "pandas": {"eval", "read_pickle"},
    "pd": {"eval", "read_pickle"},
    "sympy": {"sympify", "parse_expr"},
    "os": {"system", "popen"},
    "joblib": {"load"},
}
FRAME_METHODS = {"to_pickle"}
FORBIDDEN_IMPORTS = {"sympify", "parse_expr", "read_pickle", "system", "popen", "unsafe_load"}


def offences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything in the code that could run text."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in BUILTINS:
                yield node.lineno, name
            case ast.Import(names=names) if MODULES & {n.name.split(".")[0] for n in names}:
                yield node.lineno, names[0].name
            case ast.ImportFrom(module=module, names=names):
                if (module or "").split(".")[0] in MODULES and node.level == 0:
                    yield node.lineno, str(module)
                for name in FORBIDDEN_IMPORTS & {n.name for n in names}:
                    yield node.lineno, name
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if name in ATTRIBUTES.get(
                owner, ()
            ):
                yield node.lineno, f"{owner}.{name}"
            case ast.Attribute(attr=name) if name in FRAME_METHODS:
                yield node.lineno, name
            case ast.keyword(arg="shell" | "allow_pickle", value=ast.Constant(value=True)):
                yield node.value.lineno, f"{node.arg}=True"
            case ast.keyword(arg="weights_only", value=ast.Constant(value=False)):
                yield node.value.lineno, "weights_only=False"


@pytest.mark.parametrize(
    "code",
    [
        "eval(x)",
        "exec(x)",
        "compile(x, '', 'eval')",
        "f = eval",
        "import pickle",
        "from pickle import loads",
        "import yaml\nyaml.load(x)",
        "pd.eval(x)",
        "subprocess.run(x, shell=True)",
        "from sympy import sympify",
        "sympy.sympify(x)",
        "os.system(x)",
        "np.load(x, allow_pickle=True)",
        "torch.load(x, weights_only=False)",
        "frame.to_pickle(x)",
    ],
)
def test_the_search_finds_each_of_them(code: str) -> None:
    assert list(offences(ast.parse(code)))


def test_the_search_passes_harmless_code() -> None:
    harmless = "import re\nre.compile(x)\nyaml.safe_load(x)\nsubprocess.run(x)\nmodel.eval()"
    assert not list(offences(ast.parse(harmless)))


def test_the_package_runs_no_text() -> None:
    assert len(SOURCES) > 40
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in SOURCES
        for line, what in offences(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
