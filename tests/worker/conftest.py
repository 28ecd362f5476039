"""Toy models, made once a session; jobs from a mapping."""

import pytest
import toy

from studio.config import read_mapping


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory):
    """The folder of a two-layer Llama with a byte-level ChatML tokenizer."""
    return toy.build(tmp_path_factory.mktemp("toy") / "model")


@pytest.fixture
def job(toy_model):
    """`job(learning_rate=…)`: a LoRA train job on the toy model."""

    def make(**keys):
        base = {
            "model_name_or_path": str(toy_model),
            "dataset": "identity",
            "stage": "sft",
            "finetuning_type": "lora",
            "lora_rank": 4,
        }
        return read_mapping("train", base | keys).job

    return make
