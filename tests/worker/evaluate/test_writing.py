"""What an interrupted run may go on with, and when it begins anew."""

import json

from studio.scoring.predictions import PREDICTIONS
from studio.worker.evaluate import writing


def test_another_template_other_examples_or_weights_begin_anew(evaluate, evaluate_job, add, tmp_path):
    """Under the same name: half of the answers would be of what there was before."""
    template = tmp_path / "mine.jinja"

    def prompts(mark, answer):
        template.write_text("{% for one in messages %}" + mark + "{{ one.role }} {{ one.content }}\n{% endfor %}")
        add("shots", [{"instruction": f"Say {n}.", "output": answer} for n in range(3)])
        told = {"template": str(template), "n_shot": 1, "shots_dataset": "shots", "max_samples": 2}
        _, folder = evaluate(max_new_tokens=2, **told)
        return [json.loads(line)["prompt"] for line in (folder / PREDICTIONS).read_text().splitlines()]

    assert all("@user" in prompt and "yes" in prompt for prompt in prompts("@", "yes"))
    assert all("#user" in prompt and "yes" in prompt for prompt in prompts("#", "yes"))
    assert all("#user" in prompt and "no" in prompt for prompt in prompts("#", "no"))
    job, file = evaluate_job(adapter_name_or_path=[str(tmp_path)]), tmp_path / "adapter_model.bin"
    before = writing.fingerprint(job, {}, tmp_path / "base")
    file.write_text("trained")
    assert before != writing.fingerprint(job, {}, tmp_path / "base")
