"""Adding a data set: a file that is dropped, a path on this machine, a set of a hub.

The format is detected and the columns are guessed (`studio.data.making`); both can be changed, and what that does to
the first rows is shown at once. Nothing is written before the visitor says so.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr

from studio import paths
from studio.data import asking, register, registry
from studio.data.asking import hubs
from studio.data.making import adding
from studio.data.problem import Problem
from studio.data.source import FORMATS, Tags
from studio.errors import StudioError
from studio.text import Catalogue
from studio.ui import uploads
from studio.ui.parts import contestants, row_view, tool

HUBS = ("hf", "ms")
SEARCHED = {"hf": hubs.HUGGINGFACE, "ms": hubs.MODELSCOPE}
NUM_HITS = 20
COLUMNS = {
    "alpaca": ("prompt", "query", "response", "history", "system", "tools", "chosen", "rejected", "kto_tag", "images",
               "videos", "audios"),
    "sharegpt": ("messages", "system", "tools", "chosen", "rejected", "kto_tag", "images", "videos", "audios"),
}  # fmt: skip
TAGS = tuple(field.name for field in fields(Tags))
NUM_ROWS = 3
CHOSEN = ("formatting", "columns", "tags", "ranking")  # of an entry, what the dialog decides
WORDS = tool.Words(
    in_html=(
        "title", "drop", "choose", "or_path", "path_help", "look", "hub", "hub_help", "hf", "ms", "find",
        "ask", "ask_help", "ask_server", "ask_other", "ask_base", "ask_model", "ask_key", "ask_do", "name",
        "format", "columns", "columns_help", "roles", "roles_help", "preview", "cancel",
    ),
    in_script=(
        "dialog", "add", "change", "keep", "uploading", "upload_stopped", "upload_failed", "one_file", "no_column",
        "no_rows_yet", "row", "rows_wrong",
        "rows_fine", "no_hits", "searching", "asking", "downloads", "user", "assistant", "system", "tool",
        "text", "rejected",
        *(f"column_{name}" for name in dict.fromkeys([*COLUMNS["alpaca"], *COLUMNS["sharegpt"]])),
        *(f"tag_{name}" for name in TAGS),
    ),
)  # fmt: skip


def place(t: Catalogue) -> gr.HTML:
    """Put the ways of adding on the page, and the dialog that a found set is mapped in."""
    return tool.place(t, "adding", WORDS, {}, [propose, preview, add, discard, find, askable, suggest])


def propose(t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """How what was named would be entered. Raises StudioError for what cannot be read."""
    found = proposal_of(asked)
    formatting = found.entry.get("formatting", "alpaca")
    slots = {key: COLUMNS["alpaca" if key == "alpaca" else "sharegpt"] for key in FORMATS}
    columns = columns_of(found, slots[formatting])
    return {
        "name": found.name,
        "formatting": formatting,
        "columns": columns,
        "tags": found.entry.get("tags") or {},
        "found": list(dict.fromkeys([*found.columns, *filter(None, columns.values())])) if found.columns else [],
        "problem": problem_of(t, found),
        "hub": hub_of(asked),
        "slots": {key: list(names) for key, names in slots.items()},
        "usual_tags": {key: vars(Tags.of_openai() if key == "openai" else Tags()) for key in FORMATS},
    }


def columns_of(found: adding.Proposal, slots: tuple[str, ...]) -> dict[str, str]:
    """The columns as the entry reads them, those too that only later rows may have; none for a hub's set that names
    none. Where they could not be guessed, those that have the usual names."""
    given = found.entry.get("columns")
    if given is not None or not found.columns:
        return given or {}
    usual = vars(registry.parse_entry(found.name, found.entry, paths.data()).columns)
    return {key: usual[key] for key in slots if usual[key] and (found.problem is None or usual[key] in found.columns)}


def preview(t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The first rows as they would be read with the columns chosen, and how many of them cannot be used."""
    if hub_of(asked):
        return {"rows": []}
    entry = entry_of(proposal_of(asked), asked)
    rows = []
    for number, raw, row in adding.preview(entry, NUM_ROWS):
        if isinstance(row, Problem):
            rows.append({"number": number, "problem": row.text(t), "raw": row_view.raw_text(raw)[:1500]})
        else:
            rows.append({"number": number, "turns": row_view.turns(row), "tools": len(row.tools)})
    return {"rows": rows}


