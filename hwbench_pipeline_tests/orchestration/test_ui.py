"""The real Dagster UI in a real browser: the lineage, a backfill of four cells, and what a measured cell shows.

Screenshots go to a temporary folder; HWBENCH_UPDATE_SCREENSHOTS=1 puts them into docs/screenshots.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from hwbench_pipeline.hardware.browsers import find_browser, is_firefox
from hwbench_pipeline.hardware.host_lock import HOST_LOCK_VARIABLE
from hwbench_pipeline.orchestration.demo import INSTANCE_SETTINGS
from hwbench_pipeline.orchestration.partitions import cell_of
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.warehouse.location import WAREHOUSE_VARIABLE
from hwbench_pipeline.warehouse.reading import read_rows

pytest.importorskip("playwright", reason="playwright is not installed; the extra [pipeline] has it")
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect, sync_playwright

REPOSITORY = Path(__file__).parents[2]
UPDATE_VARIABLE = "HWBENCH_UPDATE_SCREENSHOTS"
ASSET = CORE_BENCH__INFERENCE.name
GROUPS = ("legacy", "catalog", "bench", "results", "prediction", "reports")
MODEL = "bert"
MEASURED = ("cpu", "openvino")
ABSENT = ("rocm", "cuda") if sys.platform == "darwin" else ("rocm", "mps")
CELLS = {f"{hardware}|{MODEL}" for hardware in (*MEASURED, *ABSENT)}
CONFIG = f"ops:\n  {ASSET}:\n    config: {{model_sizes: [tiny], batch_sizes: [1, 4], min_duration_s: 0.5}}\n"

SERVER_START_S = 120
BACKFILL_S = 360
PAGE_MS = 15_000
# no dialog, no first-run page, nothing asked of the network
BROWSER_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
)


@dataclass(frozen=True)
class Server:
    """A running `dagster dev`: webserver, daemon and code location."""

    url: str
    warehouse: Path
    log: Path
    process: subprocess.Popen

    def ask(self, query, **variables):
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]

    def last_words(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return f"the last lines of {self.log}:\n" + "\n".join(lines[-40:])

    @contextmanager
    def explaining(self, page=None):
        """Whatever fails inside is shown with the server's last log lines, and where the page's picture lies."""
        try:
            yield
        except BaseException as failure:
            if page is not None:
                picture = self.log.with_name("failed_page.png")
                page.screenshot(path=picture)
                failure.add_note(f"the page as it was: {picture}")
            failure.add_note(self.last_words())
            raise


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(process):
    """End a server with everything it started, politely first; nothing is left behind."""
    family = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    _, alive = psutil.wait_procs(family, timeout=10)
    for survivor in alive:
        with suppress(psutil.NoSuchProcess):
            survivor.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.fixture(scope="module")
def browser_path():
    path = find_browser()
    if path is None or is_firefox(path):  # which Playwright does not drive
        pytest.skip(
            "no Chrome, Chromium or Edge on this machine; `make browser` fetches one, HWBENCH_BROWSER names one"
        )
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory, browser_path):
    folder = tmp_path_factory.mktemp("ui")
    home = folder / "home"
    home.mkdir()
    shutil.copyfile(REPOSITORY / INSTANCE_SETTINGS, home / INSTANCE_SETTINGS)
    port = free_port()
    log = folder / "server.log"
    # the warehouse has a short name: its path is to be read on the screenshots
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dagster",
                "dev",
                "-w",
                "workspace.yaml",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "DAGSTER_HOME": str(home),
                WAREHOUSE_VARIABLE: str(folder / "w"),
                HOST_LOCK_VARIABLE: str(folder / "host.lock"),
                "HF_HUB_OFFLINE": "1",
                "TRANSFORMERS_OFFLINE": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = Server(f"http://127.0.0.1:{port}", folder / "w", log, process)
    try:
        with started.explaining():
            wait_until_the_grid_is_there(started)
        yield started
    finally:
        end(process)


def wait_until_the_grid_is_there(server):
    """The webserver answers, and the daemon's first tick of `register_grid` has filled the empty instance."""
    deadline = time.monotonic() + SERVER_START_S
    while time.monotonic() < deadline:
        assert server.process.poll() is None, f"dagster dev ended with {server.process.returncode}"
        with suppress(OSError):
            if len(cells_of_the_webserver(server)["on_grid"]) > len(CELLS):
                return
        time.sleep(1)
    pytest.fail(f"no UI with a filled grid after {SERVER_START_S} s")


