"""A person's own browser is measured: a real one opens the served page, and the bundle that it downloads can be imported."""

from __future__ import annotations

import importlib.util
import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from hwbench_pipeline.bench import visits
from hwbench_pipeline.bench.backends.web.browser import PageError
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.backends.web.visitor import Desk, Visitor, VisitorLeftError
from hwbench_pipeline.bench.plan import CellPlan, Sampling
from hwbench_pipeline.bench.visits import Place, ServingError, serve_visits
from hwbench_pipeline.hardware.browsers import find_browser, web_runtime_version
from hwbench_pipeline.hardware.probing import visitor_probe
from hwbench_pipeline.hardware.web_questions import BROWSER_FLAGS
from hwbench_pipeline.imports.storing import import_into

needs_browser = pytest.mark.skipif(
    find_browser() is None or importlib.util.find_spec("playwright") is None or web_runtime_version() is None,
    reason="needs a browser, playwright and onnxruntime-web (make browser)",
)
RULES = Sampling(min_warmup_s=0, max_warmup_s=0.1, min_samples=10, min_duration_s=0)
CHROME = {
    "user_agent": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    "brands": [
        {"brand": "Not-A.Brand", "version": "8"},
        {"brand": "Chromium", "version": "150"},
        {"brand": "Google Chrome", "version": "150"},
    ],
    "hardware_concurrency": 8,
    "cross_origin_isolated": True,
    "platform": "macOS",
    "webgpu": {
        "adapter": {"vendor": "apple", "architecture": "metal-3", "device": "", "description": "", "is_fallback": False}
    },
    "webnn": {"cpu": "NotSupportedError", "gpu": "NotSupportedError", "npu": "NotSupportedError"},
    "webnn_devices": {},
}


def imported(bundle, warehouse):
    """The rows that an import of a bundle gives, by hardware key."""
    rows = import_into(warehouse, "bundle", [bundle]).results
    assert all(row["source"] == "bundle" for row in rows)
    return {row["hardware"]: row for row in rows}


@contextmanager
def served(plans, folder, **options):
    """The page, served by a thread for one visit; gives its address, and afterwards the visit."""
    opened, came, address = threading.Event(), [], []

    def on_open(where):
        address.append(where)
        opened.set()

    thread = threading.Thread(
        target=serve_visits,
        args=(plans, folder, Place()),
        kwargs={
            "on_open": on_open,
            "on_step": lambda _: None,
            "on_visit": came.append,
            "n_visits": 1,
            **options,
        },
        daemon=True,
    )
    thread.start()
    assert opened.wait(30)
    yield address[0], came, thread


@needs_browser
def test_a_visitor_gets_a_bundle_that_can_be_imported(tmp_path):
    from playwright.sync_api import sync_playwright

    plans = [CellPlan(hardware, "bert", sampling=RULES) for hardware in ("wasm", "webnn")]
    with served(plans, tmp_path / "visits") as (address, came, thread), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_browser()), args=list(BROWSER_FLAGS), chromium_sandbox=False
        )
        page = browser.new_page(viewport={"width": 375, "height": 800})
        page.goto(address)
        page.fill("#machine", "a <b>test</b> laptop")
        page.click("#start")
        page.wait_for_selector("#bundle:not([hidden])", timeout=120_000)
        with page.expect_download() as download:
            page.click("#bundle a")
        download.value.save_as(tmp_path / "mine.json.gz")
        shown = page.inner_text("#cells")
        assert "<b>test" not in page.inner_html("main")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        browser.close()
        thread.join(30)
    (visit,) = came
    assert not visit.has_left
    assert visit.bundle.read_bytes() == (tmp_path / "mine.json.gz").read_bytes()
    rows = imported(tmp_path / "mine.json.gz", tmp_path / "w")
    measured = rows["wasm"]
    assert measured["status"] == "ok"
    assert measured["n_samples"] >= 10
    assert measured["output_max_rel_error"] < 1e-3
    assert measured["device_name"] == "a <b>test</b> laptop"
    assert measured["peak_memory_mb"] is None
    assert "another computer" in measured["memory_method"]
    assert measured["load_avg_1m"] is None
    assert measured["cpu_clock_mhz"] is None
    assert measured["roofline_ms"] is None
    assert "a person opened" in measured["provenance_reason"]
    assert json.loads(measured["options"])["nodes_by_provider"]["CPUExecutionProvider"] > 0
    assert "right to" in shown
    if rows["webnn"]["status"] != "ok":  # no adapter here that computes one
        assert rows["webnn"]["error_message"].startswith("the browser computes no WebNN graph")


