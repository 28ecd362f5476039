"""Original LLaMA weights become a model of Transformers with equal logits, whole or in parts, and their tokenizer."""

import base64
import io
import json
import multiprocessing
import os
import signal

import pytest
import torch
import toy
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.config import read_mapping
from studio.errors import StudioError
from studio.worker.build import llama, llama_tokens, recipe
from studio.worker.export import drafts, pth, shards

IDS = torch.arange(5, 45)[None]
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip


def original_of(folder, out):
    """The weights of a toy model in the original form, by the export's own way there."""
    from transformers import AutoConfig

    weights, config, state = shards.open_weights(folder), AutoConfig.from_pretrained(folder), {}
    for name in weights.specs:
        state[pth.original_name(name)] = pth.turned(name, weights.read(name), config, back=False).clone()
    state.setdefault("output.weight", state["tok_embeddings.weight"])
    out.mkdir(parents=True, exist_ok=True)
    (out / "params.json").write_text(json.dumps(pth.params_of(config, state)))
    return state


def saved(state, out, num_parts=1, rows=False):
    """`state` spread over so many files as over cards; `rows`: the embeddings by rows, as of the third generation."""
    for number in range(num_parts):
        part = {}
        for name, weight in state.items():
            cut = (0 if rows else 1) if name == llama.EMBEDDINGS else llama.CUTS.get(name.split(".")[-2])
            part[name] = weight if cut is None else weight.chunk(num_parts, cut)[number].clone()
        torch.save(part | {"rope.freqs": torch.ones(4)}, out / f"consolidated.{number:02}.pth")


def convert(source, target, **keys):
    given = {"what": "convert", "input_dir": str(source), "local_dir": str(target), "device": "cpu"}
    return llama.convert(read_mapping("build", given | keys).job, lambda *_: None)


