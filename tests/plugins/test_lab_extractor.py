"""A third party's extractor, installed as a package of its own, works like a built-in one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = Path(__file__).with_name("lab_extractor")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package, installed by pip without network."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PACKAGE, folder / "source")  # building leaves files beside the source
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--target", str(folder / "site"), str(folder / "source")]
    subprocess.run(command, check=True)
    return folder / "site"


def run(installed: Path, tmp_path: Path, *arguments: str, **more: str) -> str:
    """Run Python with the package on its path."""
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{REPOSITORY}", "FER_AU_WORKERS": "1"}
    environment |= {"FER_AU_CACHE": str(tmp_path / "cache"), **more}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed_and_made_by_name(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json; from fer_au.landmarks import create_extractor, extractor_card, list_extractors\n"
        "one, two = create_extractor('lab-average'), create_extractor('lab-average', gain=0.5)\n"
        "licence, differs = extractor_card('lab-average').licence, one.fingerprint != two.fingerprint\n"
        "print(json.dumps([list_extractors(), licence, differs]))"
    )
    names, licence, differs = json.loads(run(installed, tmp_path, "-c", code))
    assert {"dlib68", "lab-average", "mediapipe"} <= set(names)
    assert licence == "Apache-2.0."
    assert differs


def test_it_passes_the_contract_test(installed: Path, tmp_path: Path) -> None:
    arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-rA", "-k", "lab-average or fingerprints"]
    output = run(installed, tmp_path, *arguments, "tests/landmarks/test_extractor_contract.py")
    passed = [line for line in output.splitlines() if line.startswith("PASSED") and "[lab-average" in line]
    assert len(passed) >= 10
    assert any("test_a_face_does_not_depend_on_its_batch" in line for line in passed)


def test_the_landmarks_stage_runs_it_in_worker_processes(installed: Path, tmp_path: Path) -> None:
    script = tmp_path / "pipeline.py"
    script.write_text(
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from fer_au.config.data import AlignConfig, LandmarksConfig\n"
        "from fer_au.datasets import ingest_dataset\n"
        "from fer_au.datasets.demo import DemoAdapterConfig\n"
        "from fer_au.demo.generate import DemoConfig, generate\n"
        "from fer_au.faces import align_dataset\n"
        "from fer_au.landmarks import extract_dataset\n"
        "from fer_au.stores import LandmarkStatus, Store\n"
        "def main():\n"
        f"    data = Path({str(tmp_path / 'data')!r})\n"
        "    generate(DemoConfig(identities=2, images=3), data / 'raw')\n"
        "    ingest_dataset('demo', DemoAdapterConfig(adapter='demo', root=data / 'raw'), data)\n"
        "    align_dataset(AlignConfig(), data, data / 'raw')\n"
        "    extract_dataset(LandmarksConfig(extractor='lab-average'), data)\n"
        "    store = Store.open(data / 'landmarks.h5', 'landmarks')\n"
        "    assert (store['status'] == LandmarkStatus.OK).all() and np.isfinite(store['score']).all()\n"
        "    print(store.attributes['extractor'], len(store))\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    assert run(installed, tmp_path, str(script), FER_AU_WORKERS="2").split() == ["lab-average", "6"]


def test_a_package_that_does_not_load_is_one_line_and_hurts_no_other_extractor(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(installed, broken)
    (broken / "lab_extractor.py").write_text("import a_module_that_nobody_has\n")
    code = (
        "from fer_au.errors import FerAuError; from fer_au.landmarks import create_extractor, list_extractors\n"
        "assert 'mediapipe' in list_extractors() and 'lab-average' not in list_extractors()\n"
        "try: create_extractor('lab-average')\n"
        "except FerAuError as error: print(error)"
    )
    message = run(broken, tmp_path, "-c", code).splitlines()
    assert message == [
        "landmark extractor 'lab-average' (lab_extractor:LabAverage) can't be loaded: "
        "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"
    ]


def test_without_the_package_the_name_is_unknown(tmp_path: Path) -> None:
    code = "from fer_au.landmarks import list_extractors; print('lab-average' in list_extractors())"
    assert run(tmp_path, tmp_path, "-c", code).strip() == "False"
