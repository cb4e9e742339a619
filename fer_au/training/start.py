"""What a training starts from: the network, its weights before the first update, and the pixels that these expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import ExperimentConfig
from fer_au.models.config_file import read_config
from fer_au.models.files import LoadedWeights, load_base_weights
from fer_au.models.fine_tuning import check_trainable, own_weights
from fer_au.models.image_sizes import fit_to_images
from fer_au.models.network import FerModel, build_model
from fer_au.models.pretrained import PretrainedWeights
from fer_au.models.trained import Training, check_training
from fer_au.models.weights import load_pretrained


@dataclass(frozen=True)
class Start:
    """A network before its training.

    Attributes:
        model: The network, with the weights that training starts from.
        preprocessing: Scale and size of its pixels.
        pretrained: Record of the weights that ``model.weights`` names; None for ``none``.
        base: Record of the weights of the experiment that this one starts from; None for ``base: none``.
    """

    model: FerModel
    preprocessing: Preprocessing
    pretrained: PretrainedWeights | None
    base: LoadedWeights | None


def start_network(
    experiment: ExperimentConfig,
    image_size: int,
    classes: Sequence[str],
    base_dir: Path,
    base_training: Training | None = None,
) -> Start:
    """Build an experiment's network as its training begins: seed, experiment and classes decide every weight.

    Args:
        experiment: Entry of the experiment.
        image_size: Side of the square input, pixels.
        classes: Classes of the training faces.
        base_dir: Folder of the model to start from; ignored if ``experiment.base`` is ``none``.
        base_training: Settings that the model to start from must have been trained with; default any.

    Raises:
        ConfigError: An unknown backbone or head, an image size that the backbone can't take, or no file of weights.
        MissingDependencyError: Pretrained weights that are neither installed nor can be fetched.
        DataError: A file of weights is missing, damaged, or doesn't fit the network.
    """
    model = build_model(experiment.model, classes, seed=experiment.seed)
    if experiment.model.input is None:
        model = fit_to_images(model, image_size, seed=experiment.seed)
        pretrained = load_pretrained(model)
    else:
        check_trainable(model, experiment.guidance)
        pretrained = own_weights(model) if experiment.base == "none" else None
    if base_training is not None:
        check_training(base_dir, read_config(base_dir), base_training)
    base = load_base_weights(model, base_dir) if experiment.base != "none" else None
    return Start(model, _preprocessing(experiment, image_size, pretrained, base), pretrained, base)


def _preprocessing(
    experiment: ExperimentConfig, image_size: int, pretrained: PretrainedWeights | None, base: LoadedWeights | None
) -> Preprocessing:
    """Choose the scale of pixels: that of the weights that training starts from, or ImageNet's if it isn't known."""
    usual = Preprocessing(image_size, experiment.model.channels)
    if (own := experiment.model.input) is not None:
        return replace(usual, mean=own.rgb_mean, std=own.rgb_std)
    if base is not None:
        known = Preprocessing.from_meta(base.preprocessing)
        return replace(usual, mean=known.mean, std=known.std)
    if pretrained is not None and pretrained.mean is not None and pretrained.std is not None:
        return replace(usual, mean=pretrained.mean, std=pretrained.std)
    return usual
