"""Templates say what is learned, whoever wrote them, and are the same text in any other program."""

import datetime
import json
from pathlib import Path
from typing import get_args

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from studio.config.data import ToolFormat
from studio.data import marks, template
from studio.data.problem import Problem
from studio.errors import StudioError

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "first"},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "second"},
]
PLAIN = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TAGGED = (
    "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}{{ m.content }}</s>"
    "{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}"
)
# Drops the thoughts of earlier turns and opens one for the next, as reasoning models' templates do.
THINKING = (
    "{% set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role != 'assistant' %}"
    "{{ m.content }}{% else %}{% set said = m.content.split('</think>')[-1].lstrip('\n') %}"
    "{% if loop.index0 > ns.last %}<think>\n{{ m.content.split('</think>')[0].split('<think>')[-1].strip('\n') if "
    "'</think>' in m.content else '' }}\n</think>\n\n{{ said }}{% else %}{{ said }}{% endif %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OPENS_A_THOUGHT = THINKING.replace("assistant\n{% endif %}", "assistant\n<think>\n\n{% endif %}")
FORGETFUL = "{% for m in messages %}{{ loop.revindex }}{{ m.role }}: {{ m.content | upper }}\n{% endfor %}"


@pytest.fixture
def model(tmp_path, tokenizer_dir):
    """A model folder with a chat template of its own."""

    def make(source, **config):
        (tmp_path / "tokenizer.json").write_bytes((tokenizer_dir / "tokenizer.json").read_bytes())
        config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": source, **config}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        return tmp_path

    return make


def learned(rendered):
    return [rendered.text[a:b] for a, b in rendered.spans]


def test_own_template_without_marks(model):
    rendered = template.load(None, model(PLAIN)).render(CHAT)
    assert rendered.text.startswith("<s><|im_start|>system\nBe brief.<|im_end|>\n")
    assert learned(rendered) == ["first<|im_end|>\n", "second<|im_end|>\n"] and not rendered.cuts


def test_own_template_with_marks(model):
    rendered = template.load(None, model(TAGGED)).render(CHAT)
    assert learned(rendered) == ["first</s>", "second</s>"] and not rendered.cuts


@pytest.mark.parametrize("source", [THINKING, OPENS_A_THOUGHT])
def test_thinking_template_learns_the_whole_last_answer(model, source):
    thought = "<think>\nhm\n</think>\n\n"
    chat = [*CHAT[:2], {"role": "assistant", "content": thought + "first"}, CHAT[3]]
    rendered = template.load(None, model(source)).render([*chat, {"role": "assistant", "content": thought + "second"}])
    assert learned(rendered)[0] == "first<|im_end|>\n"
    assert learned(rendered)[-1].endswith("second<|im_end|>\n") and rendered.unlearned == 0
    if source is THINKING:
        assert learned(rendered)[-1] == thought + "second<|im_end|>\n"


def test_thinking_template_with_an_answer_that_does_not_think(model):
    rendered = template.load(None, model(THINKING)).render(CHAT)
    assert learned(rendered) == ["first<|im_end|>\n", "<think>\n\n</think>\n\nsecond<|im_end|>\n"]


def test_earlier_answers_that_cannot_be_found_are_counted(model):
    chat = [CHAT[1], {"role": "assistant", "content": "Same\x00"}, *CHAT[3:]]
    rendered = template.load(None, model(THINKING.replace("{{ said }}{% endif %}", "…{% endif %}"))).render(chat)
    assert rendered.unlearned == 1 and learned(rendered) == ["<think>\n\n</think>\n\nsecond<|im_end|>\n"]


def test_a_template_that_hides_its_answers_is_a_problem(model):
    with pytest.raises(Problem) as problem:
        template.load(None, model(FORGETFUL)).render(CHAT)
    assert problem.value.code == "template_spans"


def test_a_template_that_refuses_a_conversation(model):
    refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + PLAIN
    chosen = template.load(None, model(refuses))
    with pytest.raises(Problem, match="no system here"):
        chosen.render(CHAT)
    assert len(chosen.render(CHAT[1:]).spans) == 2


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages[0].a.b }}",
        "{{ 1 / 0 }}",
        "{% macro again(x) %}{{ again(x) }}{% endmacro %}{{ again(1) }}",
    ],
)
def test_what_jinja_refuses_is_a_problem(model, source):
    with pytest.raises(Problem) as problem:
        template.load(None, model(source)).render(CHAT)
    assert problem.value.code == "template_refused"


def test_where_a_model_keeps_its_template(model):
    folder = model([{"name": "tool_use", "template": "t"}, {"name": "default", "template": PLAIN}])
    assert template.load(None, folder).source == PLAIN
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TAGGED}))
    assert template.load(None, folder).source == TAGGED
    (folder / "chat_template.jinja").write_text(THINKING)
    assert template.load(None, folder).source == THINKING


