"""Files that others read while prober writes them: replaced in one step, and on the disk when the step is done."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write the content beside the file and rename it over it, mode 0644. Raises OSError; the old file then stays."""
    # A name that nobody could have prepared: a link lying there would lead the writing elsewhere.
    descriptor, beside = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
