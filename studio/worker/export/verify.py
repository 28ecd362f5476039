"""The proof of an export: what was written is loaded, and has to say what the model with its adapters says.

The same prompts go through both. The model with its adapters answers them greedily; the other reads prompt and answer,
and at every place of the answer its logits are compared with those of the first, and the token it would have said.
"""

import contextlib
import gc
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch

from studio.data.problem import Problem
from studio.runs import folder as run_folder
from studio.worker import loading
from studio.worker import place as places
from studio.worker.export import layering
from studio.worker.export.source import Source

MAX_LOGITS = 2**26  # at once
NUM_PROMPTS, ANSWER_TOKENS, LONGEST_PROMPT_TOKENS = 8, 16, 512
QUESTIONS = (
    "Who are you?", "你是谁？", "What is 7 plus 5?", "Name the capital of France.", "Write one sentence about the sea.",
    "用一句话介绍一下北京。", "Translate into German: good morning", "List three colours.",
)  # fmt: skip
# How far logits may differ, as a share of the largest of them: what rounding to the dtype does over a whole model.
SHARES = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 8e-2}
# So close two tokens were as good as equal, whatever the other model says: as a share of that share, and with 4 bits
# and fewer, which move every logit, of the largest logit.
TIE, TIE_OF_FEW_BITS = 0.2, 0.5


@dataclass(frozen=True)
class Verdict:
    """`ok`: None where nothing could be compared; `note` says why, in a key of `export.notes` of `locales/` ("" for
    none). `greedy_equal`: at every place of every answer the likeliest token was the same.

    `max_logit_difference` is over all places; `tolerance` is what it was held against. Both are None where a model
    says what is no number.
    """

    format: str
    ok: bool | None
    max_logit_difference: float | None = None
    greedy_equal: bool | None = None
    num_prompts: int = 0
    note: str = ""
    tolerance: float | None = None
    num_tokens: int = 0
    num_equal_tokens: int = 0

    def to_mapping(self) -> dict:
        """As it stands in `result.json`."""
        return asdict(self)


@dataclass(frozen=True)
class Expected:
    """What the model with its adapters says: of each prompt, `ids` of prompt and answer, the length of the prompt, and
    the logits at the places of the answer, (answer, vocabulary) in float32 on the CPU."""

    ids: tuple[list[int], ...]
    begins: tuple[int, ...]
    logits: tuple[torch.Tensor, ...]


def expect(source: Source, progress: Callable) -> Expected:
    """Have the model with its adapters, not merged, answer the prompts. It is loaded and let go of here."""
    prompts = choose_prompts(source)
    model = layering.load(source)
    try:
        progress("verifying")
        answers, logits = _answer(model, prompts, source)
        ids = tuple(prompt + answer for prompt, answer in zip(prompts, answers, strict=True))
        return Expected(ids, tuple(map(len, prompts)), logits)
    finally:
        del model
        release(source)


def check(form: str, load: Callable[[], torch.nn.Module], source: Source, expected: Expected, share: float) -> Verdict:
    """Compare the model that `load` brings with what was expected. `share` of the largest logit is allowed to differ.

    A token may differ only where the model held both for as good as equal (`TIE`): such a tie decides nothing.
    """
    model = load()
    try:
        found = _logits(model, expected.ids, expected.begins)
    finally:
        del model
        release(source)
    return judge(form, expected, found, share)


def judge(form: str, expected: Expected, found: Sequence[torch.Tensor], share: float) -> Verdict:
    """The verdict on logits of the shape of `expected.logits`; those for tokens that only one side has are left out.

    Logits that are no numbers (NaN, infinite) are never the same, whichever side has them.
    """
    if not all(bool(logits.isfinite().all()) for logits in (*expected.logits, *found)):
        return Verdict(form, False, num_prompts=len(expected.ids), note="no_numbers")
    worst, lost, scale, equal, total = 0.0, 0.0, 0.0, 0, 0
    for want, got in zip(expected.logits, found, strict=True):
        width = min(want.shape[1], got.shape[1])
        want, got = want[:, :width], got[:, :width]
        worst, scale = max(worst, (want - got).abs().max().item()), max(scale, want.abs().max().item())
        best = want.argmax(1, keepdim=True)
        other = got.argmax(1, keepdim=True)
        lost = max(lost, (want.gather(1, best) - want.gather(1, other)).max().item())
        equal, total = equal + (best == other).sum().item(), total + len(best)
    tolerance = share * scale
    ok = worst < tolerance and lost <= scale * (TIE * share if share < 1 else TIE_OF_FEW_BITS)
    note = "" if equal == total else "near_ties" if ok else "other_tokens"
    return Verdict(form, ok, worst, equal == total, len(expected.ids), note if worst < tolerance else "logits",
                   tolerance, total, equal)  # fmt: skip


