"""The text of a model card: a header that hubs read, and what people should know before they use the model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_au.config.differences import mapping
from fer_au.config.model import ModelConfig
from fer_au.glossary import look_up
from fer_au.use.notes import POINTS, joined
from fer_au.version import __version__
from fer_au.yaml_files import dump_yaml

_HUB_NAMES = {"accuracy": ("accuracy", "Accuracy"), "macro_f1": ("f1", "Macro F1")}
"""Metric -> its type on hubs, and its name; others keep their key."""


@dataclass(frozen=True)
class Score:
    """A score with what it is read beside.

    Attributes:
        key: Key of the metric.
        value: Its value.
        text: The value as papers print it.
        bounds: Its 95 % interval over images; empty if it isn't known.
        of_map: Whether it is a score of the attention.
        beside: Scores of maps that nobody had to learn, and of the grid's ceiling, in words.
    """

    key: str
    value: float
    text: str
    bounds: str
    of_map: bool = False
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class Card:
    """What a card tells of.

    Attributes:
        name: Name of the experiment.
        licence: Identifier of the licence.
        notice: What the licence depends on.
        classes: Classes of the model.
        meta: The model's ``config.json``.
        model: Its network.
        head: Name of its head, in words.
        parameters: Number of its parameters.
        frame: Which part of a face its crops show, see ``crop_frame``.
        split: Split that was scored; empty if none was.
        scores: Its scores.
        looking: What its attention proves, in a sentence; empty if nothing can be said.
        files: Bytes of the files beside the card, by name.
    """

    name: str
    licence: str
    notice: str
    classes: Sequence[str]
    meta: Mapping[str, Any]
    model: ModelConfig
    head: str
    parameters: int
    frame: Mapping[str, Any]
    split: str
    scores: Sequence[Score]
    looking: str
    files: Mapping[str, bytes]

    @property
    def dataset(self) -> str:
        """Name of the data set that it was trained on."""
        return str(mapping(self.meta.get("experiment")).get("dataset", "unknown"))


def write_card(card: Card) -> str:
    """Write a card as Markdown, with the YAML header of Hugging Face's model cards."""
    parts = [
        ("", _introduction(card)),
        ("How to use it", _usage(card)),
        ("Intended use and limits", _limits(card)),
        ("Training data and licences", card.notice),
        ("Scores", _scores(card)),
        ("Where it looks", _looking(card)),
        ("Preprocessing", _preprocessing(card)),
        ("Training", _training(card)),
        ("Files", _files(card)),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in parts)
    return f"---\n{dump_yaml(_header(card))}---\n\n# {card.name}\n\n{body}\n"


def _header(card: Card) -> dict[str, Any]:
    other = {"license_name": "see-the-card"} if card.licence == "other" else {}
    header: dict[str, Any] = {
        "license": card.licence,
        **other,
        "library_name": "fer_au",
        "pipeline_tag": "image-classification",
        "tags": ["facial-expression-recognition", "affective-computing", "interpretability", card.model.backbone],
    }
    if not card.scores:
        return header
    metrics = []
    for score in card.scores:
        kind, name = _HUB_NAMES.get(score.key, (score.key, score.key))
        metrics.append({"type": kind, "value": round(score.value, 6), "name": name})
    task = {"type": "image-classification", "name": "Facial expression recognition"}
    dataset = {"type": card.dataset, "name": card.dataset, "split": card.split}
    entry = {"name": card.name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}
    return {**header, "metrics": list(dict.fromkeys(one["type"] for one in metrics)), "model-index": [entry]}


def _introduction(card: Card) -> str:
    return (
        f"A classifier of {len(card.classes)} facial expressions ({', '.join(card.classes)}): backbone "
        f"`{card.model.backbone}`, {card.head}, {card.parameters:,} parameters. "
        f"Trained and measured by fer_au {__version__}."
    )


def _usage(card: Card) -> str:
    return (
        "```python\nfrom fer_au import Predictor\n\n"
        'prediction = Predictor.load("FOLDER")("picture.jpg")  # the folder of this card\n'
        "print(prediction.labels, prediction.scores, prediction.maps.shape)\n```\n\n"
        "`fer-au predict FOLDER PICTURES --csv answers.csv` classifies many pictures, and `fer-au export FOLDER "
        "model.onnx` writes a file for other programs."
    )