def test_no_template_at_all(tokenizer_dir):
    with pytest.raises(StudioError) as error:
        template.load(None, tokenizer_dir)
    assert error.value.key == "data_template_missing"


def test_template_that_does_not_parse(model):
    with pytest.raises(StudioError) as error:
        template.load(None, model("{% for m in messages %}\n{{ m.content }\n{% endfor %}"))
    assert error.value.key == "data_template_broken" and error.value.values["line"] == 2


def test_own_jinja_file(tmp_path, tokenizer_dir):
    file = tmp_path / "mine.jinja"
    file.write_text(TAGGED)
    assert learned(template.load(str(file), tokenizer_dir).render(CHAT)) == ["first</s>", "second</s>"]
    for missing in (tmp_path / "no.jinja", "~nouser/x.jinja", "t" * 300 + ".jinja", "\0.jinja", tmp_path / "d.jinja"):
        (tmp_path / "d.jinja").mkdir(exist_ok=True)
        with pytest.raises(StudioError) as error:
            template.load(str(missing), tokenizer_dir)
        assert error.value.key == "data_template_file"
    file.write_bytes(TAGGED.encode() + "\n{# façon #}".encode("latin-1"))
    with pytest.raises(StudioError) as error:
        template.load(str(file), tokenizer_dir)
    assert error.value.key == "data_template_broken" and error.value.values["line"] == 3


def test_default_system(model, tokenizer_dir):
    for chosen in (
        template.load(None, model(PLAIN), default_system="Be kind."),
        template.load("qwen", tokenizer_dir, default_system="Be kind."),
    ):
        assert "Be kind." in chosen.render(CHAT[1:]).text and "Be kind." not in chosen.render(CHAT).text
    assert "system" not in template.load("qwen", tokenizer_dir, default_system="").render(CHAT[1:]).text


def test_every_name_resolves(model, tokenizer_dir):
    """LLaMA-Factory 0.9.5 knows 124 names."""
    known = (Path(__file__).parent / "llamafactory_templates.txt").read_text().split()
    names = template.names()
    assert len(known) == 124 and set(known) == set(names)
    for name, entry in names.items():
        if entry == "tokenizer":
            assert template.load(name, model(PLAIN)).notices
            with pytest.raises(StudioError) as error:
                template.load(name, tokenizer_dir)
            assert error.value.key == "data_template_unavailable"
        else:
            assert "second" in learned(template.load(name, tokenizer_dir).render(CHAT))[-1]


def test_templates_of_the_users_own_have_names(home, tokenizer_dir):
    (home / "templates").mkdir(parents=True)
    (home / "templates" / "ours.jinja").write_text(TAGGED)
    assert "ours" in template.names()
    assert learned(template.load("ours", tokenizer_dir).render(CHAT)) == ["first</s>", "second</s>"]


def test_unknown_name_names_the_nearest(tokenizer_dir):
    with pytest.raises(StudioError, match="llama3") as error:
        template.load("lama3", tokenizer_dir)
    assert error.value.key == "data_template_unknown"


@pytest.mark.parametrize("name", sorted(file.stem for file in template.FILES.glob("*.jinja")))
def test_saved_template_gives_the_same_text(name, tokenizer_dir):
    """`source` goes into a trained model's folder: plain Jinja, without marks, for programs that know neither."""
    chosen = template.load(name, tokenizer_dir, enable_thinking=None, default_system="Say 'no'.\nTwice")
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    assert "endgeneration" not in chosen.source and "{- cut" not in chosen.source
    special = {**chosen.tokens.special, "eos_token": chosen.eos_token}
    for messages in (CHAT, CHAT[1:], CHAT[:2]):
        plain = environment.from_string(chosen.source).render(messages=messages, add_generation_prompt=True, **special)
        assert plain == chosen.render(messages).text


def test_marks_in_the_data_do_not_move_the_loss(tokenizer_dir, model):
    trick = [{"role": "user", "content": "a\U0010fff0b"}, {"role": "assistant", "content": "c\U0010fff1d\U0010fff2"}]
    for chosen in (template.load("chatml", tokenizer_dir), template.load(None, model(PLAIN))):
        assert learned(chosen.render(trick)) == ["cd<|im_end|>\n"]


CALL = {"type": "function", "function": {"name": "f", "arguments": {"at": "Åbo", "days": [1]}}}
CALLED = [CHAT[1], {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "1"}, CHAT[4]]
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"properties": {}}}}


def test_tools_are_refused_where_a_template_does_not_write_them(model):
    with pytest.raises(Problem) as problem:
        template.load(None, model(PLAIN)).render(CALLED)
    assert problem.value.code == "no_tools"
    own = "{% for m in messages %}[{{ m.role }}]{{ m.content or (m.tool_calls | tojson) }}\n{% endfor %}"
    own += "{% if add_generation_prompt %}[assistant]{% endif %}"
    assert len(template.load(None, model(own)).render(CALLED, tools=[{"name": "f"}]).spans) == 2


