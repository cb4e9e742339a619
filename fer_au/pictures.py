"""Pictures that are arguments of public functions, also as files and Pillow images, read as the pipeline reads them.

Where a function has cached results, as landmark extractors have, only pictures in memory are taken
(``picture_arguments``): else the results would hang on the release of a decoder that they never use.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from PIL import Image

from fer_au.answers import describe, library_of
from fer_au.arguments import read_list, read_path
from fer_au.decoding import ImageRejected, decode_image, upright_rgb
from fer_au.errors import ArgumentError, DataError
from fer_au.gate import PICTURES, read_bytes
from fer_au.picture_arguments import Picture, read_picture

_EXPECTED = "a path, an array (H, W, 3) uint8 RGB or a Pillow image"


def open_picture(name: str, value: object) -> Picture:
    """Read one picture: a file, a Pillow image of any mode, or an array.

    Args:
        name: Name of the argument.
        value: What was given.

    Returns:
        (H, W, 3) uint8 RGB, contiguous; an array may be the very one that was given.

    Raises:
        ArgumentError: It is something else.
        DataError: The file can't be read; the message names it.
    """
    place = name
    try:
        if isinstance(value, str | PathLike):
            path = find_picture(name, value)
            place = str(path)
            return decode_image(read_bytes(path, PICTURES))
        if isinstance(value, Image.Image):
            return upright_rgb(value)
    except ImageRejected as error:
        raise DataError(f"{place}: {error}") from error
    except OSError as error:
        raise DataError(f"{place}: {error.strerror or error}") from error
    if library_of(value) is None and not isinstance(value, list | tuple):
        raise ArgumentError(f"{name}: expected {_EXPECTED}, got {describe(value)}")
    return read_picture(name, value)


def find_picture(name: str, value: object) -> Path:
    """Read the path of a picture, and make sure that there is a file.

    Raises:
        ArgumentError: It is no path.
        DataError: There is no such file; the message names it.
    """
    path = read_path(name, value)
    if not path.is_file():
        raise DataError(f"{path}: {'a folder, no picture' if path.is_dir() else 'no such file'}")
    return path


def list_pictures(name: str, value: object) -> list[object]:
    """List the pictures of an argument that takes many, or one alone, without opening files.

    Arrays are checked, and files looked for, before any picture is worked on.

    Raises:
        ArgumentError: It is something else, or holds something else.
        DataError: A file is not there; the message names it.
    """
    flat = library_of(value) is not None and getattr(value, "ndim", 0) in (2, 3)
    alone = isinstance(value, str | PathLike | Image.Image) or flat
    found = [value] if alone else read_list(name, value, f"{_EXPECTED}, or a list of these")
    for place, one in enumerate(found):
        own = name if alone else f"{name}[{place}]"
        if isinstance(one, str | PathLike):
            find_picture(own, one)
        elif not isinstance(one, Image.Image):
            found[place] = open_picture(own, one)
    return found
