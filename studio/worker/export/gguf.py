"""One file for llama.cpp, Ollama and LM Studio: weights, tokenizer and chat template in the GGUF format.

Llama, Mistral without a window, Qwen2 and Qwen3 are written here, with the `gguf` package. The kinds with a k are made
by llama.cpp's `llama-quantize`, other architectures by its `convert_hf_to_gguf.py`, where these are on the PATH.
"""

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from studio.data import template as templates
from studio.data.problem import Problem
from studio.data.tokens import ModelTokens
from studio.errors import StudioError
from studio.worker.export import gguf_tokens, gguf_weights, verify
from studio.worker.export.manifest import Written
from studio.worker.export.source import Source, title_of

QUANTIZER, CONVERTER = "llama-quantize", "convert_hf_to_gguf.py"
_CONVERTED = ("f32", "f16", "bf16", "q8_0")  # what llama.cpp's converter writes by itself
_ROPES = {"linear": gguf.RopeScalingType.LINEAR, "yarn": gguf.RopeScalingType.YARN}
_IN_PLACE = ("default", "llama3", None)
# How far logits may be off, as a share of the largest: what so few bits do to a model, with room to spare.
SHARES = {"f32": 1e-3, "f16": 1e-2, "bf16": 6e-2, "q8_0": 0.2, "q6_k": 0.3, "q5_k_m": 0.6, "q4_k_m": 1.0, "q4_0": 1.0}
_POLL_S = 0.2
_START = ".start.gguf"  # what a quantizer begins with, dropped afterwards
_LEARNED = re.compile(r"\{%[-+]?\s*(?P<end>end)?generation\s*[-+]?%\}")


def check(source: Source, job) -> None:
    """Refuse, before anything is written, what could not be written in the end: an architecture or a kind of numbers
    whose program is not here, a tokenizer that a GGUF file cannot tell."""
    native = gguf_weights.architecture_of(source.config) is not None
    if not native and shutil.which(CONVERTER) is None:
        named = (getattr(source.config, "architectures", None) or [source.config.model_type])[0]
        known = ", ".join(gguf_weights.ARCHITECTURES)
        raise StudioError("gguf_architecture", architecture=named, known=known, program=CONVERTER)
    by_program = [form for form in job.gguf_types if form not in (gguf_weights.KINDS if native else _CONVERTED)]
    if by_program and shutil.which(QUANTIZER) is None:
        raise StudioError("gguf_quantizer_missing", types=", ".join(by_program), program=QUANTIZER)
    rope = (getattr(source.config, "rope_parameters", None) or {}).get("rope_type")
    if native and rope not in (*_ROPES, *_IN_PLACE):
        raise StudioError("gguf_rope", rope=rope)
    if native:
        with tempfile.TemporaryDirectory() as folder:
            source.tokenizer.save_pretrained(folder)
            gguf_tokens.read(Path(folder), max(source.config.vocab_size, len(source.tokenizer)))


def write(source: Source, job, folder: Path, progress) -> Written:
    """A file for each of `gguf_types` in `folder`, from the whole model in `source.merged`.

    Raises StudioError for what `check` names and for a program of llama.cpp that fails.
    """
    made: dict[str, Path] = {}
    native = gguf_weights.architecture_of(source.config) is not None
    plain = gguf_weights.KINDS if native else _CONVERTED
    for form in sorted(set(job.gguf_types), key=lambda form: form not in plain):
        path = folder / file_name(job, form)
        if form in plain:
            _write_plain(source.merged, path, form, progress)
        else:
            _quantize(_start_of(made, source, folder, progress), path, form, progress)
        made[form] = path
    with contextlib.suppress(FileNotFoundError):
        (folder / _START).unlink()
    paths = tuple(made[form] for form in dict.fromkeys(job.gguf_types))
    commands = [f"llama-cli -m {{dir}}/{shlex.quote(path.name)} --jinja" for path in paths]
    return Written("gguf", paths, {"types": list(dict.fromkeys(job.gguf_types)), "next": commands})


def file_name(job, form: str) -> str:
    """`Qwen3-0.6B-nova-Q8_0.gguf`: what the model is called, and how its numbers are held."""
    return f"{title_of(job)}-{form.upper()}.gguf"


def prove(written: Written, source: Source, job, expected: verify.Expected) -> list[verify.Verdict]:
    """Each file, read back by Transformers, beside the model with its adapters."""
    files = zip(written.facts["types"], (path for path in written.paths if path.suffix == ".gguf"), strict=True)
    return [
        verify.check(f"gguf {form}", lambda file=file: load(file, source.merged, source.proof_dtype).to(source.device),
                     source, expected, max(SHARES[form], verify.SHARES[source.proof_dtype]))
        for form, file in files
    ]  # fmt: skip