@needs_browser
def test_a_visitor_who_leaves_keeps_what_was_done(tmp_path):
    from playwright.sync_api import sync_playwright

    plans = [CellPlan("wasm", model, sampling=RULES) for model in ("bert", "vit", "whisper", "clip")]
    steps = threading.Event()

    def on_step(step):
        if "wasm × vit" in step:
            steps.set()

    with (
        served(plans, tmp_path / "visits", on_step=on_step) as (address, came, thread),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(find_browser()), chromium_sandbox=False)
        page = browser.new_page()
        page.goto(address)
        page.fill("#machine", "a laptop that is closed")
        page.click("#start")
        assert steps.wait(120)
        page.close(run_before_unload=False)
        thread.join(90)
        browser.close()
    (visit,) = came
    assert visit.has_left
    assert [execution.plan.model for execution in visit.executions] == ["bert"]
    assert imported(visit.bundle, tmp_path / "w")["wasm"]["status"] == "ok"


def post(server, path, body):
    request = urllib.request.Request(server.address + path, data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.fixture
def desk():
    return Desk([{"model": "bert", "hardware": "wasm"}])


@pytest.fixture
def server(desk):
    with PageServer({}, listeners=desk.listeners) as running:
        yield running


def test_one_visitor_at_a_time_and_only_with_its_own_secret(desk, server):
    arrived = post(server, "arrive", {"machine": "  one \n laptop ", "facts": CHROME})
    assert arrived["cells"] == [{"model": "bert", "hardware": "wasm"}]
    assert desk.wait().machine == "one laptop"
    assert post(server, "arrive", {"machine": "another", "facts": CHROME}) == {"busy": True}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(server, "answer", {"visitor": "guessed", "id": 0, "value": 1})


def test_what_a_page_says_comes_back_and_its_errors_too(desk, server):
    secret = post(server, "arrive", {"machine": "one", "facts": CHROME})["visitor"]

    def page():
        for told in ({"value": 3, "printed": ["a line"]}, {"error": "no such function"}):
            task = post(server, "next", {"visitor": secret})
            assert task["kind"] == "call"
            post(server, "answer", {"visitor": secret, "id": task["id"], **told})

    thread = threading.Thread(target=page)
    thread.start()
    assert desk.ask("call", name="facts") == 3
    assert desk.printed == ["a line"]
    with pytest.raises(PageError, match="no such function"):
        desk.ask("call", name="nothing")
    thread.join(10)


def test_a_page_that_says_it_leaves_ends_what_was_asked(desk, server):
    secret = post(server, "arrive", {"machine": "one", "facts": CHROME})["visitor"]
    threading.Timer(0.5, lambda: post(server, "leave", {"visitor": secret})).start()
    with pytest.raises(VisitorLeftError, match="closed"):
        desk.ask("open")


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"machine": 3}', b"null"])
def test_what_is_no_page_of_ours_is_refused(server, body):
    request = urllib.request.Request(server.address + "arrive", data=body, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=10)


def test_a_visitors_hardware_is_what_its_browser_says():
    gpu = visitor_probe("webgpu", CHROME, machine="MacBook")
    assert gpu.device_name == "apple metal-3"
    assert not gpu.is_software
    assert visitor_probe("wasm", CHROME, machine="MacBook").device_name == "MacBook"
    assert visitor_probe("webnn", CHROME, machine="MacBook").absence == "no_hardware"


@pytest.mark.parametrize(
    ("facts", "browser"),
    [
        (CHROME, "Google Chrome 150"),
        ({"user_agent": "Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/153.0"}, "Firefox 153.0"),
        (
            {
                "user_agent": "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"
            },
            "Safari 26.0",
        ),
        ({"user_agent": "Mozilla/5.0 Chrome/150.0.0.0 Safari/537.36 Edg/150.0.1.2"}, "Edge 150.0.1.2"),
    ],
)
def test_a_browser_is_called_by_its_own_name(facts, browser):
    assert Visitor("one", facts).browser == browser


def test_threads_need_an_isolated_page():
    assert Visitor("one", CHROME).n_threads == 8
    assert Visitor("one", {**CHROME, "cross_origin_isolated": False}).n_threads == 1


@pytest.mark.skipif(web_runtime_version() is None, reason="needs onnxruntime-web (make browser)")
def test_a_port_in_use_is_said_with_the_fix(tmp_path, server):
    taken = server._server.server_port
    with pytest.raises(ServingError, match=rf"127.0.0.1:{taken}.*Fix: another --port"):
        serve_visits([], tmp_path, Place(port=taken), on_open=print, on_step=print, on_visit=print)


def test_without_the_pages_runtime_the_fix_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(visits, "web_runtime_version", lambda: None)
    with pytest.raises(ServingError, match=r"onnxruntime-web.*Fix: npm ci"):
        serve_visits([], tmp_path, Place(), on_open=print, on_step=print, on_visit=print)
