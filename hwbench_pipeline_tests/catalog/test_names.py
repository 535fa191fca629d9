"""Names of models: what resolves to which key, and what must not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hwbench_pipeline.catalog.names import MODELS, UnknownModelError, catalog_key, model_keys, resolve, resolve_exactly
from hwbench_pipeline.schema.tables.catalog import CATEGORIES

RESOLVED = {
    "BERT": "bert",
    "hf_bert": "bert",
    "test_hf_bert.py": "bert",
    "test_bert.py": "bert",
    "bert-base-uncased": "bert",
    "google-bert/bert-base-uncased": "bert",
    "bert-tiny": "bert",
    "prajjwal1/bert-tiny": "bert",
    "bert_tiny": "bert",
    "google/bert_uncased_L-2_H-128_A-2": "bert",
    "bert-large-cased-whole-word-masking": "bert",
    "dslim/bert-base-NER": "bert",
    "BertForMaskedLM": "bert",
    "BertModel": "bert",
    "ViT": "vit",
    "vit-base-patch16-224": "vit",
    "google/vit-base-patch16-224-in21k": "vit",
    "vit_tiny_patch16_224": "vit",
    "ViTForImageClassification": "vit",
    "detr-resnet-50": "detr",
    "facebook/detr-resnet-101-dc5": "detr",
    "T5": "t5",
    "t5-small": "t5",
    "google-t5/t5-base": "t5",
    "google/t5-efficient-tiny": "t5",
    "flan-t5-small": "t5",
    "google/t5-v1_1-base": "t5",
    "hf_t5": "t5",
    "LLaMA": "llama",
    "llama": "llama",
    "TinyLlama": "llama",
    "TinyLlama-1.1B-Chat-v1.0": "llama",
    "meta-llama/Llama-2-7b-hf": "llama",
    "meta-llama/Meta-Llama-3-8B": "llama",
    "meta-llama/Llama-3.2-1B-Instruct": "llama",
    "codellama/CodeLlama-7b-hf": "llama",
    "llama3": "llama",
    "LlamaForCausalLM": "llama",
    "Qwen2": "qwen2",
    "Qwen/Qwen2-0.5B": "qwen2",
    "Qwen/Qwen2.5-0.5B-Instruct": "qwen2",
    "Qwen/Qwen1.5-0.5B": "qwen2",
    "Qwen/Qwen2.5-Coder-7B": "qwen2",
    "whisper": "whisper",
    "openai/whisper-large-v3-turbo": "whisper",
    "openai/whisper-tiny.en": "whisper",
    "Wav2Vec2": "wav2vec2",
    "facebook/wav2vec2-large-xlsr-53": "wav2vec2",
    "facebook/wav2vec2-xls-r-300m": "wav2vec2",
    "jonatasgrosman/wav2vec2-large-xlsr-53-english": "wav2vec2",
    "CLAP": "clap",
    "laion/clap-htsat-fused": "clap",
    "laion/larger_clap_general": "clap",
    "CLIP": "clip",
    "openai/clip-vit-large-patch14-336": "clip",
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": "clip",
    "CLIPModel": "clip",
    "LLaVA": "llava",
    "llava-1.5-7b-hf": "llava",
    "liuhaotian/llava-v1.5-13b": "llava",
    "LLaVA-Next": "llava_next",
    "llava-next": "llava_next",
    "test_hf_llava_next.py": "llava_next",
    "llava-hf/llava-v1.6-vicuna-7b-hf": "llava_next",
    "llava-hf/llama3-llava-next-8b-hf": "llava_next",
    "LlavaNextForConditionalGeneration": "llava_next",
    "XCLIP": "xclip",
    "X-CLIP": "xclip",
    "microsoft/xclip-large-patch14": "xclip",
    "XCLIPModel": "xclip",
}

UNRESOLVED = (
    "",
    "   ",
    "Unknown",
    "unknown",
    "distilbert",
    "distilbert-base-uncased",
    "roberta-base",
    "xlm-roberta-base",
    "albert-base-v2",
    "camembert-base",
    "modernbert-base",
    "bert-generation",
    "bert-vits2",
    "deit",
    "facebook/deit-base-patch16-224",
    "vit_mae",
    "facebook/vit-mae-base",
    "facebook/vit-msn-small",
    "google/vit-hybrid-base-bit-384",
    "nlpconnect/vit-gpt2-image-captioning",
    "vitdet",
    "deformable-detr",
    "microsoft/conditional-detr-resnet-50",
    "rt_detr",
    "mt5-small",
    "google/umt5-small",
    "google/long-t5-local-base",
    "t5gemma",
    "speecht5",
    "llama4",
    "llama-4",
    "meta-llama/Llama-4-Scout-17B-16E",
    "meta-llama/Llama-3.2-11B-Vision",
    "meta-llama/Llama-Guard-4-12B",
    "mllama",
    "qwen",
    "Qwen/Qwen-7B",
    "qwen3",
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen2-VL-2B-Instruct",
    "Qwen/Qwen2-57B-A14B",
    "Qwen/Qwen1.5-MoE-A2.7B",
    "Qwen/Qwen2-Audio-7B",
    "qwen2_moe",
    "qwen2_vl",
    "wav2vec2-bert",
    "facebook/w2v-bert-2.0",
    "wav2vec2-conformer",
    "facebook/wav2vec2-conformer-rel-pos-large",
    "distil-whisper/distil-large-v3",
    "clipseg",
    "CIDAS/clipseg-rd64-refined",
    "OFA-Sys/chinese-clip-vit-base-patch16",
    "clip_text_model",
    "clip_vision_model",
    "altclip",
    "siglip",
    "groupvit",
    "llava-hf/LLaVA-NeXT-Video-7B-hf",
    "llava_onevision",
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
    "llava_next_video",
    "vipllava",
    "video_llava",
    "ClapAudioModel",
    "CLIPTextModel",
    "XLMRobertaForMaskedLM",
    "bert.py",
    "bert-base-uncased.json",
    "bert-base-stub",
    "models/bert",
    "./bert",
    "/tmp/bert",
    "/tmp/stubs/bert-base-uncased",
    "~/models/bert",
    "C:\\models\\bert",
    "a/b/bert",
    "bert or vit",
    "hwbench/tiny-bert",
    "tiny-bert",
    "hf-internal-testing/tiny-random-BertModel",
    "hf-internal-testing/tiny-random-bert",
    "hf-internal-testing/tiny-bert",
    "hf-internal-testing/bert-base",
    "katuni4ka/tiny-random-llava-next",
    "katuni4ka/tiny-random-llava",
    "tiny-random-BertModel",
    "tiny_random_bert",
    "patrickvonplaten/t5-tiny-random",
    "trl-internal-testing/tiny-LlamaForCausalLM-3",
    "someone/bert-random",
    "someone/bert-base-random-weights",
    "bert-base-tinyrandom",
)


@pytest.mark.parametrize(("name", "key"), RESOLVED.items())
def test_name_resolves(name: str, key: str) -> None:
    assert catalog_key(name) == key


@pytest.mark.parametrize("name", UNRESOLVED)
def test_similar_name_does_not_resolve(name: str) -> None:
    assert catalog_key(name) is None


def test_every_model_is_found_by_its_own_names() -> None:
    for model in MODELS:
        for name in (model.key, model.display_name, model.model_id, model.model_id.split("/")[-1], model.model_class):
            assert catalog_key(name) == model.key, name
            assert catalog_key(name.upper()) in (model.key, None), name
        assert resolve(model.model_id) is model
        assert model.category in CATEGORIES


def test_a_stand_in_is_no_catalog_model_and_cannot_be_asked_for() -> None:
    for model in MODELS:
        assert catalog_key(model.tiny_model_id) is None
        with pytest.raises(UnknownModelError, match=rf"is the tiny size of.*--size tiny --model {model.key}"):
            resolve_exactly(model.tiny_model_id)


def test_keys_are_the_thirteen_model_types() -> None:
    assert model_keys() == (
        "bert",
        "vit",
        "detr",
        "t5",
        "llama",
        "qwen2",
        "whisper",
        "wav2vec2",
        "clap",
        "clip",
        "llava",
        "llava_next",
        "xclip",
    )


def test_unknown_name_says_nearest_and_fix() -> None:
    with pytest.raises(UnknownModelError, match=r"'brt'.*bert.*`hwbench models`"):
        resolve("brt")
    with pytest.raises(UnknownModelError, match="key models are bert, vit"):
        resolve("§§§§§§")


def test_names_import_nothing_heavy() -> None:
    code = (
        "import sys; import hwbench_pipeline.catalog.names;"
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
