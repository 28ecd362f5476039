"""Shipped presets: each makes a job with a model and data added, and leaves nothing to tell."""

import pytest

from studio.config import fields, list_presets, load_preset, read_arguments, read_mapping
from studio.errors import StudioError
from studio.text import catalogue, languages

NAMES = [preset.name for preset in list_presets()]
LEAST = {"model_name_or_path": "builtin/starter", "dataset": "identity"}


def test_the_presets_there_are():
    assert {"lora", "full", "freeze", "pretrain"} <= set(NAMES)
    assert "models" not in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_makes_a_job(name):
    preset = load_preset(name)
    reading = read_mapping("train", LEAST, preset=name)
    assert reading.notices == ()
    assert set(preset.mapping) <= set(fields(type(reading.job)))
    assert all(preset.words(catalogue(language)) for language in languages())
    again = read_arguments("train", [str(preset.path), "model_name_or_path=builtin/starter", "dataset=identity"])
    assert again.job == reading.job


def test_a_preset_without_words_of_its_own_shows_its_first_comment():
    assert load_preset("lora").title == "Train an adapter (LoRA)"


def test_a_preset_holds_lists_as_lists():
    mapping = load_preset("pretrain").mapping
    assert (mapping["lora_target"], mapping["additional_target"]) == (["all"], ["embed_tokens", "lm_head"])


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(StudioError, match=r"There is no preset 'loar'.*lora"):
        load_preset("loar")
