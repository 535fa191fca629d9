"""GPT-2, which other tools are usually shown with, made known to the catalog of the process that imports this.

Values are those of the config.json at https://huggingface.co/gpt2. `run_job` is a cell's entry that knows it too.
"""

from __future__ import annotations

from hwbench_pipeline.bench import cell
from hwbench_pipeline.catalog import inputs, names, reference_configs

MODEL = names.CatalogModel("gpt2", "GPT-2", "gpt2", "GPT2LMHeadModel", "text_decoder", ("text",))

names._MODEL_BY_KEY["gpt2"] = MODEL
names._EXACT["gpt2"] = "gpt2"
reference_configs.REFERENCE_CONFIGS["gpt2"] = reference_configs.ReferenceConfig(
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
inputs._MAKERS["gpt2"] = inputs._text

run_job = cell.run_job
