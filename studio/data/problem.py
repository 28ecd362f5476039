"""Why one row cannot be used. Raised inside the room, given back as a value at its doors, counted in the report."""

from studio.text import Catalogue


class Problem(Exception):
    """A code, whose words are `errors.row_<code>`, and the values that fill them."""

    def __init__(self, code: str, values: dict | None = None) -> None:
        super().__init__(code, values)
        self.code = code
        self.values = values or {}

    def text(self, t: Catalogue) -> str:
        return t(f"errors.row_{self.code}", **self.values)
