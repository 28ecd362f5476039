"""Every word a person reads, by key: `t = catalogue("zh"); t("train.start")`.

One YAML file a language in `locales/`; a new file is a new language. English stands in for a key that a language lacks.
"""

import os
from functools import cache

import yaml

from studio import paths

ENGLISH = "en"


class Catalogue:
    """The words of one language. Calling it fills the `{placeholders}` of an entry."""

    def __init__(self, language: str, words: dict[str, str], fallback: "Catalogue | None" = None) -> None:
        self.language = language
        self.words = words
        self.fallback = fallback

    def __call__(self, key: str, **values: object) -> str:
        if key not in self.words:
            if self.fallback is None:
                raise KeyError(f"no words for {key!r} in locales/{self.language}.yaml")
            return self.fallback(key, **values)
        words = self.words[key]
        return words.format_map(values) if values else words

    def __contains__(self, key: str) -> bool:
        return key in self.words or (self.fallback is not None and key in self.fallback)


def languages() -> tuple[str, ...]:
    """The languages there are, English first."""
    found = sorted(file.stem for file in paths.resource("locales").glob("*.yaml"))
    return (ENGLISH, *(name for name in found if name != ENGLISH))


@cache
def catalogue(language: str = ENGLISH) -> Catalogue:
    """The words of `language` (a stem in `locales/`)."""
    file = paths.resource("locales") / f"{language}.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both safe; the first is ten times as fast
    words = _flatten(yaml.load(file.read_text("utf-8"), loader))  # noqa: S506
    return Catalogue(language, words, None if language == ENGLISH else catalogue(ENGLISH))


def preferred_language() -> str:
    """The language of the terminal: `STUDIO_LANG`, else the locale's, else English."""
    names = ("STUDIO_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    wanted = next((os.environ[name] for name in names if os.environ.get(name)), "")
    code = wanted.split("_")[0].split(".")[0].split("-")[0].lower()
    return code if code in languages() else ENGLISH


def _flatten(tree: dict, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{name}."))
        elif value is not None:
            flat[name] = str(value)
    return flat
