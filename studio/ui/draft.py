"""What was typed, kept in the browser under the same name in every language; the server is not asked.

draft = Draft("train")
draft.keep("name", box)                         # whatever is typed into box
draft.on_load(t, blocks, restore, outputs)      # restore(kept: dict) at each visit
draft.replace_after(event, box)                 # when an event has given the draft (draft.box is among its outputs)
"""

import json
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.text import Catalogue
from studio.ui import events

QUIET = {"show_progress": "hidden", "api_visibility": "private"}


class Draft:
    """One store of the browser: a mapping of keys to what their controls hold. `box` carries it to and from the server."""

    def __init__(self, store: str) -> None:
        self.store = json.dumps(store)
        self.box = gr.JSON(visible=False)

    def keep(self, key: str, control: Component) -> None:
        """Keep what is typed into `control`."""
        control.input(
            None, control, None, js=f"(value) => studio.keep({self.store}, {json.dumps(key)}, value)", **QUIET
        )

    def on_load(self, t: Catalogue, blocks: gr.Blocks, restore: Callable[[dict], Any], outputs: Any) -> None:
        """Call `restore` with the kept mapping when the page is opened."""

        def restored(kept: dict | None) -> Any:
            return restore(kept or {})

        events.on(t, blocks.load, restored, self.box, outputs, js=f"() => [studio.read({self.store})]")

    def replace_after(self, event: gr.events.Dependency) -> None:
        """Keep the mapping that an event gave to `box`."""
        event.success(None, self.box, None, js=f"(draft) => studio.write({self.store}, draft)", **QUIET)
