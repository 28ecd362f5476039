"""Chat templates: messages to text, with the character ranges the model itself says.

Three sources: the tokenizer's own template (no name given), a file of ours in `templates/` by LLaMA-Factory's name, a
user's own `.jinja` (by its path, or by its name in `home()/templates`). In a file of ours the first comment holds its
facts as YAML (`stop_words`, `replace_eos`, `efficient_eos`: answers have no end token in the text, `pretrain_eos`,
`tools`: the file of `templates/tools` that writes tools and calls), `{% generation %}` encloses what is learned, and
`{{ cut }}`, which is nothing anywhere else, stands where LLaMA-Factory's tokens never join.
"""

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml
from jinja2 import TemplateError

from studio import paths
from studio.data import charset, jinja, marks, skeleton, spans
from studio.data.problem import Problem
from studio.data.tokens import ModelTokens
from studio.errors import StudioError

FILES = Path(__file__).parent / "templates"
HEADER = re.compile(r"\A\{#-?(.*?)-?#\}\n?", re.DOTALL)
GENERATION = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}|\{\{-?\s*cut\s*-?\}\}| ~ cut\b|\bcut ~ ")
TAGGED = re.compile(r"\{%-?\s*generation\b")
# What a template's own expressions raise; a macro may call itself for ever.
REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
FRAMES = "frames"  # what all of `templates/tools` share
UNREAD = ("glm4", "glm4_moe", "lfm2", "minimax1", "minimax2", "seed_oss")  # calls in a form that no server reads back


@dataclass(frozen=True)
class Rendered:
    """`spans`: character ranges the assistant says, end token included. `cuts`: where the text is tokenised apart.

    `unlearned` counts assistant turns that could not be located, because the template rewrites them later.
    """

    text: str
    spans: tuple[tuple[int, int], ...] = ()
    cuts: tuple[int, ...] = ()
    unlearned: int = 0


@dataclass(frozen=True)
class ChatTemplate:
    """A template with the tokens it stands on. `name` is None for the tokenizer's own.

    `enable_thinking` as in LLaMA-Factory: an answer without a thought gets an empty one, to be learned (True) or as
    part of the prompt (False); None leaves answers as they are. `every_turn`: earlier answers are learned too, so files
    of ours keep their thoughts, which at inference they drop unless `keep_thoughts` is set. `tools`: the server can
    read the calls it writes. `variables`: what a request gives the template besides.
    """

    name: str | None
    jinja_source: str
    tokens: ModelTokens
    default_system: str | None = None
    enable_thinking: bool | None = True
    every_turn: bool = False
    keep_thoughts: bool = False
    stop_words: tuple[str, ...] = ()
    replace_eos: bool = False
    efficient_eos: bool = False
    pretrain_eos: str | None = None
    tools: bool = True
    ours: bool = False
    variables: dict = field(default_factory=dict, compare=False)
    notices: tuple[tuple[str, dict], ...] = field(default=(), compare=False)

    def render(
        self, messages: Sequence[dict], add_generation_prompt: bool = False, tools: Sequence[dict] = ()
    ) -> Rendered:
        """The text of a conversation. Raises Problem where the template refuses it or cannot say what is learned."""
        if self.ours and not tools and not add_generation_prompt and (filled := self._fill(messages)):
            return filled
        called = tools or any(m["role"] == "tool" or m.get("tool_calls") for m in messages)
        if called and "tool" not in self.jinja_source:
            raise Problem("no_tools", {"template": self.name or "chat_template"})
        if self.default_system and not self.ours and messages and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": self.default_system}, *messages]
        tools = marks.in_strings(tools or (), self.tokens.guarded) or None
        marked = self._run(marks.in_strings(messages, self.tokens.guarded), tools, add_generation_prompt)
        text, turns, cuts = marks.split(marked, cut_at_turns=self.ours)
        said = any(message["role"] == "assistant" for message in messages)
        if self.ours or self._is_tagged or add_generation_prompt or not said:  # of a prompt, nothing is learned
            return Rendered(text, turns, cuts)
        plain = marks.in_strings(messages, marks.without)
        turns, unlearned = spans.locate(text, plain, lambda part, prompt: marks.without(self._run(part, tools, prompt)))
        return Rendered(text, turns, cuts, unlearned)

    def _fill(self, messages: Sequence[dict]) -> Rendered | None:
        """By the skeleton of these roles; None where more than roles and words decides the text."""
        said = [marks.without(words) for m in messages if type(words := m.get("content")) is str and len(m) == 2]
        plain = len(said) == len(messages) and all(said) and not any("think>" in words for words in said)
        if not plain or self.tokens.split_special:
            return None
        roles = tuple(message["role"] for message in messages)
        found = self._skeletons.get(roles)
        if found is None:
            placed = [{"role": role, "content": skeleton.place(number)} for number, role in enumerate(roles)]
            found = self._skeletons[roles] = skeleton.of(self._run(placed, None, False))
        return Rendered(*found.fill(said))

    def _run(self, messages: list[dict], tools: list[dict] | None, prompt: bool) -> str:
        try:
            return self._compiled.render(
                **self._variables, messages=messages, tools=tools, add_generation_prompt=prompt
            )
        except REFUSALS as error:
            raise Problem("template_refused", {"why": str(error) or type(error).__name__}) from None

    @property
    def eos_token(self) -> str | None:
        """What ends an answer: LLaMA-Factory puts the first stop word in the place of some models' end of text."""
        return self.stop_words[0] if self.replace_eos else self.tokens.special.get("eos_token")

    @property
    def source(self) -> str:
        """The template for any other program: to be saved as the `chat_template` of a trained model."""
        if not self.ours:
            return self.jinja_source
        plain = GENERATION.sub("", self.jinja_source)
        if self.default_system is None:
            return plain
        return "{%- set default_system = " + repr(self.default_system) + " %}\n" + plain

    @property
    def key(self) -> list:
        """All that a rendered text depends on, for a digest."""
        return [self.jinja_source, self._variables, self.default_system, self.efficient_eos, self.tools,
                self.pretrain_eos, self.tokens.split_special]

    @cached_property
    def _compiled(self) -> jinja.Template:
        return jinja.compile_template(self.jinja_source, self.name or str(self.tokens.folder))

    @cached_property
    def _skeletons(self) -> dict[tuple[str, ...], skeleton.Skeleton]:
        return {}

    @cached_property
    def _is_tagged(self) -> bool:
        return TAGGED.search(self.jinja_source) is not None

    @cached_property
    def _variables(self) -> dict:
        given = {"enable_thinking": self.enable_thinking, "eos_token": self.eos_token}
        if self.ours:
            given |= {"cut": marks.CUT, "every_turn": self.every_turn, "keep_thoughts": self.keep_thoughts}
            given |= {"default_system": self.default_system}
        given = {name: value for name, value in given.items() if value is not None}
        return marks.in_strings(self.variables, marks.without) | self.tokens.special | given


