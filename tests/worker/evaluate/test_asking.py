"""How many rows are answered at once where nobody says: what the memory surely holds, and the same answers."""

import json

import pytest

from studio.worker import memory
from studio.worker.evaluate import asking, speaker


@pytest.mark.parametrize("free_rows, wanted", [(0, 8), (50, 10), (10_000, 32)])
def test_as_many_as_fit_within_bounds(evaluate_job, monkeypatch, free_rows, wanted):
    job = evaluate_job(per_device_eval_batch_size=None, cutoff_len=50, max_new_tokens=14)
    loaded = speaker.load(job, lambda *step: None)
    config = loaded.model.config
    token_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 4
    monkeypatch.setattr(memory, "free_bytes", lambda device: free_rows * 64 * token_bytes)
    assert asking.rows_at_once(loaded, job) == wanted


def test_the_answers_are_those_of_any_batch(evaluate):
    found = []
    for number in (None, 2):
        code, folder = evaluate(f"run-{number}", per_device_eval_batch_size=number)
        assert code == 0
        found.append([json.loads(line) for line in (folder / "generated_predictions.jsonl").read_text().splitlines()])
    assert found[0] == found[1] and len(found[0]) == 9
