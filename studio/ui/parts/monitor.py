"""The monitor: state, progress, curves, devices, samples and log of one run, and the buttons that act on it.

    screen = monitor.place(t)
    on(t, button.click, start, …, screen)     # start() gives monitor.show(run_id)

The run's id stands in the address (`?run=…`); without one the page shows a run that is at work, if there is one. The
browser polls `tick` with what it holds (feed.py); a tick without news answers `null`.
"""

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr

from studio import runs
from studio.errors import StudioError
from studio.runs import states
from studio.text import Catalogue, catalogue
from studio.ui import events
from studio.ui.parts import logs, summary
from studio.ui.parts.feed import Held, feed_of
from studio.ui.theme import plotly_address, script

PLOTS: Mapping[str, Sequence[str]] = {  # plot → its curves (feed.CURVES)
    "loss": ("loss",),
    "eval_loss": ("eval_loss",),
    "rewards": ("reward", "reward_chosen", "reward_rejected", "reward_margin"),
    "accuracy": ("accuracy",),
    "kl": ("kl",),
    "learning_rate": ("learning_rate",),
    "grad_norm": ("grad_norm",),
    "tokens_per_second": ("tokens_per_second",),
}
DEVICE_PLOTS = ("utilization", "device_memory_gib", "power_w")
FACTS = ("loss", "eval_loss", "learning_rate", "tokens_per_second", "memory_gib")
LEADS = ("result", "chat", "evaluate", "export")
WORDS = (
    "label", "offline", "gone", "close", "progress", "stop", "stop_help", "now", "now_help", "resume", "resume_help",
    "again", "again_help", "longer", "longer_help", "epochs", "samples", "samples_help", "samples_step", "log", "copy",
    "copy_help", "rename", "delete", "next", "devices", "log_search", "log_download", "log_newest", "log_none",
)  # fmt: skip
SENTENCES = (
    "time", "left", "before", "at_step", "no_answer", "expected", "copied", "rename_ask", "delete_ask", "delete",
    "rename", "cancel", "worker",
)  # fmt: skip


def place(t: Catalogue) -> gr.HTML:
    """Put the monitor on the page."""

    def tick(held: dict) -> dict | None:
        return news(t, Held.parse(held))

    def current(_: object) -> str | None:
        at_work = (found for found in runs.listing() if found.state in states.LIVE)
        return next((found.id for found in at_work if found.kind != "serve"), None)  # the Chat tab shows servers

    def search_log(asked: dict) -> dict:
        fields = asked if isinstance(asked, dict) else {}
        return logs.search(t, str(fields.get("run", "")), str(fields.get("text", ""))[:200])

    def act(event: gr.EventData) -> Any:
        return obey(event._data)

    screen = gr.HTML(
        html_template=template(t),
        js_on_load=script("plots.js") + script("monitor.js") + script("monitor_parts.js"),
        server_functions=[tick, current, search_log],
        words={key: t(f"monitor.{key}") for key in SENTENCES},
        curves={name: t(f"monitor.{name}") for names in PLOTS.values() for name in names},
        plotly=plotly_address(),
        log=logs.LOG_ADDRESS,
        elem_id="monitor",
        apply_default_css=False,
    )
    events.on(t, screen.act, act, None, screen, trigger_mode="multiple")
    return screen


def show(run_id: str | None) -> dict[str, Any]:
    """The value that makes the monitor show a run; None: no run."""
    return {"run": run_id, "at": time.time()}


def template(t: Catalogue) -> str:
    """The monitor's HTML in the page's language, everything empty."""
    named = {name: escape(t(f"monitor.{name}")) for name in {*PLOTS, *DEVICE_PLOTS, *FACTS}}
    figures = "".join(
        f"<figure{' class=wide' if name == 'loss' else ''} hidden><figcaption>{named[name]}</figcaption>"
        f'<div data-plot="{name}" data-curves="{",".join(curves)}"></div></figure>'
        for name, curves in PLOTS.items()
    )
    device_figures = "".join(
        f'<figure hidden><figcaption>{named[name]}</figcaption><div data-device-plot="{name.removeprefix("device_")}">'
        "</div></figure>"
        for name in DEVICE_PLOTS
    )
    facts = "".join(
        f'<li data-fact="{name}" hidden><b></b><span class="quiet">{named[name]}</span></li>' for name in FACTS
    )
    leads = "".join(f'<a class="lead" data-lead="{name}">{escape(t(f"monitor.lead_{name}"))}</a>' for name in LEADS)
    parts = {"figures": figures, "device_figures": device_figures, "facts": facts, "leads": leads}
    return script("monitor.html").format(**parts, **{key: escape(t(f"monitor.{key}")) for key in WORDS})


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


def obey(asked: Any) -> Any:
    """Do what a button asks; what the monitor is to show then. What comes from the browser is checked here."""
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
        case "rename":
            return show(runs.rename(run, str(fields.get("name", "")).strip()).id)
        case "delete":
            runs.delete(run)
            return show(None)
    return gr.skip()


def wanted_epochs(run: runs.Run, epochs: Any) -> float:
    """The number typed beside "train longer", if it is one and more than the run has done."""
    done = run.job().num_train_epochs
    if not isinstance(epochs, int | float) or not done < epochs < 1e6:
        raise StudioError("epochs_needed", epochs=f"{done:g}")
    return float(epochs)