def logits(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        return model(input_ids=IDS).logits


@pytest.mark.parametrize(
    ("num_parts", "rows", "sizes"),
    [
        (1, False, {"num_key_value_heads": 4}),
        (2, False, {"rms_norm_eps": 1e-5}),
        (2, True, {"rope_parameters": LLAMA3, "tie_word_embeddings": True}),
        (4, True, {}),
    ],
    ids=["first", "second, two parts", "third, tied", "more cards than heads of keys"],
)
def test_a_round_trip_has_equal_logits(num_parts, rows, sizes, tmp_path):
    folder, out = toy.build(tmp_path / "model", initializer_range=0.2, **sizes), tmp_path / "in" / "7B"
    state = original_of(folder, out)
    if num_parts == 4:  # two heads of keys on four cards: each is held twice
        whole = {name: weight for name, weight in state.items() if name.split(".")[-2] in ("wk", "wv")}
        saved(state, out, num_parts, rows)
        for number in range(num_parts):
            file = out / f"consolidated.{number:02}.pth"
            halves = {name: weight.chunk(2, 0)[number // 2].clone() for name, weight in whole.items()}
            torch.save(torch.load(file, weights_only=True) | halves, file)
    else:
        saved(state, out, num_parts, rows)
    toy.make_tokenizer().save_pretrained(tmp_path / "in")
    target = convert(tmp_path / "in", tmp_path / "out", model_size="7B")
    torch.testing.assert_close(logits(target), logits(folder), atol=0, rtol=0)
    config = json.loads((target / "config.json").read_text())
    assert config["tie_word_embeddings"] == sizes.get("tie_word_embeddings", False)
    assert not (tmp_path / "out.part").exists()
    assert AutoTokenizer.from_pretrained(target)("Hi")["input_ids"] == toy.make_tokenizer()("Hi")["input_ids"]


def test_a_build_job_converts_and_says_where(toy_model, tmp_path):
    saved(original_of(toy_model, tmp_path / "in"), tmp_path / "in")
    toy.make_tokenizer().save_pretrained(tmp_path / "in")
    given = {"what": "convert", "input_dir": str(tmp_path / "in"), "local_dir": str(tmp_path / "out"), "device": "cpu"}
    (tmp_path / "run").mkdir()
    assert recipe.run(tmp_path / "run", read_mapping("build", given).job) == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == {"path": str(tmp_path / "out")}
    with pytest.raises(StudioError) as refusal:
        convert(tmp_path / "in", tmp_path / "out")
    assert refusal.value.key == "convert_target_used"


def test_what_a_killed_conversion_has_left_is_cleared_away_by_the_next(toy_model, tmp_path):
    saved(original_of(toy_model, tmp_path / "in"), tmp_path / "in")
    toy.make_tokenizer().save_pretrained(tmp_path / "in")
    (tmp_path / "out").mkdir()  # made beforehand
    for number, code in ((signal.SIGTERM, drafts.ENDED_AT_ONCE), (signal.SIGKILL, -signal.SIGKILL)):
        assert not (tmp_path / "out.part").exists(), "ended at once, it has cleared up itself"
        process = multiprocessing.get_context("fork").Process(target=_ended_at_work, args=(tmp_path, number))
        process.start()
        process.join(60)
        assert process.exitcode == code
    assert (tmp_path / "out.part" / "model.safetensors").is_file()
    assert not any((tmp_path / "out").iterdir())
    torch.testing.assert_close(logits(convert(tmp_path / "in", tmp_path / "out")), logits(toy_model), atol=0, rtol=0)
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]


def _ended_at_work(folder, number):
    llama.llama_tokens.write = lambda *_: os.kill(os.getpid(), number)
    convert(folder / "in", folder / "out")


def refused(source, tmp_path, **keys):
    with pytest.raises(StudioError) as refusal:
        convert(source, tmp_path / "out", **keys)
    assert not list(tmp_path.glob("out*"))
    return refusal.value


def test_what_is_missing_or_wrong_is_named(toy_model, tmp_path):
    source = tmp_path / "in"
    state = original_of(toy_model, source / "7B")
    assert refused(source, tmp_path).values["found"] == "7B"
    assert refused(source / "7B", tmp_path).key == "convert_no_weights"
    saved(state, source / "7B")
    assert refused(source / "7B", tmp_path).key == "convert_no_tokenizer"
    toy.make_tokenizer().save_pretrained(source)
    saved({name: weight for name, weight in state.items() if ".1." not in name}, source / "7B")
    assert refused(source, tmp_path, model_size="7B").key == "convert_misfit"
    saved(state | {"layers.0.attention.wq.weight": torch.ones(32, 8)}, source / "7B")
    assert "layers.0.attention.wq.weight" in str(refused(source, tmp_path, model_size="7B"))
    (source / "7B" / "consolidated.00.pth").write_bytes(b"")  # as a download that was cut off leaves it
    assert refused(source, tmp_path, model_size="7B").key == "convert_broken"
    torch.save({"harm": io.BytesIO(b"x")}, source / "7B" / "consolidated.00.pth")  # more than weights
    assert refused(source, tmp_path, model_size="7B").key == "convert_broken"


def test_llama_3_has_its_byte_pairs_and_special_tokens(tmp_path):
    words = [bytes([number]) for number in range(256)] + [b"He", b"ll", b"Hell", b"Hello", b"12", b"123"]
    lines = (f"{base64.b64encode(word).decode()} {number}" for number, word in enumerate(words))
    (tmp_path / "tokenizer.model").write_text("\n".join(lines) + "\n")
    assert llama_tokens.is_tiktoken(tmp_path)
    for scaled, turn in ((False, 9), (True, 9)):
        (tmp_path / "out").mkdir(exist_ok=True)
        llama_tokens.write(tmp_path, tmp_path / "out", len(words) + 256, scaled)
        back = AutoTokenizer.from_pretrained(tmp_path / "out")
        ids = back("Hello 1234<|eot_id|>")["input_ids"]
        assert ids == [len(words), words.index(b"Hello"), 32, words.index(b"123"), 52, len(words) + turn]
        assert back.decode(ids[1:]) == "Hello 1234<|eot_id|>" and len(back) == len(words) + 256
        ends = llama_tokens.special_ids(tmp_path, scaled)["eos_token_id"]
        assert back.convert_ids_to_tokens(ends[-1]) == "<|eot_id|>" and len(ends) == 2 + scaled
    with pytest.raises(StudioError):
        llama_tokens.write(tmp_path, tmp_path / "out", 300, True)


def test_sentencepiece_reads_as_the_original_does(tmp_path):
    import sentencepiece

    model, text = io.BytesIO(), ["hello world, this is a small text", "你好 世界 12345", "hello hell held help"] * 4
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=model, vocab_size=320, model_type="bpe", byte_fallback=True,
        split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False, num_threads=1,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "tokenizer.model").write_bytes(model.getvalue())
    original = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    (tmp_path / "out").mkdir()
    llama_tokens.write(tmp_path, tmp_path / "out", original.vocab_size(), False)
    back = AutoTokenizer.from_pretrained(tmp_path / "out")
    for words in ("hello  held 12 é", " x", "你好"):
        assert back(words)["input_ids"] == [original.bos_id(), *original.encode(words)]
    assert llama_tokens.special_ids(tmp_path, False) == {"bos_token_id": 1, "eos_token_id": 2}
