"""The monitor: state, progress, curves, samples and log of one run, and the buttons that act on it.

    screen = monitor.place(t)
    on(t, button.click, start, …, screen)     # start() gives monitor.show(run_id)

The run's id stands in the address (`?run=…`); without one the page shows a run that is at work, if there is one. The
browser polls `tick` with what it holds (feed.py); a tick without news answers `null`.
"""

import time
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr

from studio import runs
from studio.errors import StudioError
from studio.runs import states
from studio.text import Catalogue, catalogue
from studio.ui import events
from studio.ui.parts import summary
from studio.ui.parts.feed import Held, feed_of
from studio.ui.theme import plotly_address, script

PLOTS = ("loss", "eval_loss", "learning_rate", "grad_norm", "tokens_per_second")
FACTS = ("loss", "eval_loss", "learning_rate", "tokens_per_second", "memory_gib")
BUTTONS = (
    "label",
    "offline",
    "gone",
    "close",
    "progress",
    "stop",
    "stop_help",
    "now",
    "now_help",
    "resume",
    "resume_help",
    "again",
    "again_help",
    "longer",
    "longer_help",
    "epochs",
    "samples",
    "samples_help",
    "log",
)
SENTENCES = ("time", "left", "before", "at_step", "no_answer", "expected")


def place(t: Catalogue) -> gr.HTML:
    """Put the monitor on the page."""

    def tick(held: dict) -> dict | None:
        return news(t, Held.parse(held))

    def current(_: object) -> str | None:
        return next((found.id for found in runs.listing() if found.state in states.LIVE), None)

    def act(event: gr.EventData) -> None:
        obey(event._data)

    screen = gr.HTML(
        html_template=template(t),
        js_on_load=script("monitor.js"),
        server_functions=[tick, current],
        words={key: t(f"monitor.{key}") for key in SENTENCES},
        plotly=plotly_address(),
        elem_id="monitor",
        apply_default_css=False,
    )
    events.on(t, screen.act, act, trigger_mode="multiple")
    return screen


def show(run_id: str) -> dict[str, Any]:
    """The value that makes the monitor show a run."""
    return {"run": run_id, "at": time.time()}


def template(t: Catalogue) -> str:
    """The monitor's HTML in the page's language, everything empty."""
    named = {name: escape(t(f"monitor.{name}")) for name in {*PLOTS, *FACTS}}
    figures = "".join(
        f"<figure{' class=wide' if name == 'loss' else ''} hidden><figcaption>{named[name]}</figcaption>"
        f'<div data-plot="{name}"></div></figure>'
        for name in PLOTS
    )
    facts = "".join(
        f'<li data-fact="{name}" hidden><b></b><span class="quiet">{named[name]}</span></li>' for name in FACTS
    )
    words = {key: escape(t(f"monitor.{key}")) for key in BUTTONS}
    return script("monitor.html").format(figures=figures, facts=facts, **words)


def news(t: Catalogue, held: Held) -> dict[str, Any] | None:
    """What the browser lacks of the run it names; None if nothing, `gone` if there is no such run."""
    try:
        run = runs.find(held.run)
    except StudioError:
        return {"gone": True}
    found = feed_of(run.folder).news(held)
    token = summary.token_of(run)
    if token != held.token:
        found |= {"token": token, "summary": told(t.language, run, token) | {"now": time.time()}}
    return found or None


@lru_cache(maxsize=64)
def told(language: str, run: runs.Run, _token: str) -> dict[str, Any]:
    """The summary of a run, made once for all its browsers until the token changes."""
    return summary.summarise(catalogue(language), run)


def obey(asked: Any) -> None:
    """Do what a button asks. What comes from the browser is checked here."""
    fields = asked if isinstance(asked, dict) else {}
    run = runs.find(str(fields.get("run", "")))
    match fields.get("action"):
        case "stop" | "now":
            runs.stop(run, now=fields["action"] == "now")
        case "resume":
            runs.resume(run)
        case "again":
            runs.resume(run, overwrite_output_dir=True)
        case "longer":
            runs.resume(run, num_train_epochs=wanted_epochs(run, fields.get("epochs")))


def wanted_epochs(run: runs.Run, epochs: Any) -> float:
    """The number typed beside "train longer", if it is one and more than the run has done."""
    done = run.job().num_train_epochs
    if not isinstance(epochs, int | float) or not done < epochs < 1e6:
        raise StudioError("epochs_needed", epochs=f"{done:g}")
    return float(epochs)
