"""Checkpoints that the catalog does not list: a config.json found by Hugging Face id or folder, kept here under a key.

Belongs here: finding that one file (the local Hugging Face cache, a folder, and the Hub where that is asked for), saying why it
cannot be used, its key, and the copy in this machine's state folder by which every later process finds it again. Does not
belong here: the catalog's own models (`names`, `entries`), what is built of a configuration (`configs`, `building`), and
weights, which are drawn at random as every model's are.

A key is the id in lower case with `--` for `/` (`org--name`), and `models--name` for an id without organisation. Ids never
hold `--`, and no architecture does; ids that differ in case only are one repository to the Hub, and are refused where their
configurations differ. A folder is `local--name--hash`, by its content: the same configuration has the same key anywhere. Code
from a checkpoint's repository is never run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import transformers
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils._validators import validate_repo_id
from packaging.version import InvalidVersion, Version
from transformers import CONFIG_MAPPING, PretrainedConfig

from hwbench_pipeline.catalog.architectures import NoModelClassError, architectures, model_class_named
from hwbench_pipeline.catalog.names import UnknownModelError
from hwbench_pipeline.schema.table import canonical_json, sha256_of
from hwbench_pipeline.state import STATE_VARIABLE, state_folder

CONFIG_FILE = "config.json"
SEPARATOR = "--"
"""What stands in a checkpoint's key and in no other: the Hub allows it in no id."""
_KEY = re.compile(rf"[a-z0-9._-]+{SEPARATOR}[a-z0-9._-]+")
_WITHOUT_ORGANISATION = "models"
_FOLDER = "local"
_LONGEST_SLUG = 100
_HASH_DIGITS = 8


class CheckpointError(UnknownModelError):
    """A checkpoint whose configuration cannot be used. The message names the file, what is wrong with it, and the fix."""


@dataclass(frozen=True)
class Checkpoint:
    """A configuration file and where it came from.

    `revision` is the commit in the Hub, None for a folder.
    """

    key: str
    model_id: str
    revision: str | None
    config: Mapping[str, Any]

    @property
    def model_type(self) -> str:
        """The architecture's key."""
        return str(self.config["model_type"])

    @property
    def source(self) -> str:
        """Where the configuration comes from, in words."""
        if self.revision is None:
            return f"{CONFIG_FILE} of the folder {self.model_id}"
        return f"{CONFIG_FILE} of {self.model_id} in the local Hugging Face cache, revision {self.revision}"

    def class_name(self, usual: str) -> str:
        """The class that the file names, where transformers has it and it takes this configuration; else the usual one."""
        named = self.config.get("architectures")
        name = named[0] if isinstance(named, list) and named else None
        if not isinstance(name, str) or not name.isidentifier():
            return usual
        try:
            found = model_class_named(name)
        except NoModelClassError:
            return usual
        return name if getattr(found, "config_class", None) is CONFIG_MAPPING[self.model_type] else usual

    def transformers_config(self, leaving_out: Container[str] = ()) -> PretrainedConfig:
        """A fresh configuration object, without fields of these names at any level.

        May raise what its class raises, which `find` has asked before.
        """
        found: PretrainedConfig = CONFIG_MAPPING[self.model_type].from_dict(_without(self.config, leaving_out))
        return found


def find(name: str, *, from_hub: bool = False) -> Checkpoint | None:
    """The checkpoint that a Hugging Face id, a folder (`./…`, `/…`, `~…`) or a key stands for, from now on kept under its key.

    Looked for in the local Hugging Face cache, then among what is kept; only `from_hub` asks the Hub, and fetches config.json
    alone. None where nothing is found. Raises `CheckpointError` for one that cannot be used.
    """
    if _is_path(name):
        return _in_folder(name)
    if SEPARATOR in name:
        found = kept(name.lower())
        if found is not None:
            return found
        name = _id_of(name.lower())
    if not _is_id(name):
        return None
    cached = huggingface_hub.try_to_load_from_cache(name, CONFIG_FILE)
    if isinstance(cached, str):
        return _in_cache(name, Path(cached))
    known = kept(_key_of(name))
    if known is not None:
        return known
    if from_hub:
        return _in_cache(name, _fetched(name))
    if Path(name, CONFIG_FILE).is_file():
        raise CheckpointError(f"{name!r} is no model here, but a folder. Fix: --model ./{name}")
    return None


