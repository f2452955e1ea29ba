"""What Sphinx builds the documentation by (`make docs`); nothing is fetched for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference_pages  # noqa: E402

from alphamine.version import __version__  # noqa: E402

reference_pages.write(HERE / "reference")

project = "alphamine"
release = version = __version__
copyright = "the alphamine authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "code"
myst_enable_extensions = ["attrs_block", "dollarmath"]
myst_heading_anchors = 3
# A generated page has an anchor for every operator, command and key.
suppress_warnings = ["myst.header"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
# Types in docstrings are words ("mapping of str to object") as often as names of classes.
nitpick_ignore_regex = [("py:.*", ".*")]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
# One line may document several attributes, which fields of variables cannot say.
napoleon_custom_sections = [("Attributes", "params_style")]
html_theme = "furo"
html_title = f"alphamine {release}"
html_static_path = []
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"


def setup(app: Any) -> None:
    """Docstrings are read at a prompt first: |x| is a number's size, not a substitution."""
    app.connect("autodoc-process-docstring", _keep_bars)


def _keep_bars(*given: Any) -> None:
    lines: list[str] = given[-1]
    # What stands between backticks is code, in which every sign means itself.
    lines[:] = [
        "`".join(part.replace("|", "\\|") if i % 2 == 0 else part for i, part in enumerate(parts))
        for parts in (line.split("`") for line in lines)
    ]
