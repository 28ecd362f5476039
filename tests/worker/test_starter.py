"""The starter model: what it reads, what it is asked to learn, and that a build leaves a whole model or nothing."""

import json
import re
from itertools import chain
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio import paths
from studio.config import starter as place
from studio.worker.build import corpus, starter

PARAPHRASES = json.loads((Path(__file__).parents[1] / "fixtures" / "identity_paraphrases.json").read_text("utf-8"))
IDENTITY = json.loads((paths.resource("data") / "identity.json").read_text("utf-8"))
NUM_STEPS = 3


def silent(phase, done, total, unit=""):
    """A progress that nobody watches."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A starter model of very few steps, and what its build reported."""
    calls = []
    target = tmp_path_factory.mktemp("starter") / "model"
    starter.build(target, lambda *call: calls.append(call), num_steps=NUM_STEPS)
    return target, calls


def chinese(words: str) -> bool:
    return bool(re.search(r"[\u4e00-\u9fff]", words))


def words_of(document) -> str:
    return document if isinstance(document, str) else "\n".join(m["content"] for m in document)


def test_the_same_seed_gives_the_same_documents():
    first, again, other = (list(corpus.documents(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_both_languages_have_their_share():
    sizes = {True: 0, False: 0}
    for document in corpus.documents():
        words = words_of(document)
        # a Chinese character says about as much as four letters
        sizes[chinese(words)] += len(words) * (3 if chinese(words) else 1)
    assert 0.35 < sizes[True] / sum(sizes.values()) < 0.65


def test_dialogues_alternate_and_leave_no_gap_unfilled():
    for messages in corpus.dialogues():
        roles = [m["role"] for m in messages if m["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(m["content"].strip() and not re.search(r"[{}|]", m["content"]) for m in messages)


def test_the_starter_is_never_told_a_name():
    answers = [m["content"] for d in corpus.dialogues() for m in d if m["role"] == "assistant"]
    assert sum("small language model" in a for a in answers) > 50
    assert sum("小型语言模型" in a for a in answers) > 50
    assert not any(name in a for a in answers for name in ("Nova", "小智", "{{name}}"))


def test_identity_rows_are_alpaca_with_both_placeholders():
    assert len(IDENTITY) >= 60
    assert all(set(row) == {"instruction", "input", "output"} and row["instruction"] for row in IDENTITY)
    assert all("{{name}}" in row["output"] and "{{author}}" in row["output"] for row in IDENTITY)
    assert len({row["instruction"] for row in IDENTITY}) == len(IDENTITY)
    assert sum(chinese(row["instruction"]) for row in IDENTITY) * 2 == len(IDENTITY)


def test_paraphrases_are_asked_nowhere_else():
    asked = {row["instruction"] for row in IDENTITY}
    asked |= {m["content"] for d in corpus.dialogues() for m in d if m["role"] == "user"}
    assert {name: len(rows) for name, rows in PARAPHRASES.items()} == {"en": 10, "zh": 10}
    assert not asked & set(chain.from_iterable(PARAPHRASES.values()))


def test_the_quickstart_trains_the_starter_on_identity():
    job = yaml.safe_load((paths.resource("presets") / "quickstart.yaml").read_text("utf-8"))
    assert job["model_name_or_path"] == place.NAME
    assert job["dataset"] == "identity"
    assert set(job["placeholders"]) == {"name", "author"}
    assert sum(map(chinese, job["sample_prompts"])) == 2
    assert set(job["sample_prompts"]) < set(chain.from_iterable(PARAPHRASES.values()))


def test_the_tokenizer_gives_back_what_it_read(built):
    tokenizer = AutoTokenizer.from_pretrained(built[0])
    assert len(tokenizer) == starter.NUM_TOKENS
    for words in ("Hello, world! 12 + 30 = 42", "你好，世界！小智今年三岁。", "emoji 🙂, 龘, \n\ttabs"):
        assert tokenizer.decode(tokenizer(words)["input_ids"]) == words
    assert len(tokenizer("2026")["input_ids"]) == 4


def test_the_template_marks_what_the_assistant_says(built):
    tokenizer = AutoTokenizer.from_pretrained(built[0])
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    rendered = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    said = [i for i, mine in zip(rendered["input_ids"], rendered["assistant_masks"], strict=True) if mine]
    assert tokenizer.decode(said) == "Hello!<|im_end|>"
    prompt = tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
    assert tokenizer.apply_chat_template(chat, tokenize=False).startswith(prompt)


def test_transformers_loads_and_runs_the_model(built):
    model = AutoModelForCausalLM.from_pretrained(built[0])
    assert model.config.architectures == ["LlamaForCausalLM"]
    assert model.generation_config.eos_token_id[0] == AutoTokenizer.from_pretrained(built[0]).eos_token_id
    answer = model.generate(torch.tensor([[starter.SPECIAL.index(starter.START)]]), max_new_tokens=4, do_sample=False)
    assert 1 < answer.shape[1] <= 5


def test_progress_is_told_step_by_step(built):
    _, calls = built
    assert [phase for phase, *_ in calls] == ["tokenizer"] * 2 + ["starter"] * (NUM_STEPS + 1)
    assert calls[-1] == ("starter", NUM_STEPS, NUM_STEPS, "steps")


def test_the_same_seed_makes_the_same_weights(built, tmp_path):
    weights = load_file(built[0] / "model.safetensors")
    for seed, same in ((42, True), (7, False)):
        starter.build(tmp_path / str(seed), silent, seed, NUM_STEPS)
        again = load_file(tmp_path / str(seed) / "model.safetensors")
        assert all(torch.equal(weights[name], again[name]) for name in weights) is same


@pytest.mark.parametrize("phase", ["tokenizer", "starter"])
def test_an_interrupted_build_leaves_nothing(tmp_path, phase):
    def stop(now, done, total, unit=""):
        if now == phase and done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        starter.build(tmp_path / "starter" / "model", stop, num_steps=NUM_STEPS)
    assert list((tmp_path / "starter").rglob("*")) == []


def test_a_build_that_cannot_save_leaves_nothing_half_made(tmp_path, monkeypatch):
    monkeypatch.setattr(starter.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        starter.build(tmp_path / "starter" / "model", silent, num_steps=1)
    assert list((tmp_path / "starter").iterdir()) == []


def test_the_fingerprint_follows_the_texts(home, monkeypatch, tmp_path):
    before = place.location()
    assert before.parent == home / "cache" / "starter"
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "passages.en.txt").write_text("# rain\nIt rains.\n")
    monkeypatch.setattr(place, "TEXTS", texts)
    place.fingerprint.cache_clear()
    assert place.location() != before
    monkeypatch.undo()
    place.fingerprint.cache_clear()
