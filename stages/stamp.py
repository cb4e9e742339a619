"""Stage ``stamp``: check params.yaml, and hash the code that every stage would run; ``python stages/stamp.py``."""

from __future__ import annotations

from fer_au.command import run_stage


def main() -> None:
    """Check the parameters of everything that follows, and write the stamp."""
    import json

    from fer_au.atomic import write_atomically
    from fer_au.checks import refuse_problems
    from fer_au.checks.outputs import find_undeclared_renders
    from fer_au.code.stages import STAMP, stamp

    refuse_problems()
    for name in find_undeclared_renders():
        _render(name)
    write_atomically(STAMP, (json.dumps(stamp(), indent=1, sort_keys=True) + "\n").encode())


def _render(name: str) -> None:
    """Render faces that DVC can't, because it has no section that names them."""
    from fer_au.checks.outputs import rendered_root
    from fer_au.compute import log
    from fer_au.config.data import DemoConfig
    from fer_au.demo.generate import generate

    root = rendered_root(name)
    log(f"{root} is missing, and params.yaml has no section `render`: rendered with its defaults, outside of DVC")
    generate(DemoConfig(), root)


if __name__ == "__main__":
    run_stage(main, __doc__, "nothing is lost; the next run hashes the code anew")
