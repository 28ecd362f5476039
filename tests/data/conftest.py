"""A job and files for it, small enough to read at a glance."""

import json
from pathlib import Path

import pytest

from studio.config import TrainJob

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def tokenizer_dir():
    """A byte-level tokenizer with ChatML's tokens and no chat template of its own."""
    return GOLDEN / "bytes"


@pytest.fixture
def make_job(tmp_path):
    """A training job on files of `tmp_path`; any key can be given."""

    def make(**keys):
        given = {"model_name_or_path": "m", "output_dir": "o", "template": "chatml", "dataset_dir": str(tmp_path)}
        return TrainJob(**{**given, **keys})

    return make


@pytest.fixture
def put(tmp_path):
    """Writes a file of `tmp_path`: text as it is, a list as a JSON array or, by the name, as JSON lines."""

    def write(name, content):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif isinstance(content, str):
            file.write_text(content, "utf-8")
        elif name.endswith(".jsonl"):
            file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), "utf-8")
        else:
            file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        return file

    return write