def load(file: Path, merged: Path, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """The model as Transformers reads it back from the file, for comparing.

    The configuration is that of the folder `merged`: of some keys of a GGUF file Transformers takes no notice.
    """
    config = AutoConfig.from_pretrained(merged)
    if config.model_type == "mistral":  # in a GGUF file it is a Llama
        config = LlamaConfig(**{**config.to_dict(), "model_type": "llama", "architectures": ["LlamaForCausalLM"]})
    return AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, config=config, dtype=dtype)


def _start_of(made: dict[str, Path], source: Source, folder: Path, progress) -> Path:
    """What the quantizer starts from: the most exact file there is, else one that is dropped afterwards."""
    found = next((made[form] for form in ("f32", "bf16", "f16") if form in made), folder / _START)
    if not found.exists():
        _write_plain(source.merged, found, "bf16" if source.dtype == torch.bfloat16 else "f16", progress)
    return found


def _write_plain(merged: Path, path: Path, form: str, progress) -> None:
    config = AutoConfig.from_pretrained(merged)
    if gguf_weights.architecture_of(config) is None:
        program = shutil.which(CONVERTER)
        command = [program] if program and not program.endswith(".py") else [sys.executable, program]
        _call([*command, str(merged), "--outtype", form, "--outfile", str(path)], CONVERTER, form, progress)
        return
    writer = gguf.GGUFWriter(path, gguf_weights.architecture_of(config))
    try:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(path.stem)
        _add_shape(writer, config, form)
        _add_voice(writer, merged, config)
        gguf_weights.write(writer, merged, config, form, lambda done, total: progress("gguf", done, total, "bytes"))
    finally:
        writer.close()


def _add_shape(writer: gguf.GGUFWriter, config, form: str) -> None:
    """The keys about the model's shape, as llama.cpp's loader asks for them."""
    width, rope = gguf_weights.head_width(config), getattr(config, "rope_parameters", None) or {}
    writer.add_file_type(gguf_weights.FILE_TYPES[form])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads or config.num_attention_heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if kind := _ROPES.get(rope.get("rope_type")):
        writer.add_rope_scaling_type(kind)
        writer.add_rope_scaling_factor(rope["factor"])
        if trained := rope.get("original_max_position_embeddings"):
            writer.add_rope_scaling_orig_ctx_len(trained)


def _add_voice(writer: gguf.GGUFWriter, merged: Path, config) -> None:
    """Tokenizer and chat template. A text begins with the first token where conversations did in training."""
    tokens = ModelTokens(merged)
    gguf_tokens.add(writer, gguf_tokens.read(merged, config.vocab_size))
    for name, add in (
        ("bos_token", writer.add_bos_token_id),
        ("eos_token", writer.add_eos_token_id),
        ("pad_token", writer.add_pad_token_id),
        ("unk_token", writer.add_unk_token_id),
    ):
        if (number := tokens.id_of(tokens.special.get(name))) is not None:
            add(number)
    writer.add_add_bos_token(begins_with_bos(tokens))
    if tokens.chat_template:
        writer.add_chat_template(plain_template(tokens.chat_template))


def begins_with_bos(tokens: ModelTokens) -> bool:
    """Whether what the model reads begins with its first token: as its chat template says, else as its tokenizer
    does. llama.cpp and Ollama then put it there themselves."""
    bos = tokens.special.get("bos_token")
    if not bos:
        return False
    if tokens.chat_template:
        with contextlib.suppress(Problem):  # a template that refuses so short a conversation
            asked = [{"role": "user", "content": "?"}]
            return templates.load(None, tokens).render(asked, add_generation_prompt=True).text.startswith(bos)
    return tokens.begins_with is not None


def plain_template(source: str) -> str:
    """A chat template without the marks of what is learned, which only trainers understand."""
    return _LEARNED.sub(lambda found: _neutral(found[0], found["end"]), source)


def _neutral(tag: str, ends: str | None) -> str:
    """The tag as one that does nothing; how it trims the white space around it stays."""
    word = "endif" if ends else "if true"
    return f"{tag[: 3 if tag[2] in '-+' else 2]} {word} {tag[-3 if tag[-3] in '-+' else -2 :]}"


def _quantize(start: Path, path: Path, form: str, progress) -> None:
    _call([shutil.which(QUANTIZER), str(start), str(path), form.upper()], QUANTIZER, form, progress)


def _call(command: list[str], program: str, form: str, progress) -> None:
    """Run a program of llama.cpp, its words in the log. Ended where the run is stopped.

    Raises StudioError with the last of its words where it fails.
    """
    with tempfile.TemporaryFile() as words, subprocess.Popen(command, stdout=words, stderr=words) as process:
        try:
            while process.poll() is None:
                progress("gguf")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_S)
        finally:
            process.kill()
            process.wait()
        words.seek(0)
        said = words.read().decode("utf-8", "replace").strip()
    print(said, flush=True)
    if process.returncode:
        last = said.splitlines()[-1] if said else f"exit code {process.returncode}"
        raise StudioError("gguf_program_failed", program=program, form=form, reason=last)
