"""What the tools of the Dataset tab have in common: the chosen set, their errands by name, their frame on the page.

A tool is a `gr.HTML` whose script stands behind `assets/tools.js`. The set it works on is the one the tab has chosen;
the browser names it with each call and it is looked up (`chosen.source_of`). Contents of files reach the browser as
text alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from studio.data import reading
from studio.data.source import Source
from studio.errors import StudioError
from studio.text import Catalogue
from studio.ui import errands
from studio.ui.parts.chosen import USUAL_DIR, source_of, told
from studio.ui.theme import plotly_address, script

COMMON = ("offline", "none_chosen", "stop", "progress")
WHERE = ("name", "dataset_dir")
SAID = ("waiting", "working", "stopping", "stopped", "cancel")
SCRIPTS = {"lengths": ("plots.js", "tools.js"), "generated": ("tools.js", "run_cards.js")}  # before its own
ERRAND = """
<div class="tool-errand" data-errand="{name}">
  <div data-part="at-work" hidden>
    <div class="bar unknown" data-part="bar" role="progressbar" aria-label="{progress}" aria-valuemin="0"
      aria-valuemax="100"><i></i></div>
    <p class="mon-line"><span data-part="phase" role="status"></span>
      <button type="button" class="small-button danger" data-part="stop">{stop}</button></p>
  </div>
  <p class="note" data-part="failed" role="alert" hidden></p>
  <p class="strip" data-part="ended" role="status" hidden></p>
</div>
"""

Asked = Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """One kind of errand: `begin(source, asked)` checks what was asked and gives the work, `show(t, errand)` is what
    the browser gets of its result. Without `of_set` the source is None: it works on no set that there is.
    """

    begin: Callable[[Source | None, Asked], errands.Work]
    show: Callable[[Catalogue, errands.Errand], dict[str, Any]]
    of_set: bool = True


@dataclass(frozen=True)
class Words:
    """The words of a tool: `dataset.<tool>.<key>` for its HTML and for its script."""

    in_html: Sequence[str]
    in_script: Sequence[str]


def place(t: Catalogue, name: str, words: Words, works: Mapping[str, Work], functions: Sequence[Callable]) -> gr.HTML:
    """Put the tool `name` on the page: `assets/<name>.html`, where `{errand_<work>}` shows how far a work is."""
    common = {key: escape(t(f"dataset.tools.{key}")) for key in COMMON}
    places = {f"errand_{work}": ERRAND.format(name=work, **common) for work in works}
    in_html = {key: escape(t(f"dataset.{name}.{key}")) for key in words.in_html}
    said = {key: t(f"dataset.tools.{key}") for key in SAID}
    said |= {key: t(f"dataset.{name}.{key}") for key in words.in_script}
    return gr.HTML(
        html_template=script(f"{name}.html").format(**common, **places, **in_html),
        js_on_load="\n".join(script(file) for file in (*SCRIPTS.get(name, ("tools.js",)), f"{name}.js")),
        css_template=script("tools.css"),
        server_functions=[*_errand_functions(t, name, works), *(told(t, one) for one in functions)],
        words=said,
        language=t.language,
        plotly=plotly_address(),
        elem_id=name.replace("_", "-"),
        apply_default_css=False,
    )


def text_of(asked: Asked, key: str) -> str:
    """A text that the browser sent, without spaces around it; empty if it is none."""
    value = asked.get(key)
    return value.strip() if isinstance(value, str) else ""


def whole_of(asked: Asked, key: str, default: int = 0) -> int:
    """A whole number that the browser sent."""
    value = asked.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def stamp_of(source: Source) -> object:
    """The state of a set's files: another one when they were written to. None where they are not there."""
    try:
        stats = [(str(file), file.stat()) for file in reading.files_of(source)]
        return [(name, stat.st_mtime_ns, stat.st_size) for name, stat in stats]
    except (StudioError, OSError):
        return None


def _errand_functions(t: Catalogue, tool: str, works: Mapping[str, Work]) -> list[Callable]:
    def key_of(asked: Asked) -> tuple[Work, errands.Key]:
        name = text_of(asked, "errand")
        if name not in works:
            raise StudioError("tool_unknown", name=name[:80])
        of = f"{text_of(asked, 'dataset_dir') or USUAL_DIR}\n{text_of(asked, 'name')}" if works[name].of_set else tool
        return works[name], (f"{tool}.{name}", of)

    def begin(_: Catalogue, asked: Asked) -> dict:
        work, key = key_of(asked)
        order = {name: value for name, value in asked.items() if name not in WHERE}  # those are the key
        errands.begin(key, work.begin(source_of(asked) if work.of_set else None, asked), order)
        return {}

    def news(t: Catalogue, asked: Asked) -> dict | None:
        work, key = key_of(asked)
        return errands.state(t, key, asked.get("token"), lambda errand: work.show(t, errand))

    def stop(_: Catalogue, asked: Asked) -> dict:
        errands.stop(key_of(asked)[1])
        return {}

    return [told(t, one) for one in (begin, news, stop)] if works else []
