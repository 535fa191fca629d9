"""The key models as data, and how files and people name them.

Belongs here: catalog keys, published checkpoint ids, categories, modalities, and resolving a name to a key.
Does not belong here: configurations or anything that imports torch or transformers; legacy reading and the
command line ask this module for quick answers, so it imports the standard library only.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class CatalogModel:
    """One model of the catalog.

    `key` is the Hugging Face `model_type`; `model_id` the published reference checkpoint; `model_class` the
    transformers class that checkpoint's config.json names in `architectures`, or diffusers' class; `category` one of
    `schema.tables.catalog.CATEGORIES`; `modalities` what a forward pass takes, of text, image, audio, video. A checkpoint
    that is no key model (`checkpoints`) has another key than its `model_type`, which then is given.
    """

    key: str
    display_name: str
    model_id: str
    model_class: str
    category: str
    modalities: tuple[str, ...]
    model_type: str | None = None

    @property
    def architecture(self) -> str:
        """The Hugging Face `model_type`."""
        return self.model_type or self.key

    @property
    def tiny_model_id(self) -> str:
        """Name of the architecture's tiny stand-in, which is built here with random weights and published nowhere."""
        return f"hwbench/tiny-{self.architecture}"

    @property
    def takes_text(self) -> bool:
        """Whether a forward pass takes text tokens, given by a tokenizer or produced by the decoder."""
        return "text" in self.modalities


class UnknownModelError(ValueError):
    """A name that resolves to no catalog model. The message gives the name, the nearest names and the fix."""


MODELS: tuple[CatalogModel, ...] = (
    CatalogModel("bert", "BERT", "bert-base-uncased", "BertForMaskedLM", "text_encoder", ("text",)),
    CatalogModel("vit", "ViT", "google/vit-base-patch16-224", "ViTForImageClassification", "vision", ("image",)),
    CatalogModel("detr", "DETR", "facebook/detr-resnet-50", "DetrForObjectDetection", "vision", ("image",)),
    CatalogModel("t5", "T5", "t5-small", "T5ForConditionalGeneration", "encoder_decoder", ("text",)),
    CatalogModel("llama", "LLaMA", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "LlamaForCausalLM", "text_decoder", ("text",)),
    CatalogModel("qwen2", "Qwen2", "Qwen/Qwen2-0.5B-Instruct", "Qwen2ForCausalLM", "text_decoder", ("text",)),
    CatalogModel(
        "whisper",
        "Whisper",
        "openai/whisper-tiny",
        "WhisperForConditionalGeneration",
        "speech_text",
        ("audio", "text"),
    ),
    CatalogModel("wav2vec2", "Wav2Vec2", "facebook/wav2vec2-base-960h", "Wav2Vec2ForCTC", "audio", ("audio",)),
    CatalogModel("clap", "CLAP", "laion/clap-htsat-unfused", "ClapModel", "multimodal", ("audio", "text")),
    CatalogModel("clip", "CLIP", "openai/clip-vit-base-patch32", "CLIPModel", "vision_text", ("image", "text")),
    CatalogModel(
        "llava",
        "LLaVA",
        "llava-hf/llava-1.5-7b-hf",
        "LlavaForConditionalGeneration",
        "vision_text",
        ("image", "text"),
    ),
    CatalogModel(
        "llava_next",
        "LLaVA-NeXT",
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "LlavaNextForConditionalGeneration",
        "vision_text",
        ("image", "text"),
    ),
    CatalogModel("xclip", "X-CLIP", "microsoft/xclip-base-patch32", "XCLIPModel", "video", ("video", "text")),
)

_MODEL_BY_KEY = {model.key: model for model in MODELS}


def model_keys() -> tuple[str, ...]:
    """The catalog keys, in catalog order."""
    return tuple(_MODEL_BY_KEY)


@dataclass(frozen=True)
class _Family:
    """How checkpoint names begin that belong to one architecture, and what makes such a name another architecture.

    `starts` are regular expressions for the first words, joined by `-`; `denied` are words that, anywhere after
    the start, name another architecture (Qwen2-VL, ViT-MAE, wav2vec2-conformer…).
    """

    key: str
    starts: tuple[str, ...]
    denied: frozenset[str] = frozenset()