def cells_of_the_webserver(server):
    """What the webserver itself says: the cells of the grid, and those that are materialized."""
    answer = server.ask(
        """query Cells($key: AssetKeyInput!) {
          assetNodeOrError(assetKey: $key) { ... on AssetNode {
            partitionKeys
            partitionKeysByDimension { name partitionKeys }
            assetPartitionStatuses { ... on MultiPartitionStatuses { ranges {
              primaryDimStartKey primaryDimEndKey
              secondaryDim { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } } } } }
          } } }""",
        key={"path": [ASSET]},
    )["assetNodeOrError"]
    (hardware,) = (each["partitionKeys"] for each in answer["partitionKeysByDimension"] if each["name"] == "hardware")
    found = {"on_grid": answer["partitionKeys"], "materialized": set(), "failed": set()}
    for part in answer["assetPartitionStatuses"]["ranges"]:
        first, last = (hardware.index(part[f"primaryDim{end}Key"]) for end in ("Start", "End"))
        for status in ("materialized", "failed"):
            models = part["secondaryDim"][f"{status}Partitions"]
            found[status] |= {f"{key}|{model}" for key in hardware[first : last + 1] for model in models}
    return found


@pytest.fixture(scope="module")
def page(server, browser_path):
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=list(BROWSER_FLAGS),
            chromium_sandbox=not is_root,  # Chromium refuses to start its sandbox as root
            timeout=PAGE_MS,
        )
        context = browser.new_context(
            viewport={"width": 1440, "height": 900}, base_url=server.url, locale="en-US", timezone_id="UTC"
        )
        context.set_default_timeout(PAGE_MS)
        expect.set_options(timeout=PAGE_MS)
        try:
            yield context.new_page()
        finally:
            browser.close()


@pytest.fixture
def screenshot(page, tmp_path):
    def take(name):
        folder = REPOSITORY / "docs" / "screenshots" if os.environ.get(UPDATE_VARIABLE) == "1" else tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(1000)  # animations end
        page.screenshot(path=folder / f"{name}.png")
        assert (folder / f"{name}.png").stat().st_size > 10_000

    return take


def test_the_lineage_shows_every_group_and_no_dialog(server, page, screenshot):
    with server.explaining(page):
        page.goto("/asset-groups")
        for group in GROUPS:
            expect(page.locator("svg").get_by_text(group, exact=True)).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        screenshot("lineage")


LIST_ATTEMPTS = 8


def choose(page, dialog, keys):
    """Tick keys in the next empty selector of the backfill dialog."""
    filter_box = page.get_by_placeholder("Filter partitions")
    for attempt in range(1, LIST_ATTEMPTS + 1):
        # the list closes again when the dialog is drawn anew with what the server answers meanwhile
        dialog.get_by_text("Select a partition or create one").first.click()
        page.wait_for_timeout(1000)  # it opens with an animation, under which a click is lost
        if filter_box.is_visible() or attempt == LIST_ATTEMPTS:
            break
    expect(filter_box).to_be_focused()
    for key in keys:
        filter_box.fill(key)  # of hundreds of models the list holds what is in sight only
        item = page.get_by_role("menuitem").filter(has=page.get_by_text(key, exact=True))
        item.click()
        expect(item.get_by_role("checkbox")).to_be_checked()
    dialog.get_by_text("Launch runs to materialize").click(force=True)  # closes the list, which covers the rest
    expect(page.get_by_placeholder("Filter partitions")).to_have_count(0)


DIALOG_ATTEMPTS = 4