def kept(key: str) -> Checkpoint | None:
    """The checkpoint that is kept under a key; None where none is. Raises `CheckpointError` where it is of no use any more."""
    if not _KEY.fullmatch(key):
        return None
    path = _folder() / f"{key}.json"
    if not path.is_file():
        return None
    document = _read(path, fix=f"delete it, and ask for {key} by its id or folder again")
    try:
        found = Checkpoint(**document)
    except TypeError as error:
        raise CheckpointError(f"{path} is not what hwbench keeps of a checkpoint. Fix: delete it") from error
    _require_known(found.config, found.source)
    return found


def kept_keys() -> tuple[str, ...]:
    """The keys of the checkpoints that are kept on this machine and can be used, sorted."""
    keys = []
    for path in sorted(_folder().glob(f"*{SEPARATOR}*.json")):
        try:
            found = kept(path.stem)
        except CheckpointError:
            continue
        if found is not None:
            keys.append(found.key)
    return tuple(keys)


def why_not_found(name: str) -> str | None:
    """Where a checkpoint's id or key was looked for in vain, and the fix; None for a name that is neither."""
    if name.startswith(f"{_FOLDER}{SEPARATOR}"):
        return f"no folder's configuration is kept under it in {_folder()}. Fix: name the folder itself, ./…"
    if _KEY.fullmatch(name) or ("/" in name and _is_id(name)):
        return (
            f"its config.json is not in the local Hugging Face cache {_cache()}. Fix: --from-hub fetches that one file"
        )
    return None


def _cache() -> Path:
    return Path(constants.HF_HUB_CACHE)


def _is_id(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _without(value: Any, names: Container[str]) -> Any:
    """A copy of a JSON value without fields of these names: configuration classes change what they are given."""
    if isinstance(value, Mapping):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value


def _folder() -> Path:
    return state_folder() / "checkpoints"


def _is_path(name: str) -> bool:
    return name.startswith((".", "~", "/", os.sep)) or Path(name).is_absolute()


def _slug(text: str) -> str:
    """A text as part of a key: lower case, with one hyphen for what a key may not hold."""
    return re.sub(r"[^a-z0-9._]+", "-", re.sub(r"\.{2,}", ".", text.lower())).strip("._-")[:_LONGEST_SLUG].rstrip("._-")


def _key_of(model_id: str) -> str:
    organisation, _, name = model_id.rpartition("/")
    exact = f"{organisation or _WITHOUT_ORGANISATION}{SEPARATOR}{name}".lower()
    key = f"{_slug(organisation or _WITHOUT_ORGANISATION)}{SEPARATOR}{_slug(name)}"
    # an id that a key cannot spell (a name that begins or ends with `_`) is told apart by its hash
    return key if key == exact else f"{key}{SEPARATOR}{sha256_of([model_id.lower()])[:_HASH_DIGITS]}"


def _id_of(key: str) -> str:
    """The id that a key was made of: as the cache spells it, else in lower case, which the Hub takes for the same."""
    for path in _cache().glob(f"models{SEPARATOR}*"):
        model_id = path.name.removeprefix(f"models{SEPARATOR}").replace(SEPARATOR, "/")
        if _key_of(model_id) == key:
            return model_id
    return key.removeprefix(f"{_WITHOUT_ORGANISATION}{SEPARATOR}").replace(SEPARATOR, "/", 1)


def _in_cache(model_id: str, path: Path) -> Checkpoint:
    return _keep(Checkpoint(_key_of(model_id), model_id, path.parent.name, _usable(path)))


def _in_folder(name: str) -> Checkpoint:
    folder = Path(name).expanduser().absolute()
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{name!r}: there is no file {path}. Fix: name the folder of a checkpoint, which holds it"
        )
    config = _usable(path)
    label = folder.resolve().name
    digest = sha256_of([canonical_json(config)])[:_HASH_DIGITS]
    key = f"{_FOLDER}{SEPARATOR}{_slug(label) or 'folder'}{SEPARATOR}{digest}"
    return _keep(Checkpoint(key, f"./{label}", None, config))


def _fetched(model_id: str) -> Path:
    """config.json of a repository of the Hub, fetched into the local cache. Raises `CheckpointError` that says why not."""
    try:
        return Path(huggingface_hub.hf_hub_download(model_id, CONFIG_FILE))
    except GatedRepoError as error:
        raise CheckpointError(
            f"{model_id} is gated: the Hub gives it to nobody who has not been granted access. "
            f"Fix: ask for access at {constants.ENDPOINT}/{model_id}, then `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"the Hub knows no model {model_id}, or it is private. Fix: check the name; for a private one, `hf auth login`"
        ) from error
    except (OSError, HfHubHTTPError) as error:
        if constants.HF_HUB_OFFLINE:
            raise CheckpointError(
                f"{CONFIG_FILE} of {model_id} is not in {_cache()}, and HF_HUB_OFFLINE forbids fetching it. "
                f"Fix: unset HF_HUB_OFFLINE, or on a machine with network `hf download {model_id} {CONFIG_FILE}`, and name "
                "that folder"
            ) from error
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{CONFIG_FILE} of {model_id} cannot be fetched from {constants.ENDPOINT}: {type(error).__name__}: {said}. Fix: "
            f"check the network, or on another machine `hf download {model_id} {CONFIG_FILE}`, and name that folder"
        ) from error