# Which names belong to which `model_type`, from the config.json of the organisations' published checkpoints.
# Where two families could start a name, the longer start stands first.
_FAMILIES = (
    _Family(
        "llava_next",
        (r"(?:llama3-)?llava-next", r"llava-v?1\.6(?:-(?:mistral|vicuna))?"),
        frozenset({"video", "interleave", "qwen"}),
    ),
    _Family("llava", ("llava",), frozenset({"onevision", "video", "interleave", "med", "next", "1.6", "v1.6"})),
    _Family("xclip", ("x-?clip",)),
    # sentence-transformers publishes a multilingual CLIP whose text tower is DistilBERT
    _Family("clip", ("clip-vit", "clip-rn", "clip"), frozenset({"multilingual"})),
    _Family("clap", ("(?:larger-)?clap-htsat", "larger-clap", "clap")),
    _Family("bert", ("bert",), frozenset({"generation", "vits2", "japanese"})),
    _Family("vit", ("vit",), frozenset({"mae", "msn", "hybrid", "gpt2", "det", "pose", "matte"})),
    _Family("detr", (r"detr-resnet", "detr"), frozenset({"deformable", "conditional"})),
    _Family("t5", (r"(?:flan-)?t5-efficient", "(?:flan-)?t5"), frozenset({"gemma"})),
    _Family(
        "llama",
        (r"(?:meta-)?(?:tiny|code)?llama-?(?:[23](?:\.[123])?)?", "llama"),
        frozenset({"4", "vision", "guard", "scout", "maverick", "nemotron", "omni", "adapter"}),
    ),
    # Qwen1.5 and Qwen2.5 checkpoints have model_type qwen2
    _Family(
        "qwen2",
        (r"qwen(?:2|2\.5|1\.5)(?:-(?:coder|math))?",),
        frozenset({"vl", "audio", "moe", "omni", "rm", "prm"}),
    ),
    _Family("whisper", ("whisper",)),
    _Family("wav2vec2", ("wav2vec2-xls-r", "wav2vec2"), frozenset({"conformer", "bert", "phoneme"})),
)

# The words that say a name is a checkpoint of the family it starts with: its size, casing, grid or version.
# What follows them names a fine-tune (bert-base-NER, wav2vec2-large-xlsr-53-english).
_ANCHOR = re.compile(
    r"""(?:nano|micro|mini|tiny|small|medium|base|large|huge|giant|xl|xxl|[bslhg]
    |tiny\.en|base\.en|small\.en|medium\.en
    |cased|uncased|multilingual|chinese
    |patch\d+|\d+
    |v?\d+(?:\.\d+)*
    |\d+(?:\.\d+)?[mb]
    |\d+x\d+
    |fused|unfused|general|music|turbo|panoptic|dc5)""",
    re.VERBOSE,
)
# A mixture of experts says its active parameters (Qwen2-57B-A14B), and is another architecture.
_ACTIVE_PARAMETERS = re.compile(r"a\d+(?:\.\d+)?b")
_NOT_A_CHECKPOINT = frozenset({"stub", "stubs", "mock", "mocked", "dummy", "fake", "unknown", "simulated"})
# Stand-ins for tests: of an architecture, with random weights and shrunk layers. Their numbers say nothing about the model.
_STAND_IN = re.compile(r"(?:^|-)(?:tiny-?random|random)(?:-|$)|^tiny-")
_STAND_IN_PUBLISHERS = re.compile(r"[\w.-]*-internal-testing|hf-tiny-model-private", re.IGNORECASE)
_LOCAL_FOLDERS = frozenset(
    {"models", "model", "tmp", "data", "local", "test", "tests", "cache", "checkpoints", "stubs"}
)
_HUB_NAME = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w. -]*")
_FILE = re.compile(r"\.(?:json|bin|pt|pth|onnx|gguf|safetensors|xml|csv|md|txt|yaml|yml)$", re.IGNORECASE)
_TEST_FILE = re.compile(r"(?:test[_-])?hf[_-](?P<name>.+?)(?:\.py)?|test[_-](?P<test>.+?)(?:\.py)?", re.IGNORECASE)
_CLASS_NAME = re.compile(r"(?P<prefix>[A-Za-z0-9]+?)(?:Model|For[A-Z]\w*)")
_CLASS_PREFIX = {
    re.sub(r"(?:Model|For[A-Z]\w*)$", "", model.model_class).lower(): model.key for model in MODELS
}  # bertformaskedlm and bertmodel are both of `bert`


def _words(name: str) -> str:
    """A name in lower case with its words joined by single hyphens."""
    return re.sub(r"[-_\s]+", "-", name.strip().lower()).strip("-")


def _exact_names() -> dict[str, str]:
    known: dict[str, str] = {}
    for model in MODELS:
        for name in (model.key, model.display_name, model.model_id):
            known[_words(name)] = model.key
            known[_words(name.rpartition("/")[2])] = model.key
    return known


