"""A Modelfile asks as the model was trained to be asked, or there is none."""

import json
from dataclasses import replace

import pytest
import toy

from studio.data import template as templates
from studio.errors import StudioError
from studio.worker.export import gguf, ollama

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "海有多大？"},
    {"role": "assistant", "content": 'It is "wide"\nand {{ salt }}.'},
    {"role": "user", "content": "And?"},
]


def test_every_template_of_ours_is_said_by_joints(toy_model):
    for file in sorted(templates.FILES.glob("*.jinja")):
        template = templates.load(file.stem, toy_model)
        joints = ollama.joints_of(template)
        for talk in (TALK, TALK[1:], TALK[:2], TALK[1:2]):
            assert joints.render(talk) == template.render(talk, add_generation_prompt=True).text, file.stem


def test_the_template_of_go_quotes_what_it_writes():
    joints = ollama.Joints({("", "user"): 'say "', ("user", ""): "{{ x }}\n", ("user", "assistant"): "\\"})
    told = joints.to_go()
    assert '{{- if eq $before "" }}{{- "say \\"" }}' in told
    assert told.endswith('{{- if eq $before "user" }}{{- "{{ x }}\\n" }}{{- end }}')
    assert told.count("{{- end }}") == told.count("{{- if ") + told.count("{{- range ")
    assert '.Role "system"' not in told and joints.render([TALK[0], TALK[3]]) == 'say "And?{{ x }}\n'


def template_of(source, folder):
    """A model's own chat template."""
    (folder / "chat_template.jinja").write_text(source, "utf-8")
    return templates.load(None, folder)


def test_a_template_that_counts_or_reads_is_refused(tmp_path):
    toy.make_tokenizer().save_pretrained(tmp_path)
    counting = "{% for m in messages %}{{ loop.index }}{{ m['content'] }}{% endfor %}"
    reading = "{% for m in messages %}[{{ m['content'] | upper }}]{% endfor %}"
    later = "{% for m in messages %}{{ 'now' if loop.index == 5 }}[{{ m['content'] }}]{% endfor %}"
    for source in (counting, reading, later):
        with pytest.raises(StudioError) as refusal:
            ollama.joints_of(template_of(source, tmp_path))
        assert refusal.value.key == "ollama_template"


def test_a_template_without_a_place_for_a_system_message_leaves_it_out(tmp_path):
    toy.make_tokenizer().save_pretrained(tmp_path)
    refusing = "{{ raise_exception('no') if m['role'] == 'system' }}"
    source = "{% for m in messages %}" + refusing + "<{{ m['content'] }}>{% endfor %}"
    joints = ollama.joints_of(template_of(source, tmp_path))
    assert joints.roles == ("user", "assistant") and joints.render(TALK[:2]) == "<海有多大？>"


def test_a_modelfile_says_where_answers_end_and_begins_without_the_token_that_ollama_adds(whole, tmp_path):
    folder, out = toy.build(tmp_path / "model", eos_token_id=[2, 0]), tmp_path / "out"
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"bos_token": "<|endoftext|>"}))
    source, job = whole(folder, gguf_types=["f32", "q8_0"], template="llama3", default_system="Be kind.")
    source = replace(source, template=templates.load("llama3", folder, default_system="Be kind."))
    (folder / "chat_template.jinja").write_text(source.template.source, "utf-8")
    out.mkdir()
    gguf.write(source, job, out, lambda *_: None)
    found = ollama.write(source, job, out, lambda *_: None)
    assert [path.name for path in found.paths] == ["Modelfile", "Modelfile.q8_0"]
    told = found.paths[0].read_text("utf-8")
    assert told.startswith('FROM ./model-F32.gguf\nTEMPLATE """')
    assert 'SYSTEM """Be kind."""\n' in told and 'PARAMETER stop "<|eot_id|>"\n' in told
    assert told.endswith("PARAMETER num_ctx 512\n")
    assert "<|endoftext|>" not in told.split('"""')[1]
    assert "ollama_no_tools" in found.facts["notes"]
    quoted = replace(source, template=replace(source.template, default_system='Say "hi"'))  # would end three others
    assert "SYSTEM" not in ollama.modelfile("./x", None, quoted, None)


def test_thoughts_are_named(toy_model):
    assert ollama.notes(templates.load("qwen3", toy_model)) == ["ollama_no_tools", "ollama_thoughts"]
    assert ollama.notes(None) == ["ollama_no_template"]


@pytest.mark.parametrize("name, tag", [
    ("Model One", "model-one"), ("starter-小昇", "starter"), ("小诺", "model"), ("v1.5_b", "v1.5_b"),
    ("x" * 90, "x" * 80),
])  # fmt: skip
def test_names_as_ollama_takes_them(name, tag):
    assert ollama._tag(name) == tag
