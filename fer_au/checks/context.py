"""Whole pictures of ``align.context``: whether any experiment looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from fer_au.checks.memory import Memory
from fer_au.checks.networks import PLAIN_HEADS
from fer_au.checks.parts import is_net
from fer_au.code.stages import work_code
from fer_au.config.dataset_settings import ALIGN
from fer_au.config.differences import mapping
from fer_au.config.model import DEFAULT_HEAD, ModelConfig
from fer_au.config.reading import Fault, salvage
from fer_au.errors import FerAuError


def check_context(params: Mapping[str, Any], memory: Memory) -> Iterator[Fault]:
    """Tell that no experiment looks at the whole pictures that ``align`` keeps; it is no mistake before one does.

    Args:
        params: The whole of ``params.yaml``, its sections sound.
        memory: Keeps what was asked of heads.
    """
    models = [mapping(mapping(entry).get("model")) for entry in params["experiments"].values()]
    kept = [name for name in params["datasets"] if ALIGN.merge(params, name).get("context")]
    if not kept or not models:
        return
    with suppress(FerAuError):  # of an unknown head or network its own line tells
        if not any(_looks_at_whole(model, params, memory) for model in models):
            text = "without effect: no experiment's head looks at the whole picture, as multiscale does"
            for place in dict.fromkeys(ALIGN.place(params, name, "context") for name in kept):
                yield Fault(place, text, stops=False)


def _looks_at_whole(model: Mapping[str, Any], params: Mapping[str, Any], memory: Memory) -> bool:
    head = model.get("head") or DEFAULT_HEAD
    if head in PLAIN_HEADS and not is_net(str(model.get("backbone"))):
        return False
    config = salvage(ModelConfig, model)
    if config is None:
        return True  # not known: it has faults of its own
    code = work_code("train", {"model": config.model_dump(), "guidance": []}, params)
    question = ("whole pictures", code, config.backbone, head)
    answer = memory.recall(*question)
    if answer is None:
        from fer_au.models.network import count_views

        answer = count_views(config)
        memory.keep(answer, *question)
    return answer != 1
