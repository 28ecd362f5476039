"""The two kinds of error.

    Exception
    ├── StudioError      the user can act on it: shown as a sentence that says what, where and what to do
    │   └── ConfigError  (studio.config) one or more problems, each at its key
    └── anything else    a bug: shown with its traceback
"""

from studio import text


class StudioError(Exception):
    """An error with a next step. `key` names its words under `errors:` in `locales/`, `values` fill them."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def text(self, t: "text.Catalogue") -> str:
        """The sentence in the catalogue's language."""
        return t(f"errors.{self.key}", **self.values)

    def __str__(self) -> str:
        return self.text(text.catalogue("en"))