def _read(path: Path, *, fix: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}. Fix: make it readable for this user"
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: no JSON ({error!s:.80}). Fix: {fix}") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} holds a {type(document).__name__}, expected a JSON object. Fix: {fix}")
    return document


def _usable(path: Path) -> dict[str, Any]:
    """The configuration in a file that transformers can build. Raises `CheckpointError`."""
    config = _read(path, fix="fetch or copy it again")
    _require_known(config, str(path))
    try:
        Checkpoint("", "", None, config).transformers_config()
    except Exception as error:
        raise CheckpointError(
            f"{path}: transformers {transformers.__version__} makes no {config['model_type']} configuration of it: "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}. Fix: correct the file, or use the transformers "
            f"that wrote it ({config.get('transformers_version') or 'not stated'})"
        ) from error
    return config


def _require_known(config: Mapping[str, Any], where: str) -> None:
    """Refuse a configuration that is of no architecture here, or that the weights drawn here cannot stand for."""
    installed = transformers.__version__
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        what = f"model_type {model_type!r:.60}" if model_type else "no model_type"
        if config.get("auto_map"):
            raise CheckpointError(
                f"{where}: {what}, whose code is in the checkpoint's repository (auto_map), and hwbench runs no such code. "
                "Fix: a checkpoint of an architecture that transformers itself holds (`hwbench models`)"
            )
        if not model_type:
            raise CheckpointError(
                f"{where}: names no model_type, so it is no configuration of a transformers model. "
                "Fix: name a transformers checkpoint, or add its model_type to the file"
            )
        written_by = config.get("transformers_version")
        if _is_newer(written_by, installed):
            raise CheckpointError(
                f"{where}: {what} was written by transformers {written_by}, and {installed} here does not know it. "
                f"Fix: pip install 'transformers>={written_by}'"
            )
        raise CheckpointError(
            f"{where}: {what} is unknown to transformers {installed}. Fix: install a transformers that knows it, or a "
            "checkpoint of another architecture (`hwbench models`)"
        )
    if model_type not in architectures():
        raise CheckpointError(
            f"{where}: transformers {installed} has no model class for model_type {model_type!r}, which is a part of others. "
            "Fix: name the checkpoint of the whole model"
        )
    quantization = config.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
        raise CheckpointError(
            f"{where}: its weights are quantised ({method or 'quantization_config'}), and what is built here from a "
            "configuration is not. Fix: name the checkpoint it was made of, and --precision for quantised weights"
        )


def _is_newer(version: Any, installed: str) -> bool:
    try:
        return Version(str(version)) > Version(installed)
    except InvalidVersion:
        return False


def _keep(checkpoint: Checkpoint) -> Checkpoint:
    """Write the copy by which the measuring process, and every later one, finds the configuration."""
    known = _known_copy(checkpoint.key)
    if known == checkpoint:
        return checkpoint
    if known is not None and known.model_id != checkpoint.model_id and known.config != checkpoint.config:
        raise CheckpointError(
            f"{checkpoint.model_id} would have the key {checkpoint.key}, under which {known.model_id} is kept with another "
            f"configuration. Fix: ask for {known.model_id}, or delete {_folder() / checkpoint.key}.json"
        )
    path = _folder() / f"{checkpoint.key}.json"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(asdict(checkpoint)), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"the configuration of {checkpoint.model_id} cannot be kept in {path.parent}, where the measuring process finds "
            f"it: {error.strerror}. Fix: {STATE_VARIABLE} names a folder that can be written to"
        ) from error
    return checkpoint


def forget(key: str) -> bool:
    """Take a kept checkpoint out of this machine's catalog; its results stay. False where none is kept under the key."""
    if not _KEY.fullmatch(key):
        return False
    try:
        (_folder() / f"{key}.json").unlink()
    except FileNotFoundError:
        return False
    return True


def _known_copy(key: str) -> Checkpoint | None:
    try:
        return kept(key)
    except CheckpointError:  # what is of no use is written anew
        return None
