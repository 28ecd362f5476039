"""The conversation: what was said, the box to type in, how answers are drawn, and the desk: the list of conversations.

    conversation.place(t, blocks, screen)        # screen: the servers (server.py), whose value is the target

A conversation is its file (conversations.py); which one a page shows stands in its address (`?chat=<id>`). The desk's
value is what the page is at: {"chat", "editing", "busy"}. Answers go on without a page (answering.py).
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio.config import ServeJob, fields
from studio.errors import StudioError
from studio.text import Catalogue
from studio.ui import conversations, events
from studio.ui.conversations import Conversation
from studio.ui.form import Form
from studio.ui.parts import answering, chat_log, desk, identity, serving, talking, thumbs, votes
from studio.ui.parts.answering import Answer
from studio.ui.parts.server import basic

KNOBS = ("do_sample", "temperature", "top_p", "top_k", "max_new_tokens", "repetition_penalty", "enable_thinking")
VISITS = 2000
Updates = dict[Any, Any]
Values = dict[Any, Any]
_looking: OrderedDict[str, str] = OrderedDict()  # session of a page → the conversation it shows


def place(t: Catalogue, blocks: gr.Blocks, screen: gr.HTML) -> None:
    """Put it on the page."""
    Conversing(t, blocks, screen)


class Conversing:
    """The controls of the conversation and what they do."""

    def __init__(self, t: Catalogue, blocks: gr.Blocks, screen: gr.HTML) -> None:
        self.t, self.screen = t, screen
        with gr.Row(elem_classes=["chat"]):
            with gr.Column(scale=1, min_width=230, elem_classes=["chat-side"]):
                self.desk = desk.place(t)
            with gr.Column(scale=4, min_width=320, elem_classes=["chat-main"]):
                self._place_log()
                votes.place(t, "chat-votes")
                self._place_settings()
                identity.place(t, screen)
        self._listen(blocks)

    def _place_log(self) -> None:
        t = self.t
        self.log = gr.Chatbot(
            [], show_label=False, container=False, height=None, buttons=[], feedback_options=None, layout="bubble",
            latex_delimiters=chat_log.LATEX, placeholder=t("chat.placeholder"), allow_tags=False, elem_id="chat-log",
        )  # fmt: skip
        self.box = gr.MultimodalTextbox(
            placeholder=t("chat.ask"), label=t("chat.ask"), show_label=False, container=False, sources=[],
            file_count="multiple", file_types=["image"], max_lines=12, elem_id="chat-box",
        )  # fmt: skip

    def _place_settings(self) -> None:
        t = self.t
        with gr.Accordion(t("chat.settings"), open=False, elem_classes=["fold"], elem_id="chat-settings"):
            self.system = gr.Textbox(
                label=t("chat.system"), info=t("chat.system_help"), lines=2, max_lines=8, elem_id="chat-system",
                elem_classes=["knob"],
            )  # fmt: skip
            self.form = Form(t, {key: basic(fields(ServeJob)[key]) for key in KNOBS}, {}, store="chat")
            self.form.row(*KNOBS)
            self.seed = gr.Textbox(
                label=t("chat.seed"), info=t("chat.seed_help"), max_lines=1, elem_id="chat-seed", elem_classes=["knob"]
            )
            self.tools = gr.Textbox(
                label=t("chat.tools"), info=t("chat.tools_help"), lines=3, max_lines=16, elem_id="chat-tools",
                elem_classes=["knob", "mono"],
            )  # fmt: skip
        self.form.done()  # beside the fold: what is in a closed one is not drawn

    def _listen(self, blocks: gr.Blocks) -> None:
        t, shown = self.t, [self.log, self.box, self.system, self.tools, self.desk]
        many = {"trigger_mode": "multiple", "concurrency_limit": None}
        known = {self.desk, self.screen, self.system, self.tools, self.seed, *self.form.inputs}
        self.form.draft.keep("@seed", self.seed)
        restored = [self.seed, *self.form.controls.values()]
        self.form.draft.on_load(t, blocks, lambda kept: self._restore(kept), restored)
        events.on(t, self.box.submit, self.send, {self.box, *known}, shown, concurrency_limit=None)
        events.on(t, self.box.stop, self.stop, {self.desk}, None, trigger_mode="multiple")
        events.on(t, self.desk.act, self.act, known, shown, **many)
        events.on(t, self.screen.chosen, self.suit, self.screen, [self.box, self.log], trigger_mode="always_last")
        events.on(t, self.desk.stop, self.stop, {self.desk}, None, trigger_mode="multiple")

    def _restore(self, kept: dict) -> Updates:
        return self.form.restore(kept) | {self.seed: gr.update(value=kept["@seed"]) if "@seed" in kept else gr.skip()}

    # ---- what visitors do ----

    def send(self, values: Values, request: gr.Request) -> Iterator[Updates]:
        """Ask what was typed. While an answer is at work nothing happens."""
        yield from self._sent(values, request)
        yield {self.desk: gr.skip()}  # what comes last is sent twice: it would be put over what was done by then

    def _sent(self, values: Values, request: gr.Request) -> Iterator[Updates]:
        at = desk.state_of(values[self.desk])
        if at.chat and answering.at_work(at.chat):
            return
        typed = values[self.box] or {}
        options = self._options(values)
        talking.parse_tools(values[self.tools] or "")
        if at.chat:
            chat = conversations.read(at.chat)
        else:
            chat = conversations.new()
        chat["system"], chat["tools"] = values[self.system] or "", values[self.tools] or ""
        pictures = [talking.picture(file) for file in typed.get("files") or []]
        ready = talking.say(chat, typed.get("text") or "", pictures, at.editing)
        if ready:
            serving.asked(values[self.screen])  # before anything is written: it may be gone
        conversations.write(chat)
        yield self._view(chat, None, request) | {self.box: gr.update(value=None)}
        if ready:
            yield from self._follow(talking.answer(chat["id"], values[self.screen], options), request)

    def suit(self, target: object) -> Updates:
        """Say whom an empty conversation is with; offer to send pictures where the model takes them."""
        try:
            _, wanted, one = serving.asked(target)
        except StudioError:
            sees, words = False, self.t("chat.placeholder")
        else:
            sees = any(model.takes_images for model in one.models if model.name == wanted)
            words = self.t("chat.placeholder_ready", model=chat_log.safe(wanted))
        return {self.box: gr.update(sources=["upload"] if sees else []), self.log: gr.update(placeholder=words)}

    def stop(self, values: Values, request: gr.Request) -> None:
        """End the answer at work, here and on the server; also when the button is pressed before the desk has drawn."""
        shown = _looking.get(request.session_hash or "") or desk.state_of(values[self.desk]).chat
        working = answering.at_work(shown)
        if working is not None:
            working.stop()

    def act(self, values: Values, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """What a button under a message or in the list asks. What comes from the browser is checked here."""
        yield from self._acted(values, event, request)
        yield {self.desk: gr.skip()}  # as in `send`

    def _acted(self, values: Values, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        asked = event._data if isinstance(event._data, dict) else {}
        wanted, number = str(asked.get("act", "")), str(asked.get("id", ""))
        chat_id = str(asked.get("chat") or desk.state_of(values[self.desk]).chat)
        if wanted == "open":
            yield from self._open(chat_id, request)
        elif wanted == "new":
            yield self._blank(request)
        elif wanted == "upload":
            chat = conversations.parse(str(asked.get("text", "")))
            conversations.write(chat)
            yield self._view(chat, None, request)
        elif wanted in ("rename", "delete"):
            yield self._keep_house(wanted, chat_id, str(asked.get("title", "")), values, request)
        elif wanted in ("good", "bad"):
            yield self._vote(chat_id, number, wanted == "good", values)
        elif answering.at_work(chat_id):
            return
        elif wanted in ("regenerate", "retry"):
            again = number if wanted == "regenerate" else ""
            answer = talking.answer(chat_id, values[self.screen], self._options(values), again)
            yield from self._follow(answer, request)
        else:
            yield self._change(wanted, chat_id, number, request)

    def _change(self, wanted: str, chat_id: str, number: str, request: gr.Request) -> Updates:
        """Turn to another version, branch off, edit, undo."""
        if wanted == "branch":
            chat = conversations.fork(conversations.read(chat_id), number)
            conversations.write(chat)
            return self._view(chat, None, request)
        if wanted == "edit":
            chat = conversations.read(chat_id)
            words = conversations.message_of(chat, number)["content"]
            return self._view(chat, None, request, editing=number) | {self.box: gr.update(value={"text": words})}
        with conversations.changing(chat_id) as chat:
            if wanted in ("previous", "next"):
                conversations.turn_to(chat, number, 1 if wanted == "next" else -1)
                words = None
            elif wanted == "undo":
                words = conversations.message_of(chat, number)["content"]
                chat["leaf"] = chat["messages"][number]["parent"]
            else:
                return {}
        box = {} if words is None else {self.box: gr.update(value={"text": words})}
        return self._view(chat, None, request) | box

    def _vote(self, chat_id: str, number: str, liked: bool, values: Values) -> Updates:
        """Keep a thumb, or take it back; what is typed meanwhile stays."""
        chat = conversations.read(chat_id)
        thumbs.vote(chat, number, liked)
        editing, working = desk.state_of(values[self.desk]).editing, answering.at_work(chat_id)
        drawn = {} if working else {self.log: chat_log.shown(self.t, chat)}  # the answer at work draws it by itself
        return drawn | {self.desk: desk.value(chat_id, editing, working is not None) | {"voted": True}}

    def _keep_house(self, wanted: str, chat_id: str, title: str, values: Values, request: gr.Request) -> Updates:
        if wanted == "rename":
            conversations.rename(chat_id, title)
        else:
            if working := answering.at_work(chat_id):
                working.stop()
            conversations.delete(chat_id)
        at = desk.state_of(values[self.desk])
        if wanted == "delete" and at.chat == chat_id:
            return self._blank(request)
        return {self.desk: desk.value(at.chat, at.editing, busy=answering.at_work(at.chat) is not None)}

    # ---- what is shown ----

    def _open(self, chat_id: str, request: gr.Request) -> Iterator[Updates]:
        try:
            chat = conversations.read(chat_id)
        except StudioError:
            yield self._blank(request)
            raise
        working = answering.at_work(chat_id)
        if working is not None:
            yield from self._follow(working, request)
        else:
            yield self._view(chat, None, request)

    def _follow(self, answer: Answer, request: gr.Request) -> Iterator[Updates]:
        """Show an answer as it is written, as long as this page looks at its conversation."""
        chat = conversations.read(answer.chat_id)
        yield self._view(chat, answer, request)
        for seen in answer.watch():
            if _looking.get(request.session_hash or "") != answer.chat_id:
                return
            if not seen.ended:
                yield {self.log: chat_log.shown(self.t, chat, seen)}
        yield self._view(conversations.read(answer.chat_id), answer, request)

    def _view(self, chat: Conversation, live: Answer | None, request: gr.Request, editing: str = "") -> Updates:
        """Everything about a conversation."""
        look(request, chat["id"])
        busy = live is not None and not live.ended
        call = None if busy else talking.wanted_call(chat)
        words = self.t("chat.type_result", name=call["function"]["name"]) if call else self.t("chat.ask")
        return {
            self.log: chat_log.shown(self.t, chat, live),
            self.box: gr.update(submit_btn=not busy, stop_btn=busy, placeholder=words),
            self.system: gr.update(value=chat["system"]),
            self.tools: gr.update(value=chat["tools"]),
            self.desk: desk.value(chat["id"], editing, busy),
        }

    def _blank(self, request: gr.Request) -> Updates:
        look(request, "")
        return {
            self.log: [],
            self.box: gr.update(submit_btn=True, stop_btn=False, placeholder=self.t("chat.ask")),
            self.desk: desk.value("", "", busy=False),
        }

    def _options(self, values: Values) -> dict[str, Any]:
        return talking.options_of(self.form.read(values), str(values[self.seed] or ""))


def look(request: gr.Request, chat_id: str) -> None:
    """Remember what a page shows, so that an answer to something else is not drawn over it."""
    session = request.session_hash or ""
    _looking.pop(session, None)
    _looking[session] = chat_id
    while len(_looking) > VISITS:
        _looking.popitem(last=False)
