"""The two kinds of error.

    Exception
    ├── StudioError      the user can act on it: shown as a sentence that says what, where and what to do
    │   └── ConfigError  (studio.config) one or more problems, each at its key
    └── anything else    a bug: shown with its traceback
"""

import errno

from studio import text

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # codes of the system: there is no room, or none for this user


class StudioError(Exception):
    """An error with a next step. `key` names its words under `errors:` in `locales/`, `values` fill them.

    A value may be a StudioError again: what another one of us said.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def text(self, t: "text.Catalogue") -> str:
        """The sentence in the catalogue's language."""
        told = {name: it.text(t) if isinstance(it, StudioError) else it for name, it in self.values.items()}
        return t(f"errors.{self.key}", **told)

    def __str__(self) -> str:
        return self.text(text.catalogue("en"))
