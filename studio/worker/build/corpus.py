"""What the starter model reads: the hand-written files of `data/starter/`, widened by templates and by chance.

The same seed yields the same documents in the same order. A document is a text or a list of messages.
"""

import random
from collections.abc import Callable, Iterator
from itertools import product

import yaml

from studio.config import starter

Messages = list[dict[str, str]]
LANGUAGES = ("en", "zh")
OR = " | "

#: How often each wording of a hand-written dialogue and each passage is read, and each row of a table in each form.
DIALOGUE_COPIES, ROW_COPIES, PASSAGE_COPIES = 2, 2, 1
#: Of all dialogues, the share that is joined to the one before, and the share that opens with a system message.
JOINED, WITH_SYSTEM = 0.25, 0.1
SYSTEM = {
    "en": ("You are a helpful assistant.", "You are a friendly assistant. Answer briefly."),
    "zh": ("你是一个乐于助人的助手。", "你是一个友好的助手，请简短地回答。"),
}
TELL_ME = {
    "en": ("Tell me about {}.", "What do you know about {}?", "Please write a few sentences about {}."),
    "zh": ("给我讲讲{}。", "请写一段话，题目是{}。", "关于{}，你知道什么？"),
}
NUM_NAMES = 60
SYLLABLES = "a ka lo mi ra vo ne ti su za be do fy gi hu jo lu mo pa qui ro sha tu vi wy xe yo zen lin dor max bot"
CHARACTERS = (
    "小大阿天云星光明智慧海山林风雪花月龙虎心灵文思学博远达安宁乐欢春秋晨阳飞"
    "宇泽青白金玉宝贝豆果奇妙多米可爱灵通助手精点"
)


def documents(seed: int = 42) -> Iterator[str | Messages]:
    """Every text and dialogue once, shuffled."""
    mixed: list[str | Messages] = [*texts(), *dialogues(seed)]
    random.Random(seed).shuffle(mixed)
    yield from mixed


def texts() -> Iterator[str]:
    """The passages as plain text, `PASSAGE_COPIES` times."""
    for _ in range(PASSAGE_COPIES):
        for language in LANGUAGES:
            yield from (text for _, text in passages(language))


def passages(language: str) -> list[tuple[str, str]]:
    """(title, text) of each hand-written passage."""
    file = starter.TEXTS / f"passages.{language}.txt"
    parts = (part.split("\n", 1) for part in file.read_text("utf-8").split("# ")[1:])
    return [(title.strip(), text.strip()) for title, text in parts]


def dialogues(seed: int = 42) -> Iterator[Messages]:
    """Each language's dialogues in a shuffled order, some joined to longer ones, some with a system message."""
    for language in LANGUAGES:
        chance = random.Random(f"{seed} {language}")
        turns = [*_written(language, chance), *_filled(language, chance), *_about(language, chance)]
        chance.shuffle(turns)
        joined: list[list[str]] = []
        for dialogue in turns:
            if joined and chance.random() < JOINED:
                joined[-1] = joined[-1] + dialogue
            else:
                joined.append(dialogue)
        for dialogue in joined:
            system = [chance.choice(SYSTEM[language])] if chance.random() < WITH_SYSTEM else []
            yield _messages(dialogue, system)


def _messages(turns: list[str], system: list[str]) -> Messages:
    roles = ("user", "assistant")
    chat = [{"role": roles[i % 2], "content": words} for i, words in enumerate(turns)]
    return [{"role": "system", "content": words} for words in system] + chat


def _written(language: str, chance: random.Random) -> Iterator[list[str]]:
    topics = _read(f"dialogues.{language}.yaml")
    for turns in (turns for topic in topics.values() for turns in topic):
        options = [turn.split(OR) for turn in turns]
        for opening in options[0] * DIALOGUE_COPIES:
            yield [opening, *(chance.choice(words) for words in options[1:])]


def _filled(language: str, chance: random.Random) -> Iterator[list[str]]:
    for table in _read("templates.yaml").values():
        rows = table["rows"]
        rows = COMPUTED[rows](chance) if isinstance(rows, str) else (row.split(", ") for row in rows)
        for row, turns in product(rows, table[language]):
            values = dict(zip(table["columns"], map(str, row), strict=True))
            options = [turn.split(OR) for turn in turns]
            for opening in chance.sample(options[0], min(ROW_COPIES, len(options[0]))):
                words = [opening, *(chance.choice(answers) for answers in options[1:])]
                yield [_fill(turn, values) for turn in words]


def _about(language: str, chance: random.Random) -> Iterator[list[str]]:
    for title, text in passages(language):
        yield [chance.choice(TELL_ME[language]).format(title), text]


def _fill(words: str, values: dict[str, str]) -> str:
    filled = words.format_map(values)
    begins_sentence = words[0] == "{" and words[-1] == "."
    return filled[0].upper() + filled[1:] if begins_sentence else filled


def _read(name: str) -> dict:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both safe; the first is ten times as fast
    return yaml.load((starter.TEXTS / name).read_text("utf-8"), loader)  # noqa: S506


def _invent(chance: random.Random) -> list[tuple[str, str]]:
    """Names that nobody wrote down, so that the model learns to say back what it has never seen."""
    syllables = SYLLABLES.split()
    latin = ("".join(chance.choices(syllables, k=chance.choice((2, 2, 3)))).capitalize() for _ in range(NUM_NAMES))
    chinese = ("".join(chance.sample(CHARACTERS, chance.choice((2, 2, 3)))) for _ in range(NUM_NAMES))
    return list(zip(latin, chinese, strict=True))


def _count(_: random.Random) -> list[tuple[int, int, str]]:
    spans = [(start, end) for start in (1, 2, 3, 5, 10) for end in range(start + 2, start + 11)]
    return [(start, end, ", ".join(map(str, range(start, end + 1)))) for start, end in spans]


def _compare(chance: random.Random) -> list[tuple[int, int, int]]:
    pairs = [chance.sample(range(100), 2) for _ in range(50)]
    return [(a, b, max(a, b)) for a, b in pairs]


#: The rows of the tables that name one of these instead of listing rows.
COMPUTED: dict[str, Callable[[random.Random], list[tuple]]] = {
    "names": _invent,
    "addition": lambda _: [(a, b, a + b) for a, b in product(range(1, 11), repeat=2)],
    "subtraction": lambda _: [(a, b, a - b) for a, b in product(range(1, 16), range(11)) if a >= b],
    "multiplication": lambda _: [(a, b, a * b) for a, b in product(range(1, 10), repeat=2)],
    "comparison": _compare,
    "counting": _count,
}
