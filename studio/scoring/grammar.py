"""Answers that follow an agreed form, split into named fields: a small grammar of separators, written as YAML.

    split: "。"                  # where the text falls into parts; several separators may stand in a list
    fields:                      # a name for each part, in order
      - name: output_1
        split: "；"              # a list of texts
      - name: output_2
        split: "；"
        required: false          # the part may be missing; the field is an empty list then
    widths: either               # half-width separators (; , .) do for full-width ones, and the other way
    trim: true                   # space around each piece is dropped, empty pieces too

A field without `split` is a text; one with it, a list of texts; one that has `fields` as well, a list of objects, each
piece split on by `inner`. What a separator does not name stays as it is: commas in a piece are kept.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from studio.errors import StudioError
from studio.runs import folder as run_files
from studio.scoring import predictions

POSTPROCESSED = "predict_postprocessed.json"
SHIPPED = Path(__file__).parent / "grammars"
WIDTHS = {"；": ";", "，": ",", "。": ".", "：": ":", "！": "!", "？": "?", "、": ",", "｜": "|", "（": "(", "）": ")"}
KEYS = {"split", "fields", "widths", "trim"}
FIELD_KEYS = {"name", "split", "required", "inner", "fields"}
MISSING, EXTRA = "missing", "extra"
LINE_KEYS = {"prompt", "predict", "label", "row", "dataset", "turn", "system", "question", "thought", "cut", "others",
             "broken"}  # of a line of predictions


@dataclass(frozen=True)
class Field:
    """One named part. `cut`: where it falls into pieces, None for a text; `inner` cuts a piece into `fields`."""

    name: str
    cut: re.Pattern | None = None
    required: bool = True
    inner: re.Pattern | None = None
    fields: tuple["Field", ...] = ()


@dataclass(frozen=True)
class Grammar:
    """How an answer is split. `cut` is None where it is one part."""

    cut: re.Pattern | None
    fields: tuple[Field, ...]
    trim: bool = True


@dataclass(frozen=True)
class Written:
    """The file of fields, how many answers it holds, and how many of them do not follow the grammar."""

    path: Path
    count: int
    odd: int


def parse(text: str) -> Grammar:
    """The grammar that a YAML text describes. Raises StudioError that says what is wrong, and where."""
    try:
        return _parsed(yaml.safe_load(text))
    except RecursionError:  # too deep, or an alias that holds itself
        raise _wrong("–", "fields stand in fields without end") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "–"
        raise _wrong(where, getattr(error, "problem", None) or error) from None


def _parsed(found: Any) -> Grammar:
    if not isinstance(found, dict):
        raise _wrong("–", "a mapping with `split` and `fields` is wanted")
    _check_keys(found, KEYS, "–")
    widths = found.get("widths", "exact")
    if widths not in ("exact", "either"):
        raise _wrong("widths", "`exact` or `either`")
    trim = found.get("trim", True)
    if not isinstance(trim, bool):
        raise _wrong("trim", "true or false")
    either = widths == "either"
    fields = _fields(found.get("fields"), either, "fields")
    taken = next((field.name for field in fields if field.name in LINE_KEYS), None)
    if taken:
        raise _wrong("fields", f"`{taken}` is what each row has anyway; give the field another name")
    return Grammar(_pattern(found.get("split"), either, "split"), fields, trim)


def load(written: str) -> Grammar:
    """The grammar of a YAML text, of the file at a path, or of a shipped one by its name (`actions`)."""
    text = written.strip()
    if "\n" not in text and ":" not in text.replace(":\\", ""):
        files = (Path(text).expanduser(), SHIPPED / f"{text}.yaml")
        file = next((file for file in files if os.path.isfile(file)), None)  # False for what no file can be called
        if file is None:
            raise StudioError("grammar_missing", path=text, known=", ".join(shipped()))
        try:
            written = file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise _wrong(file, error) from None
    return parse(written)


def shipped() -> list[str]:
    """The names of the grammars that come along."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def split(grammar: Grammar, text: str) -> dict[str, Any]:
    """The fields of one answer. What does not fit stands beside them: `missing`: names of parts that are not there,
    `extra`: parts that have no name."""
    return _split(grammar.cut, grammar.fields, text, grammar.trim)


