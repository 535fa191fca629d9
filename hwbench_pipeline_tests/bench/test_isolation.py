"""Cell processes: whatever a cell does, its end is known and the next one starts."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from hwbench_pipeline.bench import isolation
from hwbench_pipeline.bench.isolation import CAN_FORK, CellProcesses, Limits

FAULTS = "hwbench_pipeline_tests.bench.faults"


@pytest.fixture(scope="module")
def run():
    """Runs one fault in a process; the server is shared by the module, as in a real sweep."""
    with CellProcesses() as processes:

        def run_fault(name, phase_s=60.0, job=None, **limits):
            processes._entry = f"{FAULTS}:{name}"
            return processes.run(job or {}, Limits(phase_s, **limits))

        yield run_fault


def is_gone(pid):
    """Whether a process ends within some seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


def test_a_job_and_its_events_go_there_and_back(run):
    outcome = run("echo", job={"text": "größe | ü"})
    assert (outcome.exit_code, outcome.ended_by) == (0, None)
    assert outcome.events[0]["job"] == {"text": "größe | ü"}


def test_every_job_has_a_process_of_its_own(run):
    pids = {run("echo").events[0]["pid"] for _ in range(3)}
    assert len(pids) == 3
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    ("fault", "exit_code"), [("segfault", -signal.SIGSEGV), ("exit_silently", 7), ("killed", -signal.SIGKILL)]
)
def test_a_death_is_reported_and_the_next_cell_runs(run, fault, exit_code):
    outcome = run(fault)
    assert outcome.exit_code == exit_code
    assert outcome.ended_by is None
    assert outcome.events[-1]["phase"] == "sample"
    assert run("echo").exit_code == 0


def test_a_hang_is_ended_by_the_watchdog(run):
    start = time.monotonic()
    outcome = run("hang", phase_s=1.0)
    assert (outcome.ended_by, outcome.limit) == ("deadline", "a phase may take 1 s")
    assert outcome.exit_code == -signal.SIGKILL
    assert time.monotonic() - start < 20
    assert run("echo").exit_code == 0


def test_a_cell_that_goes_on_is_not_ended(run):
    outcome = run("talk", phase_s=2.5)
    assert outcome.ended_by is None
    assert len(outcome.events) == 5


def test_what_a_cell_started_ends_with_it(run):
    outcome = run("leave_child", phase_s=1.0)
    assert is_gone(outcome.events[0]["pid"])


def test_what_a_cell_left_behind_ends_with_it_also_when_it_ended_well(run):
    outcome = run("end_before_child")
    assert outcome.exit_code == 0
    assert is_gone(outcome.events[0]["pid"])


@pytest.mark.skipif(os.name == "nt", reason="the faults fork")
def test_without_a_server_each_end_is_known_too_and_nothing_is_left(monkeypatch):
    """As on macOS: every cell gets a new interpreter."""
    monkeypatch.setattr(isolation, "CAN_FORK", False)

    def run_fault(name, phase_s=60.0):
        with CellProcesses(f"{FAULTS}:{name}") as processes:
            return processes.run({"text": "a"}, Limits(phase_s))

    assert run_fault("echo").events[0]["job"] == {"text": "a"}
    assert run_fault("killed").exit_code == -signal.SIGKILL
    ended = run_fault("end_before_child")
    assert (ended.exit_code, ended.ended_by) == (0, None)
    assert is_gone(ended.events[0]["pid"])
    hung = run_fault("leave_child", phase_s=4.0)  # a new interpreter takes its time to start
    assert hung.ended_by == "deadline"
    assert is_gone(hung.events[0]["pid"])


def test_endless_output_keeps_its_end_only(run):
    outcome = run("flood")
    assert outcome.exit_code == 0
    assert outcome.events == [{"event": "done"}]
    assert len(outcome.log_tail) <= 4000


def test_a_hang_that_goes_on_printing_is_ended_in_time(run):
    start = time.monotonic()
    assert run("hang_and_print", phase_s=2.0).ended_by == "deadline"
    assert time.monotonic() - start < 20


def test_printing_without_end_is_ended(run):
    outcome = run("flood_forever", printed_bytes=2_000_000)
    assert outcome.ended_by == "output"
    assert "2 MB are allowed" in outcome.limit
    assert run("echo").exit_code == 0


def test_a_memory_bomb_is_ended_before_the_host_suffers(run):
    outcome = run("memory_bomb", memory_bytes=900e6)
    assert outcome.ended_by == "memory"
    assert "900 MB were to spare" in outcome.limit
    assert run("echo").exit_code == 0


def test_an_error_in_the_entry_is_in_the_log(run):
    outcome = run("not_there")
    assert outcome.exit_code == 1
    assert "not_there" in outcome.log_tail


@pytest.mark.skipif(not CAN_FORK, reason="there is a cell server on Linux only")
def test_a_killed_server_is_the_end_of_its_cell_and_is_replaced():
    with CellProcesses(f"{FAULTS}:echo") as processes:
        assert processes.run({}, Limits(60)).exit_code == 0
        processes._server.kill()
        processes._server.wait()
        assert processes.run({}, Limits(60)).exit_code == 0  # a dead server is noticed before it is asked
        processes._entry = f"{FAULTS}:hang"
        server = processes._server
        killer = subprocess.Popen([sys.executable, "-c", f"import os,time;time.sleep(1);os.kill({server.pid},9)"])
        outcome = processes.run({}, Limits(60))
        assert outcome.ended_by == "server"
        assert "cell server died" in outcome.limit
        killer.wait()
        processes._entry = f"{FAULTS}:echo"
        assert processes.run({}, Limits(60)).exit_code == 0


@pytest.mark.skipif(not CAN_FORK, reason="there is a cell server on Linux only")
def test_the_server_and_its_cell_end_with_the_process_that_waits(tmp_path):
    program = (
        "from hwbench_pipeline.bench.isolation import CellProcesses, Limits\n"
        f"processes = CellProcesses('{FAULTS}:hang')\n"
        "server = processes._started_server()\n"
        "print(server.pid, flush=True)\n"
        "processes.run({}, Limits(600))\n"
    )
    waiting = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    server = psutil.Process(int(waiting.stdout.readline()))
    deadline = time.monotonic() + 60
    while not server.children():
        assert time.monotonic() < deadline, "the cell never started"
        time.sleep(0.1)
    cell = server.children()[0]
    waiting.kill()
    waiting.wait()
    gone, alive = psutil.wait_procs([server, cell], timeout=15)
    assert not alive, f"{alive} outlived the process that waited for them"
    assert len(gone) == 2
