// The servers there are. Polls `server.news` with the token of what it shows. `props.value` is the target: which server
// and which model on it the visitor talks to; it outlives a reload.
const words = props.words;
const part = (name) => element.querySelector(`[data-part=${name}]`);
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const make = studio.make;
const POLL_MS = { loading: 700, ready: 3000, none: 5000 };
const STORE = "studio-target";

let token = "";
let rows = [];
let timer = 0;
let clockOff = 0;
let chosen = "";    // the target the server was told of, and whether it answers
let told = null;    // the server the other parts of the page were told of
let hurry = 0;      // until when to look often: a button was pressed
let passed = {};    // dismissed rows and wishes that were passed over
let target = JSON.parse(sessionStorage.getItem(STORE) ?? "null") ?? { server: props.first, model: "" };

const valid = (wanted) => rows.find((row) => row.id === wanted.server);

function choose(next) {
  target = { server: next.server, model: next.model };
  sessionStorage.setItem(STORE, JSON.stringify(target));
  if (props.value?.server !== target.server || props.value?.model !== target.model) props.value = { ...target };
  const row = valid(target);
  const now = `${target.server} ${target.model} ${!!row?.models.length}`;
  if (chosen !== now) trigger("chosen");
  chosen = now;
  if (told !== target.server) window.dispatchEvent(new CustomEvent("studio:served", { detail: (told = target.server) }));
  window.dispatchEvent(new CustomEvent("studio:target", { detail: { ...target, ready: !!row?.models.length } }));
}

// The target has to be something that is there: else what answers at present, the newest server first.
function settle() {
  const row = valid(target);
  if (row && (row.loading || row.models.some(({ name }) => name === target.model))) return choose(target);
  if (row?.models.length) return choose({ server: row.id, model: row.default });
  const other = rows.find(({ models }) => models.length);
  if (other && !row) return choose({ server: other.id, model: other.default });
  choose(row ? target : { server: "", model: "" });
}

async function refresh() {
  clearTimeout(timer);
  if (!element.isConnected) return;
  if (!document.hidden) {
    try {
      const news = await server.news(token);
      if (news) take(news);
    } catch { /* the studio is away; what was seen last stays */ }
  }
  const pace = Date.now() < hurry || rows.some(({ loading, state }) => loading || state === "stopping") ? "loading" : rows.length ? "ready" : "none";
  timer = setTimeout(refresh, POLL_MS[pace]);
}

function take(news) {
  ({ token, rows } = news);
  clockOff = news.now - Date.now() / 1000;
  settle();
  draw();
}

function draw() {
  const shown = rows.filter(({ id, state }) => passed[id] !== state);
  part("none").hidden = shown.length > 0;
  part("list").replaceChildren(...shown.map(card));
  drawTime();
}

function card(row) {
  const box = make("article", "card server");
  box.dataset.state = row.state;
  box.dataset.server = row.id;
  if (row.models.length) box.dataset.ready = "";
  const head = make("div", "server-head");
  const name = make("h3", "", row.title);
  const chip = make("span", "chip", row.word);
  chip.dataset.state = row.models.length && row.state === "running" ? "finished" : row.state;
  name.append(" ", chip);
  const facts = make("span", "quiet server-facts", row.facts.join(" · "));
  const actions = make("span", "server-actions");
  actions.append(...row.can.map((action) => button(row, action)));
  head.append(name, facts, actions);
  box.append(head);
  if (row.models.length) box.append(models(row));
  box.append(...row.apart.map((text) => note("quiet server-apart", text, "note")));
  if (row.loading) box.append(progress(row));
  if (row.wish && passed[`${row.id} ${row.wish.run}`] === undefined) box.append(wish(row));
  if (row.error) box.append(note("note", row.error, "alert"));
  if (row.farewell) box.append(note("quiet", row.farewell, "status"));
  return box;
}

function note(className, text, role) {
  const line = make("p", className, text);
  line.setAttribute("role", role);
  return line;
}

function button(row, action) {
  const made = make("button", `small-button${action === "restart" ? " strong" : ""}`, words[action]);
  made.dataset.action = action;
  if (action === "unload") made.title = words.unload_help;
  made.addEventListener("click", () => {
    if (action === "dismiss") {
      passed[row.id] = row.state;
      return draw();
    }
    made.disabled = true;
    act(row.id, action);
  });
  return made;
}

function act(run, action) {
  hurry = Date.now() + 20000;
  trigger("act", { run, action });
  setTimeout(refresh, 300);
}

function models(row) {
  const group = make("div", "models");
  group.setAttribute("role", "radiogroup");
  group.setAttribute("aria-label", words.talk_to);
  group.append(make("span", "quiet", words.talk_to), ...row.models.map(({ name, base }) => {
    const pick = make("button", "model", name);
    pick.type = "button";
    pick.dataset.model = name;
    pick.setAttribute("role", "radio");
    pick.setAttribute("aria-checked", row.id === target.server && name === target.model);
    if (base) pick.append(make("small", "", words.base));
    pick.addEventListener("click", () => { choose({ server: row.id, model: name }); draw(); });
    return pick;
  }));
  return group;
}

function progress(row) {
  const box = make("div", "server-progress");
  const bar = make("div", `bar${row.fraction === null ? " unknown" : ""}`);
  const fill = make("i");
  if (row.fraction !== null) fill.style.width = `${(100 * row.fraction).toFixed(1)}%`;
  bar.append(fill);
  const line = make("p", "mon-line");
  const time = make("span", "quiet");
  time.dataset.since = row.started;
  line.append(make("span", "", row.phase), time);
  box.append(bar, line);
  return box;
}

function wish(row) {
  const box = make("div", "strip server-wish");
  const [leave, stay] = [make("button", "small-button", words.unload_now), make("button", "small-button", words.keep)];
  leave.addEventListener("click", () => { leave.disabled = true; act(row.id, "unload"); });
  stay.addEventListener("click", () => { passed[`${row.id} ${row.wish.run}`] = ""; draw(); });
  box.append(note("", row.wish.text, "status"), leave, stay);
  return box;
}

function drawTime() {
  for (const line of element.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.round(Date.now() / 1000 + clockOff - Number(line.dataset.since)));
    line.textContent = say(words.elapsed, { seconds });
  }
}

watch("value", () => {  // a server was asked for, by Load
  if (!props.value?.server || (props.value.server === target.server && props.value.model === target.model)) return;
  hurry = Date.now() + 20000;
  choose(props.value);
  token = "";
  refresh();
});
const onShow = () => element.isConnected && !document.hidden && refresh();
const beat = setInterval(() => {
  if (element.isConnected) return drawTime();
  clearInterval(beat);
  document.removeEventListener("visibilitychange", onShow);
}, 1000);
document.addEventListener("visibilitychange", onShow);
refresh();

// The link of a run (monitor.js) asks for what an address alone must not: that what it names is loaded.
const asked = sessionStorage.getItem("studio-load");
sessionStorage.removeItem("studio-load");
if (asked && asked === new URL(location.href).searchParams.get("model")) load();

function load() {
  const ready = document.querySelector("#chat-source input")?.value && studio.hasBegun("serve");
  if (ready) document.querySelector("#chat-load").click();
  else if (element.isConnected) setTimeout(load, 100);
}
