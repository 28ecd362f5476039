// The runs of one kind as cards. Polls `server.listing` with the token of what it shows. tools.js stands before this in one
// scope; the script behind it gives `card(row)`, `wishes()` (what else is asked) and `taken(news)`, and calls `refresh`.
const POLL_MS = { active: 1200, idle: 6000 };
let token = "";
let rows = [];
let timer = 0;
let hurry = 0;
let clockOff = 0;

async function refresh() {
  clearTimeout(timer);
  if (!element.isConnected) return;
  if (isSeen()) {
    const news = await server.listing({ token, ...wishes() }).catch(() => undefined);
    part("offline").hidden = news !== undefined;
    if (news?.error) fail(news.error);
    else if (news) take(news);
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, Date.now() < hurry || rows.some(({ active }) => active) ? POLL_MS.active : POLL_MS.idle);
}

// Drawn anew, the control that was in use is so again.
function take(news) {
  ({ token, rows } = news);
  clockOff = news.now - Date.now() / 1000;
  part("none").hidden = (news.all ?? rows.length) > 0;
  const list = part("list");
  const held = list.contains(document.activeElement) ? document.activeElement : null;
  const run = held?.closest("[data-run]")?.dataset.run;
  const place = run ? controls(held.closest("[data-run]")).indexOf(held) : -1;
  list.replaceChildren(...rows.map(card));
  if (run) controls(list.querySelector(`[data-run="${CSS.escape(run)}"]`))[place]?.focus();
  taken(news);
}

const controls = (box) => [...box?.querySelectorAll("input, button, a, summary") ?? []];

function article(row, className = "finding") {
  const box = make("article", className);
  box.dataset.run = row.id;
  box.dataset.state = row.state;
  return box;
}

function chip(row) {
  const word = make("span", "chip", row.word);
  word.dataset.state = row.state;
  return word;
}

function progress(row) {
  const box = make("div");
  const bar = make("div", `bar${row.fraction === null ? " unknown" : ""}`);
  const filled = make("i");
  if (row.fraction !== null) filled.style.width = `${(100 * row.fraction).toFixed(1)}%`;
  bar.append(filled);
  const line = make("p", "mon-line");
  const left = row.ends_at ? Math.max(0, Math.round(row.ends_at - Date.now() / 1000 - clockOff)) : 0;
  const time = left ? say(words.elapsed, { minutes: figure(Math.ceil(left / 60)) }) : "";
  line.append(make("span", "", row.phase), make("span", "quiet", time));
  box.append(bar, line);
  return box;
}

const trouble = (row) => row.error ? [Object.assign(make("p", "note", row.error), { role: "alert" })] : [];

function actions(row) {
  return row.can.map((action) => {
    const look = `small-button${action === "resume" ? " strong" : ""}`;
    const made = button(row.says?.[action] ?? words[action], (event) => act(event, row, action), look);
    made.dataset.action = action;
    return made;
  });
}

function monitorLink(row) {
  const open = () => window.dispatchEvent(new CustomEvent("studio:open", { detail: row.id }));
  return button(words.monitor, open, "text-button");
}

async function act(event, row, action) {
  event.target.disabled = true;
  hurry = Date.now() + 20000;
  await call("act", { run: row.id, action });
  setTimeout(refresh, 300);
}

// Runs were started: look at once, and often for a while.
function begun() {
  hurry = Date.now() + 20000;
  token = "";
  refresh();
  element.scrollIntoView({ block: "nearest", behavior: "smooth" });
}
