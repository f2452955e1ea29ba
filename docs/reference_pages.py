"""Pages of the reference that are written from the code: operators, commands, names, keys.

Sphinx runs this before it reads the pages; what is written is no part of the repository.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

import typer.main
from typer.cli import get_docs_for_click
from typer.models import Context

import alphamine as am
from alphamine.cli import app
from alphamine.cli.operators import describe, entry
from alphamine.data.sources.registry import SOURCES
from alphamine.data.spec import Spec
from alphamine.engine.base import BACKENDS
from alphamine.exporters.targets import EXPORTERS
from alphamine.extras import OPTIONAL
from alphamine.jobs.config import Comparison, Job
from alphamine.jobs.search_config import GrammarConfig, PoolConfig
from alphamine.llm.settings import LLMSettings
from alphamine.models.registry import MODELS
from alphamine.operators import CATALOGUE
from alphamine.searchers.registry import SEARCHERS

TYPES = {
    "What comes back": (
        "expression.nodes.Node",
        "evaluation.report.FactorReport",
        "evaluation.trust.verdict.Trust",
        "evaluation.backtest.report.BacktestReport",
        "runs.run.Run",
        "engine.streaming.Stream",
        "exporters.bundle.Bundle",
    ),
    "What plug-ins are made of": (
        "searchers.base.SearchContext",
        "searchers.base.Searcher",
        "searchers.base.Candidate",
        "searchers.base.Evaluation",
        "searchers.base.Capabilities",
        "pool.model.PoolModel",
        "expression.grammar.grammar.Grammar",
        "data.sources.base.Source",
        "engine.base.Engine",
        "engine.base.EngineSettings",
        "exporters.targets.Request",
        "models.base.Model",
    ),
    "Contracts of plug-ins": (
        "testing.check_backend",
        "testing.check_exporter",
        "testing.check_operator",
        "testing.check_searcher",
        "testing.check_source",
    ),
}


def write(folder: Path) -> None:
    """Write every page into a folder; what has not changed is left alone, as is its date."""
    folder.mkdir(exist_ok=True)
    for name, page in pages().items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != page:
            path.write_text(page, encoding="utf-8")


def pages() -> dict[str, str]:
    """Each page in Markdown, by its name."""
    return {
        "operators": operators(),
        "commands": commands(),
        "python": python(),
        "settings": settings(),
        "names": names(),
    }


def operators() -> str:
    """The catalogue: a table a family, then every operator in full."""
    parts = [
        f"# Operators\n\nThe {len(CATALOGUE)} operators of the language, as "
        "`alphamine operators NAME` prints them. Tier 1 is what searches sample; tier 2 is there "
        "for people; tier 3 only reads other dialects. A table of targets that can say each is in "
        "[Exports](../exports.md).\n"
    ]
    families = groupby(CATALOGUE.values(), lambda operator: operator.family)
    for family, members in families:
        shown = list(members)
        parts.append(f"## {str(family).replace('_', ' ').capitalize()}\n")
        rows = ([f"[`{o.name}`](#{_anchor(o.name)})", o.tier, _text(o.meaning)] for o in shown)
        parts.append(_table(("operator", "tier", "meaning"), rows))
        parts += [_operator(operator) for operator in shown]
    return "\n".join(parts)


def _operator(operator: Any) -> str:
    known = entry(operator)
    facts = [
        ("inputs", ", ".join(f"`{i['name']}` ({i['kind']})" for i in known["inputs"])),
        *(("parameter", _text(describe(param))) for param in operator.params),
        ("result", known["output"]),
        ("unit", _text(known["unit"])),
        ("look-back", _text(known["lookback"])),
        ("missing", _text(known["missing"])),
        *((f"in {dialect}", f"`{name}`") for dialect, name in known["dialects"].items()),
        ("exported to", ", ".join(known["targets"])),
    ]
    listed = "\n".join(f"- {name}: {fact}" for name, fact in facts)
    return (
        f"({_anchor(operator.name)})=\n### `{operator.name}`\n\n`{operator.signature}`\n\n"
        f"{_text(operator.meaning)}.\n\n{listed}\n"
    )


def _anchor(name: str) -> str:
    return f"operator-{name.replace('_', '-')}"


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(
        obj=command, ctx=Context(command, info_name="alphamine"), name="alphamine", title="Commands"
    )
    # Braces stand for a required argument in typer's usage lines, and nowhere else.
    return text.replace("{", "").replace("}", "")


def python() -> str:
    """Every public name, with its docstring."""
    parts = [
        "# Python\n\n`import alphamine as am` loads nothing until a name is used. Beside these, "
        "`am.close` and the other standard fields are formulas.\n\n## Functions and classes\n"
    ]
    for name in sorted(set(am.__all__) - {"__version__", "ops"}, key=str.lower):
        parts.append(_documented(f"alphamine.{name}", getattr(am, name)))
    parts.append(
        "## `am.ops`\n\n(alphamine.ops)=\nThe operators as functions: "
        "`am.ops.ts_corr(am.close, am.volume, 20)`. Those whose names Python has already end "
        "in an underscore (`abs_`, `max_`, `and_`). They are listed under "
        "[Operators](operators.md).\n"
    )
    for title, paths in TYPES.items():
        parts.append(f"## {title}\n")
        parts += [_documented(f"alphamine.{path}", _found(path)) for path in paths]
    parts.append(
        "## Errors\n\n```{eval-rst}\n.. automodule:: alphamine.errors\n"
        "   :exclude-members: AlphamineError\n```\n"
    )
    return "\n".join(parts)


def _found(path: str) -> Any:
    module, name = path.rsplit(".", 1)
    return getattr(import_module(f"alphamine.{module}"), name)


def _documented(path: str, thing: Any) -> str:
    kind = "autoclass" if inspect.isclass(thing) else "autofunction"
    return f"```{{eval-rst}}\n.. {kind}:: {path}\n```\n"


def settings() -> str:
    """Keys of job files, dataset specifications and their parts, with meanings and defaults."""
    parts = [
        "# Keys of job files\n\nUnknown and doubled keys are refused, with the nearest name. "
        "`am.search` takes the same names as arguments.\n"
    ]
    parts += [_keys("A search", Job), _keys("A comparison", Comparison)]
    parts += [_keys("`grammar`", GrammarConfig), _keys("`pool`", PoolConfig)]
    parts.append(_keys("`llm`", LLMSettings))
    parts += [
        _keys(f"`options` of `{name}`", searcher.settings, searcher.meaning)
        for name, searcher in SEARCHERS.items()
    ]
    return "\n".join(parts)


def _keys(title: str, kind: type, meaning: str = "") -> str:
    where = f"{kind.__module__}.{kind.__qualname__}"
    said = f"{meaning[:1].upper()}{meaning[1:]}.\n\n" if meaning else ""
    return (
        f"## {title}\n\n{said}```{{eval-rst}}\n.. autoclass:: {where}\n   :no-members:\n"
        "   :no-index:\n```\n"
    )


def names() -> str:
    """What the registries hold, and what optional packages are for."""
    parts = ["# Names\n\nWhat is known by name; [plug-ins](../howto/plugins.md) add to it.\n"]
    parts.append("## Searchers\n")
    parts.append(_table(("searcher", ""), ((f"`{n}`", s.meaning) for n, s in SEARCHERS.items())))
    for title, registry in (("Sources of data", SOURCES), ("Models", MODELS)):
        rows = ((f"`{name}`", _first_line(thing)) for name, thing in registry.items())
        parts += [f"## {title}\n", _table(("name", ""), rows)]
    for title, known in (
        ("Targets of [exports](../exports.md)", EXPORTERS),
        ("Engines", BACKENDS),
    ):
        parts.append(f"## {title}\n\n{', '.join(f'`{name}`' for name in known)}\n")
    parts.append("## Optional packages\n")
    extras = ((f"`{o.extra}`", name, o.purpose) for name, o in OPTIONAL.items())
    parts.append(_table(("extra", "package", "for"), extras))
    parts.append("## Keys of a dataset specification\n")
    parts.append(f"{_first_line(Spec)} All keys: [Datasets](../datasets.md).\n")
    return "\n".join(parts)


def _first_line(thing: Any) -> str:
    # A model may be a class whose first arguments are given.
    made = getattr(thing, "func", thing)
    return _text((inspect.getdoc(made) or "").split("\n")[0])


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def line(cells: Iterable[Any]) -> str:
        return f"| {' | '.join(map(str, cells))} |"

    def lines() -> Iterator[str]:
        yield line(heads)
        yield line("---" for _ in heads)
        yield from map(line, rows)

    return "\n".join(lines()) + "\n"


def _text(text: str) -> str:
    """Prose of the code as Markdown: signs of Markdown and of HTML mean themselves."""
    for sign in ("\\", "*", "_", "<", "|", "$"):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\\_\\_", "__") if "`" in text else text
