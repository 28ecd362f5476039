"""Text-to-SQL: a folder of SQLite databases and a file of questions become conversations (`studio.data.sql`)."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from studio import paths
from studio.data.making import free_name
from studio.data.source import Source
from studio.data.sql import databases, making, packed, questions
from studio.errors import StudioError
from studio.text import Catalogue
from studio.ui import errands, uploads
from studio.ui.parts import tool
from studio.ui.parts.generated import reason
from studio.ui.parts.tool import Asked, Words, Work, text_of, whole_of

MOST_CHARS = 20_000
NUM_SHOWN = 10  # numbers of entries, names of databases
IN_HTML = (
    "title", "help", "folder", "folder_help", "questions", "questions_help", "prompt", "prompt_help", "preview",
    "entry", "new_name", "split", "split_help", "by", "by_database", "by_row", "check_sql", "skip_missing", "make",
    "usual_prompt", "drop", "choose",
)  # fmt: skip
IN_SCRIPT = ("found", "user", "assistant", "system", "uploading", "upload_failed")
LISTS = packed.LISTS
KINDS = (*databases.KINDS, *LISTS, packed.ZIP)


def place(t: Catalogue, _blocks: gr.Blocks) -> gr.HTML:
    """Put the tool on the page."""
    works = {"make": Work(begin, show, of_set=False)}
    return tool.place(t, "text_to_sql", Words(IN_HTML, IN_SCRIPT), works, [usual, preview, take])


def usual(t: Catalogue, _: Asked) -> dict[str, str]:
    """The prompt around the schema where none is written."""
    return {"prompt": making.PROMPTS.get(t.language, making.PROMPTS["en"])}


def preview(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """What is there, and one conversation as it would be made. Raises StudioError as the making does."""
    folder, file = places(asked)
    number = max(1, whole_of(asked, "number", 1))
    entries = questions.read(file)
    row = making.preview(folder, file, wanted_of(asked), number)
    turns = [{"role": "system", "text": row["system"]}]
    turns += [{"role": "user" if turn["from"] == "human" else "assistant", "text": turn["value"]}
              for turn in row["conversations"]]  # fmt: skip
    return {
        "databases": len(databases.find(folder)),
        "entries": len(entries),
        "number": min(number, len(entries)),
        "database": row["db_id"],
        "turns": [turn | {"text": turn["text"][:MOST_CHARS]} for turn in turns],
        "new_name": free_name(f"{file.stem}_sql"),
    }


def take(_t: Catalogue, asked: Asked) -> dict[str, str]:
    """Keep uploaded databases and questions together below `paths.data()`, a zip of them unpacked; where they are now.

    They join the folder named before if that was made here. Raises StudioError for a file that is none of these.
    """
    keys = [key for key in asked.get("uploads") or () if isinstance(key, str)]
    folder, listed = None, ""
    try:
        files = [uploads.path_of(key) for key in keys]
        for file in files:
            if file.suffix.lower() not in KINDS:
                raise StudioError("text_to_sql_kind", file=file.name, known=", ".join(KINDS))
        folder = kept_folder(text_of(asked, "folder"))
        for file in sorted(files, key=lambda one: one.suffix.lower() != packed.ZIP):  # a list of one's own goes before
            place = folder / file.name
            if place.suffix.lower() == packed.ZIP:
                place = unpacked(file, folder)
                listed = questions_in(place) or listed
            else:
                shutil.move(file, place)
                listed = str(place) if place.suffix.lower() in LISTS else listed
    except OSError as error:
        raise StudioError("upload_failed", why=error.strerror or error) from error
    finally:
        for key in keys:
            uploads.discard(key)
        if folder is not None:
            with suppress(OSError):
                folder.rmdir()  # where nothing came of it
    return {"folder": str(folder)} | ({"questions": listed} if listed else {})


def unpacked(file: Path, folder: Path) -> Path:
    """The databases of a zip in a folder of their own below `folder`."""
    number, place = 1, folder / file.stem
    while place.exists():
        number += 1
        place = folder / f"{file.stem}-{number}"
    packed.unpack(file, place)
    return place


def questions_in(folder: Path) -> str:
    """The list of questions that came with databases, empty if none did: those to develop with before all others."""
    lists = (file for file in folder.rglob("*") if file.suffix.lower() in LISTS)
    for file in sorted(lists, key=lambda one: (not one.name.startswith("dev"), len(one.parts), one.name)):
        with suppress(StudioError):
            questions.read(file)
            return str(file)
    return ""


def kept_folder(named: str) -> Path:
    """The folder that uploads go to: the one named if it is one of ours, else a new one."""
    root = paths.data() / "databases"
    if named and Path(named).parent == root and Path(named).is_dir():
        return Path(named)
    number = 1
    while (root / str(number)).exists():
        number += 1
    (root / str(number)).mkdir(parents=True)
    return root / str(number)


def begin(_: Source | None, asked: Asked) -> errands.Work:
    """Make the set, or its parts."""
    folder, file = places(asked)
    name, wanted = text_of(asked, "new_name") or free_name(f"{file.stem}_sql"), wanted_of(asked)
    return lambda tell: making.make(folder, file, name, wanted, tell)


def places(asked: Asked) -> tuple[Path, Path]:
    """Where the databases and the questions are. Raises StudioError where a path is not given."""
    for key in ("folder", "questions"):
        if not text_of(asked, key):
            raise StudioError(f"text_to_sql_no_{key}")
    return Path(text_of(asked, "folder")).expanduser(), Path(text_of(asked, "questions")).expanduser()


def wanted_of(asked: Asked) -> making.Wanted:
    """How the rows are to be; an empty prompt is the studio's own, in the language of the page."""
    language = text_of(asked, "language")
    return making.Wanted(
        prompt=text_of(asked, "prompt")[:MOST_CHARS] or making.PROMPTS.get(language, making.PROMPTS["en"]),
        check_sql=asked.get("check_sql") is True,
        skip_missing=asked.get("skip_missing") is True,
        split=text_of(asked, "split") or None,
        by=text_of(asked, "by") or "database",
    )


def show(t: Catalogue, errand: errands.Errand) -> dict[str, Any]:
    """What was made, what was left out and why, and whether parts share databases."""
    report: making.Report = errand.result
    rows = ", ".join(t("dataset.making.made_rows", name=one.name, count=f"{one.num_rows:,}") for one in report.made)
    text = t("dataset.text_to_sql.made", rows=rows, turns=f"{report.num_turns:,}")
    return {"text": text, "names": [one.name for one in report.made], "notes": notes(t, report)}


def notes(t: Catalogue, report: making.Report) -> list[str]:
    """Entries left out by reason with the first numbers and what there is to say; databases in several parts."""
    found = []
    for code, numbers in report.left_out.items():
        shown = ", ".join(map(str, numbers[:NUM_SHOWN])) + (", …" if len(numbers) > NUM_SHOWN else "")
        said = report.details.get(numbers[0], "")
        words = {"count": len(numbers), "reason": reason(t, code), "numbers": shown}
        found.append(t("dataset.text_to_sql.left_out", **words) + (f" {said}" if said else ""))
    if report.num_over:
        found.append(t("asking.sql_over", count=f"{report.num_over:,}"))
    if report.shared:
        names = ", ".join(sorted(report.shared)[:NUM_SHOWN])
        found.append(t("dataset.text_to_sql.shared", count=len(report.shared), names=names))
    elif len(report.parts) > 1:
        found.append(t("dataset.text_to_sql.apart"))
    return found
