"""Probe a network: for each layer, fit a linear classifier on pooled maps, and score it on the test faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_au.classification import accuracy, balanced_accuracy, confusion_matrix
from fer_au.compute import Progress, log
from fer_au.errors import DataError
from fer_au.evaluation.bootstrap import bootstrap_recall
from fer_au.probe.faces import ProbedFaces, Question, Target, ask_expression, ask_person, read_faces
from fer_au.probe.features import extract_features
from fer_au.probe.logistic import FloatArray, choose_strength, fit_logistic, within_span
from fer_au.probe.networks import ProbedNetwork

_SEVERAL = 2


@dataclass(frozen=True)
class Score:
    """How well a linear classifier on a layer answers one question, on the test faces.

    Attributes:
        accuracy: Share of right answers.
        balanced: Mean over the classes of their shares of right answers.
        low: Lower end of the 95 % interval of ``balanced``; NaN where there is none.
        high: Upper end.
        strength: Strength of the penalty, chosen on held-out faces.
    """

    accuracy: float
    balanced: float
    low: float
    high: float
    strength: float


@dataclass(frozen=True)
class LayerProbe:
    """What one layer knows.

    Attributes:
        layer: Name of the layer.
        grid: Channels, rows and columns of its pooled map.
        scores: Target -> score.
    """

    layer: str
    grid: tuple[int, int, int]
    scores: Mapping[Target, Score]


@dataclass(frozen=True)
class Probe:
    """What the layers of a network know.

    Attributes:
        network: The network.
        cells: Rows and columns that maps were averaged to.
        depth: Number of layers of the network, also of those that weren't probed.
        questions: What was asked, by target.
        layers: Probed layers, in network order.
    """

    network: ProbedNetwork
    cells: int
    depth: int
    questions: Mapping[Target, Question]
    layers: tuple[LayerProbe, ...]


def probe_network(
    network: ProbedNetwork,
    targets: Sequence[Target],
    layers: Sequence[str] = (),
    cells: int = 1,
    most: int | None = None,
) -> Probe:
    """Probe layers of a network with one forward pass over the faces.

    Where expressions and persons are asked for and the data set names no persons, that is said, and expressions alone
    are scored.

    Args:
        network: The network.
        targets: What is asked for.
        layers: Names of layers, in any order; default all.
        cells: Rows and columns that each map is averaged to.
        most: Largest number of faces of each split; default all.

    Raises:
        DataError: A split has no face, a target has one class, or files are missing or damaged.
    """
    size, fold = network.preprocess.image_size, network.experiment.fold
    faces = read_faces(network.data, size, fold=fold, views=network.model.views, most=most)
    questions = _ask(faces, targets)
    chosen = tuple(layer for layer in network.model.layers if not layers or layer in layers)
    title = f"probe {network.title}"
    with extract_features(title, network.model, network.preprocess, faces, chosen, cells) as features:
        found = []
        with Progress(f"{title}, classifiers", len(chosen) * len(questions), "fits") as progress:
            for layer in chosen:
                columns = features.take(layer).astype(np.float64)
                scores: dict[Target, Score] = {}
                for target, question in questions.items():
                    scores[target] = _score(columns, question)
                    progress.advance(1)
                found.append(LayerProbe(layer, features.grids[layer], scores))
    return Probe(network, cells, len(network.model.layers), questions, tuple(found))


def _ask(faces: ProbedFaces, targets: Sequence[Target]) -> dict[Target, Question]:
    questions: dict[Target, Question] = {}
    if "expression" in targets:
        questions["expression"] = ask_expression(faces)
    if "subject" in targets:
        try:
            questions["subject"] = ask_person(faces)
        except DataError as error:
            if not questions:
                raise
            log(f"without persons: {error}")
    return questions


def _score(columns: FloatArray, question: Question) -> Score:
    """Choose a strength, fit all training faces with it, and score the test faces."""
    train, test = question.rows("train"), question.rows("test")
    labels, classes = question.labels, len(question.classes)
    strength = choose_strength(columns, labels, question.folds())
    fitted, others = within_span(columns[train], columns[test])
    classifier = fit_logistic(fitted, labels[train], classes, strength)
    if not classifier.ended:
        log(f"a classifier had not reached its minimum after {classifier.steps} steps; its score is a little too low")
    confusion = confusion_matrix(labels[test], classifier.predict(others), classes)
    low, high = bootstrap_recall(confusion, of_classes=question.target == "subject")
    return Score(accuracy(confusion), balanced_accuracy(confusion), low, high, strength)
