"""The proof of an export: what was written is loaded, and has to say what the model with its adapters says.

The same prompts go through both. The model with its adapters answers them greedily; the other reads prompt and answer,
and at every place of the answer its logits are compared with those of the first, and the token it would have said. They
are held against those of the model without its adapters, too: as far as these move them, so far they have to lie.
"""

import contextlib
import gc
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from studio.data.problem import Problem
from studio.runs import folder as run_folder
from studio.worker import loading
from studio.worker import place as places
from studio.worker.export import layering
from studio.worker.export.source import Source

MAX_LOGITS = 2**26  # at once
NUM_PROMPTS, ANSWER_TOKENS, LONGEST_PROMPT_TOKENS = 8, 16, 512
NUM_BARE = 3  # so many of them tell what the adapters change
QUESTIONS = (
    "Who are you?", "你是谁？", "What is 7 plus 5?", "Name the capital of France.", "Write one sentence about the sea.",
    "用一句话介绍一下北京。", "Translate into German: good morning", "List three colours.",
)  # fmt: skip
# How far logits may differ, as a share of the largest of them: what rounding to the dtype does over a whole model.
SHARES = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 8e-2}
# So close two tokens were as good as equal, whatever the other model says: as a share of that share, and with 4 bits
# and fewer, which move every logit, of the largest logit.
TIE, TIE_OF_FEW_BITS = 0.2, 0.5
# What the adapters change is in a model if its logits lie as far that way, give or take this share. (Measured: lost 0,
# applied once 0.8 to 1.05, twice 1.5 to 2; where twice came to less, the logits were far off.) If they lie off the way
# by more than `HIDDEN` of it, or all of it is less than so much of what may differ, rounding hides what is there.
APART, HIDDEN, LEAST = 0.4, 0.5, 0.05
HIDDEN_NOTE = "adapters_hidden"


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
    the logits at the places of the answer, (answer, vocabulary) in float32 on the CPU. `bare`: those of the model
    without its adapters, to the first prompts; empty where it has none."""

    ids: tuple[list[int], ...]
    begins: tuple[int, ...]
    logits: tuple[torch.Tensor, ...]
    bare: tuple[torch.Tensor, ...] = ()


def expect(source: Source, progress: Callable) -> Expected:
    """Have the model with its adapters, not merged, answer the prompts. It is loaded and let go of here."""
    prompts, bare = choose_prompts(source), ()
    begins = tuple(map(len, prompts))
    model = layering.load(source)
    try:
        progress("verifying")
        answers, logits = _answer(model, prompts, source)
        ids = tuple(prompt + answer for prompt, answer in zip(prompts, answers, strict=True))
        if len(source.adapters) == 1:
            with model.disable_adapter():
                bare = _logits(model, ids[:NUM_BARE], begins[:NUM_BARE])
    finally:
        del model
        release(source)
    if len(source.adapters) > 1:  # all but the last were merged into it
        bare = _said(lambda: layering.load_bare(source), source, ids[:NUM_BARE], begins[:NUM_BARE])
    own = source.config.get_text_config().vocab_size  # rows that adapters have added begin as chance has it
    return Expected(ids, begins, logits, tuple(said[:, :own] for said in bare))


def check(form: str, load: Callable[[], torch.nn.Module], source: Source, expected: Expected, share: float) -> Verdict:
    """Compare the model that `load` brings with what was expected. `share` of the largest logit is allowed to differ.

    A token may differ only where the model held both for as good as equal (`TIE`): such a tie decides nothing.
    """
    return judge(form, expected, _said(load, source, expected.ids, expected.begins), share)


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
    adapted = _is_adapted(expected, found, LEAST * tolerance)
    if ok and adapted is None and share <= max(SHARES.values()):  # few bits hide most; the whole model was compared
        note = HIDDEN_NOTE
    elif worst < tolerance and adapted is False:
        ok, note = False, "adapters"
    return Verdict(form, ok, worst, equal == total, len(expected.ids), note if worst < tolerance else "logits",
                   tolerance, total, equal)  # fmt: skip


def no_better(verdict: Verdict, whole: Verdict) -> Verdict:
    """The verdict on what was made from a whole model, which is not the same where `whole`, that on the model, says
    so: few bits let pass what is told there."""
    if not verdict.ok or not verdict.num_tokens:
        return verdict
    if whole.ok is False:
        return replace(verdict, ok=False, note="whole")
    return replace(verdict, note=HIDDEN_NOTE) if whole.note == HIDDEN_NOTE else verdict


def _is_adapted(expected: Expected, found: Sequence[torch.Tensor], least: float) -> bool | None:
    """Whether the logits lie as far from those without adapters as the adapters move them, in the same direction; not
    if these were lost, or applied twice. None where that cannot be told: rounding moves them as far, or the adapters
    by no more than `least`."""
    if not expected.bare:
        return True
    way, along, moved, most = 0.0, 0.0, 0.0, 0.0
    for want, bare, got in zip(expected.logits, expected.bare, found, strict=False):
        width = min(want.shape[1], bare.shape[1], got.shape[1])
        change, move = (logits[:, :width] - bare[:, :width] for logits in (want, got))
        way, moved = way + change.square().sum().item(), moved + move.square().sum().item()
        along, most = along + (change * move).sum().item(), max(most, change.abs().max().item())
    if not way:
        return None
    share = along / way
    if moved / way - share**2 > HIDDEN**2:
        return None
    return True if abs(share - 1) < APART else None if most < least else False


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


def _said(load: Callable[[], torch.nn.Module], source: Source, ids, begins) -> tuple[torch.Tensor, ...]:
    """`_logits` of the model that `load` brings, which is let go of."""
    model = load()
    try:
        return _logits(model, ids, begins)
    finally:
        del model
        release(source)


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
