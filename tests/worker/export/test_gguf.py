"""A GGUF file holds the model it was made of: read back by Transformers, weights, tokens and template are the same."""

import json
import os
import shutil

import gguf as package
import pytest
import torch
import toy
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerFast

from studio.errors import StudioError
from studio.worker.export import gguf, gguf_tokens, gguf_weights

IDS = torch.arange(5, 45)[None]
TEXT = "Hello, wörld 1234 你好  two spaces\n\nI'LL don't <|im_start|>user\n<|im_end|>  end"
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
SHAPES = {
    "llama": ("LlamaForCausalLM", {}),
    "llama3": ("LlamaForCausalLM", {"rope_parameters": LLAMA3, "tie_word_embeddings": True, "attention_bias": True}),
    "mistral": ("MistralForCausalLM", {"sliding_window": None, "head_dim": 16}),
    "qwen2": ("Qwen2ForCausalLM", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", {"head_dim": 16, "vocab_size": 320}),
}


@pytest.fixture
def written(whole, tmp_path):
    """`written(folder, **keys)`: its GGUF files, in `out`."""

    def write(folder, **keys):
        (tmp_path / "out").mkdir(exist_ok=True)
        source, job = whole(folder, **keys)
        gguf.check(source, job)
        return gguf.write(source, job, tmp_path / "out", lambda *_: None)

    return write


def logits(model):
    with torch.inference_mode():
        return model.eval()(input_ids=IDS).logits


@pytest.mark.parametrize("shape", SHAPES)
def test_every_architecture_is_read_back(shape, written, tmp_path):
    from transformers import AutoModelForCausalLM

    architecture, sizes = SHAPES[shape]
    folder = toy.build(tmp_path / "model", architecture=architecture, initializer_range=0.5, **sizes)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for vector in (parameter for parameter in model.parameters() if parameter.ndim == 1):
        vector.data += torch.randn_like(vector) * 0.2  # biases are nought at first
    model.save_pretrained(folder)
    expected = logits(model)
    (file,) = written(folder, gguf_types=["f32"]).paths
    torch.testing.assert_close(logits(gguf.load(file, folder)), expected, atol=1e-4, rtol=1e-4)
    reader = package.GGUFReader(file)
    assert reader.fields["general.architecture"].contents() == gguf_weights.ARCHITECTURES[architecture]
    names = {tensor.name for tensor in reader.tensors}
    assert ("rope_freqs.weight" in names) == (shape == "llama3")
    assert ("output.weight" in names) == (not sizes.get("tie_word_embeddings"))
    tokens, types = (reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type"))
    assert len(tokens) == len(types) == model.config.vocab_size, "ids without a token have a name, too"
    told = [reader.fields[f"tokenizer.ggml.{name}_token_id"].contents() for name in ("eos", "padding")]
    assert told == [model.config.eos_token_id, model.config.pad_token_id] and tokens[told[0]] == "<|im_end|>"


def test_an_export_is_proven_in_each_kind_of_numbers(adapter, export, tmp_path):
    base = toy.build(tmp_path / "model", initializer_range=0.1)  # sure of its answers
    forms = {"export_formats": ["gguf", "ollama"], "gguf_types": ["q8_0", "f16", "q4_0"]}
    code, folder, result = export(adapter("one", base), model_name_or_path=str(base), **forms)
    assert code == 0
    verdicts = {verdict["format"]: verdict for verdict in result["verdicts"]}
    assert all(verdict["ok"] for verdict in verdicts.values())
    assert verdicts["gguf f16"]["greedy_equal"]
    assert verdicts["gguf f16"]["max_logit_difference"] < verdicts["gguf q4_0"]["max_logit_difference"]
    assert {"model-one-F16.gguf", "model-one-Q8_0.gguf", "model-one-Q4_0.gguf", "Modelfile", "Modelfile.f16"} <= {
        path.name for path in folder.iterdir()
    }
    assert not list(folder.glob("*.safetensors"))
    assert (folder / "Modelfile").read_text("utf-8").startswith("FROM ./model-one-Q8_0.gguf\n")
    assert any(line.startswith("ollama create model-one:q8_0 -f ") for line in result["next"])


def test_a_wrong_order_of_rows_would_be_seen(toy_model, written, monkeypatch):
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(gguf_weights, "_heads", lambda *_: None)
    (file,) = written(toy_model, gguf_types=["f32"]).paths
    expected = logits(AutoModelForCausalLM.from_pretrained(toy_model, dtype=torch.float32))
    assert not torch.allclose(logits(gguf.load(file, toy_model)), expected, atol=1e-4)


def test_rows_that_no_block_fits_keep_16_bits(written, tmp_path):
    folder = toy.build(tmp_path / "model", hidden_size=48, intermediate_size=64)
    (file,) = written(folder, gguf_types=["q8_0"]).paths
    kinds = {tensor.name: tensor.tensor_type.name for tensor in package.GGUFReader(file).tensors}
    assert kinds["blk.0.attn_q.weight"] == "F16" and kinds["blk.0.ffn_down.weight"] == "Q8_0"
    assert kinds["blk.0.attn_norm.weight"] == "F32"


def split_by(steps, folder):
    """A tokenizer trained on a few words, which splits text by `steps`, saved in `folder`."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(steps)
    core.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core.train_from_iterator([TEXT] * 3, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.add_tokens(["<think>"])
    tokenizer.chat_template = toy.CHATML
    tokenizer.save_pretrained(folder)
    return tokenizer


def by_bytes(regex=None):
    if regex is None:
        return [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return [pre_tokenizers.Split(Regex(regex), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]  # fmt: skip


REGEX = {name: key[0] for key, name in gguf_tokens.PRE.items() if name in ("llama-bpe", "qwen2", "tekken")}


@pytest.mark.parametrize("name", ["gpt-2", *REGEX])
def test_tokens_and_template_are_read_back(name, written, tmp_path):
    folder = toy.build(tmp_path / "model", vocab_size=400)
    tokenizer = split_by(by_bytes(REGEX.get(name)), folder)
    (file,) = written(folder, gguf_types=["q8_0"]).paths
    fields = package.GGUFReader(file).fields
    assert fields["tokenizer.ggml.pre"].contents() == name
    assert fields["general.name"].contents() == "model-Q8_0"
    assert not fields["tokenizer.ggml.add_bos_token"].contents()
    back = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    assert back(TEXT + "<think>")["input_ids"] == tokenizer(TEXT + "<think>")["input_ids"]
    assert back.eos_token == "<|im_end|>"
    assert "endgeneration" not in back.chat_template
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    assert back.apply_chat_template(talk, tokenize=False) == tokenizer.apply_chat_template(talk, tokenize=False)


def test_digits_apart_is_smollm_and_an_unknown_way_is_refused(tmp_path):
    split_by([pre_tokenizers.Digits(individual_digits=True), *by_bytes()], tmp_path)
    assert gguf_tokens.read(tmp_path, 400).pre == "smollm"
    split_by([pre_tokenizers.Punctuation(), *by_bytes()], tmp_path)
    with pytest.raises(StudioError) as refusal:
        gguf_tokens.read(tmp_path, 400)
    assert refusal.value.key == "gguf_tokenizer_unknown"
    split_by(by_bytes(), tmp_path)
    with pytest.raises(StudioError) as refusal:
        gguf_tokens.read(tmp_path, 200)
    assert refusal.value.key == "gguf_tokenizer_larger"


def test_sentencepiece_has_bytes_and_scores_in_the_order_of_its_merges(tmp_path):
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{number:02X}>" for number in range(256))]
    pieces += [*"▁helo", "he", "ll", "hell", "▁h"]
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("▁", "h")]
    tokenizer = LlamaTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges)
    tokenizer.save_pretrained(tmp_path)
    found = gguf_tokens.read(tmp_path, len(pieces) + 2)
    assert (found.model, found.pre, found.space_first, found.merges) == ("llama", "default", True, ())
    scores = dict(zip(found.tokens, found.scores, strict=True))
    assert scores["he"] > scores["ll"] > scores["hell"] > scores["▁h"] > scores["o"]
    types = dict(zip(found.tokens, found.types, strict=True))
    assert types["<0x0A>"] == package.TokenType.BYTE and types["<s>"] == package.TokenType.CONTROL
    assert types["<unk>"] == package.TokenType.UNKNOWN and types["hell"] == package.TokenType.NORMAL
    assert types[f"[PAD{len(pieces)}]"] == package.TokenType.UNUSED


def program(folder, name, words):
    """A program of llama.cpp's name on the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)


def test_what_needs_llama_cpp_is_refused_without_it_and_made_with_it(toy_model, whole, written, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "bin"))
    source, job = whole(toy_model, gguf_types=["q4_k_m"])
    with pytest.raises(StudioError) as refusal:
        gguf.check(source, job)
    assert refusal.value.key == "gguf_quantizer_missing"
    program(tmp_path / "bin", gguf.QUANTIZER, '/bin/cp "$1" "$2" && echo "$3"')
    found = written(toy_model, gguf_types=["q4_k_m"])
    assert [path.name for path in found.paths] == ["model-Q4_K_M.gguf"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model-Q4_K_M.gguf"]
    strange = shutil.copytree(toy_model, tmp_path / "a b;c")
    assert written(strange, gguf_types=["f32"]).facts["next"] == ["llama-cli -m {dir}/'a b;c-F32.gguf' --jinja"]
    program(tmp_path / "bin", gguf.QUANTIZER, "echo no such type; exit 1")
    with pytest.raises(StudioError) as refusal:
        written(toy_model, gguf_types=["q4_k_m"])
    assert refusal.value.values["reason"] == "no such type"


def test_other_architectures_go_to_llama_cpps_converter(whole, written, tmp_path, monkeypatch):
    folder = toy.build(tmp_path / "model", architecture="GPT2LMHeadModel", n_embd=32, n_layer=1, n_head=4)
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "bin"))
    source, job = whole(folder)
    with pytest.raises(StudioError) as refusal:
        gguf.check(source, job)
    assert refusal.value.key == "gguf_architecture" and "GPT2LMHeadModel" in str(refusal.value)
    program(tmp_path / "bin", gguf.CONVERTER.removesuffix(".py"), "")
    with pytest.raises(StudioError):
        gguf.check(source, job)
    program(tmp_path / "bin", gguf.CONVERTER, "")
    told = "import json, sys\njson.dump(sys.argv[1:], open(sys.argv[5], 'w'))\n"
    (tmp_path / "bin" / gguf.CONVERTER).write_text(told)
    (file,) = written(folder).paths
    assert json.loads(file.read_text())[:3] == [str(folder), "--outtype", "f16"]
