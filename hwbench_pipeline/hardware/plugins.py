"""Platforms that other installed packages bring: found by entry points, known by name before any of their code runs.

Belongs here: which keys there are, which package claims each, and why a claim is refused. Does not belong here: asking a
plug-in for its device (`plugin_questions`, in a process of its own), or running cells on it (`bench.backends`).

Only names are read here, from the metadata of installed packages: a plug-in that is broken, slow or hangs can spoil
nothing but its own row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hwbench_pipeline.warehouse.location import InvalidKeyError, checked_key

GROUP = "hwbench_pipeline.backends"
"""The entry-point group: name = hardware key, object = what gives the backend when called without arguments."""


class PluginError(RuntimeError):
    """A plug-in cannot be used; the message says why and whose it is."""


@dataclass(frozen=True)
class Plugin:
    """A hardware key that another package claims. `refusal` says why it cannot be used; None where it can."""

    key: str
    package: str
    version: str | None
    refusal: str | None = None
    entry_point: EntryPoint | None = None

    def load(self) -> Any:
        """The plug-in's backend (`bench.backends.protocol.PlatformBackend`), made now.

        Raises `PluginError`, or whatever the plug-in's own code raises.
        """
        if self.entry_point is None or self.refusal is not None:
            raise PluginError(self.refusal or f"{self.package} names nothing to load for {self.key}")
        made = self.entry_point.load()
        if not callable(made):
            raise PluginError(
                f"{self.entry_point.value} of {self.package} gives a {type(made).__name__}; expected what gives the backend "
                f"when called without arguments. Fix: name the backend's class in the group {GROUP}"
            )
        return made()


@dataclass(frozen=True)
class Plugins:
    """What other packages bring: `usable` keys by name (also those that will turn out broken), and `refused` claims."""

    usable: dict[str, Plugin]
    refused: tuple[Plugin, ...]


@cache
def installed_plugins() -> Plugins:
    """The plug-ins of this process's environment, asked once."""
    return sorted_claims(entry_points(group=GROUP))


def sorted_claims(claims: Iterable[EntryPoint], taken: Iterable[str] | None = None) -> Plugins:
    """Claims sorted into those that can be keys and those that cannot; `taken` are the keys of the project itself.

    A key that is no partition key, or that the project has itself, is refused and no key of the grid. One that several
    packages claim stays a key, so that its rows say why it cannot be used.
    """
    if taken is None:
        from hwbench_pipeline.hardware.platforms import OWN_PLATFORMS

        taken = [platform.key for platform in OWN_PLATFORMS]
    by_key: dict[str, list[Plugin]] = {}
    for claim in claims:
        package, version = (
            (claim.dist.name, claim.dist.version) if claim.dist is not None else ("unknown package", None)
        )
        by_key.setdefault(claim.name, []).append(Plugin(claim.name, package, version, entry_point=claim))
    usable, refused = {}, []
    for key, plugins in sorted(by_key.items()):
        first = plugins[0]
        packages = sorted({plugin.package for plugin in plugins})
        if (malformed := _malformed(key)) is not None:
            refused += [_refuse(plugin, malformed) for plugin in plugins]
        elif key in set(taken):
            reason = f"{key} is a platform of hwbench itself. Fix: give it another key in the group {GROUP}"
            refused += [_refuse(plugin, reason) for plugin in plugins]
        elif len({plugin.entry_point.value for plugin in plugins if plugin.entry_point}) > 1 or len(packages) > 1:
            reason = f"several packages claim {key}: {', '.join(packages)}. Fix: uninstall all but one of them"
            usable[key] = _refuse(first, reason)
        else:
            usable[key] = first
    return Plugins(usable, tuple(refused))


def _malformed(key: str) -> str | None:
    try:
        checked_key(key)
    except InvalidKeyError as error:
        return f"{error}. Fix: rename it in the group {GROUP}"
    return None


def _refuse(plugin: Plugin, reason: str) -> Plugin:
    return Plugin(plugin.key, plugin.package, plugin.version, f"from {plugin.package}: {reason}", plugin.entry_point)