_EXACT = _exact_names()
# What people call a catalog checkpoint for short. With its organisation such a name is a checkpoint of its own.
_SHORT = {"tinyllama-1.1b": "llama", "qwen2-0.5b": "qwen2"}


def _is_stand_in(organisation: str, base: str) -> bool:
    return _STAND_IN_PUBLISHERS.fullmatch(organisation) is not None or _STAND_IN.search(_words(base)) is not None


def _rest_names_checkpoint(family: _Family, rest: list[str]) -> bool:
    if not rest:
        return True
    excluded = family.denied | _NOT_A_CHECKPOINT | (_CLASS_PREFIX.keys() - {"vit"})
    if any(word in excluded or _ACTIVE_PARAMETERS.fullmatch(word) for word in rest):
        return False
    return _ANCHOR.fullmatch(rest[0]) is not None


def _family_key(words: str) -> str | None:
    for family in _FAMILIES:
        for start in family.starts:
            match = re.match(rf"(?:{start})(?=-|$)", words)
            if match:
                rest = [word for word in words[match.end() :].split("-") if word]
                if _rest_names_checkpoint(family, rest):
                    return family.key
    return None


@lru_cache(maxsize=4096)
def catalog_key(name: str) -> str | None:
    """The catalog key a name stands for, or None where the name does not say so for certain.

    Understood, in any letter case and with `-`, `_` or spaces between words: catalog keys; display names (`BERT`,
    `LLaVA-NeXT`); test names (`hf_bert`, `test_hf_bert.py`); reference ids with or without organisation; class names
    (`BertForMaskedLM`); and checkpoints of the same architecture whose name says so
    (`prajjwal1/bert-tiny`, `google/flan-t5-small`, `Qwen/Qwen2.5-0.5B`).
    None for other architectures with similar names (distilbert, deit, wav2vec2-bert, Qwen2-VL), for stand-ins that are
    tiny or have random weights (`hwbench/tiny-bert`, `hf-internal-testing/tiny-random-bert`), local paths, `Unknown`,
    and anything that only might belong. Never raises.
    """
    text = name.strip()
    if not _HUB_NAME.fullmatch(text) or _FILE.search(text):
        return None
    organisation, _, base = text.rpartition("/")
    if organisation.lower() in _LOCAL_FOLDERS:
        return None
    exact = _EXACT.get(_words(text))
    if exact:
        return exact
    test_file = None if organisation else _TEST_FILE.fullmatch(base)
    if test_file:
        base = test_file["name"] or test_file["test"]
    elif base.lower().endswith(".py"):
        return None
    if _is_stand_in(organisation, base):
        return None
    class_name = _CLASS_NAME.fullmatch(base)
    if class_name:
        return _CLASS_PREFIX.get(class_name["prefix"].lower())
    words = _words(base)
    return _EXACT.get(words) or _family_key(words)


def resolve(name: str) -> CatalogModel:
    """The catalog model a name stands for, as `catalog_key` understands names.

    Raises UnknownModelError where it stands for none, with the nearest names.
    """
    key = catalog_key(name)
    if key is not None:
        return _MODEL_BY_KEY[key]
    candidates = {_words(known): known for model in MODELS for known in (model.key, model.model_id)}
    nearest = [candidates[near] for near in difflib.get_close_matches(_words(name), candidates, n=3, cutoff=0.4)]
    known = f"nearest: {', '.join(nearest)}" if nearest else f"the key models are {', '.join(model_keys())}"
    raise UnknownModelError(f"{name!r} is not a model of the catalog ({known}). Fix: `hwbench models` lists them")


def resolve_exactly(name: str) -> CatalogModel:
    """The catalog model whose key, display name, checkpoint id or short name this is, organisation optional.

    For asking for a model: another checkpoint of the same architecture (prajjwal1/bert-tiny) is another model, and is
    refused here. Raises UnknownModelError.
    """
    key = _EXACT.get(_words(name)) or _SHORT.get(_words(name))
    if key is not None:
        return _MODEL_BY_KEY[key]
    tiny = next((model.key for model in MODELS if _words(name) == _words(model.tiny_model_id)), None)
    if tiny is not None:
        raise UnknownModelError(
            f"{name!r} is the tiny size of the catalog's {tiny}, no model of its own. Fix: --size tiny --model {tiny}"
        )
    related = catalog_key(name)
    if related is None:
        return resolve(name)
    raise UnknownModelError(
        f"{name!r} is another checkpoint than the catalog's {_MODEL_BY_KEY[related].model_id} of architecture {related}. "
        f"Fix: ask for {related}; `hwbench models` lists what there is"
    )
