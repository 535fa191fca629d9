"""Real browser cells with a fault planted in their page, run by real cell processes in place of `bench.cell.run_job`."""

from __future__ import annotations

import os
import signal
import threading

from hwbench_pipeline.bench import cell
from hwbench_pipeline.bench.backends.web import backend as web
from hwbench_pipeline.hardware.browsers import PAGE_FOLDER


def hanging_page(job, emit):
    """A page whose calls never end: its only thread is in a loop."""
    own = (PAGE_FOLDER / "session.js").read_bytes()
    served = web._served
    web._served = lambda export: {
        **served(export),
        "session.js": own + b"\nwindow.hwbench.run = () => { for (;;) {} };\n",
    }
    cell.run_job(job, emit)


def killed_cell(job, emit):
    """A cell that is killed while its page computes, as the system does when memory is short."""
    web.WebSession.outputs = lambda session: os.kill(os.getpid(), signal.SIGKILL)
    cell.run_job(job, emit)


def killed_firefox_tab(job, emit):
    """A page in Firefox whose process is killed while the samples are taken."""
    web.WebSession.peak_memory = _run_until_killed
    cell.run_job(job, emit)


def _run_until_killed(session):
    threading.Timer(0.3, os.kill, (session._page._firefox.page_pid, signal.SIGKILL)).start()
    while True:
        session.run()
