"""What the parts of the Evaluate tab have in common: their frame on the page, and the runs that a browser names.

A part is a `gr.HTML` of `assets/evaluating_<name>.html` and `.js`; its script stands behind `assets/tools.js` and
`assets/evaluating.js`. Contents of files reach the browser as text alone, ids of runs are looked up.
"""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio import runs
from studio.errors import StudioError
from studio.text import Catalogue
from studio.ui.parts.chosen import told
from studio.ui.parts.tool import SAID, Asked, Words
from studio.ui.theme import script

MOST_RUNS = 8
PREDICTIONS, BENCHMARK = "generated_predictions.jsonl", "benchmark_results.json"
RESULTS = "predict_results.json"
SCRIPTS = {"runs": ("run_cards.js",)}  # before its own
SHEETS = ("tools.css", "evaluating.css")


def place(t: Catalogue, name: str, words: Words, functions: Sequence[Callable]) -> gr.HTML:
    """Put the part `name` on the page; its words are `evaluate.<name>.<key>`."""
    in_html = {key: escape(t(f"evaluate.{name}.{key}")) for key in words.in_html}
    said = {key: t(f"dataset.tools.{key}") for key in SAID}
    said |= {key: t(f"evaluate.{name}.{key}") for key in words.in_script}
    scripts = ("tools.js", "evaluating.js", *SCRIPTS.get(name, ()), f"evaluating_{name}.js")
    return gr.HTML(
        html_template=script(f"evaluating_{name}.html").format(offline=escape(t("dataset.tools.offline")), **in_html),
        js_on_load="\n".join(script(file) for file in scripts),
        css_template="\n".join(script(sheet) for sheet in SHEETS),
        server_functions=[told(t, one) for one in functions],
        words=said,
        language=t.language,
        elem_id=f"evaluate-{name}",
        apply_default_css=False,
    )


def run_of(asked: Asked, key: str = "run") -> runs.Run:
    """The run that the browser names. Raises StudioError where there is none."""
    value = asked.get(key)
    if not isinstance(value, str) or not value:
        raise StudioError("evaluate_none_chosen")
    return runs.find(value)


def runs_of(asked: Asked) -> list[runs.Run]:
    """The runs that the browser names, in its order; those that are gone are left out."""
    found = []
    names = asked.get("runs")
    for name in names[:MOST_RUNS] if isinstance(names, list) else []:
        try:
            run = runs.find(name) if isinstance(name, str) else None
        except StudioError:
            continue
        if run and run.folder not in [one.folder for one in found]:
            found.append(run)
    return found


def has(folder: Path, name: str) -> bool:
    """Whether the folder holds a file of this name that is not empty."""
    try:
        return (folder / name).stat().st_size > 0
    except OSError:
        return False


def metric_word(t: Catalogue, key: str) -> str:
    """A score in words; as it is written where it is a benchmark's own."""
    name = key.removeprefix("predict_")
    name = f"scoring.scores.{'nll' if name == 'perplexity' else name}"
    return t(name) if name in t else key.removeprefix("predict_")


def shown(value: Any, digits: int = 2) -> str:
    """A figure for the page."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
