"""`hwbench web serve`: a page that measures whichever browser opens it.

Belongs here: options and what is printed. Does not belong here: the visits (`bench.visits`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwbench_pipeline.bench.plan import WEB_VARIANTS, Sampling, sweep
from hwbench_pipeline.cli.failing import WrongCallError
from hwbench_pipeline.cli.options import (
    SIZES,
    PartsOption,
    chosen_models,
    listed,
    listed_choices,
    listed_hardware,
    listed_numbers,
)
from hwbench_pipeline.cli.output import output, say

if TYPE_CHECKING:
    from hwbench_pipeline.bench.visits import Visit

NAME = "web"
HELP = "Measure other people's browsers: a page that they open, and a result bundle from each."
app = typer.Typer(no_args_is_help=True, help=HELP)


@app.command(
    name="serve",
    help="Serve a page that measures whichever browser opens it, with the same checks as `hwbench bench`, and offers the results "
    "as a bundle for `hwbench import bundle`. Ctrl-C ends it.\n\nBrowsers give WebGPU, WebNN, threads and a precise clock to "
    "secure pages only: by https, or under 127.0.0.1. For a laptop elsewhere either let it forward the port, `ssh -L "
    "8765:127.0.0.1:8765 THIS-HOST`, and open the page there as http://127.0.0.1:8765/visit.html, or serve by https with "
    "--certificate and --key.",
    epilog="Example: `hwbench web serve --model bert,vit --size tiny`",
)
def serve(
    model: Annotated[str | None, typer.Option(metavar="M,…", help="Catalog keys (`hwbench models`).")] = None,
    category: Annotated[str | None, typer.Option(metavar="C,…", help="All models of these categories.")] = None,
    all_models: Annotated[bool, typer.Option("--all-models", help="Every model of the catalog.")] = False,
    parts: PartsOption = False,
    hardware: Annotated[
        str | None, typer.Option(metavar="H,…", help=f"Some of {', '.join(WEB_VARIANTS)}. Default: all of them.")
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="S,…", help="tiny (proves the path in seconds), or reference (the real model).")
    ] = "tiny",
    batch_size: Annotated[str | None, typer.Option(metavar="N,…", help="Items per call. Default: 1.")] = None,
    min_duration_s: Annotated[
        float, typer.Option("--min-duration", metavar="S", min=0, help="Seconds of sampling at least.")
    ] = Sampling.min_duration_s,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; 0.0.0.0 for all. Default: 127.0.0.1, for this computer alone."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="N,…", help="With --host: the names by which browsers call this computer; others are refused."
        ),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Serve by https with it (PEM).")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="The certificate's private key (PEM)."),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--output", metavar="DIR", file_okay=False, help="Folder for the bundles.")
    ] = Path("visits"),
    visits: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after so many visitors. Default: Ctrl-C ends it.")
    ] = None,
) -> None:
    """Serve, measure and keep a bundle of each visit."""
    keys = listed_hardware(hardware) or list(WEB_VARIANTS)
    wrong = [one for one in keys if one not in WEB_VARIANTS]
    if wrong:
        raise WrongCallError(
            f"--hardware {','.join(wrong)}: a page runs {', '.join(WEB_VARIANTS)}. Fix: --hardware {','.join(WEB_VARIANTS)}"
        )
    sizes = listed_choices("--size", size, SIZES)
    batches = listed_numbers("--batch-size", batch_size) or [1]
    models = chosen_models(model, category, all_models=all_models, parts=parts)
    if (certificate is None) != (key is None):
        raise WrongCallError("--certificate and --key belong together. Fix: give both, or neither")

    from hwbench_pipeline.bench.backends.web.serving import LOOPBACK, LOOPBACK_NAMES

    if host not in (None, *LOOPBACK_NAMES) and name is None:
        raise WrongCallError(
            f"--host {host}: say by which name browsers will call this computer. Fix: --name bench.example.org"
        )

    from hwbench_pipeline.bench.plan import CellPlan
    from hwbench_pipeline.bench.visits import Place, serve_visits

    rules = Sampling.at_least(duration_s=min_duration_s)
    plans = [
        CellPlan(one, key_of_model, "inference", sweep(model_sizes=sizes, batch_sizes=batches), rules)
        for key_of_model in models
        for one in keys
    ]
    names = tuple(listed("--name", name)) or LOOPBACK_NAMES
    pair = None if certificate is None or key is None else (certificate, key)
    serve_visits(
        plans,
        folder,
        Place(host or LOOPBACK, port, names, pair),
        on_open=lambda address: output().print(f"open {address} in the browser to be measured: {len(plans)} cells"),
        on_step=say,
        on_visit=_print_visit,
        n_visits=visits,
    )


def _print_visit(visit: Visit) -> None:
    rows = [row for execution in visit.executions for row in execution.rows]
    n_measured = sum(row["status"] == "ok" for row in rows)
    left = ", and left before the end" if visit.has_left else ""
    where = f"{visit.bundle}. Next: hwbench import bundle {visit.bundle}" if visit.bundle else "nothing to keep"
    output().print(
        f"{visit.visitor.machine} ({visit.visitor.browser}): measured {n_measured} of {len(rows)} rows{left}: {where}"
    )
