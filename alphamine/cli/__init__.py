"""The command line: `alphamine --help`.

Every command lives in a module of its own, named after it, and imports what it needs when it runs,
so that the help answers at once; what several share is in `options` and `output`. It may import
everything, and nothing imports it.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from alphamine.errors import AlphamineError, WorkFailed
from alphamine.registry import add_operators
from alphamine.version import __version__

from . import (
    accept,
    backtest,
    combine,
    compare,
    data,
    doctor,
    evaluate,
    export,
    init,
    ledger,
    operators,
    propose,
    report,
    resume,
    reveal,
    search,
    watch,
)
from .formula import FormulaCommand

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# What a shell expects of a program that SIGINT has ended.
_INTERRUPTED = 130
FORMULA = {"ignore_unknown_options": True}

app.command(name="init")(init.init)
app.command(name="search")(search.search)
app.command(name="resume")(resume.resume)
app.command(name="watch")(watch.watch)
app.command(name="combine")(combine.combine)
app.command(name="compare")(compare.compare)
app.command(name="evaluate", cls=FormulaCommand, context_settings=FORMULA)(evaluate.evaluate)
app.command(name="backtest", cls=FormulaCommand, context_settings=FORMULA)(backtest.backtest)
app.command(name="export", cls=FormulaCommand, context_settings=FORMULA)(export.export)
app.command(name="operators")(operators.operators)
app.add_typer(data.app, name="data")
app.command(name="ledger")(ledger.ledger)
app.command(name="propose")(propose.propose)
app.command(name="report")(report.report)
app.command(name="reveal")(reveal.reveal)
app.command(name="accept")(accept.accept)
app.command(name="doctor")(doctor.doctor)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Write, discover, judge, combine and ship formulaic alpha factors."""
    add_operators()


def main() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 the request was wrong."""
    # A person wants the sentence, not the line of our code that said it.
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    try:
        app()
    except AlphamineError as error:
        said = "\n".join([str(error), *getattr(error, "__notes__", ())])
        sys.stderr.write(f"error: {said}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(_INTERRUPTED)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # as some versions of typer end, without a word
            sys.stderr.write("error: interrupted\n")
        raise
    except MemoryError as error:
        reason = " ".join(str(error).split())
        sys.stderr.write(
            f"error: there is not enough memory{reason and f' ({reason})'}; use fewer days, names, "
            "fields or workers, or a machine that has more\n"
        )
        sys.exit(WorkFailed.exit_code)
