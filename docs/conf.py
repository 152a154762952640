"""How Sphinx builds the site: `tox -e docs`, or `sphinx-build docs build/site`."""

import os
import re
from pathlib import Path
from typing import Any

import kvae

HERE = Path(__file__).parent
ROOT = HERE.parent
INCLUDED = {"saved-models": ROOT / "saved_models/README.md"}
"""Pages of the site whose text stands elsewhere in the repository."""

project = "kvae"
version = release = kvae.__version__
html_title = "kvae"

extensions = [
    # Markdown, and notebooks, which are run and shown with what they print and draw.
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["conf.py", "check.py", "_build"]

# Links to headings, named as GitHub names them.
myst_heading_anchors = 4

nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_show_tb = True
# TensorFlow writes to standard error about the machine.
nb_output_stderr = "remove"
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Docstrings have names in single backquotes. Those that the site describes become links.
default_role = "py:obj"
highlight_language = "none"
# Only dashes: a type and a description of a parameter are joined by two hyphens.
smartquotes_action = "D"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False

# `tox -e docs-links` asks for each external address, which needs a network.
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False

# Of the notebooks, which are run in processes of their own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _page_of(target: Path) -> Path:
    """The page of the site that has the text of a file of the repository."""
    for page, file in INCLUDED.items():
        if target == file:
            return HERE / f"{page}.md"
    return target


def _read_elsewhere(app: Any, name: str, source: list[str]) -> None:
    """Take the text of a page from elsewhere, and let links lead to pages of the site."""
    page = os.fspath(app.env.doc2path(name))
    if not page.endswith(".md"):
        return
    file = INCLUDED.get(name, Path(page))
    if name in INCLUDED:
        app.env.note_dependency(str(file))
        source[0] = file.read_text(encoding="utf-8")

    def moved(link: re.Match[str]) -> str:
        path, anchor = link[1], link[2] or ""
        target = Path(os.path.normpath(file.parent / path))
        return f"]({os.path.relpath(_page_of(target), Path(page).parent)}{anchor})"

    source[0] = re.sub(r"\]\((?!\w+:)([^)\s#]+)(#[^)\s]*)?\)", moved, source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read_elsewhere)
