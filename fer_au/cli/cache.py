"""``fer-au cache``: show and prune the shard cache, finished work and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_WORKSPACE = Path(".fer_au")

app = typer.Typer(no_args_is_help=True, help="The shard cache.", epilog="Example: fer-au cache info")


@app.command("info", epilog="Example: fer-au cache info")
def cache_info() -> None:
    """Show where the cache is, and how much each operation, finished work and checkpoints take there."""
    from fer_au.shards.cache import cache_root, cache_roots

    _show(cache_root(), _WORKSPACE)
    for root in cache_roots()[1:]:
        if root.is_dir():  # the lab's can only be read
            _show(root, None)


def _show(root: Path, workspace: Path | None) -> None:
    from fer_au.shards.prune import list_operations, list_work

    operations, work = list_operations(root), list_work(root, workspace)
    total = sum(one.size for one in operations) + sum(one.size for one in work)
    typer.echo(f"{root}: {len(operations)} operation(s), {len(work)} finished or begun, {total / 1e6:.1f} MB")
    for operation in operations:
        typer.echo(
            f"{operation.fingerprint[:16]}  {operation.name or '(unreadable)':12}  {operation.rows:9d} rows  "
            f"{len(operation.shards):6d} shards  {operation.size / 1e6:10.1f} MB  last used {_day(operation.used)}"
        )
    for one in work:
        typer.echo(f"{one.path.name[:16]}  {one.kind:12}  {one.size / 1e6:39.1f} MB  last used {_day(one.used)}")


def _day(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


@app.command("prune", epilog="Example: fer-au cache prune --older-than 90 --dry-run")
def cache_prune(
    older_than: Annotated[float | None, typer.Option(min=0, help="Remove what was unused for so many days.")] = None,
    max_size: Annotated[float | None, typer.Option(min=0, help="Then the longest unused, down to so many GB.")] = None,
    operation: Annotated[
        str | None,
        typer.Option(
            help="Only this operation (align, landmarks, ...), training, evaluation, checkpoint, clusters, pictures."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove rows, finished work and checkpoints; what is needed again is computed again. Leftovers always go."""
    from fer_au.shards.cache import cache_roots
    from fer_au.shards.prune import prune

    limit = None if max_size is None else int(max_size * 1e9)
    removed = [
        prune(
            root,
            older_than_days=older_than,
            max_bytes=limit,
            operation=operation,
            workspace=workspace,
            dry_run=dry_run,
        )
        for root, workspace in zip(reversed(cache_roots()), (_WORKSPACE, None), strict=False)  # one's own first
    ]
    count, size = (sum(numbers) for numbers in zip(*removed, strict=True))
    typer.echo(f"{'would remove' if dry_run else 'removed'} {count} file(s), {size / 1e6:.1f} MB")
