"""The proof finds what is wrong, and takes rounding and ties for what they are."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.config import read_mapping
from studio.worker.export import layering, patches, source, verify
from studio.worker.progress import Progress


def expected(logits):
    return verify.Expected(([1, 2, 3],), (1,), (torch.tensor(logits),))


def judged(want, got, share=0.01, **more):
    return verify.judge("merged", replace(expected(want), **more), (torch.tensor(got),), share)


def test_a_verdict_tells_equal_near_and_different():
    same = judged([[1.0, 5.0], [4.0, 2.0]], [[1.0, 5.01], [4.0, 2.0]])
    assert same.ok and same.greedy_equal and same.note == "" and same.num_tokens == 2
    tie = judged([[5.00, 5.01]], [[5.02, 5.01]])
    assert tie.ok and not tie.greedy_equal and tie.note == "near_ties" and tie.num_equal_tokens == 0
    wrong = judged([[1.0, 5.0]], [[5.0, 1.0]])
    assert wrong.ok is False and wrong.note == "logits" and wrong.max_logit_difference == pytest.approx(4.0)
    assert judged([[1.0, 5.0]], [[float("nan"), 5.0]]).ok is False
    sure = [[9.0, 1.0, 1.0], [1.0, 9.0, 1.0]]
    for got, share in (([[8.8, 9.1, 1.0], [1.0, 9.0, 1.0]], 2.0), ([[0.0] * 3] * 2, 1.01), ([[0.0] * 3] * 2, 1.0)):
        assert judged(sure, got, share).ok is False, "another token where the model was sure"
    assert judged(sure, [[8.8, 9.1, 1.0], [1.0, 9.0, 1.0]], 2.0).note == "other_tokens"
    weak = judged([[18.0, 16.0]], [[16.8, 17.2]], verify.SHARES[torch.bfloat16])  # as an adapter that was left out
    assert weak.max_logit_difference < weak.tolerance and weak.ok is False and weak.note == "other_tokens"
    none = [[float("nan"), float("nan")]]
    for want, got in ((none, none), ([[5.0, 1.0]], none), (none, [[5.0, 1.0]]), ([[float("inf"), 1.0]], [[5.0, 1.0]])):
        broken = judged(want, got)
        assert broken.ok is False and broken.note == "no_numbers" and broken.max_logit_difference is None
    assert judged([[1.0, 5.0]], [[1.0, 5.0, 9.0]]).ok, "a row that one of both has more is not compared"


@pytest.mark.parametrize(("moved", "ok", "note"), [
    ((0.0, 0.0), False, "adapters"), ((2.0, 0.0), False, "adapters"), ((1.0, 0.1), True, ""), ((0.7, 0.4), True, ""),
    ((1.0, 0.8), True, verify.HIDDEN_NOTE), ((0.0, 0.8), True, verify.HIDDEN_NOTE),
])  # fmt: skip
def test_adapters_are_in_it_once_where_rounding_does_not_hide_them(moved, ok, note):
    """`moved`: how far the logits lie from those without adapters, as a share: their way, and off it."""
    along, across = moved
    for effect, share in ((0.1, 8e-2), (0.01, 8e-2)):  # both less than what bfloat16 may differ by
        want = torch.tensor([[1.0, 5.0, 2.0]])
        bare, got = want - torch.tensor([[effect, 0, 0]]), [[1 + effect * (along - 1), 5.0, 2 + effect * across]]
        found = judged(want.tolist(), got, share, bare=(bare,))
        hides = effect < verify.LEAST * found.tolerance
        assert (found.ok, found.note) == ((True, verify.HIDDEN_NOTE) if hides and not ok else (ok, note))
        assert judged(want.tolist(), got, 1.0, bare=(bare,)).note != verify.HIDDEN_NOTE, "few bits hide most"


def test_few_bits_let_nothing_pass_that_the_whole_model_tells(adapter, export, monkeypatch):
    made, apply = adapter("a"), patches.Patch.apply
    twice = lambda patch, layer, weight: apply(patch, layer, apply(patch, layer, weight))  # noqa: E731
    few = {"export_formats": ["gguf"], "gguf_types": ["q4_0"], "overwrite_export_dir": True}
    found = {}
    for name, put in (("once", apply), ("twice", twice)):
        monkeypatch.setattr(patches.Patch, "apply", put)
        [found[name]] = export(made, **few)[2]["verdicts"]
    assert found["once"]["ok"] and not found["twice"]["ok"]
    second = adapter("b", seed=2)
    monkeypatch.setattr(patches.Patch, "apply", lambda patch, layer, weight: weight)
    [lost] = export(made, second, infer_dtype="bfloat16", overwrite_export_dir=True)[2]["verdicts"]
    assert lost["ok"] is False


def test_a_weight_that_was_changed_is_found(adapter, export, toy_model, tmp_path):
    made = adapter("a")
    code, folder, _ = export(made, verify_export=False)
    keys = {"model_name_or_path": str(toy_model), "adapter_name_or_path": str(made)}
    found = source.find(read_mapping("export", keys).job, Progress(tmp_path))
    said = verify.expect(found, Progress(tmp_path))
    assert len(said.ids) == verify.NUM_PROMPTS

    def verdict():
        return verify.check("merged", lambda: layering.load(found, folder), found, said, 1e-3)

    assert code == 0 and verdict().ok
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"] *= 1.1
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    assert verdict().ok is False


def test_prompts_of_the_run_come_first(adapter, toy_model, tmp_path):
    made = adapter("a")
    (made / "job.yaml").write_text("kind: train\n")
    (made / "samples.jsonl").write_text('{"step": 0, "prompt": "My own question", "response": ""}\n{"torn')
    job = read_mapping("export", {"model_name_or_path": str(toy_model), "adapter_name_or_path": str(made)}).job
    found = source.find(job, Progress(tmp_path))
    assert "My own question" in found.tokenizer.decode(verify.choose_prompts(found)[0])
