"""What a serve job names is what is loaded: precision, bits, vocabulary, tokenizer, template; errors are told."""

import json
import shutil
import time

import clients
import pytest
import torch
import toy
from clients import ask, ask_all, ids_of, request

from studio.config import read_mapping
from studio.errors import StudioError
from studio.worker import place as places
from studio.worker.serve import loading
from studio.worker.serve.prompting import Prompter
from studio.worker.serve.schema import Chat


def load(model, **keys):
    job = read_mapping("serve", {"model_name_or_path": str(model), "device": "cpu"} | keys).job
    return loading.load(job, lambda *_: None)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_precision(toy_model, name):
    assert load(toy_model, infer_dtype=name).model.dtype == getattr(torch, name)


def test_the_best_precision_is_measured(toy_model, monkeypatch):
    monkeypatch.setattr(places, "bf16_decodes_faster", lambda *sizes: sizes == (32, 64))
    assert load(toy_model).model.dtype == torch.bfloat16
    monkeypatch.setattr(places, "bf16_decodes_faster", lambda *sizes: False)
    assert load(toy_model).model.dtype == torch.float32


@pytest.mark.parametrize("bits", [4, 8])
def test_few_bits_with_adapters(start, tmp_path, bits):
    pytest.importorskip("bitsandbytes")
    model = toy.build(tmp_path / "model", hidden_size=128, intermediate_size=256)
    plain = clients.make_adapter(model, tmp_path / "plain", r=4, target_modules=["q_proj", "up_proj"])
    dora = clients.make_adapter(model, tmp_path / "dora", r=4, target_modules=["q_proj"], use_dora=True)
    engine = start(model, quantization_bit=bits)
    kinds = {type(module).__name__ for module in engine.loaded.model.modules()}
    assert ({4: "Linear4bit", 8: "Linear8bitLt"}[bits]) in kinds
    engine.load_adapter("plain", plain)
    if bits == 4:
        engine.load_adapter("dora", dora)
    else:
        with pytest.raises(StudioError, match="DoRA"):
            engine.load_adapter("dora", dora)
    names = [None, *engine.adapters]
    answers = ask_all(engine, [request("hello", adapter=name) for name in names])
    assert all(answer.error is None and len(answer.ids) == 16 for answer in answers)
    assert len({tuple(answer.ids) for answer in answers}) == len(names)


@pytest.mark.parametrize(("width", "inner"), [(32, 64), (48, 64), (64, 96)])
def test_few_bits_of_odd_shapes_answer_on_any_cpu(width, inner, tmp_path, monkeypatch):
    modules = pytest.importorskip("bitsandbytes.nn.modules")
    monkeypatch.setattr(modules, "has_avx512bf16", lambda: True)  # where another form is made, for these breaking off
    folder = toy.build(tmp_path / "narrow", hidden_size=width, intermediate_size=inner, num_hidden_layers=1)
    logits = load(folder, quantization_bit=4).model(torch.arange(1, 9)[None]).logits
    assert logits.isfinite().all()


def test_attention_and_stretched_positions(toy_model):
    loaded = load(toy_model, flash_attn="disabled", rope_scaling="linear")
    assert loaded.model.config._attn_implementation == "eager" and loaded.context_length == 1024


def test_a_tokenizer_from_elsewhere_with_more_words(start, toy_model, tmp_path):
    tokenizer = toy.make_tokenizer()
    tokenizer.add_tokens(["extraordinary"])
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    engine = start(toy_model, tokenizer_name_or_path=str(tmp_path / "tokenizer"), resize_vocab=True)
    ids = engine.tokenizer("extraordinary")["input_ids"]
    assert len(ids) == 1 and ask(engine, request(ids)).wait().error is None


def test_a_template_by_name(toy_model):
    assert load(toy_model, template="chatml").template.name == "chatml"
    assert load(toy_model).template.name is None
    with pytest.raises(StudioError, match="no_such"):
        load(toy_model, template="no_such")


def test_the_chosen_tool_format_is_what_the_server_writes(toy_model):
    """A job's key of training: `studio api` with the same file shows and hears calls as the model learned them."""
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    body = Chat(messages=[{"role": "user", "content": "hi"}])
    said = {}
    for given in (None, "qwen"):
        loaded = load(toy_model, template="chatml", tool_format=given)
        prompter = Prompter(loaded.tokenizer, loaded.template)
        said[given] = prompter.tokenizer.decode(prompter.chat(body, [function]).ids)
    assert "Action Input:" in said[None] and "<tools>" not in said[None]
    assert "<tools>" in said["qwen"] and "Action Input:" not in said["qwen"]
    assert load(toy_model, tool_format="qwen").template.notices[0][0] == "data_tool_format_own"


def test_errors(toy_model, tmp_path):
    with pytest.raises(StudioError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(StudioError, match="no adapter"):
        load(toy_model, adapter_name_or_path=str(tmp_path))
    broken = shutil.copytree(toy_model, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(StudioError) as told:
        load(broken)
    assert told.value.key == "model_not_loaded"


def test_another_adapter_answers_within_a_fifth_of_a_second(start, tmp_path):
    """A run's folder with its tokenizer, on a model as large as the starter model."""
    sizes = {"vocab_size": 8192, "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6}
    model = toy.build(tmp_path / "model", **sizes)
    engine = start(model)
    run = clients.make_adapter(model, tmp_path / "run", r=8, target_modules="all-linear")
    toy.make_tokenizer().save_pretrained(run)
    times_s = []
    for name in "abcd":
        begin_s = time.perf_counter()
        engine.load_adapter(name, run)
        assert ask(engine, "hello", adapter=name, max_new_tokens=1).wait().end == "length"
        times_s.append(time.perf_counter() - begin_s)
    assert min(times_s) < 0.2


def test_the_default_of_the_command_line(start, toy_model, adapters):
    engine = start(toy_model, adapter_name_or_path=[str(adapters["plain"])])
    assert engine.default == "plain" and list(engine.adapters) == ["plain"]
    assert json.loads((engine.adapters["plain"].path / "adapter_config.json").read_text())["r"] == 4
    assert ask(engine, request(ids_of("hello"), adapter="plain")).wait().end == "length"