def choose_prompts(source: Source) -> list[list[int]]:
    """Token ids of the prompts that the run answered while it learned, then of questions of our own."""
    own = _sampled(source)
    texts = list(dict.fromkeys([*own, *QUESTIONS]))
    found = [ids for text in texts if (ids := _encode(text, source))]
    return [ids[-LONGEST_PROMPT_TOKENS:] for ids in found[:NUM_PROMPTS]]


def release(source: Source) -> None:
    """Give back what a model has taken that nobody holds any more."""
    gc.collect()
    places.release(source.device)


def _sampled(source: Source) -> list[str]:
    if source.run is None:
        return []
    try:
        lines = (source.run / run_folder.SAMPLES).read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):  # a line that a crash has torn
            found.append(str(json.loads(line).get("prompt") or ""))
    return list(dict.fromkeys(filter(None, found)))[: NUM_PROMPTS // 2]


def _encode(text: str, source: Source) -> list[int]:
    """A question as the template asks it; plain text for a model without one."""
    if source.template is not None:
        try:
            rendered = source.template.render([{"role": "user", "content": text}], add_generation_prompt=True)
        except Problem:  # a template that wants more than a question
            return source.tokenizer(text)["input_ids"]
        bounds = [0, *sorted({*rendered.cuts} - {0}), len(rendered.text)]
        pieces = [rendered.text[a:b] for a, b in itertools.pairwise(bounds)]
        return [i for piece in pieces for i in source.tokenizer(piece, add_special_tokens=False)["input_ids"]]
    return source.tokenizer(text)["input_ids"]


@torch.inference_mode()
def _answer(model, prompts: list[list[int]], source: Source) -> tuple[list[list[int]], tuple[torch.Tensor, ...]]:
    """Greedy continuations of all prompts in one batch, padded on the left; the logits they were chosen by."""
    longest, pad = max(map(len, prompts)), source.tokenizer.pad_token_id or 0
    ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])  # (B, T)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])  # (B, T)
    ends = loading.end_ids(model, source.tokenizer, source.template)
    output = model.generate(
        input_ids=ids.to(model.device), attention_mask=mask.to(model.device), max_new_tokens=ANSWER_TOKENS,
        do_sample=False, temperature=None, top_p=None, top_k=None, use_cache=True, pad_token_id=pad,
        eos_token_id=ends or None, return_dict_in_generate=True, output_logits=True,
    )  # fmt: skip
    answers = output.sequences[:, longest:].tolist()
    answers = [row[: next((at + 1 for at, token in enumerate(row) if token in ends), len(row))] for row in answers]
    logits = torch.stack(output.logits, 1).float().cpu()  # (B, steps, V)
    return answers, tuple(said[: len(answer)] for said, answer in zip(logits, answers, strict=True))


@torch.inference_mode()
def _logits(model, ids: Sequence[list[int]], begins: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """What the model would say at each place of the answers. What pads a row stands behind it, where it cannot look."""
    found: list[torch.Tensor] = []
    pairs = list(zip(ids, begins, strict=True))
    size = max(1, MAX_LOGITS // (max(map(len, ids)) * model.config.get_text_config().vocab_size))
    for first in range(0, len(pairs), size):
        rows = pairs[first : first + size]
        longest = max(len(row) for row, _ in rows)
        batch = torch.tensor([row + [0] * (longest - len(row)) for row, _ in rows], device=model.device)  # (B, T)
        logits = model(input_ids=batch, attention_mask=torch.ones_like(batch), use_cache=False).logits  # (B, T, V)
        found += [said[begin - 1 : len(row) - 1].float().cpu() for said, (row, begin) in zip(logits, rows, strict=True)]
    return tuple(found)