def _limits(card: Card) -> str:
    return (
        "For research on facial expressions, and on what classifiers of them look at. It names the expression that a "
        "face shows, as the annotators of its training data would; it doesn't know what a person feels. Don't decide "
        "about persons by it: in hiring, teaching, policing, health care or the like. Expect more errors for people "
        "whom its training data show rarely, and lower scores than those below on pictures that were taken, cut or "
        "encoded otherwise than those of its training."
    )


def _scores(card: Card) -> str:
    if not card.scores:
        return "Not evaluated: nothing is known of how well it does."
    recognition = [score for score in card.scores if not score.of_map]
    lines = [f"On split `{card.split}` of the data set `{card.dataset}`; recognition in percent.", ""]
    lines += ["| metric | value | 95 % interval over images |", "|---|---|---|"]
    lines += [f"| {score.key} | {score.text} | {score.bounds or 'not known'} |" for score in recognition]
    return "\n".join(lines)


def _looking(card: Card) -> str:
    attention = [score for score in card.scores if score.of_map]
    if not attention:
        return "Not measured: nothing is known of where it looks."
    lines = [card.looking, ""] if card.looking else []
    lines += [
        "Scores of its attention, the channel mean of its last layer, against maps of action units. A score tells "
        "something only beside those of maps that nobody had to learn."
    ]
    lines += ["", "| metric | value | 95 % interval over images | beside |", "|---|---|---|---|"]
    for score in attention:
        beside = ", ".join(score.beside) or "not known"
        lines.append(f"| {score.key} | {score.text} | {score.bounds or 'not known'} | {beside} |")
    lines += ["", *(f"- `{score.key}`: {look_up(score.key)[1]}" for score in attention)]
    return "\n".join(lines)


def _preprocessing(card: Card) -> str:
    recorded, frame = mapping(card.meta.get("preprocessing")), card.frame
    colour = "RGB" if recorded.get("channels") == 3 else "luma (ITU-R BT.601) of RGB"
    lines = [
        f"Crops of {frame['size']} x {frame['size']} pixels, {colour}, scaled to [0, 1], then mean {recorded['mean']} "
        f"subtracted and divided by {recorded['std']}."
    ]
    known = [f"{key} `{frame[key]}`" for key in ("detector", "keypoints", "template", "choose") if key in frame]
    if known:
        lines.append(f"Faces were found and cut out with {joined(known)}.")
    if "points" in frame:
        places = (f"{name.replace('_', ' ')} {tuple(frame['points'][name])}" for name in POINTS)
        lines.append(f"In a crop, the average face has its {', '.join(places)}, in pixels (x, y).")
    return " ".join(lines)


def _training(card: Card) -> str:
    experiment, train = mapping(card.meta.get("experiment")), mapping(card.meta.get("train"))
    terms = [mapping(term) for term in experiment.get("guidance") or ()]
    guided = [f"`{term.get('cue')}` by loss `{term.get('loss')}`, weight {term.get('weight')}" for term in terms]
    lines = [f"Guidance of its attention: {'; '.join(guided) or 'none'}."]
    lines += [f"{title} {value}." for title, value in _told(card.meta, train)]
    return " ".join([*lines, "`config.json` has all settings, and the hashes of the data."])


def _told(meta: Mapping[str, Any], train: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for title, value in (
        ("Epochs:", train.get("epochs")),
        ("Best epoch, counted from 0:", meta.get("selected_epoch")),
        ("Chosen on split", meta.get("selected_on")),
        ("Seed:", meta.get("seed")),
    ):
        if value is not None:
            yield title, value


def _files(card: Card) -> str:
    lines = ["| file | bytes | sha256 |", "|---|---|---|"]
    for name, content in card.files.items():
        lines.append(f"| `{name}` | {len(content)} | `{hashlib.sha256(content).hexdigest()}` |")
    return "\n".join(
        [
            *lines,
            "",
            "fer_au compares weights and config.json when it loads the model, and `fer-au verify FOLDER` compares all.",
        ]
    )
