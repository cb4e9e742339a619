"""Parts of another package work like built-in ones: listed, made by name, held to the same contract tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugins.package import PAGES, PARTS, install, metadata

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / PAGES[0]).read_text(encoding="utf-8")  # with the table of all kinds
BLOCKS = [block for block in PARTS if block.file]
METADATA = metadata()


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
        "fer_au.training.losses.base:LOSSES", "lab-largest", "guidance loss", "tests/training/test_losses.py", 8
    ),
    "fer_au.nets": Offer("fer_au.models.nets.base:NETS", "lab-tiny", "network", "tests/models/test_net_contract.py", 3),
    "fer_au.presets": Offer(
        "fer_au.presets.preset:PRESETS", "lab-recipe", "preset", "tests/presets/test_presets.py", 1
    ),
}
GROUPS = pytest.mark.parametrize("group", OFFERS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of the page, installed."""
    site = tmp_path_factory.mktemp("site")
    install(site)
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


METHOD = re.compile(r"^    def (?!__|constants|check)\w+\(.*?\) -> .*?:$", re.MULTILINE | re.DOTALL)
GUESS = re.compile(r"(A guessed|A class without|An entry point to the text) `([^`]*)` is refused with `([^`]*)`")


def guesses() -> dict[str, tuple[str, str, str]]:
    """File of the package -> its code, the code after the wrong guess below it, and what the page says of that."""
    found = {}
    for block in BLOCKS:
        lines = (REPOSITORY / block.page).read_text(encoding="utf-8").splitlines()
        below = GUESS.match("\n".join(lines[block.line + len(block.lines) + 2 :]))
        if below is None:
            continue
        kind, guess, said = below.groups()
        wrong = {
            "A guessed": METHOD.sub(f"    {guess}", block.text, count=1),
            "A class without": re.sub(rf"^    {guess}\b.*\n", "", block.text, flags=re.MULTILINE),
            "An entry point to the text": re.sub(r"= Path.*", f"= {guess}", block.text),
        }[kind]
        found[str(block.file)] = block.text, wrong, said
    return found


def test_a_wrong_guess_is_one_line_that_says_what_is_expected(installed: Path, tmp_path: Path) -> None:
    guessed = tmp_path / "guessed"
    shutil.copytree(installed, guessed)
    expected = {}
    for file, (code, wrong, said) in guesses().items():
        assert wrong != code, file
        (guessed / file).write_text(wrong, encoding="utf-8")
        expected[Path(file).stem] = said
    found = look(guessed, tmp_path)
    for group, offer in OFFERS.items():
        target = METADATA["entry-points"][group][offer.name]
        place = f"{offer.kind} {offer.name!r} of package 'lab-parts' ({target})"
        said = expected[target.split(":")[0].split(".")[1]]
        assert found[group][2] == f"{place} can't be loaded: TypeError: {said}"


def test_a_class_of_another_family_is_refused(installed: Path, tmp_path: Path) -> None:
    guessed = tmp_path / "guessed"
    shutil.copytree(installed, guessed)
    (guessed / "lab_parts/loss.py").write_text("def LabLargest(attention, target):\n    return attention - target\n")
    said = look(guessed, tmp_path)["fer_au.losses"][2]
    assert said.endswith("TypeError: it must be a class derived from fer_au.training.losses.base.GuidanceLoss")


def test_an_edit_counts_in_a_package_without_an_init_file(installed: Path, tmp_path: Path) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(installed, edited)
    assert not (edited / "lab_parts/__init__.py").exists()
    path = edited / "lab_parts/loss.py"
    path.write_text(path.read_text().replace("amax", "amin"))
    code = "from fer_au.code.plugins import plugin_digest; print(plugin_digest('fer_au.losses', 'lab-largest'))"
    assert run(installed, tmp_path, "-c", code) != run(edited, tmp_path, "-c", code)


def test_the_code_of_the_page_is_in_good_style(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--ignore", "D100,INP", str(installed)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@GROUPS
def test_every_part_passes_the_contract_test_of_its_kind(group: str, installed: Path, tmp_path: Path) -> None:
    offer = OFFERS[group]
    arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-rA", "-k", f"{offer.name} or fingerprints"]
    output = run(installed, tmp_path, *arguments, offer.contract)
    passed = [line for line in output.splitlines() if line.startswith("PASSED") and offer.name in line]
    assert len(passed) >= offer.tests


def test_the_table_of_the_page_is_that_of_this_test() -> None:
    rows = re.findall(r"^\| \[[^]]+\]\([\w.-]*#[^)]+\) \| `(\S+)` \|.*\| `(\S+)` \|$", PAGE, re.MULTILINE)
    assert {group: f"tests/{contract}" for group, contract in rows} == {
        group: offer.contract for group, offer in OFFERS.items()
    }
    assert all(re.search(rf"^{registry}$", "\n".join(OFFERS), re.MULTILINE) for registry, _ in rows)


def test_options_reach_the_parts_and_their_fingerprints(installed: Path, tmp_path: Path) -> None:
    code = (
        "from fer_au.errors import FerAuError; from fer_au.landmarks import create_extractor\n"
        "from fer_au.models import create_model\n"
        "one, two = create_extractor('lab-average'), create_extractor('lab-average', shift=0.5)\n"
        "assert one.fingerprint != two.fingerprint and one != two\n"
        "net = {'backbone': 'lab-tiny', 'backbone_options': {'width': 4}}\n"
        "assert create_model(net, ['neutral', 'anger']).backbone.channels == 4\n"
        "for name, options in (('lab-average', {'shfit': 1}), ('lab-average', {'shift': 'much'})):\n"
        "    try: create_extractor(name, **options)\n"
        "    except FerAuError as error: print(error)\n"
    )
    assert run(installed, tmp_path, "-c", code).splitlines() == [
        "landmark extractor 'lab-average': shfit: unknown key; did you mean shift?",
        "landmark extractor 'lab-average': shift: should be a number, got 'much'",
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
        "    assert (store['status'] == LandmarkStatus.OK).all() and np.isnan(store['score']).all()\n"
        "    faces = Store.open(data / 'faces.h5', 'faces')\n"
        "    print(faces.attributes['detector'], store.attributes['extractor'], len(store))\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    assert run(installed, tmp_path, str(script), FER_AU_WORKERS="2").split() == ["lab-single", "lab-average", "6"]