def load(name: str | None, tokenizer_dir: Path | str | ModelTokens, **settings: object) -> ChatTemplate:
    """The template `name` (None: the tokenizer's own); `settings` are fields of ChatTemplate.

    Raises StudioError for an unknown name (nearest named), a model without a template, a file that does not parse.
    """
    tokens = tokenizer_dir if isinstance(tokenizer_dir, ModelTokens) else ModelTokens(Path(tokenizer_dir))
    if name is None:
        return _own(tokens, None, settings)
    path = Path(os.path.expanduser(name))  # where nobody has that home, pathlib raises
    entry = path if path.suffix in (".jinja", ".j2") else names().get(name)
    if isinstance(entry, Path):
        return _foreign(_read(entry), str(entry), tokens, settings)
    if entry is None:
        nearest = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or ["default", "chatml", "llama3", "qwen"]
        raise StudioError("data_template_unknown", name=name, nearest=", ".join(nearest))
    if entry == "tokenizer":
        return _own(tokens, name, settings)
    return _ours(name, entry, tokens, settings)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        where = {"name": file, "line": charset.bad_line(file), "why": error.reason}
        raise StudioError("data_template_broken", **where) from None
    except (OSError, ValueError):  # no such file, or a name that no file can have
        raise StudioError("data_template_file", path=file) from None


def names() -> dict[str, str | dict | Path]:
    """LLaMA-Factory's template names: each to a file of ours (`{like: …, default_system: …}`) or to "tokenizer".

    And those of the user's own, which go first: each to its file in `home()/templates`.
    """
    known = {file.stem: {"like": file.stem} for file in FILES.glob("*.jinja")}
    listed = yaml.safe_load((FILES / "names.yaml").read_text("utf-8"))
    alike = {name: entry if isinstance(entry, dict) else {"like": entry} for name, entry in listed["like"].items()}
    mine = {file.stem: file for file in (paths.home() / "templates").glob("*.jinja")}
    return {**dict.fromkeys(listed["tokenizer"], "tokenizer"), **alike, **known, **mine}


def tool_formats() -> tuple[str, ...]:
    """The ways to write tools and calls, by LLaMA-Factory's names."""
    return tuple(sorted({file.stem for file in (FILES / "tools").glob("*.jinja")} - {FRAMES, "phi4_mini"}))


def _own(tokens: ModelTokens, name: str | None, settings: dict) -> ChatTemplate:
    if tokens.chat_template is None:
        key = "data_template_missing" if name is None else "data_template_unavailable"
        raise StudioError(key, folder=tokens.folder, name=name)
    notices = () if name is None else (("data_template_own", {"name": name}),)
    return _foreign(tokens.chat_template, name, tokens, settings, notices)


def _foreign(source: str, name: str | None, tokens: ModelTokens, settings: dict, notices: tuple = ()) -> ChatTemplate:
    """A template of somebody else, which writes tools as it does."""
    given = dict(settings)
    if asked := given.pop("tool_format", None):
        notices += (("data_tool_format_own", {"tool_format": asked}),)
    return _checked(ChatTemplate(name, source, tokens, notices=notices, **given))


def _ours(name: str, entry: dict, tokens: ModelTokens, settings: dict) -> ChatTemplate:
    text = (FILES / f"{entry['like']}.jinja").read_text("utf-8")
    header = HEADER.match(text)
    facts = yaml.safe_load("{" + header[1] + "}") if header else {}
    facts |= {key: value for key, value in entry.items() if key != "like"}
    given = {key: value for key, value in settings.items() if not (key == "default_system" and value is None)}
    tool_format = given.pop("tool_format", None) or facts.get("tools", "default")
    facts = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    facts["tools"] = tool_format not in UNREAD
    source = "".join(_tool_file(part) for part in (FRAMES, tool_format)) + HEADER.sub("", text)
    return _checked(ChatTemplate(name, source, tokens, ours=True, **{**facts, **given}))


def _tool_file(name: str) -> str:
    file = FILES / "tools" / f"{name}.jinja"
    if not file.is_file():
        raise StudioError("data_tool_format", name=name, known=", ".join(tool_formats()))
    return file.read_text("utf-8")


def _checked(template: ChatTemplate) -> ChatTemplate:
    _ = template._compiled  # a template that does not parse is said now, not at the first row
    return template
