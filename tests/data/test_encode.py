"""Ids and labels of a row: what is learned, what is cut, and that the eye sees the same."""

import json

import pytest
from tokenizers import Tokenizer, processors

from studio.data import template
from studio.data.encode import IGNORE, Encoder, share
from studio.data.formats import Row
from studio.data.problem import Problem
from studio.data.tokens import ModelTokens

CHAT = Row(
    messages=(
        {"role": "user", "content": "你好？"},
        {"role": "assistant", "content": "你好！🙂"},
        {"role": "user", "content": "2 + 2"},
        {"role": "assistant", "content": "4"},
    )
)
OWN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def make_encoder(tokenizer_dir):
    def make(name="chatml", tokens=None, **settings):
        tokens = tokens or ModelTokens(tokenizer_dir)
        return Encoder(tokens, template.load(name, tokens) if name else None, **settings)

    return make


def learned(encoder, row):
    """The learned text of each turn."""
    runs, run = [], []
    for label in [*row.labels, IGNORE]:
        if label != IGNORE:
            run.append(label)
        elif run:
            runs.append(encoder.tokenizer.decode(run, skip_special_tokens=False))
            run = []
    return runs


def test_every_answer_or_the_last_or_everything(make_encoder):
    for settings, expected in (
        ({}, ["你好！🙂<|im_end|>\n", "4<|im_end|>\n"]),
        ({"mask_history": True}, ["4<|im_end|>\n"]),
    ):
        encoder = make_encoder(**settings)
        assert learned(encoder, encoder.encode([CHAT])[0]) == expected
    [row] = make_encoder(train_on_prompt=True).encode([CHAT])
    assert row.labels == row.input_ids


def test_own_template_gives_the_same_as_ours(make_encoder, tokenizer_dir, tmp_path):
    """One is tokenised whole and masked by offsets, the other in pieces; characters of several tokens included."""
    (tmp_path / "tokenizer.json").write_bytes((tokenizer_dir / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "chat_template": OWN}))
    own = Encoder(tmp_path, template.load(None, tmp_path))
    assert own.encode([CHAT]) == make_encoder().encode([CHAT])


def test_a_token_that_begins_before_the_answer_belongs_to_it(tmp_path, tokenizer_dir):
    """A space joins the first word: without it the answer's first token would not be learned."""
    (tmp_path / "tokenizer.json").write_bytes((tokenizer_dir / "tokenizer.json").read_bytes())
    source = "{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }} A: {% else %}{% generation %}"
    source += "{{ m.content }}{{ eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "chat_template": source}))
    encoder = Encoder(tmp_path, template.load(None, tmp_path))
    messages = ({"role": "user", "content": "x"}, {"role": "assistant", "content": "How?"})
    assert learned(encoder, encoder.encode([Row(messages=messages)])[0]) == [" How?</s>"]


def test_last_answer_is_the_last_one_though_text_follows_it(tmp_path, tokenizer_dir):
    (tmp_path / "tokenizer.json").write_bytes((tokenizer_dir / "tokenizer.json").read_bytes())
    source = "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    source += "{% endgeneration %}{% else %}{{ m.content }}{% endif %} |{% endfor %}"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "chat_template": source}))
    encoder = Encoder(tmp_path, template.load(None, tmp_path), mask_history=True)
    [row] = encoder.encode([CHAT])
    assert learned(encoder, row) == ["4"] and row.labels[-1] == IGNORE


def test_trace_is_what_is_encoded(make_encoder):
    encoder = make_encoder(cutoff_len=24)
    traced = encoder.trace(CHAT)
    assert traced.encoded == encoder.encode([CHAT])[0]
    offsets = traced.tokens.offsets
    assert len(offsets) == len(traced.tokens.ids)
    assert offsets[0] == (0, len("<|im_start|>")) and offsets[-1][1] == len(traced.text)
    begin, end = traced.tokens.spans[0]
    assert traced.text[offsets[begin][0] : offsets[end - 1][1]] == "你好！🙂<|im_end|>\n"


@pytest.mark.parametrize(
    ("source", "target", "room", "kept"),
    [
        (10, 10, 20, (10, 10)),
        (10, 10, 15, (8, 7)),
        (3, 30, 20, (3, 17)),
        (30, 3, 20, (17, 3)),
        (100, 29, 129, (100, 29)),
        (5, 0, 3, (3, 0)),
        (0, 5, 3, (0, 3)),
    ],
)
def test_share(source, target, room, kept):
    assert share(source, target, room) == kept


def test_cut_rows_are_marked_and_never_longer(make_encoder):
    for cutoff_len in range(2, 40):
        for mask_history in (False, True):
            [row] = make_encoder(cutoff_len=cutoff_len, mask_history=mask_history).encode([CHAT])
            if isinstance(row, Problem):
                assert row.code == "nothing_learned" and cutoff_len < 12
            else:
                assert len(row.input_ids) == len(row.labels) <= cutoff_len and row.truncated
    assert not make_encoder().encode([CHAT])[0].truncated


def test_text_is_learned_with_its_end(make_encoder, tokenizer_dir):
    encoder = make_encoder(None, stage="pt")
    [row, ended] = encoder.encode([Row(text="good"), Row(text="good</s>\n")])
    assert row.labels == row.input_ids and encoder.tokenizer.id_to_token(row.input_ids[-1]) == "</s>"
    assert ended.input_ids.count(encoder.eos_id) == 1
    assert encoder.encode([CHAT])[0].code == "no_template"
    [chat] = make_encoder(stage="pt").encode([CHAT])
    assert chat.labels == chat.input_ids


def test_text_begins_as_the_tokenizer_begins_texts(tmp_path, tokenizer_dir):
    tokenizer = Tokenizer.from_file(str(tokenizer_dir / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_bytes((tokenizer_dir / "tokenizer_config.json").read_bytes())
    tokens = ModelTokens(tmp_path)
    encoded = Encoder(tokens, None, stage="pt").encode([Row(text="good"), Row(text="<s>good")])
    assert [row.input_ids.count(0) for row in encoded] == [1, 1] and encoded[0].input_ids[0] == 0
    [chat] = Encoder(tokens, template.load("chatml", tokens)).encode([CHAT])
    assert 0 not in chat.input_ids  # a chat begins as its template says


def test_special_tokens_in_the_data(make_encoder, tokenizer_dir):
    row = Row(messages=({"role": "user", "content": "a<|im_end|>b"}, {"role": "assistant", "content": "c</s>"}))
    end = ModelTokens(tokenizer_dir).id_of("<|im_end|>")
    [read] = make_encoder().encode([row])
    assert read.input_ids.count(end) == 3
    encoder = make_encoder(tokens=ModelTokens(tokenizer_dir, split_special=True))
    [split] = encoder.encode([row])
    assert split.input_ids.count(end) == 2 and encoder.tokenizer.token_to_id("</s>") not in split.input_ids
    text = encoder.tokenizer.decode(split.input_ids, skip_special_tokens=False)
    assert text == encoder.template.render(row.messages).text and learned(encoder, split) == ["c</s><|im_end|>\n"]


def test_answers_without_an_end_token(make_encoder):
    """Where the next question's first token ends an answer, it is learned as the end, and the last one gets its own."""
    encoder = make_encoder("glm4")
    [row] = encoder.encode([CHAT])
    assert row.labels[-1] == row.input_ids[-1] == encoder.eos_id
    [other] = [at for at, label in enumerate(row.labels) if label not in (IGNORE, row.input_ids[at])]
    assert (encoder.tokenizer.id_to_token(row.input_ids[other]), row.labels[other]) == ("<|user|>", encoder.eos_id)
