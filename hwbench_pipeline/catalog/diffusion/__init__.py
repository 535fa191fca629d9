"""Models of diffusers in the catalog: declared one by one, since diffusers has no mapping from which they could be derived.

Belongs here: the declared architectures by key, without torch, transformers or diffusers. Does not belong here: making
configurations, modules and inputs of them (`adapting`), and models of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping

from hwbench_pipeline.catalog.diffusion.autoencoders import AUTOENCODERS
from hwbench_pipeline.catalog.diffusion.declaring import DiffusersArchitecture
from hwbench_pipeline.catalog.diffusion.images import IMAGES
from hwbench_pipeline.catalog.diffusion.videos import VIDEOS
from hwbench_pipeline.catalog.names import CatalogModel

CATEGORY = "diffusion"
DIFFUSERS: Mapping[str, DiffusersArchitecture] = {
    architecture.key: architecture for architecture in (*IMAGES, *VIDEOS, *AUTOENCODERS)
}


def diffusers_model(key: str) -> CatalogModel:
    """The catalog's entry of a declared architecture. Its texts reach it as embeddings of fixed length: it takes no tokens."""
    found = DIFFUSERS[key]
    model_id = found.checkpoint or f"hwbench/default-{key}"
    return CatalogModel(key, key, model_id, found.model_class, CATEGORY, found.modalities)
