"""An empty state: what will be here and what can be done until then."""

from html import escape

import gradio as gr

from studio.text import Catalogue

TEMPLATE = '<section class="empty"><h2>{title}</h2><p>{text}</p><p class="empty-next">{next}</p></section>'


def place(t: Catalogue, name: str) -> gr.HTML:
    """The words `empty.<name>_title`, `_text` and `_next` as one calm block."""
    words = {part: escape(t(f"empty.{name}_{part}")) for part in ("title", "text", "next")}
    return gr.HTML(TEMPLATE.format(**words), js_on_load=None, apply_default_css=False)
