"""Stage ``stamp``: check params.yaml, and hash the code that every stage would run; ``python stages/stamp.py``."""

from __future__ import annotations

from fer_au.command import run_stage


def main() -> None:
    """Check the parameters of everything that follows, and write the stamp."""
    import json

    from fer_au.atomic import write_atomically
    from fer_au.checks import refuse_problems
    from fer_au.code.stages import STAMP, stamp

    refuse_problems()
    write_atomically(STAMP, (json.dumps(stamp(), indent=1, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    run_stage(main, __doc__, "nothing is lost; the next run hashes the code anew")
