"""Compare each conversion with the runtime of its package, where that is installed, on pictures of noise.

The packages' runtimes are ``ai-edge-litert`` (TFLite), ``tensorflow`` (Keras), ``node`` with ``NODE_PATH`` at a folder
that has ``@tensorflow/tfjs``, ``@tensorflow/tfjs-backend-wasm`` and ``@vladmandic/face-api``, and, of state dicts, the
package's own class. They run the packages' code; without them, a line says that nothing was compared.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.public_models.catalogue import PublicModel
from benchmarks.public_models.graph import GraphNetwork, Quantizing, plain_name
from benchmarks.public_models.networks import open_network
from benchmarks.public_models.packages import read_files
from fer_au.compute import log
from fer_au.errors import DataError

LIMIT = 1e-4
"""Most that a conversion may differ by: of a probability, or of a step's largest value."""
_PICTURES = 3
_BETWEEN_LEVELS = 0.99  # share of results that no such input reaches

Floats = NDArray[np.float32]


def compare(models: Sequence[PublicModel], folder: Path) -> None:
    """Compare the conversions, and log a line about each.

    Raises:
        DataError: One differs by more than ``LIMIT``.
    """
    for model in models:
        network = open_network(model.name, folder)
        assert isinstance(network, GraphNetwork)
        found = _COMPARED[model.name](network, model, read_files(model, folder))
        if found is None:
            log(f"{model.name}: its package's runtime is not installed; nothing was compared")
            continue
        runtime, difference = found
        log(f"{model.name}: differs from {runtime} by at most {difference:.1e}")
        if difference > LIMIT:
            raise DataError(f"{model.name}: the conversion differs from {runtime} by {difference:.1e}")


def pictures(model: PublicModel) -> Tensor:
    """Draw pictures of noise (N, c, size, size), normalised as the model wants them."""
    channels = 1 if model.input["channels"] == "gray" else 3
    size = model.input["size"]
    noise = torch.rand(_PICTURES, channels, size, size, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(model.input[key]).reshape(-1, 1, 1) for key in ("mean", "std"))
    return (noise - mean) / std


Found = tuple[str, float] | None


def _by_steps(network: GraphNetwork, model: PublicModel, files: Sequence[bytes]) -> Found:
    """Give each step the runtime's own inputs, and compare its result: rounding errors of bytes don't add up so."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        return None
    library: Any = importlib.import_module("ai_edge_litert.interpreter")
    runner = library.Interpreter(
        model_content=files[0],
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=library.OpResolverType.BUILTIN_REF,
    )
    runner.allocate_tensors()
    places = {plain_name(one["name"]): one["index"] for one in runner.get_tensor_details()}
    for module in network.modules():
        if isinstance(module, Quantizing):
            module.rounds = True
    worst = 0.0
    for picture in pictures(model):
        shown = picture.expand(runner.get_input_details()[0]["shape"][3], -1, -1)[None]
        runner.set_tensor(runner.get_input_details()[0]["index"], shown.permute(0, 2, 3, 1).contiguous().numpy())
        runner.invoke()

        def of(name: str, shown: Tensor = shown) -> Tensor:
            if name not in places:
                return shown
            given = torch.from_numpy(runner.get_tensor(places[name]).copy())
            return given.permute(0, 3, 1, 2) if given.ndim == 4 else given

        for step in (one for one in network.steps if one.name in places):
            with torch.inference_mode():
                own = step.module(*(of(name) for name in step.inputs))
            worst = max(worst, _of_step(own, of(step.name), getattr(step.module, "from_bytes", False)))
    return f"ai-edge-litert {version('ai-edge-litert')}, step by step", worst


def _of_step(own: Tensor, theirs: Tensor, rounded: bool) -> float:
    """Compare a step's results; of rounded inputs, one that lies between two levels may fall to either."""
    gaps = ((own - theirs).abs() / theirs.abs().max().clamp_min(LIMIT)).numpy()
    return float(np.quantile(gaps, _BETWEEN_LEVELS) if rounded else gaps.max())


def _by_keras(network: GraphNetwork, model: PublicModel, files: Sequence[bytes]) -> Found:
    if importlib.util.find_spec("tensorflow") is None:
        return None
    tensorflow: Any = importlib.import_module("tensorflow")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.hdf5"
        path.write_bytes(files[0])
        theirs = tensorflow.keras.models.load_model(path, compile=False)
    shown = pictures(model).permute(0, 2, 3, 1).numpy()
    return f"tensorflow {version('tensorflow-cpu')}", _difference(network, model, np.asarray(theirs(shown)))


