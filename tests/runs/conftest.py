"""What the tests of runs share."""

from acting import behave, busy, job

__all__ = ["behave", "busy", "job"]
