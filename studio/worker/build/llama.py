"""Original LLaMA weights as a model folder of Transformers: `params.json`, `consolidated.*.pth` and the tokenizer.

Several files are the parts of a model that was spread over as many cards; each weight was cut along its rows or its
columns. Weights are mapped, joined and written one at a time, so memory holds one of them, not the model.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from studio.errors import StudioError
from studio.worker.build import llama_tokens
from studio.worker.export import drafts, pth, shards

PARAMS, PARTS = "params.json", "consolidated.*.pth"
SHARD_BYTES = 5 * 10**9
#: Which way each weight was cut: 0 along its rows, 1 along its columns; those not named are whole in every part.
CUTS = {"wq": 0, "wk": 0, "wv": 0, "w1": 0, "w3": 0, "output": 0, "wo": 1, "w2": 1}
EMBEDDINGS, HEAD = "tok_embeddings.weight", "output.weight"


@dataclass(frozen=True)
class Original:
    """The original files: `params` as they stand, `parts` mapped into memory, the tokenizer's folder."""

    folder: Path
    params: dict
    parts: Sequence[dict[str, torch.Tensor]]
    tokens: Path

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a whole weight."""
        cut, shapes = self._cut(name), [tuple(part[name].shape) for part in self._holding(name)]
        if cut is None:
            return shapes[0]
        joined = sum(shape[cut] for shape in shapes)
        return tuple(joined if axis == cut else size for axis, size in enumerate(shapes[0]))

    def weight(self, name: str) -> torch.Tensor:
        """A whole weight, joined from its parts."""
        cut, pieces = self._cut(name), [part[name] for part in self._holding(name)]
        return pieces[0] if cut is None or len(pieces) == 1 else torch.cat(pieces, dim=cut)

    def _cut(self, name: str) -> int | None:
        if name == EMBEDDINGS:  # the first two generations cut its columns, the third its rows
            return 0 if self.parts[0][name].shape[1] == self.params["dim"] else 1
        return CUTS.get(name.split(".")[-2])

    def _holding(self, name: str) -> Sequence[dict[str, torch.Tensor]]:
        """The parts that make up a weight: where cards were more than heads of keys, several hold the same ones."""
        if name.split(".")[-2] not in ("wk", "wv"):
            return self.parts
        heads = self.params.get("n_kv_heads") or self.params["n_heads"]
        return self.parts[:: max(1, len(self.parts) // heads)]


def convert(job, progress: Callable[..., None]) -> Path:
    """Convert the weights below `input_dir` into the folder `local_dir`, which appears whole or not at all.

    Raises StudioError for files that are missing, broken or of another model, a full disk, a folder that is used.
    """
    target = Path(job.local_dir).expanduser().resolve()
    if drafts.is_used(target) or target.is_file():
        raise StudioError("convert_target_used", path=target)
    progress("checking")
    original = open_original(Path(job.input_dir).expanduser(), job.model_size)
    _check_room(original, drafts.clear(target))
    config = config_of(original)
    with drafts.draft(target, overwrite=False) as draft:
        write(original, config, draft, lambda done, total: progress("converting", done, total, "bytes"))
        llama_tokens.write(original.tokens, draft, config.vocab_size, bool(original.params.get("use_scaled_rope")))
        _say_ends(draft)
        drafts.put(draft, target)
    return target


def open_original(folder: Path, size: str | None) -> Original:
    """Find the files: in the folder itself or in that of the `size` below it, the tokenizer in either."""
    inner = folder / size if size and (folder / size).is_dir() else folder
    if not (inner / PARAMS).is_file():
        below = sorted(path.parent.name for path in folder.glob(f"*/{PARAMS}")) if folder.is_dir() else []
        raise StudioError("convert_no_params", path=inner / PARAMS, found=", ".join(below) or "–")
    files = sorted(inner.glob(PARTS))
    if not files:
        raise StudioError("convert_no_weights", path=inner)
    tokens = next((place for place in (inner, folder, inner.parent) if llama_tokens.is_in(place)), None)
    if tokens is None:
        raise StudioError("convert_no_tokenizer", path=inner)
    try:
        params = json.loads((inner / PARAMS).read_text("utf-8"))
        _ = params["dim"], params["n_layers"], params["n_heads"]
    except (ValueError, KeyError, TypeError) as error:
        raise StudioError("convert_broken", path=inner / PARAMS, reason=error) from error
    return Original(inner, params, [_mapped(file) for file in files], tokens)


def config_of(original: Original) -> LlamaConfig:
    """The configuration for Transformers; sizes are those of the weights themselves."""
    params, scaled = original.params, original.params.get("use_scaled_rope")
    try:
        num_tokens, dim = original.shape(EMBEDDINGS)
        width = original.shape("layers.0.feed_forward.w1.weight")[0]
        dtype = original.parts[0][EMBEDDINGS].dtype
    except KeyError as error:
        raise StudioError("convert_misfit", path=original.folder, name=error.args[0]) from error
    rope = {"rope_type": "default", "rope_theta": float(params.get("rope_theta", 10000.0))}
    if scaled:
        rope |= pth.stretched(dim)
        rope["factor"] = float(params.get("rope_scaling_factor", rope["factor"]))
    longest = _longest(original, bool(scaled))
    print(f"max_position_embeddings: {longest}; {PARAMS} does not name it. Where it is wrong, set it in config.json.",
          flush=True)  # fmt: skip
    ids = llama_tokens.special_ids(original.tokens, bool(scaled))
    return LlamaConfig(
        vocab_size=num_tokens, hidden_size=dim, intermediate_size=width, num_hidden_layers=params["n_layers"],
        num_attention_heads=params["n_heads"], num_key_value_heads=params.get("n_kv_heads") or params["n_heads"],
        rms_norm_eps=params.get("norm_eps", 1e-5), rope_parameters=rope, max_position_embeddings=longest,
        tie_word_embeddings=_tied(original), dtype=dtype, architectures=["LlamaForCausalLM"], **ids,
    )  # fmt: skip


def write(original: Original, config: LlamaConfig, folder: Path, tick: Callable[[int, int], object]) -> None:
    """Weights and configuration into `folder`. Raises StudioError where the weights are not those of a Llama of this
    configuration, name by name and shape by shape."""
    wanted = _wanted(config)
    sources, specs = {}, {}
    for name in original.parts[0]:
        if name == "rope.freqs" or (config.tie_word_embeddings and name == HEAD):
            continue
        try:
            own = pth.transformers_name(name)
            shape = original.shape(name)
        except (KeyError, ValueError) as error:
            raise StudioError("convert_misfit", path=original.folder, name=name) from error
        if wanted.pop(own, None) != shape:
            raise StudioError("convert_misfit", path=original.folder, name=f"{name} {shape}")
        sources[own], specs[own] = name, shards.Spec(shape, original.parts[0][name].dtype)
    if wanted:
        raise StudioError("convert_misfit", path=original.folder, name=next(iter(wanted)))

    def make(own: str) -> torch.Tensor:
        return pth.turned(own, original.weight(sources[own]).contiguous(), config, back=True)

    shards.write(folder, specs, make, SHARD_BYTES, tick)
    config.save_pretrained(folder)


def _wanted(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """The weights that Transformers' model has, by name, without allocating them."""
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    return {name: tuple(weight.shape) for name, weight in model.named_parameters()}


