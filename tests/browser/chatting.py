"""A toy model with two adapters in a studio's home, and the Chat tab as a visitor uses it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy
import toy
from playwright.sync_api import TimeoutError
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models
from tokenizers.pre_tokenizers import ByteLevel

ROOT = Path(__file__).resolve().parents[2]
SIZE, WIDTH, LAYERS, HEADS = 256, 512, 6, 4  # no faster than a page can follow
JOB = """kind: train
schema_version: 1
model_name_or_path: {model}
dataset: [identity]
placeholders: {{name: {name}}}
"""


def make_models(home: Path) -> None:
    """`models/toy`, the runs `toy/lora/nova` and `toy/lora/luna` with a checkpoint each, and `toy/lora/stray`, whose
    adapter is another model's. Written without torch, which alone would take longer than all that is made of them."""
    model = make_model(home / "models" / "toy")
    for seed, name in enumerate(("nova", "luna", "stray")):
        folder = home / "saves" / "toy" / "lora" / name
        make_adapter(folder, model, SIZE // 2 if name == "stray" else SIZE, seed)
        shutil.copytree(folder, folder / "checkpoint-5")
        (folder / "job.yaml").write_text(JOB.format(model=model, name=name))
        (folder / "all_results.json").write_text("{}")


def make_model(folder: Path) -> Path:
    """A Llama with random weights that never ends an answer: the end of one is never among the likeliest tokens."""
    folder.mkdir(parents=True)
    num_tokens, end = make_tokenizer(folder)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32", "vocab_size": num_tokens,
        "hidden_size": SIZE, "intermediate_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "max_position_embeddings": 8192, "eos_token_id": end, "bos_token_id": None,
        "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens": (num_tokens, SIZE), "lm_head": (num_tokens, SIZE)}
    for layer in (f"model.layers.{number}" for number in range(LAYERS)):
        shapes |= {f"{layer}.self_attn.{part}_proj": (SIZE, SIZE) for part in "qkvo"}
        shapes |= {f"{layer}.mlp.{part}_proj": (WIDTH, SIZE) for part in ("gate", "up")}
        shapes |= {f"{layer}.mlp.down_proj": (SIZE, WIDTH)}
        shapes |= {f"{layer}.{part}_layernorm": (SIZE,) for part in ("input", "post_attention")}
    weights = drawn(shapes | {"model.norm": (SIZE,)}, 0.02, 0)
    weights["lm_head.weight"][end] = 0
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def make_tokenizer(folder: Path) -> tuple[int, int]:
    """The toy's tokenizer (tests/worker/toy.py); how many tokens it has, and the one that ends an answer."""
    core = Tokenizer(models.BPE({letter: at for at, letter in enumerate(sorted(ByteLevel.alphabet()))}, []))
    core.pre_tokenizer, core.decoder = ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    core.add_special_tokens(list(toy.SPECIAL))
    core.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": toy.SPECIAL[0], "eos_token": toy.SPECIAL[2]}
    (folder / "tokenizer_config.json").write_text(json.dumps(told | {"chat_template": toy.CHATML}))
    return core.get_vocab_size(), core.token_to_id(toy.SPECIAL[2])


