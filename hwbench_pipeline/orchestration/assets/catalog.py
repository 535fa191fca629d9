"""What can be measured and on what: the model catalog, the hardware of this host, and the files that browsers run."""

from typing import Self

import dagster as dg
from pydantic import Field, model_validator

from hwbench_pipeline.bench.deriving import make_known
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.onnx_export import export_models
from hwbench_pipeline.catalog.configs import SIZES
from hwbench_pipeline.catalog.entries import catalog_keys
from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.catalog.storing import write_models
from hwbench_pipeline.hardware.storing import write_hardware
from hwbench_pipeline.orchestration.metadata import table_asset
from hwbench_pipeline.orchestration.partitions import model_partitions
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.reports.tables import catalog_markdown, exports_markdown, hardware_markdown, models_markdown
from hwbench_pipeline.schema.tables import CORE_HARDWARE, CORE_MODELS, CORE_MODELS__ONNX


@table_asset(
    CORE_MODELS,
    group_name="catalog",
    kinds={"huggingface", "parquet"},
)
def core_models(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Write the catalog; architectures that nobody has tried yet are tried first."""
    make_known(catalog_keys(components=True), on_need=context.log.info)
    rows = write_models(warehouse.path)
    key_models = [row for row in rows if row["model"] in model_keys()]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "architectures": dg.MetadataValue.md(catalog_markdown(rows)),
            "key_models": dg.MetadataValue.md(models_markdown(key_models)),
        }
    )


@table_asset(
    CORE_HARDWARE,
    group_name="catalog",
    kinds={"python", "parquet"},
)
def core_hardware(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Probe every platform and measure the peaks of those that are here."""
    rows = write_hardware(warehouse.path, on_wait=context.log.warning)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "n_available": sum(bool(row["is_available"]) for row in rows),
            "hardware": dg.MetadataValue.md(hardware_markdown(rows)),
        }
    )


class OnnxExportConfig(dg.Config):
    """What is exported of a model."""

    model_sizes: list[str] = Field(
        default=["tiny"], description="tiny, reference. A reference size may take minutes and gigabytes."
    )

    @model_validator(mode="after")
    def _sizes_are_some(self) -> Self:
        if not self.model_sizes or not set(self.model_sizes) <= set(SIZES):
            raise ValueError(f"model_sizes {self.model_sizes}: takes {', '.join(SIZES)}. Fix: model_sizes: [tiny]")
        return self


@table_asset(
    CORE_MODELS__ONNX,
    partitions_def=model_partitions,
    deps=[CORE_MODELS.name],
    group_name="web",
    kinds={"onnx", "parquet"},
)
def core_models__onnx(
    context: dg.AssetExecutionContext, config: OnnxExportConfig, warehouse: WarehouseResource
) -> None:
    """Export the models of this run. One that cannot be exported is recorded with the reason."""
    with CellProcesses("hwbench_pipeline.bench.onnx_export:run_job") as processes:
        for model in context.partition_keys:
            context.log.info("%s: exporting", model)
            rows = export_models(
                warehouse.path,
                model,
                config.model_sizes,
                processes,
                on_phase=lambda size, route: context.log.info("%s: %s", size, route),
                on_wait=context.log.warning,
            )
            context.add_asset_metadata(
                {
                    "dagster/partition_row_count": len(rows),
                    "n_exported": sum(row["status"] == "ok" for row in rows),
                    "exports": dg.MetadataValue.md(exports_markdown(rows)),
                },
                asset_key=CORE_MODELS__ONNX.name,
                partition_key=model,
            )
