"""`eval`, `report` and `postprocess` in the terminal: a benchmark from the command to its table, figures, fields."""

import json

import pytest
import yaml
from acting import TOY
from answering import trained

from studio import cli, evaluating, paths, runs
from studio.runs import folder as files
from studio.scoring import predictions
from studio.text import catalogue

pytest_plugins = ("acting",)
GRAMMAR = {"split": "。", "fields": [{"name": "output_1", "split": "；"}, {"name": "output_2", "split": "；"}]}
LINES = [{"prompt": "p", "predict": "走；停。拿，杯子，桌上；放，书，架上", "label": None, "row": 1}]


def written(folder, results=None, lines=(), table=""):
    """An evaluate run by its files."""
    folder.mkdir(parents=True)
    (folder / files.JOB).write_text(yaml.safe_dump({"kind": "evaluate", "model_name_or_path": "x"}), "utf-8")
    for name, values in (results or {}).items():
        files.write_json_atomic(folder / name, values)
    if lines:
        words = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / predictions.PREDICTIONS).write_text(words, "utf-8")
    if table:
        (folder / evaluating.TABLE).write_text(table + "\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def toy_model(tmp_path_factory):
    import toy

    return toy.build(tmp_path_factory.mktemp("toy") / "model", max_position_embeddings=1024)


def test_a_benchmark_from_the_command_to_its_table(toy_model, capsys, tmp_path):
    """Journey A9's words, with the studio's own exam in the place of MMLU: a real run, a real worker."""
    words = f"--model_name_or_path {toy_model} --template fewshot --task mini --split validation --lang en --n_shot 5"
    words = [*words.split(), "--batch_size", "1", "--device", "cpu", "--save_dir", f"{tmp_path}/out"]
    assert cli.main(["eval", *words]) == 0
    out = capsys.readouterr().out
    table = (tmp_path / "out" / evaluating.TABLE).read_text("utf-8")
    assert "mini has no part validation" in out
    assert out.rstrip().endswith("25 questions, 25 of them scored.") and out.count(table.splitlines()[0]) == 2
    letters = files.read_json(tmp_path / "out" / "results.json")
    assert set(letters) == {"arithmetic", "everyday", "geography", "language", "nature"}
    assert runs.listing()[0].kind == "evaluate" and runs.listing()[0].total_steps == 25


def test_a_training_file_is_evaluated(behave, capsys, tmp_path):
    """Without a task its predictions are asked; what it says of training alone is counted."""
    (tmp_path / "train.yaml").write_text(f"model_name_or_path: {TOY}\nstage: sft\ndo_train: true\ndataset: d\n"
                                         "learning_rate: 1e-4\nfinetuning_type: lora\ndevice: cpu\n")  # fmt: skip
    assert cli.main(["eval", str(tmp_path / "train.yaml"), "max_new_tokens=8", "--detach"]) == 0
    run = runs.find(capsys.readouterr().out.strip())
    job = run.job()
    assert (job.kind, job.task, job.dataset, job.max_new_tokens) == ("evaluate", None, ["d"], 8)
    folder = trained(paths.saves(), "toy/lora/r", base=str(TOY))
    with open(folder / files.JOB, "a", encoding="utf-8") as file:
        file.write(f"output_dir: {folder}\n")
    assert cli.main(["eval", "toy/lora/r", "--detach"]) == 0
    job = runs.find(capsys.readouterr().out.strip()).job()
    assert job.adapter_name_or_path == [str(folder)] and job.dataset == ["identity"]
    assert cli.main(["eval", "predictions_from=answers.jsonl", "--detach"]) == 0
    assert capsys.readouterr().out.startswith("predictions/evaluate/")  # not in a folder of the file's name


def test_figures_as_a_table(capsys):
    found = {"predict_rouge-1": 41.5, "predict_num_rows": 1200,
             "predict_left_out": {"f1": "no_labels", "json": "not_asked", "rouge": "no_labels"},
             "predict_runtime": 3.25, "predict_model_preparation_time": 0.1,
             "by_system": [{"system": 0, "predict_rouge-1": 40.0}, {"system": 1}]}  # fmt: skip
    written(paths.saves() / "toy/evaluate/one", {evaluating.PREDICTIONS: found})
    evaluating.show(runs.find("one"), catalogue("en"))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert " ".join(lines[0]) == "all system message 1 system message 2"
    assert lines[1:4] == [["rouge-1", "41.50", "40.00", "–"], ["num_rows", "1,200", "–", "–"],
                          ["runtime", "3.25", "–", "–"]]  # fmt: skip
    assert " ".join(lines[4]) == "f1, rouge: not scored, the rows have no labels." and len(lines) == 5


def test_benchmarks_as_a_table(capsys):
    found = {"tasks": {"mmlu": {"acc": 50.0}, "arc": {"acc": 25.0, "acc_norm": 30.0}}, "num_questions": 9,
             "num_scored": 4, "categories": {"mmlu": {"Average": 50.0}},
             "left_out": {"ceval": "no_labels"}}  # fmt: skip
    run = written(paths.saves() / "toy/evaluate/two", {evaluating.BENCHMARKS: found}, table="        Average: 50.00")
    evaluating.show(runs.find("two"), catalogue("en"))
    assert capsys.readouterr().out.splitlines() == [
        "        Average: 50.00", "arc  acc       25.00", "arc  acc_norm  30.00",
        "ceval: not scored, the rows have no labels.", "9 questions, 4 of them scored.",
    ]  # fmt: skip
    evaluating.show(runs.find(str(written(run.parent / "empty"))), catalogue("en"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["three", "toy/evaluate/three", "folder", "file"])
def test_postprocess(name, tmp_path, capsys):
    folder = written(paths.saves() / "toy/evaluate/three", lines=LINES)
    (tmp_path / "grammar.yaml").write_text(yaml.safe_dump(GRAMMAR, allow_unicode=True), "utf-8")
    named = {"folder": str(folder), "file": str(folder / predictions.PREDICTIONS)}.get(name, name)
    assert cli.main(["postprocess", named, str(tmp_path / "grammar.yaml")]) == 0
    file = folder / "predict_postprocessed.json"
    out = capsys.readouterr().out
    assert str(file) in out and "1 answers" in out and "0 of them" in out
    (row,) = json.loads(file.read_text("utf-8"))
    assert row["output_1"] == ["走", "停"] and row["output_2"] == ["拿，杯子，桌上", "放，书，架上"]


def test_a_report_on_the_terminal_and_as_a_file(tmp_path, capsys):
    """The page's own, of runs by their ids and folders; without a word the model that has no adapter is the base."""
    said = {"tuned": ("Nova.", ["saves/nova"]), "base": ("no idea", None)}
    for name, (answer, adapters) in said.items():
        line = {"prompt": "p", "predict": answer, "label": "Nova.", "dataset": "d"}
        folder = written(paths.saves() / f"toy/evaluate/{name}", lines=[line | {"row": row} for row in range(1, 9)])
        job = {"kind": "evaluate", "model_name_or_path": "org/m", "adapter_name_or_path": adapters}
        (folder / files.JOB).write_text(yaml.safe_dump(job), "utf-8")
        predictions.write_scores(folder, [{"f1": 100.0 * (answer == "Nova.")}] * 8)
    assert cli.main(["report", "tuned", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# ") and "+100.00" in shown
    for name, sign in (("r.md", "-100.00"), ("r.HTML", "-100.00")):
        assert cli.main(["report", "tuned", "base", "--base", "tuned", "--to", str(tmp_path / name)]) == 0
        assert str(tmp_path / name) in capsys.readouterr().out and sign in (tmp_path / name).read_text("utf-8")
    assert (tmp_path / "r.HTML").read_text("utf-8").startswith("<!doctype html>")
    for wrong, part in (("r.pdf", "neither"), ("no/such/r.md", "cannot be written")):
        assert cli.main(["report", "tuned", "--to", str(tmp_path / wrong)]) == 2
        assert part in capsys.readouterr().err


@pytest.mark.parametrize("words, part", [
    (["report"], "report RUN"), (["report", "none/such"], "no run"), (["report", "--bse", "x"], "report RUN"),
    (["postprocess", "only-one"], "postprocess RUN|FOLDER|FILE GRAMMAR"),
    (["postprocess", "none/such", "actions"], "no run"),
    (["eval"], "model_name_or_path"), (["eval", "--task", "mini"], "model_name_or_path"),
    (["eval", "model_name_or_path=x", "dataset=d", "judge_model=big"], "judge_api_base"),
    (["eval", "model_name_or_path=x"], "dataset"), (["eval", "missing.yaml"], "missing.yaml"),
])
def test_wrong_words_get_one_sentence(words, part, capsys):
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert part in err and "Traceback" not in err and not out and runs.listing() == []
