"""A few fixed prompts, answered greedily while a model learns: `samples.jsonl`."""

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


def answer(model, tokenizer, prompts: list[str], max_new_tokens: int, folder: Path) -> list[str]:
    """The model's greedy continuations of rendered `prompts`, in one left-padded batch, at most `max_new_tokens` each.

    Runs without autocast: casting the weights at each step costs more than bf16 gains (measured: 2x on a CPU).
    """
    batch = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    longest = max(map(len, batch))
    padding = [longest - len(ids) for ids in batch]
    input_ids = torch.tensor([[tokenizer.pad_token_id] * gap + ids for gap, ids in zip(padding, batch, strict=True)])
    mask = torch.tensor([[0] * gap + [1] * len(ids) for gap, ids in zip(padding, batch, strict=True)])
    training, cached = model.training, model.config.use_cache
    model.eval()
    try:
        with torch.inference_mode():
            output = model.generate(
                input_ids=input_ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=max_new_tokens,
                do_sample=False, temperature=None, top_p=None, top_k=None,
                use_cache=True,
                eos_token_id=_ends(model, tokenizer),
                pad_token_id=tokenizer.pad_token_id,
                stopping_criteria=StoppingCriteriaList([Stop(folder)]),
            )
    finally:
        model.train(training)
        model.config.use_cache = cached
    return [text.strip() for text in tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)]


def _ends(model, tokenizer) -> list[int]:
    """The ids that end an answer: the model's own and the tokenizer's."""
    own = model.generation_config.eos_token_id
    ids = set(own if isinstance(own, list) else [own]) | {tokenizer.eos_token_id}
    return sorted(token for token in ids if token is not None)
