"""Files that are replaced in one step, so that a kill leaves the old one or the new one and never half of it."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int = 0o644, lasting: bool = True) -> None:
    """Write the content beside the file and rename it over it. Raises OSError; the old file then stays.

    With `lasting` the content is on the disk before the file has its name, so that also a power cut leaves no half.
    """
    # A name that nobody could have prepared: a link lying there would lead the writing elsewhere.
    descriptor, beside = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(beside, mode)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
