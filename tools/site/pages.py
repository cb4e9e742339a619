"""Bring into the site what lies outside ``docs/``: a hook of MkDocs, named by mkdocs.yml (``make site``).

The pages are written to be read in the repository, where links are paths of files. In the site, a link to README,
CONTRIBUTING or CHANGELOG leads to their pages, and one to any other file of the repository to a copy of it. The
reference of the Python API has a page for each public room, made of its lazy exports: mkdocstrings reads docstrings.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

from fer_au.code.syntax import parse_source

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
OUTSIDE = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the top level -> where they are in the site."""

ROOMS = ("fer_au", "cues", "landmarks", "models", "cam", "evaluation", "training", "datasets", "faces", "stores")
"""Public rooms, in the order of the reference."""

_COPIES = "files"
_ASSETS = {f"tools/site/{name}": f"assets/site/{name}" for name in ("search.js", "style.css")}
_THEIRS = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"></script>')
_LINK = re.compile(r"""(\]\(|(?:src|href)=")([^)\s"#:]+)(?=[)"#])""")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")


def slug(heading: str, separator: str = "-") -> str:
    """Form the anchor of a heading as GitHub does, so that links to it work in both readings."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def place_of(path: str) -> str | None:
    """Find where a file of the repository is in the site; None if it isn't there, or no file.

    Args:
        path: POSIX path from the project's root, such as ``docs/params.md`` or ``NOTICE``.
    """
    if path in OUTSIDE:
        return OUTSIDE[path]
    if not (ROOT / path).is_file():
        return None
    if path.startswith(f"{DOCS}/"):
        return path.removeprefix(f"{DOCS}/")
    return f"{_COPIES}/{path}" if path.endswith(".md") else f"{_COPIES}/{path}.txt"  # browsers show .txt


def rewrite(text: str, path: str) -> str:
    """Turn the links of a page, which are paths of files, into links between places of the site.

    Args:
        text: Its Markdown.
        path: Its own path from the project's root.
    """
    lines, fenced = [], False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        lines.append(line if fenced else _LINK.sub(lambda match: match[1] + _moved(match[2], path), line))
    return "\n".join(lines)


def linked_files(text: str, path: str) -> set[str]:
    """List the files of the repository that a page links: POSIX paths from the project's root; arguments as above."""
    found = set()
    for _, target in _LINK.findall(text):
        file = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if place_of(file) is not None:
            found.add(file)
    return found


def source_of(place: str) -> str | None:
    """Find the repository's path of a page of the site; None for one that is made by this module."""
    paths = {place: path for path, place in OUTSIDE.items()}
    if place in paths:
        return paths[place]
    file = place.removeprefix(f"{_COPIES}/") if place.startswith(f"{_COPIES}/") else f"{DOCS}/{place}"
    return file if (ROOT / file).is_file() else None


def api_pages() -> dict[str, str]:
    """Write the pages of the API's reference: place in the site -> Markdown."""
    rows, pages = [], {}
    for room in ROOMS:
        package = "fer_au" if room == "fer_au" else f"fer_au.{room}"
        names = dict(_exports(package))
        summary = _summary(ROOT / package.replace(".", "/") / "__init__.py")
        parts = [f"# {package}", summary, *(f"::: {module}.{name}" for name, module in names.items())]
        pages[f"api/{room}.md"] = "\n\n".join(parts) + "\n"
        links = ", ".join(f"[`{name}`]({room}.md#{module}.{name})" for name, module in names.items())
        rows.append(f"| [`{package}`]({room}.md) | {links} |")
    head = (
        "# The public Python API\n\nEach function checks its arguments: a wrong one is one line that names it. Import "
        "names from the room, not from the module inside that the reference names.\n\n| room | names |\n|---|---|\n"
    )
    return {"api/index.md": head + "\n".join(rows) + "\n", **pages}


def _moved(target: str, path: str) -> str:
    file = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    place, here = place_of(file), place_of(path)
    if place is None or here is None:
        return target
    return posixpath.relpath(place, posixpath.dirname(here) or ".")


def _exports(package: str) -> Iterator[tuple[str, str]]:
    """List the public names of a package and the modules that define them."""
    file = ROOT / package.replace(".", "/") / "__init__.py"
    for name, module in sorted(parse_source(file.read_bytes(), str(file)).exports.items()):
        if name.startswith("_"):
            continue
        full = resolve_name(module, package)
        inner = ROOT / full.replace(".", "/") / "__init__.py"
        deeper = parse_source(inner.read_bytes(), str(inner)).exports if inner.is_file() else {}
        yield name, f"{full}{deeper.get(name, '')}"


def _summary(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return re.sub(r"``(.+?)``", r"`\1`", docstring.partition("\n\n")[0])


# What MkDocs calls, by its names.


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Let headings have the anchors that they have in the repository."""
    config["mdx_configs"].setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and copies that don't lie in ``docs/``."""
    from mkdocs.structure.files import File

    made: dict[str, str] = {place: _read(path) for path, place in OUTSIDE.items()} | api_pages()
    pages = [*OUTSIDE, *(f"{DOCS}/{file.src_uri}" for file in files.documentation_pages())]
    for path in sorted({file for page in pages for file in linked_files(_read(page), page)}):
        place = place_of(path)
        if place is not None and place.startswith(f"{_COPIES}/"):
            made[place] = _read(path)
    made |= {place: _read(path) for path, place in _ASSETS.items()}
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links lead to the site's pages."""
    path = source_of(page.file.src_uri)
    return markdown if path is None else rewrite(markdown, path)


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Take the script that lets a page from the disk be searched from the site, where the theme asks another host."""
    script = posixpath.relpath(_ASSETS["tools/site/search.js"], posixpath.dirname(page.url) or ".")
    return _THEIRS.sub(f'<script src="{script}"></script>', output)


def on_post_template(output_content: str, **_: object) -> str:
    """Take the same script from the page for addresses that lead nowhere, which only a server shows."""
    return _THEIRS.sub("", output_content)


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
