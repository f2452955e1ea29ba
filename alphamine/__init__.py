"""alphamine: write, discover, judge, combine and ship formulaic alpha factors.

Names are loaded on first use, so that `import alphamine` costs nothing but the interpreter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

_HOME = {
    "AlphaPool": "pool.alpha_pool",
    "AlphamineError": "errors",
    "FactorTransformer": "models.transformer",
    "Panel": "data.panel",
    "backtest": "evaluation.backtest",
    "datasets": "data.dataset.shelf",
    "evaluate": "evaluation.evaluate",
    "export": "exporters.bundle",
    "library": "libraries",
    "load": "data.dataset.load",
    "load_bundle": "exporters.bundle",
    "ops": "expression.ops",
    "parse": "expression.text.parser",
    "register_backend": "plugins",
    "register_exporter": "plugins",
    "register_operator": "testing.register",
    "register_searcher": "plugins",
    "register_source": "plugins",
    "resume": "jobs.search",
    "search": "jobs.search",
    "open_run": "runs.run",
    "stream": "engine.streaming",
    "values": "engine.evaluator",
}
_MODULES = {"ops"}

if TYPE_CHECKING:
    from .data.dataset.load import load
    from .data.dataset.shelf import datasets
    from .data.panel import Panel
    from .engine.evaluator import values
    from .engine.streaming import stream
    from .errors import AlphamineError
    from .evaluation.backtest import backtest
    from .evaluation.evaluate import evaluate
    from .exporters.bundle import export, load_bundle
    from .expression import ops
    from .expression.text.parser import parse
    from .jobs.search import resume, search
    from .libraries import library
    from .plugins import (
        register_backend,
        register_exporter,
        register_searcher,
        register_source,
    )
    from .pool.alpha_pool import AlphaPool
    from .runs.run import open_run
    from .testing.register import register_operator


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module = import_module(f"{__name__}.{_HOME[name]}")
        return module if name in _MODULES else getattr(module, name)
    from .expression.fields import STANDARD_FIELDS

    if name in STANDARD_FIELDS:
        return STANDARD_FIELDS[name].node
    from .errors import nearest

    hint = nearest(name, {*_HOME, *STANDARD_FIELDS})
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    from .expression.fields import STANDARD_FIELDS

    return sorted({*globals(), *_HOME, *STANDARD_FIELDS})


__all__ = [
    "AlphaPool",
    "AlphamineError",
    "Panel",
    "__version__",
    "backtest",
    "datasets",
    "evaluate",
    "export",
    "library",
    "load",
    "load_bundle",
    "open_run",
    "ops",
    "parse",
    "register_backend",
    "register_exporter",
    "register_operator",
    "register_searcher",
    "register_source",
    "resume",
    "search",
    "stream",
    "values",
]