@pytest.mark.parametrize("name", sorted(file.stem for file in template.FILES.glob("*.jinja")))
def test_saved_template_writes_tools_for_other_programs(name, tokenizer_dir):
    chosen = template.load(name, tokenizer_dir, enable_thinking=None)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    special = {**chosen.tokens.special, "eos_token": chosen.eos_token}
    plain = environment.from_string(chosen.source).render(messages=CALLED, tools=[TOOL], **special)
    assert plain == chosen.render(CALLED, tools=[TOOL]).text
    said = learned(chosen.render(CALLED, tools=[TOOL]))
    assert len(said) == 2 and "Åbo" in said[0] and "second" in said[1]


def test_a_way_to_write_tools_can_be_chosen(tokenizer_dir, model):
    plain, hermes = (template.load("chatml", tokenizer_dir, tool_format=given) for given in (None, "qwen"))
    assert learned(plain.render(CALLED))[0].startswith("Action: f\nAction Input: {")
    assert learned(hermes.render(CALLED))[0].startswith('<tool_call>\n{"name": "f", ')
    for name in ("mistral", "ministral", "mistral_small"):  # one form, not the beginning of another before it
        own, other = (template.load(name, tokenizer_dir, tool_format=given) for given in (None, "qwen"))
        assert learned(own.render(CALLED))[0].replace(" ", "").startswith('[TOOL_CALLS][{"name":"f",')
        assert learned(other.render(CALLED))[0].startswith('<tool_call>\n{"name": "f", ')
    empty = {"name": "f", "parameters": {"properties": {"x": None}, "required": None}}  # as some write what is nothing
    assert "  - x (): \n" in plain.render(CALLED, tools=[{"type": "function", "function": empty}]).text
    assert plain.key != hermes.key and hermes.tools and plain.tools
    assert not template.load("glm4", tokenizer_dir).tools
    assert set(get_args(ToolFormat)) == set(template.tool_formats())
    told = template.load(None, model(PLAIN), tool_format="qwen").notices
    assert told == (("data_tool_format_own", {"tool_format": "qwen"}),)
    with pytest.raises(StudioError, match="llama3"):
        template.load("chatml", tokenizer_dir, tool_format="nothing")


@pytest.mark.parametrize("name", ["qwen", "llama3", "mistral", "default", "gemma", "llama2", "chatglm3", "qwen3"])
def test_a_filled_skeleton_is_what_jinja_writes(name, tokenizer_dir):
    """Conversations of the same roles are rendered once; what else they hold takes the slow way."""
    chosen = template.load(name, tokenizer_dir, every_turn=True)
    for chat in (CHAT, CHAT[1:], [{**one, "content": one["content"] + " {{ x }}\n中 "} for one in CHAT]):
        slow = chosen._run(chat, None, False)
        assert chosen._fill(chat) == template.Rendered(*marks.split(slow, cut_at_turns=True)), chat
        assert chosen.render(chat) == chosen._fill(chat)
    thought = [*CHAT[:-1], {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"}]
    empty = [{"role": "system", "content": ""}, *CHAT[1:]]
    assert chosen._fill(thought) is None and chosen._fill(empty) is None and chosen._fill(CALLED) is None
    assert chosen.render(empty).text == chosen.render(CHAT[1:]).text


@pytest.mark.parametrize("name", ["qwen3", "deepseekr1"])
def test_only_a_thought_that_begins_an_answer_is_one(name, tokenizer_dir):
    mentions = ("Write `<think>`, and `</think>` at the end.", "A: <think>\nx\n</think>\n\nB", "see </think> here")
    thoughts = ("<think>\nhm\n</think>\n\nyes", " <think>hm</think>yes")
    loads = {given: template.load(name, tokenizer_dir, enable_thinking=given) for given in (None, True, False)}
    for given, kept in (*zip(mentions, mentions, strict=True), *((thought, "yes") for thought in thoughts)):
        asked, answered, last = CHAT[1], {"role": "assistant", "content": given}, {"role": "assistant", "content": kept}
        [expected] = learned(loads[None].render([asked, last]))
        assert learned(loads[False].render([asked, answered])) == [expected]
        past = loads[None].render([asked, answered, *CHAT[3:]]).text
        assert past == loads[None].render([asked, last, *CHAT[3:]]).text
    for given in (*mentions, *thoughts, "<think>\nnever closed"):  # none of them gets an empty thought in front
        chat = [CHAT[1], {"role": "assistant", "content": given}]
        assert loads[True].render(chat) == loads[None].render(chat)
