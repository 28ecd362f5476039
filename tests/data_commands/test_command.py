"""`studio data …`: what is printed, what is made, and the code it leaves with."""

import json

import pytest

from studio import cli, data_commands, paths
from studio.data import reading, registry
from studio.text import catalogue


@pytest.fixture
def studio(home, capsys):
    """studio("data", …) → (code, output, what stands beside it)."""

    def run(*words):
        code = cli.main(["data", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path):
    rows = [{"instruction": f"q{number % 8}", "output": f"a{number % 8}" * (number < 9)} for number in range(10)]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(rows))
    return path


def test_help_has_words_for_every_command(studio):
    code, out, _ = studio("help")
    assert code == 0 and all(f"studio data {name} " in out for name in data_commands.COMMANDS)
    assert "studio data split" in studio("split", "--help")[1]
    assert all(f"data_commands.about_{name}" in catalogue("zh").words for name in data_commands.COMMANDS)


def test_what_is_written_wrong_leaves_with_2(studio, file):
    for words in (["nonsense"], ["split", file], ["split"], ["make"], ["make", "cake", file], ["check"], ["add"],
                  ["check", "nowhere"], ["check", file, "--only", "x"], ["make", "fill", file, "--set", "x"],
                  ["make", "shuffle", file, "--seed", "x"], ["add", file, "--columns", "x"]):  # fmt: skip
        code, out, err = studio(*words)
        assert code == 2 and not out and err.count("\n") == 1, words


def test_check_tells_and_leaves_with_1_where_there_are_errors(studio, file):
    code, out, _ = studio("check", file)
    assert code == 1 and "[empty]" in out and "[duplicate]" in out and "Errors: 1 · warnings: 1" in out
    code, out, _ = studio("check", file, "--json", "--only", "duplicate")
    (finding,) = json.loads(out)["findings"]
    assert code == 0 and finding["row_numbers"] == [9] and finding["severity"] == "warning"


def test_check_fixes_into_a_new_set(studio, file):
    before = file.read_bytes()
    code, out, _ = studio("check", file, "--fix", "good", "--json")
    assert code == 0 and json.loads(out)["made"]["left_out"] == 2
    assert file.read_bytes() == before
    code, out, _ = studio("check", "good")
    assert code == 0 and out == "Nothing found.\n"
    assert studio("check", "good", "--fix", "better")[0] == 2


def test_check_takes_a_job(studio, file, tmp_path):
    job = tmp_path / "job.yaml"
    job.write_text(f"model_name_or_path: nowhere/model\ndataset: {file}\noutput_dir: o\n")
    code, out, _ = studio("check", job)
    assert code == 1 and "[empty]" in out and "[lens]" in out and "· mine.json ·" not in out
    assert studio("check", job, "--fix", "well")[0] == 0 and "well" in registry.load("data")
    assert studio("check", job, f"dataset=identity,{file}", "--fix", "other")[0] == 2
    _, out, _ = studio("check", job, f"dataset=identity,{file}")
    (empty,) = (line for line in out.splitlines() if "[empty]" in line)
    assert "· mine.json ·" in empty and out.count("· identity ·") >= 2 and out.count("[lens]") == 2
    code, out, _ = studio("check", job, "dataset=identity", "placeholders.name=A", "placeholders.author=B")
    assert code == 0 and "[placeholders]" not in out


def test_add_shows_the_entry_and_registers(studio, file):
    code, out, _ = studio("add", file, "--dry")
    assert code == 0 and json.loads(out)["mine"]["file_name"] == str(file)
    assert "mine" not in registry.load("data")
    assert studio("add", file, "--name", "own", "--columns", "prompt=output,response=instruction")[0] == 0
    assert registry.find("own", "data").columns.prompt == "output"
    assert studio("add", file, "--name", "own")[0] == 2
    entry = json.loads(studio("add", "owner/set", "--hub", "ms", "--name", "far")[1])
    assert entry == {"far": {"ms_hub_url": "owner/set"}}


def test_split_by_counts_and_names(studio, file):
    code, out, _ = studio("split", file, "5,3", "--names", "a,b", "--json")
    made = json.loads(out)
    assert code == 0 and [one["rows"] for one in made] == [5, 3] and made[0]["left_out"] == 2
    rows = [raw["instruction"] for name in "ab" for _, raw in reading.read_rows(registry.find(name, "data"))]
    assert len(rows) == 8
    assert "a_train: 4 rows" in studio("split", "a", "80%,20%")[1]


def test_make_does_each_way(studio, file, tmp_path):
    studio("add", file, "--name", "own")
    assert "own_sample: 4 rows" in studio("make", "sample", "own", "4", "--seed", "1")[1]
    assert "own_shuffled: 10 rows" in studio("make", "shuffle", "own")[1]
    merged = studio("make", "merge", "own,own_sample", "--weights", "2,1", "--rows", "12", "--name", "both")
    assert "both: 12 rows" in merged[1]
    assert "own_openai: 9 rows" in studio("make", "convert", "own", "openai", "--drop")[1]
    filled = studio("make", "fill", "identity", "--set", "name=A", "--set", "author=B", "--name", "me")
    assert "me: 96 rows" in filled[1]
    code, out, _ = studio("make", "export", "own", "csv", "--to", tmp_path / "own.csv")
    assert code == 0 and out == f"{tmp_path / 'own.csv'}\n" and (tmp_path / "own.csv").is_file()
    assert not list(paths.data().glob(".making.*"))
