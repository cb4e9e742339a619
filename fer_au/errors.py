"""The exceptions of the project, and how a command line ends when one is raised."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


class FerAuError(Exception):
    """Base of every error a user can cause or meet; the message is one clear line."""


class ConfigError(FerAuError):
    """A wrong or unknown key or value in ``params.yaml``, a codebook or another configuration file."""


class UnknownNameError(ConfigError):
    """A name that no registry entry has; the message lists the near names."""


class MissingDependencyError(FerAuError):
    """An optional package or a weights file is absent; the message says how to get it."""


class DataError(FerAuError):
    """A data set, label file or artefact can't be used; the message names it."""


class StoreError(DataError):
    """An HDF5 store is damaged, of another schema or of another version."""


def run_main(main: Callable[[], None]) -> int:
    """Run a command and turn the project's errors into one line on stderr.

    Set ``FER_AU_DEBUG=1`` to see the traceback instead.

    Returns:
        The exit code: 0, 2 for a ``FerAuError``, 130 after Ctrl-C.
    """
    try:
        main()
    except FerAuError as error:
        if os.environ.get("FER_AU_DEBUG") == "1":
            raise
        message = " ".join(str(error).split())
        sys.stderr.write(f"error: {message}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: finished work is kept, run again to go on\n")
        return 130
    return 0
