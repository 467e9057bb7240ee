"""Documentation site: reference pages from the code, a strict build without other hosts, and its checked links.

Run by ``make docs`` as ``python -m tests.support.site``.
"""

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from tests.support.reference import PAGES
from tests.support.source_tree import ROOT

MERMAID: Final = Path("docs/javascripts/mermaid.min.js")
"""Where the pages expect mermaid; git ignores it, since it has 3.5 MB."""


def write_reference(folder: Path) -> None:
    """Write the reference pages below ``docs/reference``."""
    for name, page in PAGES.items():
        (folder / "docs/reference" / name).write_text(page(), "utf-8")


def copy_mermaid(folder: Path) -> None:
    """Copy mermaid's script out of the package that brings it."""
    source = Path(str(distribution("mermaidx").locate_file("mermaidx/assets/mermaid.js")))
    (folder / MERMAID).write_bytes(source.read_bytes())


def build(folder: Path) -> str:
    """Build the site of a folder with ``mkdocs.yml`` and ``docs`` into ``site``; return what went wrong, or nothing."""
    copy_mermaid(folder)
    return _failure("zensical", "build", "--strict", "--clean", cwd=folder)


def broken_links(folder: Path) -> str:
    """Return the links of the built pages that lead to no file and no heading, or nothing; no host is asked."""
    pages = sorted(str(path.relative_to(folder)) for path in (folder / "site").rglob("*.html"))
    options = ("--offline", "--no-progress", "--include-fragments", "--root-dir", str(folder / "site"))
    return _failure("lychee", *options, *pages, cwd=folder)


def _failure(program: str, *words: str, cwd: Path) -> str:
    """Run a program of the environment; return its output, without colors, if it failed."""
    command = [str(Path(sys.executable).parent / program), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    return re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr) if done.returncode else ""


def main() -> int:
    """Write the pages, build the site and check its links; return 1 if anything is wrong."""
    write_reference(ROOT)
    wrong = build(ROOT) or broken_links(ROOT)
    sys.stdout.write(wrong or "The site is in site/. Open site/index.html, or run: make docs-serve\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
