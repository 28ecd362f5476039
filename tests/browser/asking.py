"""Greedy answers of a run's base model and of its adapter: `python asking.py RUN QUESTIONS.json`; prints JSON."""

import json
import sys
from pathlib import Path

from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.config import starter

BATCH = 32


def ask(model, tokenizer, questions: list[str]) -> list[str]:
    """One answer a question, at most 40 tokens."""
    chats = [[{"role": "user", "content": question}] for question in questions]
    prompts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    answers = []
    for begin in range(0, len(prompts), BATCH):
        batch = tokenizer(prompts[begin : begin + BATCH], return_tensors="pt", padding=True, add_special_tokens=False)
        kept = {name: batch[name] for name in ("input_ids", "attention_mask")}
        output = model.generate(**kept, max_new_tokens=40, do_sample=False)
        answers += tokenizer.batch_decode(output[:, kept["input_ids"].shape[1] :], skip_special_tokens=True)
    return answers


def main(run: str, questions: str) -> None:
    asked = json.loads(Path(questions).read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(run, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(starter.location()).eval()
    answers = {"base": {name: ask(model, tokenizer, group) for name, group in asked.items()}}
    model = PeftModel.from_pretrained(model, run).eval()
    answers["adapter"] = {name: ask(model, tokenizer, group) for name, group in asked.items()}
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
