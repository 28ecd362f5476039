"""A full disk, in each of the ways in which libraries and system tell of it."""

import re

from studio.errors import FULL_DISK

_CUT_OFF = re.compile(r"\d+ requested and \d+ written")  # numpy's `tofile`, which drops the number


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full, or a file as large as it may be."""
    words = str(error)
    if getattr(error, "errno", None) in FULL_DISK or any(f"os error {code})" in words for code in FULL_DISK):
        return True
    return isinstance(error, OSError) and _CUT_OFF.fullmatch(words) is not None
