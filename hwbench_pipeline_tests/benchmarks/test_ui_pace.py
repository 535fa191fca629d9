"""How long the pages of the real Dagster UI take in a real browser with every model of the catalog on the grid."""

import time

import pytest
from playwright.sync_api import expect

from hwbench_pipeline_tests.orchestration.test_ui import (  # noqa: F401 - fixtures
    ASSET,
    browser_path,
    cells_of_the_webserver,
    page,
    server,
)

REPEATS = 3
LONGEST_PAGE_S = 10


@pytest.mark.benchmark
def test_pages_of_the_whole_grid(server, page):  # noqa: F811
    """Prints seconds until each page shows what it is for, the best and the worst of a few loads."""
    cells = cells_of_the_webserver(server)["on_grid"]

    def lineage():
        page.goto("/asset-groups")
        expect(page.locator("svg").get_by_text("bench", exact=True)).to_be_visible()

    def partitions():
        page.goto(f"/assets/{ASSET}?view=partitions")
        expect(page.get_by_text("Materialized (0)")).to_be_visible()

    def events_of_a_cell():
        page.goto(f"/assets/{ASSET}?view=events&partition={cells[-1]}")
        expect(page.get_by_text("Materialize").first).to_be_visible()

    print(f"\n{len(cells)} cells on the grid")
    worst = 0.0
    for show in (lineage, partitions, events_of_a_cell):
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            show()
            seconds.append(time.perf_counter() - start)
        worst = max(worst, *seconds)
        print(f"{show.__name__}: {min(seconds):.1f} to {max(seconds):.1f} s")
    assert worst < LONGEST_PAGE_S
