"""Software that runs here: releases of libraries, and the whole package's code."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from fer_au.code.closure import this_code

# Libraries whose release decides what a row of numbers is: module -> distributions that bring it.
_DECIDING = {
    "PIL": ("Pillow",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "dlib": ("dlib-bin", "dlib"),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "timm": ("timm",),
    "torch": ("torch",),
    "torchvision": ("torchvision",),
}


def library_releases(modules: set[str]) -> dict[str, str]:
    """Give the releases of those libraries that decide a result.

    Args:
        modules: Top-level modules that some code imports.

    Returns:
        Module -> release, of numerical and picture libraries among them.
    """
    return {module: _version(_DECIDING[module]) for module in sorted(modules & _DECIDING.keys())}


@cache
def _version(distributions: tuple[str, ...]) -> str:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "absent"


def running_software() -> dict[str, str]:
    """Give the release and the code of the package, and the releases of the libraries that decide results.

    Two processes that agree here give equal results for equal tasks.
    """
    from fer_au import version as package_version  # decides no result, so that stages don't load it

    return {
        "fer_au": package_version.__version__,
        "fer_au code": this_code().whole_digest[:12],
        **library_releases(set(_DECIDING)),
    }
