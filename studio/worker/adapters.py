"""What of the model is trained: everything (full), some layers (freeze) or a low-rank adapter (lora)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from safetensors import safe_open

from studio.errors import StudioError
from studio.worker import quantization

PISSA_INIT = "pissa_init"


def prepare(model, job, place, folder: Path, grown: bool = False):
    """The model with its trainable parameters set (and, for lora, wrapped by PEFT).

    `grown`: the vocabulary has tokens that the model never saw. Those that the job adds are known without it.

    Raises StudioError where modules or layers that the job names do not exist, or an adapter is of another base model.
    """
    quantization.keep_trainable(model)
    grown = grown or bool(job.resize_vocab or job.add_tokens or job.add_special_tokens)
    # New rows of the vocabulary start from noise: what is saved and leaves them so would be of no use.
    new = _vocabulary(model) if grown else []
    if job.finetuning_type == "lora":
        model = _with_adapter(model, job, folder, new)
    elif job.finetuning_type == "freeze":
        _freeze(model, job, new)
    if not job.pure_bf16:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(torch.float32)
    if job.upcast_layernorm:
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and name.endswith("norm.weight"):
                parameter.data = parameter.data.to(torch.float32)
    return model.to(place.device)


def describe(model) -> str:
    """`trainable params: 1,234 || all params: 5,678 || trainable%: 21.7345`, as LLaMA-Factory prints it."""
    total = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return f"trainable params: {trained:,} || all params: {total:,} || trainable%: {100 * trained / total:.4f}"


def finish(model, job, folder: Path) -> None:
    """Turn a PiSSA adapter, whose start changed the base weights, into a plain one that fits the unchanged base."""
    if job.finetuning_type == "lora" and job.pissa_init and (folder / PISSA_INIT).is_dir():
        model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(folder / PISSA_INIT))


def put_on(model, paths: Sequence[str]):
    """The model with these adapters merged into it, in this order; on weights of few bits one lies unmerged."""
    for path in paths:
        _check_adapter(model, path)
    for path in paths:
        model = PeftModel.from_pretrained(model, path)
        if not getattr(model, "is_quantized", False):
            model = model.merge_and_unload()
            print(f"merged adapter {path}", flush=True)
    return model


def _with_adapter(model, job, folder: Path, new: list[str]):
    given = list(job.adapter_name_or_path or [])
    continued = None if job.create_new_adapter or not given else given.pop()
    if continued:
        _check_adapter(model, continued)
    model = put_on(model, given)
    if continued:
        print(f"continuing adapter {continued}", flush=True)
        return PeftModel.from_pretrained(model, continued, is_trainable=True)
    try:
        wrapped = get_peft_model(model, _lora_config(job, new))
    except ValueError as error:
        raise StudioError("lora_target_missing", targets=", ".join(job.lora_target), reason=str(error)) from error
    if job.pissa_init:
        _save_pissa_start(wrapped, folder / PISSA_INIT)
    return wrapped


def _lora_config(job, new: list[str]) -> LoraConfig:
    everything = list(job.lora_target) == ["all"]
    saved = list(dict.fromkeys([*(job.additional_target or ()), *new]))
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=job.lora_rank,
        lora_alpha=job.lora_alpha,
        lora_dropout=job.lora_dropout,
        target_modules="all-linear" if everything else list(job.lora_target),
        modules_to_save=saved or None,
        use_rslora=job.use_rslora,
        use_dora=job.use_dora,
        init_lora_weights=f"pissa_niter_{job.pissa_iter}"
        if job.pissa_init and job.pissa_iter != -1
        else "pissa"
        if job.pissa_init
        else True,
    )


def _vocabulary(model) -> list[str]:
    """The names of what reads and what writes tokens: `embed_tokens` and `lm_head` of most."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    return [name.split(".")[-1] for name, module in model.named_modules() if any(module is end for end in ends)]


def _save_pissa_start(model, path: Path) -> None:
    config = model.peft_config["default"]
    asked, config.init_lora_weights = config.init_lora_weights, True
    model.save_pretrained(path)
    config.init_lora_weights = asked


def _check_adapter(model, path: str) -> None:
    """Compare the adapter's shapes with the model's before PEFT loads half of it."""
    weights = Path(path) / "adapter_model.safetensors"
    if not (Path(path) / "adapter_config.json").is_file():
        raise StudioError("adapter_missing", path=path)
    base = PeftConfig.from_pretrained(path).base_model_name_or_path
    if not weights.is_file():
        return
    modules = dict(model.named_modules())
    with safe_open(weights, "pt") as file:
        for key in file.keys():  # noqa: SIM118  (not a dict)
            name = key.removeprefix("base_model.model.").split(".lora_")[0]
            module, side = modules.get(name), 1 if ".lora_A." in key else 0
            if ".lora_A." not in key and ".lora_B." not in key:
                continue
            rank_side = file.get_slice(key).get_shape()[side]
            width = getattr(module, "in_features" if side else "out_features", None)
            if module is None or (width is not None and width != rank_side):
                raise StudioError("adapter_of_another_model", path=path, base=base or "?", module=name)


def _freeze(model, job, new: list[str]) -> None:
    """Train the last `freeze_trainable_layers` blocks (the first, if negative), or those modules of them.

    And beside them `freeze_extra_modules`, and those of `new`.
    """
    extras = [*(job.freeze_extra_modules or ()), *new]
    layers = next((m for n, m in model.named_modules() if isinstance(m, torch.nn.ModuleList)), None)
    count = job.freeze_trainable_layers
    if layers is None or not count or abs(count) > len(layers):
        raise StudioError("freeze_layers_out_of_range", asked=count, layers=len(layers or ()))
    chosen = layers[-count:] if count > 0 else layers[:-count]
    wanted = None if list(job.freeze_trainable_modules) == ["all"] else set(job.freeze_trainable_modules)
    model.requires_grad_(False)
    found = set()
    for layer in chosen:
        for name, parameter in layer.named_parameters():
            hit = set(name.split(".")) & wanted if wanted else {name}
            found |= hit
            parameter.requires_grad = bool(hit)
    for extra in extras:
        for name, parameter in model.named_parameters():
            if extra in name.split("."):
                parameter.requires_grad = True
                found.add(extra)
    missing = ((wanted or set()) | set(extras)) - found
    if missing:
        names = sorted({part for name, _ in chosen[0].named_parameters() for part in name.split(".")[:-1]})
        raise StudioError("freeze_modules_missing", missing=", ".join(sorted(missing)), known=", ".join(names))
