"""The command line `hwbench`: one module per verb, no Dagster knowledge needed to use it.

Belongs here: options, help texts, and what is printed. Does not belong here: the work, which other packages do.
Verbs import what they need when they are called, so that `hwbench --help` answers at once and the base install,
which has no pandas, pyarrow or Dagster, runs the verbs that need none of them.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hwbench_pipeline import __version__
from hwbench_pipeline.cli import (
    bench,
    compare,
    coverage,
    demo,
    experiment,
    export,
    hardware,
    import_results,
    ingest,
    models,
    predict,
    quarantine,
    query,
    refresh,
    regressions,
    verify,
    web,
)
from hwbench_pipeline.cli.failing import WORK_FAILED, WRONG_CALL, failure_of
from hwbench_pipeline.cli.output import say

# typer carries a copy of click of its own, in which this error has no public name
_UsageError: Any = typer.BadParameter.__base__
_INTERRUPTED = 130  # how typer ends a call after Ctrl-C

app = typer.Typer(
    name="hwbench",
    help="Which hardware should run this Hugging Face model: how fast, with how much memory, and how sure are we?\n\n"
    "Every number comes from evidence. What was not measured says why; simulated numbers are never shown as measured.",
    epilog="Start with `hwbench demo`. Exit codes: 0 done, 1 the work failed, 2 the call was wrong.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    demo,
    hardware,
    models,
    ingest,
    quarantine,
    import_results,
    bench,
    verify,
    experiment,
    coverage,
    compare,
    regressions,
    predict,
    query,
    export,
    refresh,
):
    app.command(name=verb.NAME, help=verb.HELP, epilog=verb.EXAMPLE)(verb.run)
app.add_typer(web.app, name=web.NAME, help=web.HELP)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hwbench {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code. Every failure is one line on standard error, without traceback."""
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="hwbench", standalone_mode=False)
    except _UsageError as error:
        where = error.ctx.command_path if error.ctx else "hwbench"
        message = " ".join(error.format_message().split()).rstrip(".")
        if message:  # without any argument the help was shown, which says it all
            end = "" if message.endswith("?") else "."
            say(f"{where}: {message}{end} Fix: `{where} --help` shows what it takes")
        code = WRONG_CALL
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place where an error can become one readable line
        message, code = failure_of(error)
        say(f"hwbench: {message}")
    if code == _INTERRUPTED:
        say("hwbench: stopped; what was finished before is kept")
        code = WORK_FAILED
    sys.exit(code or 0)
