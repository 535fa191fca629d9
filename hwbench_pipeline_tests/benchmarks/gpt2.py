"""GPT-2, which other tools are usually shown with, made known to the catalog of the process that asks for it.

Values are those of the config.json at https://huggingface.co/gpt2. `run_job` is a cell's entry that knows it too.
Importing this changes nothing: the tests collected in the same process see the catalog as it is.
"""

from __future__ import annotations

from typing import Any

from hwbench_pipeline.bench import cell
from hwbench_pipeline.catalog import inputs, names, reference_configs

MODEL = names.CatalogModel("gpt2", "GPT-2", "gpt2", "GPT2LMHeadModel", "text_decoder", ("text",))

CONFIG = reference_configs.ReferenceConfig(
    {
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_positions": 1024,
        "vocab_size": 50257,
        "bos_token_id": 50256,
        "eos_token_id": 50256,
    },
    124.44,
)


def make_known() -> None:
    names._MODEL_BY_KEY["gpt2"] = MODEL
    names._EXACT["gpt2"] = "gpt2"
    reference_configs.REFERENCE_CONFIGS["gpt2"] = CONFIG
    inputs._MAKERS["gpt2"] = inputs._text


def forget() -> None:
    for table in (names._MODEL_BY_KEY, names._EXACT, reference_configs.REFERENCE_CONFIGS, inputs._MAKERS):
        table.pop("gpt2")


def run_job(*arguments: Any) -> Any:
    make_known()
    return cell.run_job(*arguments)