def add(_t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Enter the set, or change its entry; an upload moves to the data folder."""
    found = proposal_of(asked)
    entry = entry_of(found, asked)
    if asked.get("known"):
        return {"name": register.register(found.name, entry, replace=True).name}
    name = tool.text_of(asked, "as") or found.name
    if not asked.get("upload"):
        return {"name": adding.add(found.where, name, entry, hub_of(asked) or None).name}
    upload = Path(found.where)
    register.check_name(name, taken=True)
    kept = adding.keep_upload(upload, upload.name)
    try:
        added = adding.add(kept, name, entry | {"file_name": adding.propose(kept).entry["file_name"]})
    except StudioError:
        kept.unlink(missing_ok=True)
        raise
    uploads.discard(asked["upload"])
    return {"name": added.name}


def discard(_t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Throw an upload away that is not wanted after all."""
    uploads.discard(asked.get("upload"))
    return {}


def find(_t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a hub finds for some words. Raises StudioError where it cannot be asked."""
    found = hubs.search(tool.text_of(asked, "where")[:200], SEARCHED[hub_of(asked) or "hf"], limit=NUM_HITS)
    return {"hits": [{"id": one.id, "downloads": one.downloads, "about": one.about[:160]} for one in found]}


def askable(t: Catalogue, _asked: Mapping[str, Any]) -> dict[str, Any]:
    """The servers of our own that answer now."""
    named = {run.id: contestants.title_of(contestants.base_of(run.folder), t) for run in contestants.servers()}
    return {"servers": [{"id": run_id, "title": title} for run_id, title in named.items()]}


def suggest(_t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The columns as an endpoint would map them. Raises StudioError where it gives no mapping that fits."""
    if asked.get("server"):
        endpoint = contestants.server(str(asked["server"]))[1]
        asker = asking.connect(f"{endpoint.url}/v1", None, endpoint.key, **asking.PATIENCE)
    else:
        base, model, key = (tool.text_of(asked, name) for name in ("base", "model", "key"))
        asker = asking.connect(base, model or None, key, **asking.PATIENCE)
    found = proposal_of(asked)
    raws = [raw for _, raw, _ in adding.preview(found.entry, NUM_ROWS)]
    entry = asking.suggest_columns(raws, asker)
    return {"formatting": entry["formatting"], "columns": entry["columns"], "tags": entry.get("tags") or {}}


def problem_of(t: Catalogue, found: adding.Proposal) -> str:
    """Why the columns could not be guessed; where they are only unknown, they are chosen in the dialog."""
    if found.problem and found.problem.key == "data_columns_unknown":
        return t("dataset.adding.choose_columns", columns=", ".join(found.columns))
    return found.problem.text(t) if found.problem else ""


def hub_of(asked: Mapping[str, Any]) -> str:
    """The hub that is meant, if one is."""
    return str(asked["hub"]) if asked.get("hub") in HUBS else ""


def proposal_of(asked: Mapping[str, Any]) -> adding.Proposal:
    """What was dropped or typed, as it would be entered; of a set that is known, as it is."""
    if asked.get("upload"):
        return adding.propose(uploads.path_of(asked["upload"]))
    if asked.get("known"):
        return adding.known(str(asked["known"]))
    where = tool.text_of(asked, "where")
    hub = hub_of(asked)
    if not hub and not registry.path_of(where)[1]:
        raise StudioError("adding_no_path", path=where[:200])
    return adding.propose(where, hub or None)


def entry_of(found: adding.Proposal, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with the format, columns and names of roles that the browser chose."""
    formatting = asked.get("formatting")
    if formatting not in FORMATS:
        return found.entry
    entry = {key: value for key, value in found.entry.items() if key not in CHOSEN}
    slots = COLUMNS["alpaca" if formatting == "alpaca" else "sharegpt"]
    columns = chosen_names(asked.get("columns"), slots)
    entry |= {"formatting": formatting} if formatting != "alpaca" else {}
    entry |= {"columns": columns} if columns else {}
    entry |= {"ranking": True} if {"chosen", "rejected"} <= columns.keys() else {}
    usual = Tags.of_openai() if formatting == "openai" else Tags()
    tags = {**vars(usual), **chosen_names(asked.get("tags"), TAGS)}
    if formatting != "alpaca" and tags != vars(Tags()):
        entry |= {"tags": {key: value for key, value in tags.items() if value}}
    return entry


def chosen_names(given: object, known: tuple[str, ...]) -> dict[str, str]:
    """Names that are not empty, for keys that there are."""
    named = given if isinstance(given, dict) else {}
    return {key: str(named[key])[:200] for key in known if named.get(key)}
