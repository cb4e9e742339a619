"""Stage ``stamp``: check params.yaml, and hash the code of every stage and the pictures; ``python stages/stamp.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_au.command import run_stage

if TYPE_CHECKING:
    from fer_au.config.data import DemoConfig


def main() -> None:
    """Check the parameters of everything that follows, and write the stamp."""
    import json

    from fer_au.atomic import write_atomically
    from fer_au.checks import refuse_problems
    from fer_au.checks.outputs import find_shared_renders, find_undeclared_renders
    from fer_au.checks.roots import SECTION, look_at_roots
    from fer_au.code.stages import STAMP, stamp
    from fer_au.compute import log
    from fer_au.config.data import DemoConfig
    from fer_au.config.dataset_settings import STAMPED, stamped_settings
    from fer_au.config.reading import load_entry
    from fer_au.datasets.content import note_rendered

    params = refuse_problems()
    for name in find_undeclared_renders(params):
        why = "is missing, and params.yaml has no section `render`: rendered with its defaults, outside of DVC"
        _render(name, DemoConfig(), why)
    stamped: dict[str, Any] = {**stamp(params)}
    for name, other in find_shared_renders(params, stamped).items():
        why = f"is the root of {other}, too, which DVC can't let wait for render@{name}: rendered now, before both"
        _render(name, load_entry("render", name, DemoConfig), why)
    roots = look_at_roots(params)
    for line in roots.lines:
        log(line)
    rendered = params.get("render") or {}
    for name in params["datasets"]:
        if name not in rendered:
            note_rendered(name, None)
    stamped |= {SECTION: roots.digests, STAMPED: stamped_settings(params)}
    write_atomically(STAMP, (json.dumps(stamped, indent=1, sort_keys=True) + "\n").encode())


def _render(name: str, config: DemoConfig, why: str) -> None:
    """Render faces that DVC can't, or would too late."""
    from fer_au.checks.outputs import rendered_root
    from fer_au.compute import log
    from fer_au.demo.generate import generate

    root = rendered_root(name)
    log(f"{root} {why}")
    generate(config, root)


if __name__ == "__main__":
    run_stage(main, __doc__, "nothing is lost; the next run looks at code and pictures anew")