def postprocess(folder: Path, grammar: Grammar) -> Written:
    """Split all predictions of a folder into `predict_postprocessed.json`: a list of
    `{"prompt", "predict", "label", <fields of the prediction>, …other columns}`. Columns whose name is taken stand
    in `others`.

    Raises StudioError where the folder has no predictions.
    """
    found = predictions.read(folder)
    file = (folder if folder.is_dir() else folder.parent) / POSTPROCESSED
    lines = [(line, split(grammar, line["predict"])) for line in found.lines() if not line.get("broken")]
    rows = [_row(line, fields) for line, fields in lines]
    run_files.write_text_atomic(file, json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
    return Written(file, len(rows), sum(_is_odd(fields) for _, fields in lines))


def _is_odd(found: Any) -> bool:
    """Whether something is missing or too much, in fields of fields too."""
    if isinstance(found, dict):
        return MISSING in found or EXTRA in found or any(map(_is_odd, found.values()))
    return isinstance(found, list) and any(map(_is_odd, found))


def _row(line: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    others = line.get("others") if isinstance(line.get("others"), dict) else {}
    kept = {key: value for key, value in line.items() if key not in ("place", "others")}
    kept |= fields
    hidden = {key: value for key, value in others.items() if key in kept}
    return others | kept | ({"others": hidden} if hidden else {})


def _split(cut: re.Pattern | None, fields: Sequence[Field], text: str, trim: bool) -> dict[str, Any]:
    parts = _pieces(cut, text, trim, len(fields))
    found, missing = {}, []
    for place, field in enumerate(fields):
        part = parts[place] if place < len(parts) else ""
        if not part.strip() and field.required:
            missing.append(field.name)
        found[field.name] = _value(field, part, trim)
    extra = parts[len(fields) :]
    return found | ({MISSING: missing} if missing else {}) | ({EXTRA: extra} if extra else {})


def _value(field: Field, part: str, trim: bool) -> Any:
    if field.cut is None:
        return part
    pieces = [piece for piece in _pieces(field.cut, part, trim) if piece]
    if not field.fields:
        return pieces
    return [_split(field.inner, field.fields, piece, trim) for piece in pieces]


def _pieces(cut: re.Pattern | None, text: str, trim: bool, num_named: int = 0) -> list[str]:
    """The pieces; a separator at the end opens no part without a name."""
    pieces = cut.split(text) if cut else [text]
    pieces = [piece.strip() for piece in pieces] if trim else pieces
    while len(pieces) > max(1, num_named) and not pieces[-1].strip():
        pieces.pop()
    return pieces


def _fields(found: Any, either: bool, where: str) -> tuple[Field, ...]:
    if not isinstance(found, list) or not found:
        raise _wrong(where, "a list of fields is wanted, each with a `name`")
    fields = tuple(_field(item, either, f"{where}[{place}]") for place, item in enumerate(found, 1))
    names = [field.name for field in fields]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise _wrong(where, f"{twice} stands there twice")
    return fields


def _field(item: Any, either: bool, where: str) -> Field:
    item = {"name": item} if isinstance(item, str) else item
    if not isinstance(item, dict):
        raise _wrong(where, "a name, or a mapping with `name`")
    _check_keys(item, FIELD_KEYS, where)
    name = item.get("name")
    if not isinstance(name, str) or not name or name in (MISSING, EXTRA):
        raise _wrong(where, f"`name` has to be a text other than {MISSING} and {EXTRA}")
    if not isinstance(item.get("required", True), bool):
        raise _wrong(where, "`required` is true or false")
    cut, inner = (_pattern(item.get(key), either, f"{where}.{key}") for key in ("split", "inner"))
    nested = _fields(item["fields"], either, f"{where}.fields") if "fields" in item else ()
    if bool(nested) != bool(inner) or (nested and not cut):
        raise _wrong(where, "`fields` in a field want `split` and `inner` beside them")
    return Field(name, cut, item.get("required", True), inner, nested)


def _pattern(found: Any, either: bool, where: str) -> re.Pattern | None:
    """What matches one of the separators, the longest first."""
    if found is None:
        return None
    marks = found if isinstance(found, list) else [found]
    if not marks or not all(isinstance(mark, str) and mark for mark in marks):
        raise _wrong(where, "a separator, or a list of them; quote it")
    if either:
        marks = [form for mark in marks for form in _forms(mark)]
    return re.compile("|".join(re.escape(mark) for mark in sorted(set(marks), key=len, reverse=True)))


def _forms(mark: str) -> list[str]:
    """The separator as it stands, in half width and in full width."""
    half = "".join(WIDTHS.get(letter, letter) for letter in mark)
    full = "".join(next((wide for wide, narrow in WIDTHS.items() if narrow == letter), letter) for letter in half)
    return [mark, half, full]


def _check_keys(found: Mapping, known: set[str], where: str) -> None:
    strange = [str(key) for key in found if key not in known]
    if strange:
        raise _wrong(where, f"{', '.join(strange)} is not known; {', '.join(sorted(known))} are")


def _wrong(where: object, why: object) -> StudioError:
    return StudioError("grammar_wrong", where=where, why=why)
