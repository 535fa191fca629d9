"""`hwbench regressions`: what a CI job sees of it, how a change is accepted, whom it tells."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hwbench_pipeline.analysis.answering import write_regressions
from hwbench_pipeline.analysis.refreshing import unite
from hwbench_pipeline.reports.notifying import WEBHOOK_VARIABLE
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.analysis.nights import Nights
from hwbench_pipeline_tests.analysis.test_answering import stored

SECRET = "T000-secret-path"


@pytest.fixture
def slower(tmp_path):
    nights = Nights(10, drift=0.01).sweeps(6)
    for _ in range(3):
        nights.sweep({"model4": 1.3, "model5": 1.28})
    nights.rows.append(
        rows.without_number("timeout", model="model1", run_id="run-99999", started_at=rows.later(24 * 60 * 12))
    )
    return stored(tmp_path / "warehouse", nights)


@pytest.fixture
def webhook(monkeypatch):
    """A server that keeps what is posted to it; `answer` is the status that it gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.messages.append((self.path, json.loads(body)))
            self.send_response(self.server.answer)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.messages, server.answer = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{server.server_port}/{SECRET}")
    yield server
    server.shutdown()
    server.server_close()


def test_regressions_and_lost_cells_end_a_ci_job(call, slower):
    called = call("regressions", "--warehouse", slower)
    assert called.code == 1
    said = " ".join(called.out.split())
    assert said.startswith("2 regression, 1 lost cell, 8 no change shown")
    assert "model4" in said
    assert "critical" in said
    assert "then timeout: made-up reason:" in said


def test_over_twice_the_time_is_a_regression_too_though_its_runs_are_flagged_for_it(call, tmp_path):
    nights = Nights(10, drift=0.01).sweeps(6)
    for _ in range(2):
        nights.sweep({"model4": 2.5})
    document = call("regressions", "--warehouse", stored(tmp_path / "warehouse", nights), "--json").document
    (row,) = [row for row in document["rows"] if row["model"] == "model4"]
    assert (row["verdict"], row["severity"]) == ("regression", "critical")


def test_where_nothing_changed_the_job_goes_on(call, tmp_path):
    called = call("regressions", "--warehouse", stored(tmp_path / "warehouse", Nights(10, drift=0.01).sweeps(6)))
    assert called.code == 0
    assert "regression" not in called.out


def test_a_suspicion_does_not_end_it_and_says_how_to_confirm(call, tmp_path):
    nights = Nights(10, drift=0.01).sweeps(6)
    nights.sweep({"model4": 1.3})
    called = call("regressions", "--warehouse", stored(tmp_path / "warehouse", nights))
    assert called.code == 0
    assert "to confirm, 5 times each:" in called.out
    assert "hwbench bench --hardware cpu --model model4 --sequence-length 32" in called.out


def test_json_has_every_series(call, slower):
    called = call("regressions", "--warehouse", slower, "--json")
    assert called.code == 1
    assert called.document["series_by_verdict"] == {
        "regression": 2,
        "lost cell": 1,
        "no change shown": called.document["series_by_verdict"]["no change shown"],
    }
    assert len(called.document["rows"]) == sum(called.document["series_by_verdict"].values())


def test_sources_can_be_chosen(call, slower):
    assert call("regressions", "--source", "timm", "--warehouse", slower).code == 0


def test_accepted_changes_end_no_job_any_more(call, slower):
    found = call("regressions", "--warehouse", slower, "--json").document["rows"]
    ids = ",".join(row["series_id"] for row in found if row["verdict"] in ("regression", "lost cell"))
    accepted = call("regressions", "--accept", ids, "--reason", "exact attention", "--warehouse", slower)
    assert accepted.code == 0
    assert accepted.out.count("accepted: ") == 3
    assert call("regressions", "--warehouse", slower).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--accept", "3f2a"], "--accept and --reason belong together"),
        (["--reason", "because"], "--accept and --reason belong together"),
        (["--accept", "3f2a", "--reason", " "], "--accept and --reason belong together"),
        (["--accept", "zz", "--reason", "because"], "'zz' is no series here"),
        (["--accept", "", "--reason", "because"], "--accept '': is empty"),
    ],
    ids=str,
)
def test_a_wrong_call_names_the_fix(call, slower, arguments, said):
    called = call("regressions", *arguments, "--warehouse", slower)
    assert called.code == 2
    assert said in called.err
    assert "Fix:" in called.err


def test_new_alarms_are_told_once_and_the_address_is_written_nowhere(call, slower, webhook):
    unite(slower)
    called = call("regressions", "--notify", "--warehouse", slower)
    ((path, message),) = webhook.messages
    assert path == f"/{SECRET}"
    assert list(message) == ["text"]
    assert message["text"].splitlines()[0] == "hwbench: 3 new regressions or lost cells"
    assert "model4 cpu fp32 batch 1 32 tokens" in message["text"]
    assert "3 new alarms, sent" in called.err
    assert SECRET not in called.err + called.out
    write_regressions(slower)
    called = call("regressions", "--notify", "--warehouse", slower)
    assert "0 new alarms, nothing sent" in called.err
    assert len(webhook.messages) == 1


@pytest.mark.parametrize("answer", [404, 302, 500])
def test_a_message_that_is_not_taken_fails_without_the_address(call, slower, webhook, answer):
    webhook.answer = answer
    called = call("regressions", "--notify", "--warehouse", slower)
    assert called.code == 1
    assert f"did not take the message: {answer}. Fix: check the address that the variable holds" in called.err
    assert SECRET not in called.err


@pytest.mark.parametrize("address", [f"http://127.0.0.1:9/{SECRET}", f"nonsense {SECRET}", f"ftp://{SECRET}"])
def test_an_address_that_leads_nowhere_is_not_quoted(call, slower, monkeypatch, address):
    monkeypatch.setenv(WEBHOOK_VARIABLE, address)
    called = call("regressions", "--notify", "--warehouse", slower)
    assert called.code == 1
    assert f"the webhook of {WEBHOOK_VARIABLE} did not take the message" in called.err
    assert SECRET not in called.err


def test_without_an_address_nobody_is_told(call, slower, monkeypatch):
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert "3 new alarms, nothing sent" in call("regressions", "--notify", "--warehouse", slower).err
