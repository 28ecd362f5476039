"""A Modelfile for Ollama beside the GGUF files, which asks and answers exactly as the model was trained to.

Ollama writes conversations by a template of Go. Ours is taken out of the model's own: what stands between two messages
is rendered once for each pair of roles that can follow each other, and written down as such. That this says the same is
tried on whole conversations; a template that says more (that looks at the words, or counts the turns) is refused.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from studio.data.problem import Problem
from studio.data.template import ChatTemplate
from studio.data.tokens import ModelTokens
from studio.errors import StudioError
from studio.worker.export import gguf, verify
from studio.worker.export.manifest import Written
from studio.worker.export.source import Source, title_of

LONGEST_CTX = 32768
ROLES = ("system", "user", "assistant")
START = END = ""
Pair = tuple[str, str]
_LEARNED_FROM = (("user",), ("user", "assistant", "user"), ("system", "user"), ("system", "user", "assistant", "user"))
_TRIED_ON = ("What is it?", "Wide,\nand salt.", "海有多大？", "很大。", '"Quotes" \\ {{ braces }}', "Yes.", "And?")


@dataclass(frozen=True)
class Joints:
    """What stands between two messages, by the role before and the role after; `START` is before the first message, and
    `END` where the model begins to answer. `bos` is left out: Ollama puts it there itself."""

    texts: Mapping[Pair, str]
    bos: str = ""

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """A conversation as Ollama writes it, up to where the model answers."""
        before, parts = START, []
        for message in messages:
            if message["role"] not in self.roles:
                continue
            parts += [self.texts.get((before, message["role"]), ""), message["content"]]
            before = message["role"]
        return "".join([*parts, self.texts.get((before, END), "") if before == "user" else ""])

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that the template knows; a message of another one is left out."""
        return tuple(role for role in ROLES if any(after == role for _, after in self.texts))

    def to_go(self) -> str:
        """The same as a template of Go. Every text is a quoted string, so nothing of it is taken for a command."""
        lines = ['{{- $before := "" }}', "{{- range .Messages }}"]
        for word, role in zip(("if", "else if", "else if"), self.roles, strict=False):
            lines.append(f'{{{{- {word} eq .Role "{role}" }}}}')
            choices = [(before, text) for (before, after), text in self.texts.items() if after == role and text]
            for number, (before, text) in enumerate(choices):
                lines.append(f'{{{{- {"else if" if number else "if"} eq $before "{before}" }}}}{_quoted(text)}')
            lines += ["{{- end }}"] if choices else []
            lines.append("{{- .Content }}{{- $before = .Role }}")
        lines += ["{{- end }}", "{{- end }}"]
        if asked := self.texts.get(("user", END)):
            lines.append(f'{{{{- if eq $before "user" }}}}{_quoted(asked)}{{{{- end }}}}')
        return "\n".join(lines)


def check(source: Source, job) -> None:
    """Refuse before anything is written a chat template that a Modelfile cannot say."""
    if source.template is not None:
        joints_of(source.template)


def write(source: Source, job, folder: Path, progress) -> Written:
    """`Modelfile` for the first of the GGUF files, which are in `folder`, `Modelfile.q8_0` and so on for the others."""
    name = title_of(job)
    joints = joints_of(source.template) if source.template else None
    if joints and gguf.begins_with_bos(ModelTokens(source.merged)):
        joints = without_bos(joints, source.tokenizer.bos_token or "")
    paths, commands = [], []
    for number, form in enumerate(dict.fromkeys(job.gguf_types)):
        path = folder / (f"Modelfile.{form}" if number else "Modelfile")
        path.write_text(modelfile(f"./{gguf.file_name(job, form)}", joints, source, job.ollama_num_ctx), "utf-8")
        paths.append(path)
        commands.append(f"ollama create {_tag(name)}:{form} -f {{dir}}/{path.name}")
    return Written("ollama", tuple(paths), {"notes": notes(source.template), "next": commands})


def prove(written: Written, source: Source, job, expected: verify.Expected) -> list[verify.Verdict]:
    """The conversations on which both templates said the same: `joints_of` refuses the others. The weights are those of
    the GGUF files, which have verdicts of their own."""
    num = len(_tried(joints_of(source.template))) if source.template else 0
    return [verify.Verdict("ollama", True, num_prompts=num, note=next(iter(written.facts["notes"]), ""))]


