"""Parts of another package work like built-in ones: listed, made by name, held to the same contract tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = Path(__file__).with_name("lab_parts")
METADATA = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@dataclass(frozen=True)
class Offer:
    """A part of the example package.

    Attributes:
        registry: Module and name of the registry that must hold it.
        name: Name of the part.
        kind: Kind in messages.
        contract: File of the contract test that covers it.
        tests: Fewest contract tests that must have passed.
    """

    registry: str
    name: str
    kind: str
    contract: str
    tests: int


OFFERS = {
    "fer_au.adapters": Offer(
        "fer_au.datasets.base:ADAPTERS", "lab-lines", "data set adapter", "tests/datasets/test_adapters.py", 1
    ),
    "fer_au.cams": Offer("fer_au.cam.registry:CAMS", "lab-product", "CAM method", "tests/cam/test_cam.py", 7),
    "fer_au.codebooks": Offer(
        "fer_au.cues.codebook:CODEBOOKS", "lab-short", "codebook", "tests/cues/test_codebook.py", 1
    ),
    "fer_au.cues": Offer("fer_au.cues.cue:CUES", "lab-middle", "cue", "tests/cues/test_cue.py", 3),
    "fer_au.detectors": Offer(
        "fer_au.faces.detectors:DETECTORS", "lab-single", "face detector", "tests/faces/test_detector_contract.py", 14
    ),
    "fer_au.extractors": Offer(
        "fer_au.landmarks.extractors:EXTRACTORS",
        "lab-average",
        "landmark extractor",
        "tests/landmarks/test_extractor_contract.py",
        10,
    ),
    "fer_au.geometries": Offer(
        "fer_au.cues.geometries:GEOMETRIES", "lab-squares", "AU-map geometry", "tests/cues/test_rendering.py", 1
    ),
    "fer_au.heads": Offer(
        "fer_au.models.heads.base:HEADS", "lab_tanh", "head", "tests/models/test_head_contract.py", 14
    ),
    "fer_au.losses": Offer(
        "fer_au.training.losses:LOSSES", "lab-largest", "guidance loss", "tests/training/test_losses.py", 8
    ),
    "fer_au.nets": Offer("fer_au.models.nets.base:NETS", "lab-tiny", "network", "tests/models/test_net_contract.py", 3),
}
GROUPS = pytest.mark.parametrize("group", OFFERS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package and its metadata, as an installer would write them."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE / "lab_parts", site / "lab_parts")
    info = site / f"lab_parts-{METADATA['version']}.dist-info"
    info.mkdir()
    name = f"Metadata-Version: 2.1\nName: {METADATA['name']}\nVersion: {METADATA['version']}\n"
    (info / "METADATA").write_text(name, encoding="utf-8")
    lines = []
    for group, points in METADATA["entry-points"].items():
        lines += [f"[{group}]", *(f"{point} = {target}" for point, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return site


def run(site: Path, tmp_path: Path, *arguments: str, **more: str) -> str:
    """Run Python with a folder of packages on its path."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{REPOSITORY}", "FER_AU_WORKERS": "1"}
    environment |= {"FER_AU_CACHE": str(tmp_path / "cache"), **more}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_offers_a_part_of_every_kind_in_the_table() -> None:
    offered = {group: list(points) for group, points in METADATA["entry-points"].items()}
    assert offered == {group: [offer.name] for group, offer in OFFERS.items()}


LOOK = """
import json, sys
from importlib import import_module
from fer_au.errors import FerAuError
found = {}
for group, (place, name) in json.loads(sys.argv[1]).items():
    module, registry = place.split(":")
    registry = getattr(import_module(module), registry)
    try:
        part = registry.get(name)
        message = getattr(part, "__name__", "Lab file: " + str(part))
    except FerAuError as error:
        message = str(error)
    found[group] = [registry.group, registry.names(), message]
print(json.dumps(found))
"""


def look(site: Path, tmp_path: Path) -> dict[str, tuple[str, list[str], str]]:
    """What each registry says of its group, its names and the example's part."""
    wanted = json.dumps({group: (offer.registry, offer.name) for group, offer in OFFERS.items()})
    found: dict[str, tuple[str, list[str], str]] = json.loads(run(site, tmp_path, "-c", LOOK, wanted))
    return found


def test_every_part_is_listed_and_found_by_name(installed: Path, tmp_path: Path) -> None:
    for group, (own_group, names, part) in look(installed, tmp_path).items():
        assert own_group == group
        assert OFFERS[group].name in names
        assert len(names) > 1
        assert part.startswith("Lab")


def test_without_the_package_the_names_are_unknown(tmp_path: Path) -> None:
    for group, (_, names, message) in look(tmp_path, tmp_path).items():
        assert OFFERS[group].name not in names
        assert message.startswith(f"unknown {OFFERS[group].kind} {OFFERS[group].name!r}; ")


