// What the evaluations that are looked at came to, side by side and against the base. The server works it out once for
// all browsers; until then it is asked again. tools.js and evaluating.js stand before this in one scope.
const ASK_MS = 400;
const ASK_UNSEEN_MS = 1500;  // whether it is seen by now
let timer = 0;
let turn = 0;
let token = "";
let isWhole = false;

async function load() {
  clearTimeout(timer);
  const mine = turn;
  const { runs, base } = scored();
  if (!runs.length || !element.isConnected) return;
  if (!isSeen()) return void (timer = setTimeout(load, ASK_UNSEEN_MS));
  const news = await call("report", { runs, base, token }, true);
  if (mine !== turn) return;
  if (!news) return;
  if (news.token !== undefined) take(news);
  if (AT_WORK.includes(news.state ?? (isWhole ? "done" : "working"))) timer = setTimeout(load, ASK_MS);
}

function take(news) {
  token = news.token;
  isWhole = !AT_WORK.includes(news.state);
  part("at-work").hidden = isWhole;
  part("waiting").hidden = news.has_results || news.answering;
  part("answering").hidden = !news.answering;
  for (const one of all("[data-save]")) one.hidden = !news.has_results;
  const names = unlike(news.chosen.map(({ id }) => id));
  fill(part("base"), [["", part("base").options[0].text], ...news.chosen.map(({ id }, at) => [id, names[at]])], news.base);
  part("base-box").hidden = news.chosen.length < 2;
  part("chosen").replaceChildren(...news.chosen.map((one, at) => chosen(one, names[at])));
  if (news.error) fail(news.error);
  draw(news.result ?? (news.has_results && !news.error ? null : NOTHING));
}

const NOTHING = { columns: [], verdicts: [], sections: [], notes: [] };

function draw(found) {
  if (!found) return;  // what was seen before stays until the new one is there
  part("verdicts").replaceChildren(...found.verdicts.map(({ text, tone }) => {
    const item = make("li", "", text);
    item.dataset.tone = tone;
    return item;
  }));
  part("sections").replaceChildren(...found.sections.map((one) => section(one, found.columns)));
  part("interval-help").hidden = !found.sections.some(({ rows }) => rows.some(({ values }) => values.some(({ change }) => change)));
  part("notes").replaceChildren(...found.notes.map((text) => make("li", "", text)));
}

function chosen({ id, about }, name) {
  const item = make("li");
  const link = Object.assign(make("a", "ev-name", name), { href: `?run=${encodeURIComponent(id)}`, title: id });
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    window.dispatchEvent(new CustomEvent("studio:open", { detail: id }));
  });
  item.append(link, make("span", "quiet", about));
  const { runs, base } = scored();
  const away = button("✕", () => studio.scoring.choose(runs.filter((one) => one !== id), base === id ? "" : base), "icon-button");
  away.title = away.ariaLabel = `${words.away}: ${name}`;
  if (runs.length > 1) item.append(away);
  return item;
}

function section({ title, help, heads, rows }, columns) {
  const box = make("div", "ev-section");
  const names = heads ?? columns.map(({ name }) => name);
  box.append(make("h3", "", title));
  if (help) box.append(make("p", "quiet", help));
  const frame = make("div", "ev-table-box");
  const table = make("table", "ev-table ev-figures-table");
  const [head, line, body] = [make("thead"), make("tr"), make("tbody")];
  line.append(headCell(words.figure), ...names.map((name, at) => {
    const node = headCell(name);
    if (!heads && columns[at].is_base) node.append(" ", make("span", "chip", words.base_chip));
    return node;
  }));
  head.append(line);
  body.append(...rows.map((row) => figureRow(row, names, heads ? [] : columns)));
  table.append(head, body);
  frame.tabIndex = 0;
  frame.append(table);
  box.append(frame);
  return box;
}

function figureRow({ key, label, values }, names, columns) {
  const line = make("tr");
  line.append(headCell(label, "row"), ...values.map((value, at) => {
    const node = cell("td", value.is_best ? "ev-best" : "");
    node.dataset.head = names[at];
    node.append(make("span", "ev-value", value.text));
    if (value.change) node.append(change(value), duel(value, key, columns[at].run));
    return node;
  }));
  return line;
}

// Wins and losses by row; where the answers can be sorted by them, a way there.
function duel({ duel: text, losses }, key, run) {
  if (key === "correct" || key === "nll") return make("span", "quiet ev-duel", text);
  const detail = { of: run, metric: key, order: losses ? "lost" : "won" };
  return button(text, () => window.dispatchEvent(new CustomEvent("studio:sort-answers", { detail })), "link-button ev-duel");
}

// The change against the base with its interval: where it lies, drawn beside zero.
function change({ change: text, low, high, scale, tone, title }) {
  const box = make("span", "ev-change");
  box.dataset.tone = tone;
  box.title = title;
  box.append(make("b", "", text));
  if (scale > 0) {
    const at = (value) => `${(50 + 50 * Math.max(-1, Math.min(1, value / scale))).toFixed(1)}%`;
    const bar = make("i", "ev-interval");
    bar.style.setProperty("--low", at(low));
    bar.style.setProperty("--high", at(high));
    box.append(bar);
  }
  box.append(make("span", "only-read", title));
  return box;
}

async function save(form) {
  const { runs, base } = scored();
  const found = await call("save", { runs, base: part("base").value || base, form });
  if (found?.text) download(found.name, found.type, found.text);
}

part("base").addEventListener("change", () => studio.scoring.choose(scored().runs, part("base").value));
for (const one of all("[data-save]")) one.addEventListener("click", () => save(one.dataset.save));
seen(() => {
  if (isWhole) return;
  turn += 1;
  load();
});
onScored(({ runs }) => {
  turn += 1;
  token = "";
  isWhole = false;
  part("none").hidden = runs.length > 0;
  part("body").hidden = !runs.length;
  load();
});
