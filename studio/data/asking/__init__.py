"""Rows written by a model behind an OpenAI-compatible endpoint. No torch; nothing is asked until somebody says so.

    asking.default_prompt("self_instruct", "en")          the words of a way, to be edited
    asking.connect("https://…/v1", "model", key)          an `Asker`: whom to ask
    asking.suggest_columns(rows, asker)                   which column holds what, as an entry of the registry
    asking.search("poems", "modelscope")                  data sets (or models) of a hub
    generation.produce(job, folder, tell)                 what a generate run does

    job → way (units of work) → endpoint → criteria → journal → data set
"""

from studio.data.asking.columns import suggest_columns
from studio.data.asking.endpoint import PATIENCE, Asker, connect
from studio.data.asking.hubs import Found, search
from studio.data.asking.prompts import default_prompt

__all__ = ["PATIENCE", "Asker", "Found", "connect", "default_prompt", "search", "suggest_columns"]
