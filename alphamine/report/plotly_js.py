"""The plotting library that pages share: one file in a folder, which each names relatively.

So a folder of pages holds its 5 MB once, and goes on working wherever it is moved or copied to as
a whole. A page that is to be sent alone holds the library itself.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from alphamine.errors import AlphamineError


def library_text() -> str:
    """The library, which contains nothing that would end its script element early."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")


def put_beside(page: Path) -> str:
    """Write the library into a page's folder, which is made if need be, and give its name.

    The name has the version, as pages of another one may lie in the same folder.

    Raises
    ------
    AlphamineError
        If the file cannot be written.
    """
    from plotly.offline import get_plotlyjs_version

    path = page.parent / f"plotly-{get_plotlyjs_version()}.min.js"
    text = library_text().encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size == len(text):
            return path.name
        # Other processes may write their pages into the folder at the same time.
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".plotly-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
            raise
    except OSError as error:
        raise AlphamineError(
            f"cannot write the report to {page}, nor {path.name}, which draws its figures, beside "
            f"it: {error.strerror}"
        ) from None
    return path.name
