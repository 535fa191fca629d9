"""Reports show what stands in the tables, and nothing in them can break the page."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image

from hwbench_pipeline.reports.coverage import coverage_markdown, reasons, scores_markdown, write_coverage_report
from hwbench_pipeline.reports.plots import latency_plot
from hwbench_pipeline.reports.tables import (
    catalog_markdown,
    hardware_markdown,
    markdown_table,
    models_markdown,
    results_markdown,
    significant,
)
from hwbench_pipeline.schema.tables import OUT__COVERAGE, OUT__PREDICTION_SCORES
from hwbench_pipeline.schema.tables.coverage import COVERAGE_STATES
from hwbench_pipeline.warehouse.writing import write_table
from hwbench_pipeline_tests import rows

EVIDENCE = {
    "measured": {"n_measured_reference": 3},
    "measured_tiny_only": {"n_measured_tiny": 2},
    "failed": {"n_failed": 1, "reason": "it broke | badly\nin two lines"},
    "unsupported": {"n_unsupported": 1, "reason": "<script>alert('x')</script> & \"more\""},
    "no_hardware": {"n_no_hardware": 1, "reason": "no GPU"},
    "never_tried": {},
}
COVERAGE = [
    rows.coverage(state, mode=mode, model=model, hardware=hardware, **EVIDENCE[state])
    for mode, model, hardware, state in [
        ("inference", "bert", "cpu", "measured"),
        ("inference", "bert", "cuda", "no_hardware"),
        ("inference", "vit", "cpu", "measured_tiny_only"),
        ("inference", "vit", "cuda", "no_hardware"),
        ("inference", "t5", "cpu", "failed"),
        ("inference", "t5", "cuda", "unsupported"),
        ("training", "bert", "cpu", "never_tried"),
        ("training", "bert", "cuda", "never_tried"),
    ]
]
SCORES = [
    {
        "protocol": "leave_one_model_out",
        "mode": "inference",
        "model_size": "reference",
        "method": "xgboost",
        "n_rows": 40,
        "n_models": 5,
        "mape_percent": 23.456,
        "median_ape_percent": 12.3,
        "within_10_percent": 41.0,
    },
    {
        "protocol": "leave_one_model_out",
        "mode": "training",
        "model_size": "tiny",
        "method": "xgboost",
        "n_rows": 0,
        "n_models": 0,
        "reason": "too few <models>",
    },
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0, "0"),
        (0.0, "0"),
        (1.0, "1"),
        (12.3456, "12.3"),
        (0.001234, "0.00123"),
        (0.00001234, "0.0000123"),
        (1e-9, "0.000000001"),
        (-0.00001234, "-0.0000123"),
        (999.4, "999"),
        (999.6, "1,000"),
        (1234.5, "1,230"),
        (1234567.0, "1,230,000"),
        (-5.678, "-5.68"),
    ],
)
def test_significant(value, text):
    assert significant(value) == text


@given(value=st.floats(1e-12, 1e15))
def test_significant_never_shows_another_number(value):
    text = significant(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.006)


def test_more_digits_where_they_are_wanted():
    assert significant(1234.567, digits=6) == "1234.57"


def test_bars_and_line_breaks_stay_in_their_cell():
    table = markdown_table(("a|b", "c"), [("x | y", "one\ntwo\r\nthree"), (None, 0), ("", False)])
    assert table.split("\n") == [
        "| a\\|b | c |",
        "| --- | --- |",
        "| x \\| y | one two three |",
        "| — | 0 |",
        "|  | False |",
    ]


CELLS = st.none() | st.integers() | st.text()


@given(cells=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4))
def test_every_row_is_one_line_with_its_cells(cells):
    text = markdown_table(("a", "b", "c"), cells)
    assert "\r" not in text
    lines = text.split("\n")
    assert len(lines) == 2 + len(cells)
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == 4


def test_result_rows_show_numbers_with_evidence_and_reasons_without():
    table = results_markdown(
        [rows.measured(flags=["noisy"], peak_memory_mb=1234.5), rows.without_number("timeout", batch_size=8)]
    )
    measured, failed = table.splitlines()[2:]
    assert measured == "| reference | forward | fp32 | 1 | 32 | ok | 11.8 | 13.3 | 84 | 1,230 | 10 | noisy |"
    assert failed == "| reference | inference | fp32 | 8 | 32 | timeout | — | — | — | — | — | made-up reason: timeout |"


def test_models_and_hardware():
    model = {"model": "bert", "model_size": "tiny", "model_id": "x/y", "category": "vision", "n_parameters": 1234567}
    lines = models_markdown([model | {"flops": None}, model | {"flops": 2_500_000}]).splitlines()
    assert lines[2] == "| bert | tiny | x/y | vision | 1,234,567 | — |"
    assert lines[3].endswith("| 0.0025 |")
    absent = {"hardware": "cuda", "is_available": False, "device_name": None, "reason": "no | driver"}
    line = hardware_markdown([absent | {"peak_gflops_fp32": None, "memory_bandwidth_gb_per_s": None}]).splitlines()[2]
    assert line == "| cuda | no | — | — | — | no \\| driver |"


def test_the_catalog_is_counted_by_category():
    """Standalone architectures once, whatever their sizes; parts of others not at all."""
    row = {"model_size": "tiny", "component_of": [], "category": "audio", "reason": None}
    silent = row | {"reason": "it needs natten"}
    other = row | {"category": "video"}
    part = row | {"component_of": ["clip"]}
    lines = catalog_markdown([row, row | {"model_size": "reference"}, silent, other, part]).splitlines()
    assert lines[2:] == ["| audio | 2 | 1 |", "| video | 1 | 1 |", "| all | 3 | 2 |"]


def test_coverage_as_markdown():
    text = coverage_markdown(COVERAGE)
    assert "### Inference\n\n6 cells: measured 1, tiny only 1, failed 1, unsupported 1, no hardware 2\n" in text
    assert "### Training\n\n2 cells: never tried 2\n" in text
    assert "| model | cpu | cuda |" in text
    assert "| bert | measured | no hardware |" in text
    assert "| vit | tiny only | no hardware |" in text
    assert coverage_markdown([]) == ""


def test_a_cell_that_is_not_in_the_grid_is_no_state():
    text = coverage_markdown([rows.coverage(model="bert"), rows.coverage(model="vit", hardware="cuda")])
    assert "| bert | never tried | — |" in text


def test_reasons_are_counted_most_frequent_first():
    assert reasons(COVERAGE)[0] == ("no_hardware", "no GPU", 2)
    assert len(reasons(COVERAGE)) == 3


def test_scores_say_why_there_is_none():
    scored, unscored = scores_markdown([OUT__PREDICTION_SCORES.complete(row) for row in SCORES]).splitlines()[2:]
    assert scored == "| inference | reference | xgboost | 40 | 5 | 23.5 | 12.3 | 41 | — |"
    assert unscored == "| training | tiny | xgboost | 0 | 0 | — | — | — | too few <models> |"


class Page(HTMLParser):
    """What a browser would see: tags, texts, and the classes of the cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.states, self.titles, self.open = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        attributes = dict(attrs)
        if tag == "td" and (attributes.get("class") or "").startswith("state"):
            self.states.append(attributes["class"].split()[1])
            self.titles.append(attributes["title"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def page(tmp_path):
    write_table(tmp_path, OUT__COVERAGE, COVERAGE)
    write_table(tmp_path, OUT__PREDICTION_SCORES, SCORES)
    return write_coverage_report(tmp_path)


def test_the_page_holds_every_state_count_and_reason(page):
    parsed = Page(page.html.read_text(encoding="utf-8"))
    assert parsed.open == []
    assert parsed.states == [row["state"] for row in COVERAGE]
    text = " ".join(" ".join(parsed.texts).split())
    assert "6 cells: measured 1, tiny only 1, failed 1, unsupported 1, no hardware 2" in text
    assert "2 cells: never tried 2" in text
    assert "<script>alert('x')</script> & \"more\"" in text
    assert "23.5" in text
    assert "too few <models>" in text
    assert set(parsed.states) == set(COVERAGE_STATES)


def test_no_reason_can_run_a_script_or_leave_its_attribute(page):
    text = page.html.read_text(encoding="utf-8")
    parsed = Page(text)
    assert "script" not in parsed.tags
    assert "models" not in parsed.tags
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert parsed.titles[5] == EVIDENCE["unsupported"]["reason"]


def test_the_page_needs_nothing_from_the_network(page):
    text = page.html.read_text(encoding="utf-8")
    assert not re.search(r"https?://|src=|<link|@import", text)


def test_imported_numbers_are_pointed_out_but_are_no_state(tmp_path):
    write_table(tmp_path, OUT__COVERAGE, [rows.coverage(n_imported_measured=5, n_imported_not_measured=7)])
    parsed = Page(write_coverage_report(tmp_path).html.read_text(encoding="utf-8"))
    assert parsed.states == ["never_tried"]
    assert "5 old measured" in parsed.texts
    assert "7 old, not measured" in parsed.texts


def test_the_markdown_report_has_the_same_counts(page):
    text = page.markdown.read_text(encoding="utf-8")
    assert text.startswith("# Coverage\n\n### Inference\n\n6 cells: measured 1")
    assert "| no_hardware | no GPU | 2 |" in text
    assert "it broke \\| badly in two lines" in text
    assert "| inference | reference | xgboost | 40 | 5 | 23.5 |" in text


def test_a_report_of_nothing_says_so(tmp_path):
    report = write_coverage_report(tmp_path)
    assert "There is no coverage yet." in report.html.read_text(encoding="utf-8")
    assert report.markdown.read_text(encoding="utf-8").startswith("# Coverage")


@pytest.mark.parametrize("n_rows", [1, 6])
def test_the_plot_is_a_png_that_grows_with_its_rows(n_rows):
    png = latency_plot([rows.measured(batch_size=2**n) for n in range(n_rows)])
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    pixels = image.imread(io.BytesIO(png))
    height, width = pixels.shape[:2]
    assert width > 700
    assert height > 100 + 50 * n_rows
    # something is drawn: the red dots of the medians
    red = (pixels[..., 0] > 0.7) & (pixels[..., 1] < 0.15) & (pixels[..., 2] < 0.15)
    assert red.sum() > 20 * n_rows


def test_the_plot_shows_the_numbers_of_the_rows():
    fast = [rows.measured(), rows.measured(batch_size=2)]
    slow = [rows.measured(), rows.measured(batch_size=2, samples_ms=[1000.0 + n for n in range(10)])]
    assert latency_plot(fast) == latency_plot(fast)
    assert latency_plot(fast) != latency_plot(slow)
