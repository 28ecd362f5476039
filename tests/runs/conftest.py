"""What the tests of runs share."""

import pytest

pytest.register_assert_rewrite("acting")

from acting import behave, busy, job  # noqa: E402

__all__ = ["behave", "busy", "job"]
