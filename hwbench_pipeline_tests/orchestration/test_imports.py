"""The import assets: files of the configured folder become tables, with counts to look at."""

from __future__ import annotations

import dagster as dg

from hwbench_pipeline.orchestration.assets.imports import import_results
from hwbench_pipeline.orchestration.resources import ImportFilesResource, WarehouseResource
from hwbench_pipeline.schema.tables import CORE_IMPORTS__RESULTS, RAW_IMPORTS__FILES
from hwbench_pipeline.warehouse.reading import read_rows


def materialized(tmp_path, folder):
    resources = {
        "warehouse": WarehouseResource(root=str(tmp_path / "w")),
        "import_files": ImportFilesResource(folder=str(folder)),
    }
    result = dg.materialize([import_results], resources=resources)
    assert result.success
    return {
        event.asset_key.to_user_string(): event.metadata
        for event in result.get_asset_materialization_events()
        for event in [event.materialization]
    }


def test_the_folders_of_the_formats_are_read(tmp_path):
    (tmp_path / "in" / "timm").mkdir(parents=True)
    (tmp_path / "in" / "timm" / "a.csv").write_text("model,infer_step_time,infer_batch_size\nnet,10.0,8\n")
    (tmp_path / "in" / "timm" / "b.csv").write_text("a,b\n1,2\n")
    shown = materialized(tmp_path, tmp_path / "in")
    assert shown[CORE_IMPORTS__RESULTS.name]["dagster/row_count"].value == 1
    assert "| no_results | 1 |" in shown[RAW_IMPORTS__FILES.name]["rows_by_status"].value
    assert [row["model_id"] for row in read_rows(tmp_path / "w", CORE_IMPORTS__RESULTS)[0]] == ["net"]


def test_without_files_the_tables_are_there_and_empty(tmp_path):
    shown = materialized(tmp_path, tmp_path / "nowhere")
    assert {metadata["dagster/row_count"].value for metadata in shown.values()} == {0}
