"""The answers as assets: made after the results, with checks that say how bad it is and hold nothing up."""

from __future__ import annotations

import dagster as dg
import pytest

from hwbench_pipeline.analysis.answering import accept, regressions_now
from hwbench_pipeline.definitions import build_defs
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.reports.notifying import WEBHOOK_VARIABLE
from hwbench_pipeline.schema.tables import OUT__COMPARISON, OUT__REGRESSIONS, OUT__RESULTS, OUT__SCALING
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline_tests import rows
from hwbench_pipeline_tests.analysis.nights import Nights
from hwbench_pipeline_tests.analysis.test_answering import stored

ANSWERS = (OUT__RESULTS.name, "out__environments", OUT__COMPARISON.name, OUT__SCALING.name, OUT__REGRESSIONS.name)


@pytest.fixture
def run(instance, warehouse, monkeypatch):
    """Make the results and the answers in one run. Returns its result."""
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    defs = build_defs({"warehouse": WarehouseResource(root=str(warehouse))})
    job = dg.define_asset_job("answer", dg.AssetSelection.assets(*ANSWERS))
    answer = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("answer")
    return lambda: answer.execute_in_process(instance=instance, raise_on_error=False)


def checks_of(result):
    return {
        evaluation.check_name: evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name.startswith("no_")
    }


def metadata_of(result, name):
    (event,) = [event for event in result.get_asset_materialization_events() if event.asset_key == dg.AssetKey(name)]
    return {key: value.value for key, value in event.materialization.metadata.items()}


def slower(factors, *, lost=False):
    nights = Nights(12, drift=0.01).sweeps(6)
    for _ in range(3):
        nights.sweep(factors)
    if lost:
        nights.rows.append(
            rows.without_number("timeout", model="model1", run_id="run-99999", started_at=rows.later(24 * 60 * 12))
        )
    return nights


def test_a_quiet_history_passes_every_check(run, warehouse):
    stored(warehouse, Nights(12, drift=0.01).sweeps(6))
    result = run()
    assert result.success
    checks = checks_of(result)
    assert set(checks) == {
        "no_critical_regressions",
        "no_high_regressions",
        "no_moderate_regressions",
        "no_lost_cells",
    }
    assert all(check.passed for check in checks.values())


def test_each_severity_has_its_check(run, warehouse):
    stored(warehouse, slower({"model4": 1.4, "model5": 1.2, "model6": 1.11}, lost=True))
    result = run()
    assert result.success
    checks = checks_of(result)
    failed = {
        name: (check.severity, check.metadata["n_series"].value) for name, check in checks.items() if not check.passed
    }
    assert failed == {
        "no_critical_regressions": (dg.AssetCheckSeverity.ERROR, 1),
        "no_high_regressions": (dg.AssetCheckSeverity.ERROR, 1),
        "no_moderate_regressions": (dg.AssetCheckSeverity.WARN, 1),
        "no_lost_cells": (dg.AssetCheckSeverity.ERROR, 1),
    }
    assert "model4" in checks["no_critical_regressions"].description
    assert "* model1" in checks["no_lost_cells"].metadata["findings"].value or "model1" in str(
        checks["no_lost_cells"].metadata["findings"].value
    )


def test_the_ui_sees_counts_and_changes(run, warehouse):
    stored(warehouse, slower({"model4": 1.4}))
    result = run()
    shown = metadata_of(result, OUT__REGRESSIONS.name)
    assert (shown["n_regression"], shown["n_new_alarms"], shown["notification_sent"]) == (1, 1, False)
    assert "model4" in shown["changes"]
    assert metadata_of(result, OUT__COMPARISON.name)["dagster/row_count"] == 12
    assert metadata_of(result, OUT__SCALING.name)["dagster/row_count"] == 0
    assert metadata_of(run(), OUT__REGRESSIONS.name)["n_new_alarms"] == 0


def test_an_accepted_change_passes(run, warehouse):
    stored(warehouse, slower({"model4": 1.4}))
    assert not checks_of(run())["no_critical_regressions"].passed
    found, _ = regressions_now(warehouse)
    accept(warehouse, found, [row["series_id"] for row in found if row["verdict"] == "regression"], "as it should be")
    assert checks_of(run())["no_critical_regressions"].passed


def test_a_webhook_that_is_down_loses_no_table_and_is_logged_without_its_address(run, warehouse, monkeypatch, capfd):
    stored(warehouse, slower({"model4": 1.4}))
    monkeypatch.setenv(WEBHOOK_VARIABLE, "http://127.0.0.1:9/secret-path")
    result = run()
    assert result.success
    assert metadata_of(result, OUT__REGRESSIONS.name)["notification_sent"] is False
    assert len(read_rows(warehouse, OUT__REGRESSIONS)[0]) >= 12
    logged = "".join(capfd.readouterr())
    assert "did not take the message" in logged
    assert "secret-path" not in logged
