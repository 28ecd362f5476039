"""The command `export`: the flags that people have, and what is said at the end."""

import pytest
from acting import TOY
from exported import exported, finish

from studio import cli, exporting, runs
from studio.config import read_arguments
from studio.errors import StudioError
from studio.text import catalogue

RESULT = {
    "export_dir": "/out",
    "files": [{"path": "model.safetensors", "bytes": 2_500_000_000, "sha256": "ab", "format": "merged"}],
    "verdicts": [
        {"format": "merged", "ok": True, "greedy_equal": True, "max_logit_difference": 0.0003, "num_prompts": 8},
        {"format": "gguf", "ok": True, "greedy_equal": False, "max_logit_difference": 0.1, "num_prompts": 8,
         "num_tokens": 192, "num_equal_tokens": 190},
        {"format": "pth", "ok": False, "greedy_equal": False, "max_logit_difference": 4.0, "num_prompts": 8,
         "note": "adapters"},
        {"format": "ollama", "ok": True, "greedy_equal": None, "max_logit_difference": None, "num_prompts": 6},
        {"format": "adapter", "ok": None, "note": "not_asked", "greedy_equal": None, "max_logit_difference": None},
    ],
    "next": ["vllm serve /out"],
    "sha256": {"expected": "cd", "found": "ab", "equal": False, "path": "model.safetensors"},
    "pushed": "https://hub/me/mine",
}  # fmt: skip


def test_llama_factory_s_flags_as_they_stand():
    words = (
        "--model_name_or_path m/base --adapter_name_or_path a,b --template qwen --finetuning_type lora"
        " --export_dir out --export_size 2 --export_device auto --export_legacy_format False"
    )
    job = read_arguments("export", words.split()).job
    assert job.adapter_name_or_path == ["a", "b"] and job.export_size == 2 and job.export_device == "auto"
    assert job.template == "qwen" and job.export_formats == ["merged"] and job.device == "auto"


def test_the_merge_of_chinese_llama_alpaca(tmp_path):
    out = tmp_path / "out"
    reading = read_arguments("export", f"--base_model X --lora_model A,B --output_type pth --output_dir {out}".split())
    assert reading.job.adapter_name_or_path == ["A", "B"] and reading.job.output_type == "pth"
    assert reading.job.export_dir == str(out) and reading.job.output_dir is None
    assert [notice.code for notice in reading.notices if notice.code.startswith("source")] == ["source_export_dir"]
    assert reading.job.device == "cpu", "what is merged on the processor waits for no card"


def test_a_number_of_bits_alone_asks_for_a_quantized_export():
    job = read_arguments("export", ["model_name_or_path=m/base", "export_quantization_bit=4"]).job
    assert job.export_formats == ["quantized"]
    both = read_arguments("export", ["model_name_or_path=m/base", "export_quantization_bit=4", "export_formats=gguf"])
    assert both.job.export_formats == ["gguf"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_end_is_told_in_words(language):
    told = exporting.lines(RESULT, catalogue(language))
    assert "2.50 GB" in told[0] and "/out" in told[0] and "0.0003" in told[1] and "190" in told[2]
    assert catalogue(language)("export.notes.adapters") in told[3] and "6" in told[4]
    assert "adapter" in told[5] and "cd" in told[6]
    assert told[-1] == "  vllm serve /out"
    assert len({line.replace("merged", "").replace("pth", "") for line in told}) == len(told)


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_an_export_that_its_hub_refused_is_told_all_the_same(state, home, capsys):
    folder = exported(home / "saves", "one", "finished", result={"pushed": None})
    finish(folder, "export", state)
    exporting.show(runs.find("starter/export/one"), catalogue("en"))
    told = capsys.readouterr().out
    assert str(folder / "model") in told and ("studio resume starter/export/one" in told) == (state == "failed")


def test_a_conversion_says_where_the_model_is(home, capsys):
    folder = home / "saves" / "llama" / "build" / "one"
    folder.mkdir(parents=True)
    finish(folder, "build", "finished")
    (folder / "job.yaml").write_text("kind: build\nwhat: convert\n")
    (folder / "result.json").write_text('{"path": "/models/llama"}')
    exporting.show(runs.find("llama/build/one"), catalogue("en"))
    assert capsys.readouterr().out == "It is in /models/llama\n"


def test_what_cannot_be_done_is_said_and_nothing_starts(capsys):
    assert cli.main(["export", f"model_name_or_path={TOY}", "export_formats=adapter"]) == cli.WRONG
    assert "adapter_name_or_path" in capsys.readouterr().err
    with pytest.raises(StudioError):
        read_arguments("export", [f"model_name_or_path={TOY}", "export_legacy_format=true"])


def test_convert_puts_the_model_where_output_dir_says():
    for words in ("--input_dir in --model_size 7B --output_dir out", "input_dir=in model_size=7B output_dir=out"):
        job = read_arguments("build", exporting.converting(words.split())).job
        assert (job.what, job.input_dir, job.model_size, job.local_dir) == ("convert", "in", "7B", "out")
        assert job.output_dir is None
    words = exporting.converting(["--input_dir", "output_dir/7B", "--output_dir=out"])
    assert words[1:] == ["--input_dir", "output_dir/7B", "--local_dir=out"]
    with pytest.raises(StudioError):
        read_arguments("build", exporting.converting(["--input_dir", "in"]))
