"""Names of parts: whether there is such a head, loss, cue, ... at all, as a rule without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoints, entry_points
from importlib.util import find_spec
from pathlib import Path

from fer_au.checks.memory import Memory
from fer_au.code.closure import this_code
from fer_au.code.plugins import plugin_digest
from fer_au.config.external import EXTERNAL
from fer_au.errors import ConfigError, MissingDependencyError

# Entry-point group -> where its registry is: module and name.
_REGISTRIES = {
    "fer_au.cams": ("fer_au.cam.registry", "CAMS"),
    "fer_au.cues": ("fer_au.cues.cue", "CUES"),
    "fer_au.detectors": ("fer_au.faces.detectors", "DETECTORS"),
    "fer_au.extractors": ("fer_au.landmarks.extractors", "EXTRACTORS"),
    "fer_au.geometries": ("fer_au.cues.geometries", "GEOMETRIES"),
    "fer_au.heads": ("fer_au.models.heads.base", "HEADS"),
    "fer_au.losses": ("fer_au.training.losses.base", "LOSSES"),
    "fer_au.nets": ("fer_au.models.nets.base", "NETS"),
}
_TIMM_MODEL = re.compile(rb"(?m)^@register_model\s*\ndef (\w+)\(")


def is_built_in(group: str, name: str) -> bool:
    """Tell whether the package itself has a part; its registry is read, not imported."""
    return name in this_code().parts(_REGISTRIES[group][0]).get(group, {})


@cache
def _offers(group: str) -> EntryPoints:
    """Parts of a kind that other packages offer; they are read once, not for each of a hundred experiments."""
    return entry_points(group=group)


def find_part_fault(group: str, name: str, memory: Memory) -> str | None:
    """Say what is wrong with the name of a part; None if there is such a part.

    Args:
        group: Entry-point group of the kind of part, such as ``fer_au.heads``.
        name: Name of the part.
        memory: Keeps parts of other packages that could be loaded.
    """
    offers = sorted(f"{point.dist and point.dist.name} {point.value}" for point in _offers(group).select(name=name))
    offered = bool(offers)
    if is_built_in(group, name) and not offered:
        return None
    question = ("part", group, name, offers, plugin_digest(group, name)) if offered else ()
    if offered and memory.recall(*question):
        return None
    module, attribute = _REGISTRIES[group]
    try:
        getattr(import_module(module), attribute).get(name)
    except (ConfigError, MissingDependencyError) as error:
        return str(error)
    if offered:
        memory.keep(True, *question)
    return None


def is_net(backbone: str) -> bool:
    """Tell whether a backbone is a whole network, of the project or of another package."""
    return is_built_in("fer_au.nets", backbone) or bool(_offers("fer_au.nets").select(name=backbone))


def find_backbone_fault(name: str, memory: Memory) -> str | None:
    """Say what is wrong with ``model.backbone``; None if it is a network of the project, of timm, or of a package."""
    if name == EXTERNAL:
        return None
    if is_net(name):
        return find_part_fault("fer_au.nets", name, memory)
    if name in timm_models():
        return None
    return _ask_timm(name)


@cache
def _ask_timm(name: str) -> str | None:
    """Say what is wrong with a name that timm's sources don't show: it knows more, such as old ones and tags."""
    from fer_au.models.backbones import check_backbone

    try:
        check_backbone(name)
    except ConfigError as error:
        return str(error)
    return None


@cache
def timm_models() -> Mapping[str, str]:
    """List timm's architectures with the file that defines each, such as ``resnet``; timm is read, not imported."""
    spec = find_spec("timm")
    folders = spec.submodule_search_locations if spec else None
    files = sorted(Path(next(iter(folders))).glob("models/*.py")) if folders else []
    return {name.decode(): file.stem for file in files for name in _TIMM_MODEL.findall(file.read_bytes())}