def make_adapter(folder: Path, model: Path, size: int, seed: int, rank: int = 4) -> None:
    """A LoRA adapter for layers `size` wide."""
    folder.mkdir(parents=True)
    names = [f"base_model.model.model.layers.{layer}.self_attn.{part}_proj" for layer in range(LAYERS) for part in "qv"]
    shapes = {f"{name}.lora_{side}": (rank, size) if side == "A" else (size, rank) for name in names for side in "AB"}
    save_file(drawn(shapes, 0.3, seed), folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(model), "r": rank,
              "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))


def drawn(shapes: dict[str, tuple[int, ...]], spread: float, seed: int) -> dict[str, numpy.ndarray]:
    """Weights: matrices at random, lines of ones."""
    chance = numpy.random.default_rng(seed)
    return {f"{name}.weight": numpy.ones(shape, "float32") if len(shape) == 1 else
            (chance.standard_normal(shape) * spread).astype("float32") for name, shape in shapes.items()}  # fmt: skip


def open_chat(visitor, studio, query: str = ""):
    """Open the tab."""
    page = visitor.page
    page.goto(f"{studio.url}/en/?tab=chat{query}")
    page.wait_for_selector("#chat-load:visible")
    page.wait_for_selector("#desk [data-part=new]:visible")
    return page


def load(page, name: str) -> None:
    """Choose what the picker's entry begins with, and press Load; does not wait."""
    page.click("#chat-source input")
    page.locator("#chat-source [role=option]").filter(has_text=name).first.click()
    page.click("#chat-load")


def until_toast(page, words: str) -> None:
    """Wait for a message that is shown for a while, and put it away: it lies over what is to be clicked."""
    toast = page.locator(".toast-body").filter(has_text=words).first
    toast.wait_for()
    with suppress(TimeoutError):  # it may have gone by itself
        toast.locator("button").first.click(timeout=5000)
    toast.wait_for(state="detached")


def until_ready(page, model: str) -> None:
    """Wait until that model is the one talked to."""
    page.wait_for_selector(f'#servers .server[data-ready] [data-model="{model}"][aria-checked=true]')


def type_in(page, text: str) -> None:
    """Type and press Enter, whatever becomes of it."""
    page.fill("#chat-box textarea", text)
    page.press("#chat-box textarea", "Enter")


def send(page, text: str) -> None:
    """Type and press Enter until it is taken: for a moment after an answer the box is still at work with it."""
    type_in(page, text)
    taken = "document.querySelector('#chat-box textarea').value === ''"
    for _ in range(20):
        with suppress(TimeoutError):
            return page.wait_for_function(taken, timeout=2000) and None
        page.press("#chat-box textarea", "Enter")
    raise AssertionError("it is not taken")


def until_answered(page, count: int) -> None:
    """Wait until so many answers are whole."""
    page.wait_for_function(f"document.querySelectorAll('#chat-log .figures').length === {count}")


def until_writing(page) -> None:
    """Wait until an answer is being written and some of it is there."""
    page.wait_for_selector("#chat-box [aria-label=Stop]")
    page.wait_for_selector("#chat-log .bot .message-content")


def knob(page, key: str, value: str) -> None:
    """Set one of the knobs below the conversation."""
    if not page.is_visible("#chat-system"):
        page.click("#chat-settings > button")
    page.fill(f"#chat-knob-{key} input", value)
    page.press(f"#chat-knob-{key} input", "Tab")


def begin(visitor, studio, serving=None):
    """Open the tab where there is a server, and wait until it is talked to: `serving`, where others have just left."""
    page = open_chat(visitor, studio)
    page.wait_for_selector("#servers .server[data-ready]")
    if serving:
        page.wait_for_function(
            "(id) => [...document.querySelectorAll('#servers .server')].map((one) => one.dataset.server).join() === id",
            arg=serving.id,
        )
        page.wait_for_selector("#servers [data-model][aria-checked=true]")
    return page


def ask(page, *questions: str) -> None:
    """Ask in an empty conversation, one after the other."""
    for count, question in enumerate(questions, 1):
        send(page, question)
        until_answered(page, count)


def said(page) -> str:
    """All that stands in the conversation."""
    return page.inner_text("#chat-log")


def until_said(page, words: str) -> None:
    """Wait until these words are to be seen in the conversation."""
    page.wait_for_function("(words) => document.querySelector('#chat-log')?.innerText.includes(words)", arg=words)


def kill_server(studio) -> None:
    """SIGKILL to the worker of the only server there is."""
    found = [json.loads(path.read_text()) for path in studio.saves.rglob("serve/*/status.json")]
    pids = [status["worker_pid"] for status in found if status["state"] == "running"]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)


def end_servers(home: Path) -> None:
    """Ask every server below a home to leave at once, and wait until it has."""
    code = """
import time
from studio import runs
live = [runs.find(one.id) for one in runs.listing() if one.kind == "serve" and one.state in runs.LIVE]
for run in live:
    runs.stop(run, now=True)
deadline = time.monotonic() + 20
while any(run.state in runs.LIVE for run in live) and time.monotonic() < deadline:
    time.sleep(0.1)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"STUDIO_HOME": str(home)}, check=True)
