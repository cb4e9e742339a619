"""What a model's folder tells of it, in words and plain data for whoever gets the model alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fer_au.batches.preprocess import Preprocessing
from fer_au.config.differences import mapping
from fer_au.faces.templates import TEMPLATES
from fer_au.models import FerModel
from fer_au.version import __version__

POINTS = ("right_eye", "left_eye", "nose_tip", "right_mouth_corner", "left_mouth_corner")
"""Names of the five alignment points, right and left as the person's own."""


def licence_notice(meta: Mapping[str, Any]) -> str:
    """Say on whose terms a model's weights depend; whoever trained it decides on its own licence.

    Args:
        meta: The model's ``config.json``.
    """
    pretrained, experiment = mapping(meta.get("pretrained")), mapping(meta.get("experiment"))
    parts = ["Its owner decides on the licence of these weights, within the terms of what they were made of."]
    if dataset := experiment.get("dataset"):
        parts.append(f"Trained on the data set {str(dataset)!r}: its terms apply.")
    if origin := pretrained.get("origin"):
        terms = [f"licence: {pretrained['licence']}"] if pretrained.get("licence") else ["its licence applies"]
        terms += [f"training data: {pretrained['training_data']}"] if pretrained.get("training_data") else []
        parts.append(f"The backbone started from {origin} ({'; '.join(map(_ended, terms))}).")
    if meta.get("base_weights_sha256"):
        parts.append(f"It started from the weights of another model (sha256 {meta['base_weights_sha256']}).")
    parts.append("The code of fer_au is Apache-2.0.")
    return " ".join(parts)


def _ended(text: str) -> str:
    return text.rstrip(". ")


def crop_frame(meta: Mapping[str, Any], preprocess: Preprocessing) -> dict[str, Any]:
    """Say which part of a face a model's crops show, so that others can cut them.

    Args:
        meta: The model's ``config.json``.
        preprocess: The model's preprocessing.

    Returns:
        ``size``, the side of the input in pixels; ``template`` and what else decided the crops of the training; and
        ``points``, where the template puts five points of a face, xy pixels of the input, pixel centres at +0.5, if it
        puts them anywhere.
    """
    size = preprocess.image_size
    align = mapping(mapping(meta.get("preprocessing")).get("align"))
    frame: dict[str, Any] = {"size": size}
    for key in ("template", "detector", "keypoints", "choose", "place"):
        if key in align:
            frame[key] = align[key]
    template = TEMPLATES.get(str(align.get("template")))
    if template is not None and template.fixed:
        five = template.five(size).round(3).tolist()
        frame["points"] = dict(zip(POINTS, five, strict=True))
    return frame


def graph_notes(model: FerModel, preprocess: Preprocessing, meta: Mapping[str, Any], opset: int) -> dict[str, str]:
    """Give the ``metadata_props`` of an exported model: texts, or JSON where a value has parts."""
    colours = "RGB" if preprocess.channels == 3 else "RGB, of which the model sees the luma"
    return {
        "classes": json.dumps(list(model.classes), ensure_ascii=False),
        "crop": json.dumps(crop_frame(meta, preprocess), ensure_ascii=False),
        "input": f"(faces, {preprocess.image_size}, {preprocess.image_size}, 3) uint8, {colours}, as they are: "
        "scaling, mean and standard deviation are in the graph",
        "attention": f"channel mean of feature layer {model.layers[-1]}, least value 0; its grid spans the crop",
        "licence": licence_notice(meta),
        "opset": str(opset),
        "weights_sha256": str(meta["weights_sha256"]),
        "fer_au_version": __version__,
    }


def joined(names: Sequence[str]) -> str:
    """Join names in a sentence."""
    return ", ".join(names[:-1]) + (" and " if names[:-1] else "") + names[-1]