def _mapped(file: Path) -> dict[str, torch.Tensor]:
    try:
        try:
            return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # written by a torch of before 1.6, which cannot be mapped
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises what its reader does, bare or not
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise StudioError("convert_broken", path=file, reason=reason) from error


def _tied(original: Original) -> bool:
    """Whether the head is the embeddings: the original files hold both all the same."""
    if HEAD not in original.parts[0]:
        return True
    if original.shape(HEAD) != original.shape(EMBEDDINGS):
        return False
    return torch.equal(original.weight(HEAD), original.weight(EMBEDDINGS))


def _longest(original: Original, scaled: bool) -> int:
    """How many tokens the model was trained to read. The files do not say; the generations differ in what they do."""
    params = original.params
    if found := params.get("max_seq_len") or params.get("max_position_embeddings"):
        return found
    if llama_tokens.is_tiktoken(original.tokens):
        return 131072 if scaled else 8192
    if params.get("rope_theta", 10000.0) > 10000.0:  # Code Llama
        return 16384
    first = params.get("norm_eps", 1e-5) < 1e-5 and not params.get("n_kv_heads")
    return 2048 if first else 4096


def _say_ends(folder: Path) -> None:
    config = LlamaConfig.from_pretrained(folder)
    GenerationConfig(bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id).save_pretrained(folder)


def _check_room(original: Original, place: Path) -> None:
    needed = sum(file.stat().st_size for file in original.folder.glob(PARTS)) + drafts.SPARE_BYTES
    free = shutil.disk_usage(place).free
    if free < needed:
        sizes = {"needed_gib": f"{needed / 2**30:.2f}", "free_gib": f"{free / 2**30:.2f}"}
        raise StudioError("convert_no_room", path=place, **sizes)
