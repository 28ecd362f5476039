// The answers beside their labels, row by row, of the evaluations that are looked at. tools.js and evaluating.js stand
// before this in one scope.
const PAUSE_MS = 250;
let shown = null;     // the page as the server gave it
let offset = 0;
let turn = 0;
let timer = 0;
let current = null;   // the line that is open
let about = "";       // which runs
let wished = {};      // of, metric and order as they were chosen; what nobody chose may change when scores come
let drawn = [];       // the head and the rows on the page, as text

const asked = () => ({ runs: scored().runs, base: scored().base, ...wished, search: part("text").value });

async function load() {
  clearTimeout(timer);
  const mine = (turn += 1);
  element.classList.add("ev-busy");
  const found = await call("table", { ...asked(), offset, limit: Number(part("size").value) }, true);
  if (mine !== turn) return;
  element.classList.remove("ev-busy");
  if (!found) return;
  part("root").hidden = !found.columns.length;
  if (!found.columns.length) return;
  shown = found;
  draw();
}

function again() {
  offset = 0;
  forget();
  load();
}

function forget() {
  current = null;
  drawn = [];
}

function draw() {
  const names = unlike(shown.columns);
  fill(part("metric"), shown.metrics, shown.metric);
  fill(part("of"), shown.columns.map((id, at) => [id, names[at]]).sort(), shown.of);
  part("order").value = shown.order;
  for (const one of part("order").options) one.hidden = one.disabled = !shown.orders.includes(one.value);
  part("of-box").hidden = shown.columns.length < 2;
  part("metric-box").hidden = !shown.metrics.length;
  const head = make("tr");
  head.append(headCell(words.number), headCell(words.prompt), headCell(words.label),
    ...shown.columns.map((id, at) => headCell(names[at], "col", id)));
  part("head").replaceChildren(head);
  const now = [[shown.columns, shown.metric], ...shown.rows].map((one) => JSON.stringify(one));
  const isMore = drawn.length && drawn.every((one, at) => one === now[at]);  // answers have come: what is open stays so
  if (!isMore) part("rows").replaceChildren();
  part("rows").append(...shown.rows.slice(isMore ? drawn.length - 1 : 0).map((row) => line(row, names)));
  drawn = now;
  part("none-found").hidden = shown.matched > 0;
  const to = offset + shown.rows.length;
  const values = { from: figure(shown.rows.length ? offset + 1 : 0), to: figure(to), matched: figure(shown.matched), all: figure(shown.num_rows) };
  part("range").textContent = say(shown.matched === shown.num_rows ? words.range : words.range_of, values);
  for (const one of all("[data-go]")) {
    one.disabled = ["first", "before"].includes(one.dataset.go) ? offset === 0 : to >= shown.matched;
  }
  if (current !== null && !isMore) open(current, false);
}

function line(row, names) {
  const box = make("tr", "ev-row");
  box.dataset.line = row.line;
  const number = headCell("", "row");
  number.append(button(row.number, () => open(row.line, true), "ev-open"));
  number.firstChild.ariaExpanded = "false";
  if (row.set) number.append(make("span", "quiet ev-set", row.set));
  const cells = row.cells.map((one, at) => {
    const node = cell("td", "");
    node.dataset.head = names[at];
    if (!one) return node;
    node.append(make("span", "ev-brief", one.text), ...chip(one));
    return node;
  });
  const text = (name, value) => {
    const node = cell("td", "");
    node.dataset.head = words[name];
    node.append(make("span", `ev-brief${value === null ? " quiet" : ""}`, value ?? words.no_label));
    return node;
  };
  box.append(number, text("prompt", row.prompt), text("label", row.label), ...cells);
  box.addEventListener("click", (event) => event.target.closest("button") || open(row.line, true));
  return box;
}

// The score that is sorted by, coloured by how good it is.
function chip(one) {
  if (one.score === null) return [];
  const node = make("span", "ev-score", one.score);
  node.title = one.metric;
  if (one.share !== null) node.style.setProperty("--share", one.share);
  return [node];
}

// ---- one row ---------------------------------------------------------------------------------------------------------

