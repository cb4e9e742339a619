"""Pictures inside a file of another kind: rows of pixels in a table, frames of a video.

Such a picture has a path like any other, the file's path and a name behind it (``fer2013.csv/00017.png``), so that ids
say where it comes from. ``ingest`` makes a file of each, once, which lies in the cache by the sha256 of its bytes; the
manifest's sha256 finds it there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fer_au.datasets.files import resolve_below
from fer_au.rejects import Reason, Reject
from fer_au.shards.pictures import find_kept


@dataclass(frozen=True)
class Inside(ABC):
    """Some pictures of one file, as many as a worker process makes at a time; picklable.

    Attributes:
        file: POSIX path of the file below the root.
    """

    file: str

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the pictures in the file, ``file/name`` their paths; none where only reading it tells them."""

    @abstractmethod
    def pictures(self, path: Path) -> Iterator[tuple[str, bytes | Reject]]:
        """Give the pictures: each name, and the bytes of an encoded picture, or why there is none.

        Equal pixels give equal bytes, whatever the versions of libraries are: the manifest names them by their hash.

        Args:
            path: The file, below the root and of a kind that may be opened.

        Raises:
            OSError: It can't be read.
        """


class Reel(Inside):
    """All frames of a file that are taken; how many there are is known once it has been read.

    Faces are listed for the file: ``Record.path`` is its path, ``Record.face_key`` tells several parts of it apart.
    What ``pictures`` says of the file, or of a part, is a ``Reject`` that has its id.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Nothing: the frames are not known yet."""
        return ()

    @abstractmethod
    def owners(self, name: str) -> tuple[str | None, ...]:
        """Give the ``face_key`` of each listed part that a frame lies in; None is the whole file.

        Args:
            name: Name of the frame.
        """


class PictureFiles:
    """Finds the files of a manifest's pictures; picklable.

    Args:
        root: Root of the data set, resolved.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._is_file: dict[PurePosixPath, bool] = {}  # what stands above a picture's name: a folder, or a file

    def is_inside(self, path: str) -> bool:
        """Tell whether a picture lies inside a file, by its path below the root."""
        above = PurePosixPath(path).parent
        if above not in self._is_file:
            self._is_file[above] = ".." not in above.parts and (self._root / above).is_file()
        return self._is_file[above]

    def path(self, path: str, sha256: str) -> Path:
        """Name the file of a picture, whether or not it is there.

        Args:
            path: POSIX path of the picture below the root.
            sha256: Hash of its bytes in the manifest.
        """
        kept = find_kept(sha256) if self.is_inside(path) else None
        return kept or self._root / path

    def find(self, path: str, sha256: str) -> Path | Reject:
        """Find the file of a picture, or the reason not to open it; arguments as of ``path``.

        Links may lead out of the root: ``ingest`` has judged that, and the caller compares the hash.
        """
        if not self.is_inside(path):
            return resolve_below(self._root, path, follow_links=True)
        detail = "it lies inside a file, and the cache, where it had one of its own, has it no more"
        return find_kept(sha256) or Reject(path, Reason.MISSING_FILE, detail)