def _by_node(script: str, package: str) -> Callable[[GraphNetwork, PublicModel, Sequence[bytes]], Found]:
    def by_node(network: GraphNetwork, model: PublicModel, files: Sequence[bytes]) -> Found:
        modules = os.environ.get("NODE_PATH")
        if shutil.which("node") is None or modules is None or not (Path(modules) / package).exists():
            return None
        with tempfile.TemporaryDirectory() as folder:
            names = [Path(folder) / one for one in ("table.json", "weights.bin", "pictures.bin")]
            shown = pictures(model).permute(0, 2, 3, 1).contiguous().numpy()
            for path, content in zip(names, [*files, shown.tobytes()], strict=True):
                path.write_bytes(content)
            command = ["node", "-e", _NODE + script, *map(str, names), json.dumps(list(shown.shape))]
            given = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        line = given.strip().splitlines()[-1]
        theirs = np.array(json.loads(line), np.float32).reshape(len(shown), -1)
        return f"node with {package}", _difference(network, model, theirs)

    return by_node


_NODE = """
const fs = require('fs');
const [table, weights, pictures] = process.argv.slice(1, 4).map((path) => fs.readFileSync(path));
const shape = JSON.parse(process.argv[4]), text = JSON.parse(table);
const buffer = (data) => data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
const shown = new Float32Array(buffer(pictures));
"""
_TFJS = """
const tf = require('@tensorflow/tfjs');
(async () => {
  await tf.setBackend('cpu');
  const parts = {modelTopology: text.modelTopology, weightSpecs: text.weightsManifest[0].weights};
  const model = await tf.loadGraphModel({load: async () => ({...parts, weightData: buffer(weights)})});
  console.log(JSON.stringify(Array.from(model.execute(tf.tensor4d(shown, shape)).dataSync())));
})();
"""
# The net takes pixels from 0 to 255 and subtracts the mean itself.
_FACE_API = """
const api = require('@vladmandic/face-api/dist/face-api.node-wasm.js');
(async () => {
  await api.tf.setBackend('cpu');
  api.nets.faceExpressionNet.loadFromWeightMap(api.tf.io.decodeWeights(buffer(weights), text[0].weights));
  const mean = [122.782, 117.001, 104.298], answers = [];
  const pixels = shown.map((value, place) => value * 255 + mean[place % 3]);
  for (const one of api.tf.split(api.tf.tensor4d(pixels, shape), shape[0]))
    answers.push(...(await api.nets.faceExpressionNet.forward(one)).dataSync());
  console.log(JSON.stringify(answers));
})();
"""


def _by_class(package: str, file: str, make: Callable[[object], nn.Module], key: str | None) -> Callable[..., Found]:
    def by_class(network: GraphNetwork, model: PublicModel, files: Sequence[bytes]) -> Found:
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            return None
        # The package's own file alone: what lies beside it asks for detectors that aren't needed here.
        spec = importlib.util.spec_from_file_location(package, Path(found.submodule_search_locations[0]) / file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        theirs = make(module).eval()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights"
            path.write_bytes(files[0])
            state = torch.load(path, weights_only=True, map_location="cpu")
        theirs.load_state_dict(state if key is None else state[key])
        with torch.inference_mode():
            return f"the class of {package}", _difference(network, model, theirs(pictures(model)).softmax(1).numpy())

    return by_class


def _difference(network: GraphNetwork, model: PublicModel, theirs: Floats) -> float:
    with torch.inference_mode():
        own = network(pictures(model)).softmax(1).numpy()
    return float(np.abs(own - theirs).max())


_COMPARED: dict[str, Callable[[GraphNetwork, PublicModel, Sequence[bytes]], Found]] = {
    "fer": _by_keras,
    "fer-tflite": _by_steps,
    "facex": _by_steps,
    "human": _by_node(_TFJS, "@tensorflow/tfjs"),
    "face-api": _by_node(_FACE_API, "@vladmandic/face-api"),
    "what-the-face": _by_class(
        "what_the_face_classification",
        "model.py",
        lambda module: module.SimpleConvolutionalNetwork(  # type: ignore[attr-defined]
            3, [[1, 28], [28, 56], [56, 112]], [3] * 3, [0] * 3, 304, 1792
        ),
        None,
    ),
    "facial-emotion": _by_class(
        "facial_emotion_recognition",
        "networks.py",
        lambda module: module.NetworkV2(1, 32, 7),  # type: ignore[attr-defined]
        "network",
    ),
}