def filled_dialog(page):
    """The backfill dialog with the cells and the configuration chosen.

    The page loads itself anew when the grid's keys or the code location arrive, and takes an open dialog with it; so
    the dialog is filled again where that happened. Nothing is launched here.
    """
    for attempt in range(1, DIALOG_ATTEMPTS + 1):
        try:
            return fill_dialog(page)
        except (AssertionError, PlaywrightError):
            if attempt == DIALOG_ATTEMPTS:
                raise
    return None


def fill_dialog(page):
    page.goto(f"/assets/{ASSET}?view=partitions")
    expect(page.get_by_text("Materialized (0)")).to_be_visible()
    page.wait_for_timeout(2000)
    page.get_by_role("button", name="Materialize…").click()
    # the catalog was not written yet; cells do without it
    page.get_by_role("button", name="Confirm").click()
    dialog = page.get_by_role("dialog").filter(has_text=f"Launch runs to materialize {ASSET}")
    expect(dialog).to_be_visible()
    choose(page, dialog, (*MEASURED, *ABSENT))
    choose(page, dialog, (MODEL,))
    expect(dialog.get_by_text(f"{len(CELLS)} partitions")).to_be_visible()
    dialog.get_by_text("Config", exact=True).click()
    dialog.get_by_role("button", name="Add config").click()
    page.locator(".CodeMirror").click()
    page.keyboard.insert_text(CONFIG)
    page.get_by_role("button", name="Save config").click()
    return dialog


def test_a_backfill_of_four_cells_launched_in_the_ui_turns_green(server, page, screenshot):
    with server.explaining(page):
        dialog = filled_dialog(page)
        dialog.get_by_role("button", name="Launch backfill").click()
        expect(page.get_by_text("Created backfill")).to_be_visible()

        deadline = time.monotonic() + BACKFILL_S
        while (found := cells_of_the_webserver(server))["materialized"] != CELLS:
            assert not found["failed"], found["failed"]
            assert time.monotonic() < deadline, f"after {BACKFILL_S} s only {found['materialized']} are materialized"
            page.wait_for_timeout(2000)
        page.goto(f"/assets/{ASSET}?view=partitions")
        expect(page.get_by_text(f"Materialized ({len(CELLS)})")).to_be_visible()
        expect(page.get_by_text("Failed (0)")).to_be_visible()
        n_missing = len(found["on_grid"]) - len(CELLS)
        expect(page.get_by_text(re.compile(rf"Missing \((?:{n_missing}|{n_missing:,})\)"))).to_be_visible()
        screenshot("grid")

    by_cell = {key: read_rows(server.warehouse, CORE_BENCH__INFERENCE, cell_of(key))[0] for key in CELLS}
    for hardware in MEASURED:
        rows = by_cell[f"{hardware}|{MODEL}"]
        assert [(row["model_size"], row["batch_size"], row["status"]) for row in rows] == [
            ("tiny", 1, "ok"),
            ("tiny", 4, "ok"),
        ], "the dialog's run configuration reached the runs"
    for hardware in ABSENT:
        assert [row["status"] for row in by_cell[f"{hardware}|{MODEL}"]] == ["no_hardware"]


def test_a_measured_cell_shows_its_latency_and_its_picture(server, page, screenshot):
    key = f"{MEASURED[0]}|{MODEL}"
    row = read_rows(server.warehouse, CORE_BENCH__INFERENCE, cell_of(key))[0][0]
    with server.explaining(page):
        page.goto(f"/assets/{ASSET}?view=events&partition={key}")
        page.get_by_text("Hide navigation").click()
        entry = page.get_by_role("row").filter(has=page.get_by_text("latency_ms_p50_tiny", exact=True))
        expect(entry).to_be_visible()
        shown = float(entry.get_by_role("cell").nth(1).inner_text())
        assert shown == pytest.approx(row["latency_ms_p50"])
        screenshot("cell")

        page.get_by_text("[Show Markdown]").click()
        picture = page.get_by_role("img", name="latency samples")
        expect(picture).to_be_visible()
        assert picture.get_attribute("src").startswith("data:image/png;base64,")
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
        screenshot("cell_latency")