async function open(number, isAsked) {
  const before = part("rows").querySelector(".ev-detail");
  const isSame = isAsked && before?.dataset.of === String(number);
  before?.remove();
  for (const one of all(".ev-open")) one.ariaExpanded = "false";
  current = isSame ? null : number;
  if (current === null) return;
  const row = part("rows").querySelector(`[data-line="${number}"]`);
  if (!row) return;
  row.querySelector(".ev-open").ariaExpanded = "true";
  const found = await call("row", { ...asked(), line: number });
  if (!found || current !== number || !row.isConnected) return;
  part("rows").querySelector(".ev-detail")?.remove();
  row.after(detail(found, number));
}

function detail(found, number) {
  const box = make("tr", "ev-detail");
  box.dataset.of = number;
  const inner = cell("td", "");
  inner.colSpan = shown.columns.length + 3;
  const names = unlike(found.answers.map(({ id }) => id));
  const cards = make("div", "ev-answers");
  if (found.label !== null) cards.append(side(words.label, marked(found.label, found.lacking), "ev-label", "missing"));
  cards.append(...found.answers.map((one, at) => answer(one, names[at])));
  if (found.about) inner.append(make("p", "quiet", found.about));
  inner.append(side(words.prompt, [found.prompt], "ev-prompt"), cards);
  if (found.label !== null) inner.append(legend());
  const [first] = found.answers;
  inner.append(button(words.try_grammar, () => window.dispatchEvent(new CustomEvent("studio:try-fields", { detail: { run: first.id, text: first.text } }))));
  if (found.others) {
    const fold = make("details", "tool-fold");
    fold.append(make("summary", "", words.others), make("pre", "ev-text", found.others));
    inner.append(fold);
  }
  box.append(inner);
  return box;
}

function side(title, bits, className, mark = "extra") {
  const box = make("article", `ev-side ${className}`);
  const text = make("p", "ev-text");
  text.append(...bits);
  text.dataset.mark = mark;
  box.append(make("h4", "", title), text);
  return box;
}

function answer(one, name) {
  const box = side(name, marked(one.text, one.marks), "ev-answer");
  box.querySelector("h4").title = one.id;
  if (!one.text) box.querySelector("p").append(make("span", "quiet", words.empty));
  const scores = make("p", "ev-figures");
  scores.append(...one.scores.map(({ label, text }) => {
    const node = make("span", "", `${label} `);
    node.append(make("b", "", text));
    return node;
  }));
  box.append(scores, ...one.notes.map((text) => make("p", "quiet", text)));
  return box;
}

function legend() {
  const box = make("p", "quiet ev-legend");
  const [missing, extra] = [make("mark", "", words.missing), make("mark", "", words.extra)];
  missing.dataset.mark = "missing";
  extra.dataset.mark = "extra";
  box.append(missing, " ", extra);
  return box;
}

// The text with the parts between (begin, end) marked. The server counts characters, the browser halves of them.
function marked(text, spans) {
  const letters = spans.length ? [...text] : null;
  if (!letters) return [text];
  const bits = [];
  let from = 0;
  for (const [begin, end] of spans) {
    bits.push(letters.slice(from, begin).join(""), make("mark", "", letters.slice(begin, end).join("")));
    from = end;
  }
  return [...bits, letters.slice(from).join("")];
}

// ---- listening -------------------------------------------------------------------------------------------------------

part("filter").addEventListener("submit", (event) => { event.preventDefault(); again(); });
part("text").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(again, PAUSE_MS); });
for (const name of ["metric", "of", "order"]) part(name).addEventListener("change", () => {
  wished[name] = part(name).value;
  again();
});
part("size").addEventListener("change", again);
for (const one of all("[data-go]")) one.addEventListener("click", () => {
  const size = Number(part("size").value);
  const last = Math.max(0, Math.floor((shown.matched - 1) / size) * size);
  offset = { first: 0, before: Math.max(0, offset - size), after: offset + size, last }[one.dataset.go];
  forget();
  part("box").scrollTop = 0;
  load();
});
window.addEventListener("studio:sort-answers", ({ detail }) => {
  if (!element.isConnected || !shown) return;
  wished = detail;
  part("text").value = "";
  again();
  element.scrollIntoView({ block: "start", behavior: "smooth" });
});
onScored(({ runs, base }) => {
  const now = JSON.stringify([runs, base]);
  if (now !== about) {
    about = now;
    offset = 0;
    forget();
    shown = null;
    wished = {};
    part("filter").reset();
    for (const name of ["of", "metric"]) fill(part(name), []);
    part("root").hidden = true;
  }
  if (runs.length) load();
});
