"""The form of the original LLaMA code: `consolidated.00.pth`, `params.json` and the tokenizer, by its own names.

Its rotary code turns neighbouring numbers, Transformers' the two halves of a head: rows of q and k change places.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from studio.errors import StudioError
from studio.worker.export import layering, shards, verify
from studio.worker.export.manifest import Written
from studio.worker.export.source import Source

WEIGHTS, PARAMS = "consolidated.00.pth", "params.json"
KINDS = ("llama",)
TOP = {"model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output"}
OF_A_LAYER = {
    "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk", "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1", "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3", "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
BACK = {new: old for old, new in (TOP | OF_A_LAYER).items()}


def check(source: Source, job) -> None:
    """Raises StudioError for a model that is no LLaMA, or one with what `params.json` cannot say: the original code
    would read it, and answer otherwise."""
    kind, strange = source.config.model_type, ""
    if kind in KINDS:
        strange = next((f"{key}: {value}" for key, value in _unknown(source.config)), "")
    if kind not in KINDS or strange:
        raise StudioError("export_pth_not_llama", kind=f"{kind} ({strange})" if strange else kind)


def stretched(dim: int) -> dict:
    """How Llama 3.1 (arXiv:2407.21783) and 3.2 stretch their frequencies; their files say only that they do."""
    return {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "factor": 32.0 if dim <= 3072 else 8.0}  # fmt: skip


def write(source: Source, job, folder: Path, progress) -> Written:
    """The model of `source.merged` as one file. The whole model is in memory: `torch.save` writes it in one piece."""
    weights, config = shards.open_weights(source.merged), _config(source)
    names, state = shards.natural(weights.specs), {}
    for number, name in enumerate(names):
        progress("writing_pth", number, len(names))
        state[original_name(name)] = turned(name, weights.read(name), config, back=False).clone()
    if "output.weight" not in state:  # the original always has one
        state["output.weight"] = state["tok_embeddings.weight"]
    with open(folder / WEIGHTS, "wb") as file:  # opened here, a full disk is told as one
        torch.save(state, file)
    params = params_of(config, state)
    (folder / PARAMS).write_text(json.dumps(params, indent=2) + "\n", "utf-8")
    paths = [folder / WEIGHTS, folder / PARAMS]
    model = source.voice / "tokenizer.model"
    model = model if model.is_file() else source.base / "tokenizer.model"
    if model.is_file():
        paths.append(Path(shutil.copy2(model, folder)))
    else:  # one that Transformers alone can read
        source.tokenizer.save_pretrained(folder)
        paths += [path for path in sorted(folder.iterdir()) if path.is_file() and path not in paths]
    return Written("pth", tuple(paths), {"next": ["studio convert --input_dir {dir} --output_dir {dir}-hf"]})


def prove(written: Written, source: Source, job, expected: verify.Expected) -> list[verify.Verdict]:
    """The file, read back into Transformers' model, beside the base with its adapters."""
    file = next(path for path in written.paths if path.name == WEIGHTS)
    return [verify.check("pth", lambda: load(file, source), source, expected, verify.SHARES[source.dtype])]


def load(file: Path, source: Source) -> torch.nn.Module:
    """The model whose weights are in the file; its shape is that of `source.merged`."""
    model = layering.load(source, source.merged)
    state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    back = {transformers_name(name): tensor for name, tensor in state.items()}
    turned_back = {name: turned(name, tensor, model.config, back=True) for name, tensor in back.items()}
    model.load_state_dict(turned_back, strict=True)
    return model.to(source.device)


def params_of(config, state: dict) -> dict:
    """`params.json`: the sizes, by the names of the original code."""
    found = {
        "dim": config.hidden_size, "n_layers": config.num_hidden_layers, "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads, "norm_eps": config.rms_norm_eps,
        "vocab_size": state["tok_embeddings.weight"].shape[0],
    } | _width(config)  # fmt: skip
    rope = config.rope_parameters or {}
    found["rope_theta"] = rope.get("rope_theta", 10000.0)
    if rope.get("rope_type") == "llama3":
        found["use_scaled_rope"] = True
    return found


def original_name(name: str) -> str:
    """`model.layers.0.self_attn.q_proj.weight` → `layers.0.attention.wq.weight`."""
    body, _, kind = name.rpartition(".")
    if body in TOP:
        return f"{TOP[body]}.{kind}"
    _, layers, number, inner = body.split(".", 3)
    return f"{layers}.{number}.{OF_A_LAYER[inner]}.{kind}"


def transformers_name(name: str) -> str:
    """The way back."""
    body, _, kind = name.rpartition(".")
    if body in BACK:
        return f"{BACK[body]}.{kind}"
    layers, number, inner = body.split(".", 2)
    return f"model.{layers}.{number}.{BACK[inner]}.{kind}"


def turned(name: str, weight: torch.Tensor, config, back: bool) -> torch.Tensor:
    """Rows of q and k in the other order; other weights as they are. `name` is Transformers'."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return weight
    half = weight.shape[0] // heads // 2
    split = (heads, half, 2, -1) if back else (heads, 2, half, -1)
    return weight.view(*split).transpose(1, 2).reshape(weight.shape)


def _unknown(config) -> Iterator[tuple[str, object]]:
    """Keys of the configuration that the original code has no name for and takes to be otherwise."""
    rope = dict(getattr(config, "rope_parameters", None) or {})
    plain = {"rope_type": "default"} if rope.get("rope_type") != "llama3" else stretched(config.hidden_size)
    wanted = plain | {
        "head_dim": config.hidden_size // config.num_attention_heads, "attention_bias": False, "mlp_bias": False,
        "hidden_act": "silu",
    }  # fmt: skip
    for key, value in wanted.items():
        found = rope.get(key) if key in plain else getattr(config, key, None)
        if found not in (None, value):
            yield key, found


def _config(source: Source):
    return layering.read_config(source.merged, source.trusts_code)


def _width(config) -> dict:
    """How the original code comes to the width of the feed-forward layer: 2/3 of four times `dim`, times a factor,
    rounded up to a multiple. Exact where a factor can say it."""
    wanted, plain = config.intermediate_size, int(2 * 4 * config.hidden_size / 3)
    for multiple in (4096, 1024, 256, 128, 64, 32, 16, 8, 4, 2, 1):
        if -(-plain // multiple) * multiple == wanted:
            return {"multiple_of": multiple}
    multiple = next(size for size in (4096, 1024, 256, 128, 64, 32, 16, 8, 4, 2, 1) if wanted % size == 0)
    factor = (wanted - multiple / 2 if multiple > 1 else wanted + 0.5) / plain
    return {"multiple_of": multiple, "ffn_dim_multiplier": round(factor, 6)}