def test_a_package_that_does_not_load_is_one_line_and_hurts_no_other_part(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(installed, broken)
    (broken / "lab_parts/__init__.py").write_text("import a_module_that_nobody_has\n")
    for group, (_, names, message) in look(broken, tmp_path).items():
        offer = OFFERS[group]
        assert offer.name not in names
        assert len(names) > 1
        target = METADATA["entry-points"][group][offer.name]
        assert message == (
            f"{offer.kind} {offer.name!r} of package 'lab-parts' ({target}) can't be loaded: "
            "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"
        )


WRONG = {
    "fer_au.losses": (
        "lab_parts/loss.py",
        "def LabLargest(attention, target):\n    return abs(attention - target).mean()\n",
        "it must be a class derived from fer_au.training.losses.GuidanceLoss",
    ),
    "fer_au.cues": (
        "lab_parts/cue.py",
        "from fer_au.cues import Cue\nclass LabMiddle(Cue):\n    def draw(self, points, labels): return points\n",
        "LabMiddle.draw(points, labels) must be LabMiddle.draw(faces)",
    ),
    "fer_au.cams": (
        "lab_parts/cam.py",
        "from fer_au.cam import CamMethod\nclass LabProduct(CamMethod):\n    def compute(self, batch): return batch\n",
        "LabProduct.maps(batch) is missing",
    ),
    "fer_au.geometries": (
        "lab_parts/geometry.py",
        "class LabSquares:\n    def draw(self, points): return points\n",
        "it must be a class derived from fer_au.cues.geometries.Geometry",
    ),
    "fer_au.codebooks": (
        "lab_parts/codebook.py",
        "PATH = {'happiness': [12]}\n",
        "it must be the pathlib.Path of a file",
    ),
}


def test_a_part_with_a_guessed_signature_is_one_line_that_says_what_is_expected(
    installed: Path, tmp_path: Path
) -> None:
    guessed = tmp_path / "guessed"
    shutil.copytree(installed, guessed)
    for file, code, _ in WRONG.values():
        (guessed / file).write_text(code)
    found = look(guessed, tmp_path)
    for group, (_, _, expected) in WRONG.items():
        offer = OFFERS[group]
        target = METADATA["entry-points"][group][offer.name]
        place = f"{offer.kind} {offer.name!r} of package 'lab-parts' ({target})"
        assert found[group][2] == f"{place} can't be loaded: TypeError: {expected}"


@GROUPS
def test_every_part_passes_the_contract_test_of_its_kind(group: str, installed: Path, tmp_path: Path) -> None:
    offer = OFFERS[group]
    arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-rA", "-k", f"{offer.name} or fingerprints"]
    output = run(installed, tmp_path, *arguments, offer.contract)
    passed = [line for line in output.splitlines() if line.startswith("PASSED") and offer.name in line]
    assert len(passed) >= offer.tests


def test_the_guide_shows_parts_of_the_package() -> None:
    guide = (REPOSITORY / "docs/parts.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PACKAGE / "lab_parts").glob("*.py")))
    shown = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(shown) == 2
    assert all(block in code for block in shown)
    for group in ("losses", "cues", "geometries", "cams", "codebooks"):
        offer = OFFERS[f"fer_au.{group}"]
        assert f"| `fer_au.{group}` |" in guide
        assert f"`{offer.contract}` |" in guide


def test_options_reach_the_parts_and_their_fingerprints(installed: Path, tmp_path: Path) -> None:
    code = (
        "from fer_au.errors import FerAuError; from fer_au.landmarks import create_extractor\n"
        "from fer_au.models import create_model\n"
        "one, two = create_extractor('lab-average'), create_extractor('lab-average', gain=0.5)\n"
        "assert one.fingerprint != two.fingerprint and one != two\n"
        "net = {'backbone': 'lab-tiny', 'backbone_options': {'width': 4}}\n"
        "assert create_model(net, ['neutral', 'anger']).backbone.channels == 4\n"
        "for name, options in (('lab-average', {'gian': 1}), ('lab-average', {'gain': 'much'})):\n"
        "    try: create_extractor(name, **options)\n"
        "    except FerAuError as error: print(error)\n"
    )
    assert run(installed, tmp_path, "-c", code).splitlines() == [
        "landmark extractor 'lab-average': gian: unknown key; did you mean gain?",
        "landmark extractor 'lab-average': gain: input should be a valid number, got 'much'",
    ]


def test_the_stages_run_them_in_worker_processes(installed: Path, tmp_path: Path) -> None:
    script = tmp_path / "pipeline.py"
    script.write_text(
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from fer_au.config.data import AlignConfig, LandmarksConfig\n"
        "from fer_au.datasets import create_adapter, ingest_dataset\n"
        "from fer_au.demo.generate import DemoConfig, generate\n"
        "from fer_au.faces import align_dataset\n"
        "from fer_au.landmarks import extract_dataset\n"
        "from fer_au.stores import LandmarkStatus, Store\n"
        "def main():\n"
        f"    data = Path({str(tmp_path / 'data')!r})\n"
        "    generate(DemoConfig(identities=2, images=3), data / 'raw')\n"
        "    pictures = sorted(data.joinpath('raw').rglob('*.jpg'))\n"
        "    lines = [f'happy {path.relative_to(data / \"raw\").as_posix()}' for path in pictures]\n"
        "    (data / 'raw/faces.txt').write_text('\\n'.join(lines))\n"
        "    config = create_adapter('lab-lines').Config(adapter='lab-lines', root=data / 'raw')\n"
        "    ingest_dataset('wild', config, data)\n"
        "    align_dataset(AlignConfig(detector='lab-single'), data, data / 'raw')\n"
        "    extract_dataset(LandmarksConfig(extractor='lab-average'), data)\n"
        "    store = Store.open(data / 'landmarks.h5', 'landmarks')\n"
        "    assert (store['status'] == LandmarkStatus.OK).all() and np.isfinite(store['score']).all()\n"
        "    faces = Store.open(data / 'faces.h5', 'faces')\n"
        "    print(faces.attributes['detector'], store.attributes['extractor'], len(store))\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    assert run(installed, tmp_path, str(script), FER_AU_WORKERS="2").split() == ["lab-single", "lab-average", "6"]