def modelfile(weights: str, joints: Joints | None, source: Source, num_ctx: int | None) -> str:
    """The text of a Modelfile: weights, template, system message, where answers end, how much is kept."""
    longest = getattr(source.config.get_text_config(), "max_position_embeddings", None) or LONGEST_CTX
    told = joints.to_go() if joints else "{{ .Prompt }}"
    lines = [f"FROM {weights}", f'TEMPLATE """{told}"""']
    system = source.template.default_system if source.template else None
    if system and '"""' not in f'{system}""':  # where it is left out, the template says it all the same
        lines.append(f'SYSTEM """{system}"""')
    lines += [f"PARAMETER stop {json.dumps(word, ensure_ascii=False)}" for word in ends(source)]
    lines.append(f"PARAMETER num_ctx {num_ctx or min(longest, LONGEST_CTX)}")
    return "\n".join(lines) + "\n"


def ends(source: Source) -> list[str]:
    """The words that end an answer: the template's, the tokenizer's, and those of the model's generation settings."""
    words = [*(source.template.stop_words if source.template else ()), source.tokenizer.eos_token]
    file = source.merged / "generation_config.json"
    told = json.loads(file.read_text("utf-8")).get("eos_token_id") if file.is_file() else None
    numbers = told if isinstance(told, list) else [told]
    words += [source.tokenizer.convert_ids_to_tokens(number) for number in numbers if number is not None]
    return list(dict.fromkeys(word for word in words if word))


def notes(template: ChatTemplate | None) -> list[str]:
    """What the Modelfile does not carry over, as keys of `export.notes` in `locales/`."""
    if template is None:
        return ["ollama_no_template"]
    found = ["ollama_no_tools"] if template.tools and "tool" in template.jinja_source else []
    return [*found, "ollama_thoughts"] if "</think>" in template.jinja_source else found


def joints_of(template: ChatTemplate) -> Joints:
    """The joints of a chat template. Raises StudioError where it is not made of joints."""
    texts: dict[Pair, str] = {}
    for roles in _LEARNED_FROM:
        try:
            pieces = _pieces(template, roles)
        except Problem as refusal:
            if roles[0] == "system":  # such a template has no place for one
                continue
            raise StudioError("ollama_template", why=refusal.values.get("why", refusal.code)) from None
        for pair, text in zip(pairwise((START, *roles, END)), pieces, strict=True):
            if texts.setdefault(pair, text) != text:
                raise StudioError("ollama_template", why=" → ".join(word or "…" for word in pair))
    joints = Joints(texts)
    for roles in _tried(joints):
        messages = [{"role": role, "content": words} for role, words in zip(roles, _TRIED_ON, strict=False)]
        if joints.render(messages) != template.render(messages, add_generation_prompt=True).text:
            raise StudioError("ollama_template", why=" → ".join(roles))
    return joints


def without_bos(joints: Joints, bos: str) -> Joints:
    """Without the token that begins a text, which Ollama adds by what the GGUF file says."""
    texts = {pair: text.removeprefix(bos) if pair[0] == START else text for pair, text in joints.texts.items()}
    return Joints(texts, bos)


def _pieces(template: ChatTemplate, roles: Sequence[str]) -> list[str]:
    """What stands before, between and after messages of these roles."""
    marks = [f"xq{number}zj" for number in range(len(roles))]
    messages = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
    rest, pieces = template.render(messages, add_generation_prompt=True).text, []
    for mark in marks:
        piece, found, rest = rest.partition(mark)
        if not found:
            raise Problem("template_refused", {"why": " → ".join(roles)})
        pieces.append(piece)
    return [*pieces, rest]


def _tried(joints: Joints) -> list[list[str]]:
    turns = ["user", "assistant"] * 2 + ["user"]
    alone = [turns[:1], turns[:3], turns]
    return [*alone, *(["system", *roles] for roles in alone)] if "system" in joints.roles else alone


def _quoted(text: str) -> str:
    """A command that writes the text: escapes of JSON are escapes of Go."""
    return "{{- " + json.dumps(text, ensure_ascii=False) + " }}"


def _tag(name: str) -> str:
    """A name as Ollama takes it: of ASCII, beginning with a letter or digit."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:80] or "model"
