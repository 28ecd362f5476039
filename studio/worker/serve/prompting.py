"""Messages to token ids, by the same template machinery that training and previews use."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tokenizers import Tokenizer

from studio.data import Problem
from studio.data.template import ChatTemplate, Rendered
from studio.worker.serve import conversation, pictures
from studio.worker.serve.refusal import Refusal
from studio.worker.serve.schema import Chat

TOOLS = re.compile(r"\btools\b")
THOUGHT, CLOSED = "<think>", "\n</think>\n\n"
OWN = frozenset((
    "messages", "tools", "add_generation_prompt", "cut", "every_turn", "keep_thoughts", "default_system"
))


@dataclass(frozen=True)
class Prompt:
    """`thinking`: the text ends inside a thought, so the answer begins in it. `images`: what the processor made."""

    ids: tuple[int, ...]
    thinking: bool = False
    images: Mapping[str, object] | None = None


class Prompter:
    """Makes prompts for one tokenizer and template (None: the model has none and chats are refused)."""

    def __init__(self, tokenizer, template: ChatTemplate | None, processor=None) -> None:
        self.tokenizer, self.template, self.processor = tokenizer, template, processor
        self.num_tokens = len(tokenizer)
        self.encoder = _encoder(tokenizer)

    def chat(self, body: Chat, tools: Sequence[dict] = (), close_thought: bool = False) -> Prompt:
        """The prompt of a conversation. `close_thought`: the answer has a given form, so it cannot begin by thinking.

        Raises Refusal for what the template or the model cannot take.
        """
        if self.template is None:
            raise Refusal("api_no_template", code="no_chat_template")
        found: list = []
        turns = conversation.turns(body.messages, lambda part: self._picture(part, found))
        begun = None
        if body.continue_final_message and turns[-1]["role"] == "assistant":
            begun = turns.pop()["content"]
        rendered = self._render([_without_pixels(turn) for turn in turns], tools, body)
        thinking = rendered.text.rstrip().endswith(THOUGHT)
        begins = [CLOSED] if thinking and close_thought else []
        begins += [begun] if begun else []
        thinking = thinking and not begins
        if found:
            return self._seen(rendered.text + "".join(begins), thinking, found)
        return Prompt((*self.ids_of(rendered), *(token for text in begins for token in self.encode(text))), thinking)

    def encode(self, text: str, whole: bool = False) -> list[int]:
        """The ids of a text; `whole`: with what the tokenizer itself puts around texts."""
        if self.encoder is None:
            return self.tokenizer(text, add_special_tokens=whole)["input_ids"]
        return self.encoder.encode(text, add_special_tokens=whole).ids

    def ids_of(self, rendered: Rendered) -> list[int]:
        """The ids of a rendered text, tokenised apart at its cuts, as in training."""
        bounds = sorted({0, *rendered.cuts, len(rendered.text)})
        return [token for a, b in pairwise(bounds) for token in self.encode(rendered.text[a:b])]

    def check(self, texts: Iterable[Sequence[int]], param: str) -> None:
        """Raises Refusal for an id that the vocabulary lacks."""
        strange = next((token for ids in texts for token in ids if not 0 <= token < self.num_tokens), None)
        if strange is not None:
            raise Refusal("prompt_unknown_token", param=param, token=strange, last=self.num_tokens - 1)

    @property
    def markers(self) -> tuple[str, ...]:
        """The special tokens of the vocabulary: none of them is part of what an answer says."""
        return tuple(self.tokenizer.all_special_tokens)

    def _render(self, turns: list[dict], tools: Sequence[dict], body: Chat) -> Rendered:
        template = self._for(body)
        uses_tools = bool(tools) or any(turn["role"] == "tool" or "tool_calls" in turn for turn in turns)
        if not uses_tools:
            return _first(template, turns, ())
        if template.tools and TOOLS.search(template.jinja_source):
            try:
                return _first(template, turns, tools)
            except Refusal:  # such as a template that knows tools but no results: in words it can be said
                return _first(template, conversation.in_words(turns, tools), ())
        return _first(template, conversation.in_words(turns, tools), ())

    def _for(self, body: Chat) -> ChatTemplate:
        """The template with what this request sets: `enable_thinking` and its own variables."""
        given = {name: value for name, value in (body.chat_template_kwargs or {}).items() if name not in OWN}
        thinks = given.pop("enable_thinking", None) if body.enable_thinking is None else body.enable_thinking
        if body.reasoning_effort is not None:
            given["reasoning_effort"] = body.reasoning_effort
            thinks = False if thinks is None and body.reasoning_effort == "none" else thinks
        if thinks is None and not given:
            return self.template
        thinks = self.template.enable_thinking if thinks is None else bool(thinks)
        return replace(self.template, enable_thinking=thinks, variables=given)

    def _picture(self, part: dict, found: list) -> object:
        if self.processor is None:
            raise Refusal("api_no_images", param="messages")
        found.append(pictures.decode(part))
        return found[-1]

    def _seen(self, text: str, thinking: bool, found: list) -> Prompt:
        """The prompt of a text with pictures, whose places the processor widens."""
        made = dict(self.processor(text=[text], images=found, return_tensors="pt", add_special_tokens=False))
        made.pop("attention_mask", None)
        return Prompt(tuple(made.pop("input_ids")[0].tolist()), thinking, made)


def _without_pixels(turn: dict) -> dict:
    if isinstance(turn["content"], str):
        return turn
    return turn | {"content": [part if part["type"] == "text" else {"type": "image"} for part in turn["content"]]}


def _first(template: ChatTemplate, turns: list[dict], tools: Sequence[dict]) -> Rendered:
    """The first way to put the turns that the template takes whole. Files of ours want one system message in front."""
    problem, partial = None, None
    for ordering in conversation.orderings(turns, strict=template.ours):
        if template.ours and ordering[-1]["role"] == "assistant":
            ordering = [*ordering, {"role": "user", "content": ""}]  # an answer follows a question there
        try:
            rendered = template.render(ordering, add_generation_prompt=True, tools=tools)
        except Problem as found:
            problem = problem or found
            continue
        if conversation.is_all_said(turns, rendered.text):
            return rendered
        partial = partial or rendered
    if partial is not None:
        return partial
    raise conversation.refused(problem)


def _encoder(tokenizer) -> Tokenizer | None:
    """A tokenizer of our own: the library's is not to be used by two threads at once, and may cut or pad."""
    if not getattr(tokenizer, "is_fast", False):
        return None
    encoder = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    encoder.no_padding()
    encoder.no_truncation()
    return encoder
