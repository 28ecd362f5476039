"""Where things are: what ships with the studio, and what it writes.

A checkout keeps `locales/`, `presets/` and `data/` beside the package; a wheel carries them in `studio/share/`.
Everything the studio writes lives below `home()`; nothing here creates a folder.
"""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "launch.py").is_file() else None


def resource(name: str) -> Path:
    """The shipped folder `name` (`locales`, `presets` or `data`)."""
    return (CHECKOUT or PACKAGE / "share") / name


def home() -> Path:
    """`$STUDIO_HOME`, else the checkout, else (installed as a wheel) the current directory."""
    chosen = os.environ.get("STUDIO_HOME")
    return Path(chosen).expanduser().resolve() if chosen else (CHECKOUT or Path.cwd())


def saves() -> Path:
    """The root of all runs; a run's id is its path below it."""
    return home() / "saves"


def output(written: str | Path) -> Path:
    """The folder that an `output_dir` means: a relative one counts from the current folder, `saves/…` from `home()`."""
    path = Path(written).expanduser()
    return Path(os.path.abspath((home() if path.parts[:1] == ("saves",) else Path.cwd()) / path))


def data() -> Path:
    """The user's own registry of data sets; in a checkout without `STUDIO_HOME` it is the shipped one."""
    return home() / "data"


def cache() -> Path:
    """What can be made again: the starter model, encoded rows, downloads in progress."""
    return home() / "cache"
