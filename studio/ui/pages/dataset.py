"""The Dataset tab: the sets there are, adding one, the chosen one, and below it what can be done with it.

In the browser (`assets/chosen.js`, which lives as long as the tab):

    studio.dataset   {name, dataset_dir} of the chosen set, or null; `studio:dataset` (detail: the same) says a change
    studio.lens      what its rows are looked at through, sent to the server as it is: {model_name_or_path, template,
                     stage, cutoff_len, mask_history, train_on_prompt}; `studio:lens` says a change
    studio.sets.choose(name, dir)   choose a set; it stands in the address (`?tab=dataset&set=NAME&dir=…&row=N`)
    studio.sets.showRows(numbers, title)   the Rows tab with these rows alone
    studio.sets.openTab(id)         rows, lengths, doctor, make, generate or sql
    studio.sets.changed(name)       a set was made or removed: the list is read again
    studio.sets.isBeside()          whether one row stands beside the table, not below it
    `studio:columns`                (detail: a name) the columns of this set are to be changed

On the server `chosen.source_of(asked)` and `chosen.lens_of(source, asked["lens"])` take what the browser sends.
"""

import gradio as gr

from studio.text import Catalogue
from studio.ui.parts import adding, chosen, doctor, generating, lengths, making, row_view, rows, shelf, text_to_sql


def build(t: Catalogue, blocks: gr.Blocks) -> None:
    """Place everything inside the tab."""
    with gr.Row(elem_classes=["top"], equal_height=True):
        with gr.Column(scale=3, min_width=320, elem_classes=["card"]):
            shelf.place(t)
        with gr.Column(scale=2, min_width=320, elem_classes=["card"]):
            adding.place(t)
    chosen.place(t)
    with gr.Tabs(elem_id="dataset-tabs"):
        for name, place in TOOLS.items():
            with gr.Tab(t(f"dataset.tab_{name}"), id=name):
                place(t, blocks)


def place_rows(t: Catalogue, _blocks: gr.Blocks) -> None:
    """The table, and beside it the row that is looked at."""
    with gr.Row(elem_classes=["ds-two"]):
        rows.place(t)
        row_view.place(t)


TOOLS = {
    "rows": place_rows,
    "lengths": lengths.place,
    "doctor": doctor.place,
    "make": making.place,
    "generate": generating.place,
    "sql": text_to_sql.place,
}
