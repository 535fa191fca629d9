"""A warehouse to export from, and the real optimum-benchmark in a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import filelock
import pytest

from hwbench_pipeline.bench.memory import HOST_METHOD
from hwbench_pipeline.schema.tables import OUT__ENVIRONMENTS, OUT__RESULTS
from hwbench_pipeline.warehouse.writing import write_table
from hwbench_pipeline_tests import rows

# the package, and of what it imports whatever this project's own environment lacks or has in another version;
# torch, pandas, numpy and the rest are borrowed from there, which saves a gigabyte
PINNED = (
    "optimum-benchmark==0.6.0",
    "transformers==4.56.2",
    "huggingface-hub==0.36.2",
    "diffusers==0.35.2",
    "tokenizers==0.22.2",
    "hydra-core==1.3.8",
    "omegaconf==2.3.1",
    "antlr4-python3-runtime==4.9.3",
    "colorlog==6.12.0",
    "flatten-dict==0.5.0",
    "requests==2.34.2",
    "httpx==0.28.1",
    "datasets==5.0.1",
    "dill==0.4.1",
    "multiprocess==0.70.19",
    "xxhash==4.1.0",
    "accelerate==1.15.0",
)

ENVIRONMENT = {
    "environment_id": rows.ENVIRONMENT_ID,
    "machine": "a-host-name",
    "os": "Linux 6.1",
    "cpu_name": "Test CPU",
    "cpu_cores_logical": 4,
    "memory_total_mb": 8000.0,
    "python_version": "3.11.7",
    "transformers_version": "5.23.0",
    "threads_intra_op": 3,
    "threads_inter_op": 1,
    "n_results": 1,
}


def inference(**changes):
    """A made-up inference row as hwbench stores it."""
    return rows.measured(
        **{
            "batch_size": 4,
            "throughput_items_per_s": 4000 / 11.9,
            "n_warmup": 5,
            "first_inference_ms": 50.0,
            "options": '{"attention":"sdpa","class":"BertForMaskedLM","compile":false,"weights":"random"}',
            "peak_memory_mb": 333.25,
            "memory_method": HOST_METHOD,
            "flags": ["noisy"],
        }
        | changes
    )


def training(**changes):
    """A made-up training row as hwbench stores it."""
    return inference(
        **{
            "mode": "training",
            "scenario": "train_step",
            "options": '{"class":"BertForMaskedLM","optimizer":"AdamW","precision_method":"autocast","weights":"random"}',
            "precision": "bf16",
        }
        | changes
    )


@pytest.fixture
def store(tmp_path):
    """Writes rows as a warehouse's out__results and gives its folder."""

    def _store(*results):
        folder = tmp_path / "warehouse"
        write_table(folder, OUT__RESULTS, [{"is_current": True} | row for row in results])
        write_table(folder, OUT__ENVIRONMENTS, [ENVIRONMENT])
        return folder

    return _store


@pytest.fixture(scope="session")
def real_python():
    """The interpreter of a virtual environment with the real optimum-benchmark, made once beside this project's."""
    folder = Path(sys.prefix) / "peers" / "optimum-benchmark"
    python = folder / "bin" / "python"
    done = folder / "installed.txt"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        pytest.skip(f"no room for the virtual environment of optimum-benchmark: {error}")
    with lock:
        if not done.exists() or done.read_text().split() != list(PINNED):
            venv.create(folder, clear=True, with_pip=True)
            install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", *PINNED]
            try:
                installed = subprocess.run(install, capture_output=True, text=True, check=False, timeout=300)
            except subprocess.TimeoutExpired:
                pytest.skip("pip could not install optimum-benchmark within 300 s")
            if installed.returncode != 0:
                pytest.skip(f"pip cannot install optimum-benchmark here: {installed.stderr.strip()[-300:]}")
            version = f"python{sys.version_info.major}.{sys.version_info.minor}"
            borrowed = folder / "lib" / version / "site-packages" / "zz_borrowed.pth"
            borrowed.write_text(sysconfig.get_path("purelib"))
            done.write_text("\n".join(PINNED))
    return [str(python)], os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": ""}
