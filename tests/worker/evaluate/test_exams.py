"""Exams as their publishers pack them: found, read, asked and counted as LLaMA-Factory does."""

import csv
import io
import json
import socket
import tarfile
import time
import zipfile

import pyarrow
import pytest
from acting import key_of
from pyarrow import parquet

from studio import paths
from studio.config import read_arguments, read_mapping
from studio.errors import StudioError
from studio.worker.evaluate import benchmark, exams, exams_files, exams_hub

QUESTION = ["What is 1 + 1?", "1", "2", "3", "4", "B"]
HEADED = {"ceval": ["id", "question", "A", "B", "C", "D", "answer", "explanation"],
          "cmmlu": ["", "Question", "A", "B", "C", "D", "Answer"]}  # fmt: skip


def job_for(folder, **keys):
    base = {"model_name_or_path": "x", "task": "mmlu", "task_dir": str(folder), "split": "test"}
    return read_mapping("evaluate", base | keys).job


def table(rows, exam="mmlu", answers=True):
    out = io.StringIO()
    writer = csv.writer(out)
    if exam in HEADED:
        writer.writerow([name for name in HEADED[exam] if answers or name not in ("answer", "explanation")])
    for number, row in enumerate(rows):
        cells = row if answers else row[:-1]
        writer.writerow({"ceval": [number, *cells, "because"][: None if answers else -1], "cmmlu": [number, *cells]}
                        .get(exam, cells))  # fmt: skip
    return out.getvalue()


def rows(count, letter="B"):
    return [[f"Question {number}?", "w", "x", "y, z", "w", letter] for number in range(count)]


MMLU = {
    "data/dev/abstract_algebra_dev.csv": table(rows(5)), "data/val/abstract_algebra_val.csv": table(rows(2)),
    "data/test/abstract_algebra_test.csv": table(rows(3)), "data/test/world_religions_test.csv": table(rows(4, "A")),
    "data/dev/world_religions_dev.csv": table(rows(5)), "data/auxiliary_train/arc_easy.csv": "no,table", "README": "x",
}  # fmt: skip


