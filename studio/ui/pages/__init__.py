"""The tabs in their order. Each file builds one: `build(t, blocks)` inside its `gr.Tab`."""

from studio.ui.pages import chat, dataset, evaluate, export, train

TABS = {
    "train": train.build,
    "chat": chat.build,
    "evaluate": evaluate.build,
    "export": export.build,
    "dataset": dataset.build,
}
