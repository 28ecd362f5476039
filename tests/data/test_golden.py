"""Our token ids and labels are those of the `llamafactory` 0.9.5 package (files by `tests/golden/make.py`)."""

import json
from pathlib import Path

import pytest

from studio.data import template
from studio.data.encode import IGNORE, Encoder
from studio.data.formats import Row
from studio.data.mixing import PackedRows
from studio.data.problem import Problem
from studio.data.rows import EncodedRows, write
from studio.data.tokens import ModelTokens

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = json.loads((GOLDEN / "templates.json").read_text("utf-8"))
TOKENIZERS = ("bytes", "pieces")


def encoder(tokenizer: str, case: dict, stage: str = "sft") -> Encoder:
    settings = dict(case["settings"])
    given = {key: settings.pop(key) for key in ("default_system", "enable_thinking") if key in settings}
    given["every_turn"] = not settings.get("mask_history", False)
    packing = settings.pop("packing", False)
    chosen = template.load(case["template"], GOLDEN / tokenizer, **given)
    tokens = ModelTokens(GOLDEN / tokenizer, chosen.tokens.missing(chosen.stop_words))
    chosen = template.load(case["template"], tokens, **given)
    if packing:
        settings["cutoff_len"] = None
    return Encoder(tokens, chosen, stage=stage, **settings)


def expected_labels(case: dict) -> list[int]:
    """Its labels; but under `mask_history` it still has earlier answers' end tokens learned, and we have not."""
    labels = [IGNORE] * len(case["ids"])
    for begin, end in case["learned"]:
        labels[begin:end] = case["ids"][begin:end]
    for at, label in case.get("other", ()):
        labels[at] = IGNORE if case["settings"].get("mask_history") else label
    return labels


def name_of(case: dict) -> str:
    return "-".join([case["template"], case.get("chat", "text"), *(f"{k}={v}" for k, v in case["settings"].items())])


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_chat_rows(tokenizer):
    wrong = []
    for case in FILES[tokenizer]["chats"]:
        said = FILES["conversations"][case["chat"]]
        messages = [{"role": role, "content": text} for role, text in said]
        [row] = encoder(tokenizer, case).encode([Row(messages=messages)])
        if isinstance(row, Problem):  # it keeps rows in which nothing is learned
            same = row.code == "nothing_learned" and not case["learned"]
        else:
            same = (row.input_ids, row.labels) == (case["ids"], expected_labels(case))
        if not same:
            wrong.append(name_of(case))
    assert not wrong


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_text_rows(tokenizer, tmp_path):
    for case in FILES[tokenizer]["texts"]:
        encode = encoder(tokenizer, case, "pt")
        encoded = encode.encode([Row(text=text) for text in FILES["texts"]])
        rows = [row.input_ids for row in encoded]
        if case["settings"]["packing"]:
            store = write(tmp_path / case["template"], enumerate(encoded), None, {})
            packed = PackedRows(EncodedRows([store]), len(case["rows"][0]))
            rows = [row["input_ids"].tolist() for row in packed][: len(case["rows"])]  # it drops a last, short one
            assert packed.num_tokens == sum(len(row.input_ids) for row in encoded)
        assert rows == case["rows"], name_of(case)
