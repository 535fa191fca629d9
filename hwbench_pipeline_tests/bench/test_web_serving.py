"""The page's server: what it gives, what it takes, and what it refuses."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from hwbench_pipeline.bench.backends.web.serving import PageServer


@pytest.fixture
def server(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07model")
    with PageServer({"model.onnx": tmp_path / "model.onnx", "inputs/0": b"\x01\x02"}) as running:
        yield running


def ask(server, path, data=None, method="GET"):
    request = urllib.request.Request(server.address + path, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read(), answer.headers


def status_of(server, path, data=None, method="GET"):
    try:
        ask(server, path, data, method)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_the_page_is_isolated_so_that_its_clock_is_precise(server):
    body, headers = ask(server, "")
    assert b"session.js" in body
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Cache-Control"] == "no-store"


def test_files_come_as_they_are(server):
    assert ask(server, "model.onnx")[0] == b"\x08\x07model"
    assert ask(server, "inputs/0")[0] == b"\x01\x02"
    assert ask(server, "session.js")[1]["Content-Type"] == "text/javascript"


def test_outputs_are_taken(server):
    ask(server, "outputs/3", b"\x00\x01\x02", "PUT")
    assert server.outputs == {3: b"\x00\x01\x02"}


@pytest.mark.parametrize("path", ["nothing", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "session.js/..", "inputs"])
def test_nothing_else_is_served(server, path):
    assert status_of(server, path) == 404


def test_a_page_of_another_name_gets_nothing(server):
    """A foreign page whose name was made to point here (DNS rebinding) asks under its own name."""
    request = urllib.request.Request(server.address + "model.onnx", headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)


@pytest.mark.parametrize("path", ["outputs/x", "outputs/-1", "model.onnx", "outputs/1/2"])
def test_nothing_else_is_taken(server, path):
    assert status_of(server, path, b"bytes", "PUT") == 400
    assert server.outputs == {}


def test_it_listens_on_this_machine_only(server):
    assert server._server.server_address[0] == "127.0.0.1"
