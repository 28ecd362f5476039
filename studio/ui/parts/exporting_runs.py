"""The exports there are: how far each is, and what came of it: files with their sums, verdicts, what to do next.

    screen = exporting_runs.place(t)
    on(t, button.click, start, …, screen)           # start() gives run_cards.show(run_id)
    app.get("/exported")(exporting_runs.download)   # a file of an export: /exported?run=ID&file=PATH

All of it follows from the run folders (`result.json`): every browser sees the same, also after a restart.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from starlette.responses import FileResponse, PlainTextResponse, Response

from studio import runs
from studio.errors import StudioError
from studio.runs import folder as files
from studio.text import Catalogue
from studio.ui.parts import contestants, run_cards
from studio.ui.parts import exporting_plan as plans
from studio.ui.parts.chosen import told
from studio.ui.parts.exporting_verdicts import verdicts
from studio.ui.parts.tool import Asked, text_of
from studio.ui.theme import script

ADDRESS = "../exported"  # from `/<language>/`
MOST_DOWNLOAD = 2 * 10**9
IN_HTML = ("runs", "runs_help", "no_runs", "offline")
IN_SCRIPT = (
    "stop", "now", "resume", "monitor", "elapsed", "files", "file", "bytes", "sum", "copy", "copied", "next",
    "download", "folder", "pushed", "sums_help",
)  # fmt: skip


def place(t: Catalogue) -> gr.HTML:
    """Put the exports on the page."""
    words = {key: escape(t(f"export.{key}")) for key in IN_HTML}
    return gr.HTML(
        html_template=script("exporting_runs.html").format(**words),
        js_on_load="\n".join(script(name) for name in (*run_cards.SCRIPTS, "exporting_runs.js")),
        css_template=script("tools.css"),
        server_functions=[told(t, one) for one in (listing, act)],
        words={key: t(f"export.{key}") for key in IN_SCRIPT},
        language=t.language,
        elem_id="exports",
        apply_default_css=False,
    )


def listing(t: Catalogue, asked: Asked) -> dict[str, Any] | None:
    """The latest exports in words; None if the browser's token says that it has them."""
    return run_cards.news(asked, [row(t, run) for run in run_cards.latest("export", text_of(asked, "named"))])


def row(t: Catalogue, run: runs.Run) -> dict[str, Any]:
    """One export as the panel shows it."""
    shown = run_cards.card(t, run)
    found = None if shown["active"] else result(t, run)  # one whose sending failed has been written all the same
    says = {"resume": t("export.send_again")} if found and shown["state"] != "finished" else {}
    return shown | {"about": about(t, run), "notices": run.notices(t), "result": found, "says": says}


def about(t: Catalogue, run: runs.Run) -> str:
    """The model, its adapters and the forms asked for."""
    try:
        job = run.job()
    except StudioError:
        return ""
    base = contestants.title_of(job.model_name_or_path or "", t)
    names = [base, *(Path(one).name for one in job.adapter_name_or_path)]
    return " + ".join(names) + " → " + ", ".join(t(f"export.form_{one}") for one in job.export_formats)


def result(t: Catalogue, run: runs.Run) -> dict[str, Any] | None:
    """What an export has left, in words; None where it wrote no result."""
    found = files.read_json(run.folder / files.RESULT)
    if not found or not found.get("export_dir"):
        return None
    written = files_of(found)
    return {
        "folder": str(found["export_dir"]),
        "files": [[one["path"], plans.gigabytes(one["bytes"]), str(one.get("sha256") or "")] for one in written],
        "total": plans.gigabytes(sum(one["bytes"] for one in written)),
        "downloads": [
            {"name": one["path"], "size": plans.gigabytes(one["bytes"]), "address": address(run, one["path"])}
            for one in written
            if one["path"].endswith(".zip") and one["bytes"] <= MOST_DOWNLOAD
        ],
        "verdicts": verdicts(t, found),
        "next": [str(one) for one in listed(found.get("next"))],
        "pushed": str(found.get("pushed") or ""),
        "facts": facts(t, found),
    }


def listed(value: object) -> list:
    """A list as a file gives it; anything else is an empty one."""
    return value if isinstance(value, list) else []


def files_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files that a result names, those of another form left out."""
    return [
        one
        for one in listed(found.get("files"))
        if isinstance(one, dict) and isinstance(one.get("path"), str) and isinstance(one.get("bytes"), int)
    ]


def facts(t: Catalogue, found: Mapping[str, Any]) -> str:
    """How long it took and how much memory."""
    seconds, peak = found.get("seconds"), found.get("peak_gib")
    parts = [t("export.took", seconds=f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}")] \
        if isinstance(seconds, int | float) else []  # fmt: skip
    parts += [t("export.peak", gib=f"{peak:.1f}")] if isinstance(peak, int | float) else []
    return " · ".join(parts)


def act(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """Do what a button asks."""
    return run_cards.act("export", asked)


# ---- files to take home ----------------------------------------------------------------------------------------------


def address(run: runs.Run, path: str) -> str:
    """Where the browser gets a file of an export."""
    return f"{ADDRESS}?run={quote(run.id)}&file={quote(path)}"


async def download(run: str = "", file: str = "") -> Response:
    """A file of an export; the page's guard stands before this as before everything."""
    path = exported(run, file)
    return FileResponse(path, filename=path.name) if path else PlainTextResponse("no such file", 404)


def exported(run_id: str, name: str) -> Path | None:
    """The file that an export names in its result; None for any other, and for one that leads out of its folder."""
    try:
        run = runs.find(run_id)
    except StudioError:
        return None
    found = (files.read_json(run.folder / files.RESULT) or {}) if run.kind == "export" else {}
    if not found.get("export_dir") or name not in {one["path"] for one in files_of(found)}:
        return None
    folder = Path(str(found["export_dir"])).resolve()
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None
