"""A few fixed prompts, answered while a model learns: `samples.jsonl`."""

from pathlib import Path

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from studio.runs import folder as run_folder


class Stop(StoppingCriteria):
    """Ends a generation when the user asks the run to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, input_ids, scores, **kwargs):
        asked = input_ids.shape[1] % 8 == 0 and run_folder.stop_requested(self.folder) is not None
        return torch.full((input_ids.shape[0],), asked, dtype=torch.bool, device=input_ids.device)


def answer(model, tokenizer, prompts: list[list[int]], job, folder: Path) -> list[str]:
    """The model's continuations of `prompts` (token ids), in one left-padded batch, greedy unless the job draws.

    Runs without autocast: casting the weights at each step costs more than bf16 gains (measured: 2x on a CPU). Draws
    from random numbers of its own, so that a run learns the same with and without samples.
    """
    longest = max(map(len, prompts))
    padding = [longest - len(ids) for ids in prompts]
    pad = tokenizer.pad_token_id
    input_ids = torch.tensor([[pad] * gap + ids for gap, ids in zip(padding, prompts, strict=True)])  # (B, T)
    mask = torch.tensor([[0] * gap + [1] * len(ids) for gap, ids in zip(padding, prompts, strict=True)])  # (B, T)
    training, cached = model.training, model.config.use_cache
    model.eval()
    try:
        with torch.inference_mode(), _own_random_numbers(model.device):
            torch.manual_seed(job.seed)
            output = model.generate(
                input_ids=input_ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=job.max_new_tokens,
                use_cache=True,
                pad_token_id=pad,
                stopping_criteria=StoppingCriteriaList([Stop(folder)]),
                **_drawing(job),
            )
    finally:
        model.train(training)
        model.config.use_cache = cached
    return [text.strip() for text in tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)]


def _own_random_numbers(device: torch.device):
    if device.type == "cpu":
        return torch.random.fork_rng(devices=[])
    return torch.random.fork_rng(devices=[device.index], device_type=device.type)


def _drawing(job) -> dict:
    if not job.do_sample:
        return {
            "do_sample": False,
            "temperature": None,
            "top_p": None,
            "top_k": None,
            "repetition_penalty": job.repetition_penalty,
        }
    return {
        "do_sample": True,
        "temperature": job.temperature,
        "top_p": job.top_p,
        "top_k": job.top_k,
        "repetition_penalty": job.repetition_penalty,
    }
