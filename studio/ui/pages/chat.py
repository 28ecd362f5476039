"""The Chat tab."""

import gradio as gr

from studio.text import Catalogue
from studio.ui.parts import empty


def build(t: Catalogue, _blocks: gr.Blocks) -> None:
    """Say what comes here."""
    empty.place(t, "chat")
