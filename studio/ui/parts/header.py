"""The header: name, devices, language, light or dark."""

from functools import cache
from html import escape

import gradio as gr

from studio import devices
from studio.text import Catalogue, catalogue, languages
from studio.ui.theme import script

TEMPLATE = """
<div class="head">
  <a class="head-name" href="./"><img src="../favicon.ico" alt="" width="28" height="28"><h1>{title}</h1></a>
  <span class="head-devices" data-part="devices" hidden></span>
  <nav class="head-languages" aria-label="{languages}">{links}</nav>
  <button class="icon-button" data-part="theme" aria-label="{theme}" title="{theme}">
    <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path fill="currentColor" fill-rule="evenodd"
      d="M10 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16Zm0 1.600v12.800a6.400 6.400 0 0 1 0-12.800Z"/></svg>
  </button>
</div>
"""


def place(t: Catalogue) -> gr.HTML:
    """Put the header on the page."""

    def machine(_: object) -> str:
        return describe_devices(t)

    links = "".join(link(code, chosen=code == t.language) for code in languages())
    words = {"title": t("app.title"), "theme": t("app.theme"), "languages": t("app.languages")}
    html = TEMPLATE.format(links=links, **{key: escape(text) for key, text in words.items()})
    return gr.HTML(
        html_template=html,
        js_on_load=script("header.js"),
        server_functions=[machine],
        language=t.language,
        toasts={"error": t("app.error_title"), "info": t("app.notice_title")},
        elem_id="header",
        apply_default_css=False,
    )


def link(code: str, chosen: bool) -> str:
    """To the page in a language, in that language's own name."""
    mark = ' aria-current="true"' if chosen else ""
    name = escape(catalogue(code)("app.language"))
    return f'<a href="../{code}/" data-language="{code}" lang="{code}"{mark}>{name}</a>'


@cache
def found_devices() -> tuple[devices.Device, ...]:
    """The devices of this machine, asked once: a vendor's tool can take seconds."""
    return devices.detect()


def describe_devices(t: Catalogue) -> str:
    """As in "2 × NVIDIA H200 · 139 GiB"; the processor where there is nothing else."""
    found = found_devices()
    shown = [device for device in found if device.kind != "cpu"] or list(found)
    texts = []
    for name in dict.fromkeys(device.name for device in shown):
        same = [device for device in shown if device.name == name]
        memory = t("app.memory", gib=round(same[0].memory_gib)) if same[0].memory_gib else ""
        texts.append(" · ".join(filter(None, [f"{len(same)} × {name}" if len(same) > 1 else name, memory])))
    return ", ".join(texts)
