"""The list of runs: the newest first, one click opens one in the monitor."""

import hashlib
import json
import time
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio import runs
from studio.text import Catalogue, catalogue
from studio.ui.parts import summary
from studio.ui.theme import script

SHOWN = 30
SHARED_S = 0.5
TEMPLATE = """
<section aria-label="{title}">
  <h2 class="list-title">{title}</h2>
  <p class="quiet" data-part="none" hidden>{none}</p>
  <ul class="runs" data-part="list"></ul>
</section>
"""


def place(t: Catalogue) -> gr.HTML:
    """Put the list on the page; it keeps itself up to date."""

    def listing(token: str) -> dict | None:
        return news(t, str(token))

    words = {key: escape(t(f"run_list.{key}")) for key in ("title", "none")}
    return gr.HTML(
        html_template=TEMPLATE.format(**words),
        js_on_load=script("run_list.js"),
        server_functions=[listing],
        elem_id="run-list",
        apply_default_css=False,
    )


def news(t: Catalogue, token: str) -> dict[str, Any] | None:
    """The newest runs, or None if the browser's token says that it has them."""
    now, rows = rows_of(t.language, int(time.monotonic() / SHARED_S))
    return None if now == token else {"token": now, "rows": rows}


@lru_cache(maxsize=8)
def rows_of(language: str, _moment: int) -> tuple[str, list[dict[str, Any]]]:
    """A token and the rows of the newest runs, made once a moment for all browsers."""
    t = catalogue(language)
    rows = [row(t, one) for one in runs.listing()[:SHOWN]]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12], rows


def row(t: Catalogue, found: runs.Summary) -> dict[str, Any]:
    """One run as the list shows it."""
    alive = found.state in ("running", "stopping") and found.step is not None and found.total_steps
    return {
        "id": found.id,
        "name": Path(found.folder).name,
        "state": found.state,
        "word": t(f"states.{found.state}"),
        "about": summary.about(t, Path(found.folder), found.kind, found.started or found.ended or 0.0),
        "fraction": found.step / found.total_steps if alive else None,
    }