def unpacked(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def packed(file, files):
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        with tarfile.open(file, "w") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.parametrize("place", ["mmlu", "mmlu/mmlu.zip", "mmlu.zip", "mmlu/data.tar"])
def test_the_same_exam_from_a_folder_and_from_archives(place, tmp_path):
    if place == "mmlu":
        unpacked(tmp_path / place, MMLU)
    else:
        packed(tmp_path / place, MMLU)
    job = job_for(tmp_path)
    exam = exams.load("mmlu", exams.find("mmlu", job), job)
    assert [(one.key, one.name, one.category, len(one.shots), len(one.questions)) for one in exam.subjects] == [
        ("abstract_algebra", "abstract algebra", "STEM", 5, 3),
        ("world_religions", "world religions", "Humanities", 5, 4),
    ]
    assert exam.subjects[0].questions[1].choices == ("w", "x", "y, z", "w") and exam.num_questions == 7
    few = job_for(tmp_path, split="validation", max_samples=1)
    assert exams.load("mmlu", exams.find("mmlu", few), few).num_questions == 1
    assert exams.load("mmlu_validation", exams.find("mmlu_validation", job), job).num_questions == 2


def test_mmlu_as_the_hub_has_it(tmp_path):
    """Parquet, all subjects in one file a part; a copy by subject lies beside it, and what is no part."""
    row = {"question": "Q?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 3}
    tables = {"all/test": [row, row | {"subject": "virology"}], "all/dev": [row], "anatomy/test": [row],
              "auxiliary_train/train": [row | {"subject": ""}]}  # fmt: skip
    for name, rows in tables.items():
        (tmp_path / "mmlu" / name).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "mmlu" / f"{name}-00000-of-00001.parquet")
    exam = exams.load("mmlu", exams.find("mmlu", job_for(tmp_path)), job_for(tmp_path))
    assert [(one.key, len(one.shots), len(one.questions)) for one in exam.subjects] == [
        ("anatomy", 1, 1), ("virology", 0, 1)
    ]  # fmt: skip
    assert exam.subjects[1].questions[0].answer == "D" and exam.subjects[1].category == "Other"


def test_heads_of_c_eval_and_cmmlu(tmp_path):
    law = {"dev/law_dev.csv": table(rows(5), "ceval"), "val/law_val.csv": table(rows(2), "ceval")}
    unpacked(tmp_path / "ceval", law | {"test/law_test.csv": table(rows(3), "ceval", answers=False)})
    packed(tmp_path / "cmmlu/cmmlu_v1_0_1.zip", {"dev/agronomy.csv": "\ufeff" + table(rows(5), "cmmlu"),
                                                 "test/agronomy.csv": table(rows(2), "cmmlu")})  # fmt: skip
    job = job_for(tmp_path, lang="zh")
    exam = exams.load("ceval_validation", tmp_path / "ceval", job)
    assert (exam.subjects[0].name, exam.subjects[0].category) == ("法学", "Humanities")
    unpublished = exams.load("ceval", exams.find("ceval", job), job)
    assert unpublished.num_questions == 3 and unpublished.subjects[0].questions[0].answer is None
    assert exams.marks(unpublished, {("law", number): "A" for number in range(3)}) == {}
    exam = exams.load("cmmlu", exams.find("cmmlu", job), job)
    assert (exam.subjects[0].name, exam.subjects[0].category, exam.num_questions) == ("农学", "Other", 2)
    assert key_of(exams.load, "cmmlu_validation", tmp_path / "cmmlu", job) == "exam_no_part"


def test_words_are_those_of_llama_factory(tmp_path):
    """Its evaluator gives a model these messages: the opening before the first example, no system message."""
    unpacked(tmp_path / "mmlu", {"dev/anatomy_dev.csv": table([QUESTION]), "test/anatomy_test.csv": table(rows(1))})
    exam = exams.load("mmlu", tmp_path / "mmlu", job_for(tmp_path))
    assert exam.messages(exam.subjects[0], exam.subjects[0].questions[0]) == [
        {"role": "user", "content": "The following are multiple choice questions (with answers) about anatomy.\n\n"
                                    "What is 1 + 1?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"},
        {"role": "assistant", "content": "B"},
        {"role": "user", "content": "Question 0?\nA. w\nB. x\nC. y, z\nD. w\nAnswer:"},
    ]  # fmt: skip
    bare = exams.load("mmlu", tmp_path / "mmlu", job_for(tmp_path, n_shot=0, lang="zh"))
    (only,) = bare.messages(bare.subjects[0], bare.subjects[0].questions[0])
    assert only["content"] == "以下是中国关于anatomy考试的单项选择题，请选出其中的正确答案。\n\n" \
                              "Question 0?\nA. w\nB. x\nC. y, z\nD. w\n答案："  # fmt: skip


def test_marks_and_the_table_that_llama_factory_prints(tmp_path):
    mapping = {"a": {"name": "A", "category": "Humanities"}, "b": {"name": "B", "category": "STEM"}}
    files = {f"{part}/{key}.csv": table(rows(count)) for key, count in (("a", 3), ("b", 1)) for part in ("dev", "test")}
    unpacked(tmp_path / "own", files | {"mapping.json": json.dumps(mapping)})
    (tmp_path / "own" / "mapping.json").write_text(json.dumps(mapping | {"b": "Bee"}))
    named = exams.load("own", exams.find("own", job_for(tmp_path)), job_for(tmp_path)).subjects[1]
    assert (named.name, named.category) == ("Bee", "Other")  # a name alone
    (tmp_path / "own" / "mapping.json").write_text(json.dumps(mapping))
    exam = exams.load("own", exams.find("own", job_for(tmp_path)), job_for(tmp_path))
    answers = {("a", 0): "B", ("a", 1): "B", ("a", 2): "A", ("b", 0): "C"}
    marks = exams.marks(exam, answers)
    assert marks == {"Average": 50.0, "STEM": 0.0, "Humanities": pytest.approx(200 / 3)}
    assert exams.table(marks) == "        Average: 50.00\n           STEM: 0.00\n     Humanities: 66.67"
    assert exams.letters(exam, answers) == {"a": {"0": "B", "1": "B", "2": "A"}, "b": {"0": "C"}}


def test_fewer_examples_are_the_same_for_every_run_of_a_seed(tmp_path):
    unpacked(tmp_path / "mmlu", {"dev/a_dev.csv": table(rows(9)), "test/a_test.csv": table(rows(1))})

    def shots(**keys):
        exam = exams.load("mmlu", tmp_path / "mmlu", job_for(tmp_path, **keys))
        return [shot.index for shot in exam.subjects[0].shots]

    assert len(shots()) == 5 and shots() == shots() and shots(n_shot=9) == list(range(9)) != shots(n_shot=4)
    assert len({tuple(shots(seed=seed)) for seed in range(6)}) > 1


def test_mini_comes_along_in_two_languages(tmp_path):
    for lang, subject in (("en", "arithmetic"), ("zh", "算术")):
        job = job_for(tmp_path, task="mini", lang=lang)
        exam = exams.load("mini", exams.find("mini", job), job)
        assert exam.num_questions == 25 and subject in {one.name for one in exam.subjects}
        assert all(len(set(question.choices)) == 4 and question.answer for _, question in exams.each(exam))
        assert all(one.shots for one in exam.subjects)


def test_the_tables_of_subjects_are_whole():
    counts = {"mmlu": 57, "ceval": 52, "cmmlu": 67}
    assert {name: len(exams._known(name)) for name in counts} == counts
    assert {about["category"] for name in counts for about in exams._known(name).values()} == set(exams.CATEGORIES[1:])


def test_where_exams_are_looked_for(tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    job = job_for("evaluation")
    assert exams.find("mmlu", job) is None
    unpacked(paths.home() / "evaluation/mmlu", MMLU)
    assert exams.find("mmlu", job) == home / "evaluation/mmlu"
    unpacked(tmp_path / "evaluation/mmlu", MMLU)
    assert exams.find("mmlu", job) == tmp_path / "evaluation/mmlu"
    assert exams.find("mmlu", job_for(tmp_path / "evaluation/mmlu")) == tmp_path / "evaluation/mmlu"


@pytest.mark.parametrize("text, where", [
    ("What?,1,2,3,4,E\n", "line 1"), ("What?,1,2,3,4,A\nonly one cell\n", "line 2"),
    ("Question,A,B,C,D,Answer\n,1,2,3,4,A\n", "line 2"),
])
def test_broken_tables_are_named_with_their_line(text, where, tmp_path):
    unpacked(tmp_path / "mmlu", {"test/a_test.csv": text})
    with pytest.raises(Exception, match=where):
        exams_files.read(tmp_path / "mmlu")


def test_what_is_missing_is_said_with_where_to_put_it(tmp_path):
    job = job_for(tmp_path)
    assert key_of(exams_hub.bring, "ceval", job, exams.folders(job)) == "exam_missing"
    with pytest.raises(Exception, match=f"ceval-exam.zip of the data set ceval/ceval-exam.*{tmp_path}/ceval"):
        exams_hub.bring("ceval", job, exams.folders(job))
    (tmp_path / "mmlu.zip").write_bytes(b"PK no")
    assert key_of(exams.load, "mmlu", tmp_path / "mmlu.zip", job) == "exam_archive"
    unpacked(tmp_path / "x", {"test/a_test.csv": table(rows(1))})
    assert key_of(exams.load, "x", tmp_path / "x", job) == "exam_no_shots"
    assert exams.load("x", tmp_path / "x", job_for(tmp_path, n_shot=0)).num_questions == 1


def test_what_is_not_here_comes_from_the_hub(tmp_path, monkeypatch):
    asked = []

    def download(repo, file, **options):
        asked.append((repo, file, options["repo_type"]))
        path = tmp_path / "cache" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".zip":
            packed(path, {"test/agronomy.csv": table(rows(2), "cmmlu"), "dev/agronomy.csv": table(rows(5), "cmmlu")})
        else:
            row = {"question": "Q?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 1}
            parquet.write_table(pyarrow.Table.from_pylist([row]), path)
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    job = job_for(tmp_path / "nothing", task="mmlu_validation,cmmlu")
    found, others = benchmark._plan(job)
    assert [(exam.task, exam.num_questions) for exam in found] == [("mmlu_validation", 1), ("cmmlu", 2)] and not others
    assert asked[0] == ("cais/mmlu", "all/dev-00000-of-00001.parquet", "dataset") and len(asked) == 4
    assert asked[3] == ("haonan-li/cmmlu", "cmmlu_v1_0_1.zip", "dataset")


def test_a_hub_that_nobody_answers_for_is_said_at_once(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr("studio.data.asking.hubs.getproxies", dict)
    job = job_for(tmp_path, cache_dir=str(tmp_path / "hub"))
    began_s = time.monotonic()
    with pytest.raises(StudioError, match=r"neither here nor at the hub .*refused"):
        exams_hub.bring("ceval", job, exams.folders(job))
    assert time.monotonic() - began_s < 4, "the client tries again after 1, 2, 4 and 8 seconds"


def test_the_command_line_of_journey_a():
    words = "--model_name_or_path m --template fewshot --task mmlu --split validation --lang en --n_shot 5"
    job = read_arguments("evaluate", [*words.split(), "--batch_size", "1", "--save_dir", "out"]).job
    found = (job.template, job.task, job.split, job.lang, job.n_shot, job.per_device_eval_batch_size, job.output_dir)
    assert found == ("fewshot", "mmlu", "validation", "en", 5, 1, "out")
