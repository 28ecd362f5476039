// The table of rows; tools.js stands before this in one scope. The row that is looked at: studio.row and `studio:row`
// (detail: its number or null); `studio:step` (detail: 1 or -1) asks for the next one; `studio:opened`: rows can be asked for.
const PAUSE_MS = 250;
let shown = null;      // the page as the server gave it
let offset = 0;
let numbers = null;    // the only rows, as a finding names them
let current = addressedRow();
let asked = 0;
let timer = 0;
let isOpen = false;
let drawn = "";        // for which set and query

const opening = errand("open", (result) => {
  if (result && !isOpen) load();
});

function addressedRow() {
  return Number(new URL(location.href).searchParams.get("row")) || null;
}

function bounds(name) {
  return all(`[data-bound=${name}]`).map(numberIn);
}

function query() {
  return {
    text: part("text").value, column: part("column").value || null, ignore_case: part("ignore-case").checked,
    regex: part("regex").checked, problem: part("problem").value, turns: bounds("turns"), chars: bounds("chars"), numbers,
  };
}

const isFiltered = () => {
  const { text, problem, turns, chars } = query();
  return Boolean(text || problem || numbers || [...turns, ...chars].some((end) => end !== null));
};

// ---- asking ----------------------------------------------------------------------------------------------------------

async function load() {
  clearTimeout(timer);
  if (!studio.dataset?.name) return;
  const turn = (asked += 1);
  element.classList.add("ds-busy");
  const found = await call("table", { query: query(), offset, limit: Number(part("size").value) });
  if (turn !== asked) return;
  element.classList.remove("ds-busy");
  if (!found) return;
  part("absent").hidden = !found.absent;
  if (found.absent) return;
  if (found.closed) {
    isOpen = false;
    part("there").hidden = true;
    return opening.begin();
  }
  if (!isOpen) window.dispatchEvent(new Event("studio:opened"));
  isOpen = true;
  draw(found);
  if (!found.complete) timer = setTimeout(load, PAUSE_MS);
}

function again() {  // what is looked for has changed
  offset = 0;
  load();
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(again, PAUSE_MS);
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

function draw(found) {
  shown = found;
  part("there").hidden = false;
  fill(part("column"), [["", part("column").options[0].text], ...found.columns.map(({ name }) => [name, name])]);
  const names = found.columns.some(({ name }) => found.shown.includes(name)) ? found.shown : [words.no_rows];
  const head = make("tr");
  head.append(headCell(words.number, "ds-number"), ...names.map((name) => headCell(name)));
  part("head").replaceChildren(head);
  const looked = JSON.stringify([studio.dataset, query(), found.offset]);
  const focused = part("box").contains(document.activeElement);
  part("rows").replaceChildren(...found.rows.map(row));
  if (looked !== drawn) part("box").scrollTop = 0;
  drawn = looked;
  if (focused) part("box").focus({ preventScroll: true });
  part("none-found").hidden = found.matched > 0 || !found.complete;
  part("only-these").hidden = !numbers;
  drawFoot(found);
  mark();
}

function headCell(text, className = "") {
  const cell = make("th", className, text);
  cell.scope = "col";
  return cell;
}

function row({ number, cells, problem }) {
  const line = make("tr");
  line.dataset.row = number;
  const first = make("th", "ds-number");
  first.scope = "row";
  const link = button(String(number), () => open(number, true), "ds-open");
  first.append(link);
  line.append(first, ...cells.map(cell));
  if (problem) {
    line.classList.add("ds-wrong");
    first.append(Object.assign(make("span", "ds-why", problem), { title: problem }));
  }
  line.addEventListener("click", (event) => event.target === link || open(number, true));
  return line;
}

function cell(text) {
  const box = make("td");
  const line = make("span");
  line.append(...marked(text));
  box.append(line);
  return box;
}

function marked(text) {  // what was looked for stands out
  const { text: wanted, regex, ignore_case } = query();
  if (!wanted || regex) return [text];
  const [hay, needle] = ignore_case ? [text.toLowerCase(), wanted.toLowerCase()] : [text, wanted];
  const bits = [];
  let from = 0;
  if (hay.length !== text.length) return [text];  // a letter that is two in the other case
  for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, from)) {
    bits.push(text.slice(from, at), make("mark", "", text.slice(at, at + needle.length)));
    from = at + needle.length;
  }
  return [...bits, text.slice(from)];
}

function drawFoot({ offset: from, rows, matched, complete, num_rows, num_problems }) {
  const to = from + rows.length;
  const values = { from: figure(rows.length ? from + 1 : 0), to: figure(to), matched: figure(matched), all: figure(num_rows) };
  const about = num_problems ? ` · ${say(words.problem_count, { count: figure(num_problems) })}` : "";
  part("range").textContent = say(isFiltered() ? words.range_of : words.range, values) + about;
  part("searching").hidden = complete;
  part("searching").textContent = words.searching;
  part("number").max = num_rows;
  for (const one of all("[data-go]")) {
    one.disabled = ["first", "before"].includes(one.dataset.go) ? from === 0 : to >= matched;
  }
}

function mark() {
  for (const line of part("rows").children) line.toggleAttribute("aria-current", Number(line.dataset.row) === current);
}

// ---- the row that is looked at ---------------------------------------------------------------------------------------

function open(number, step = false) {
  const before = current;
  current = number;
  window.studio.row = number;
  studio.address({ row: number }, step && !before);
  mark();
  window.dispatchEvent(new CustomEvent("studio:row", { detail: number }));
}

async function step(by) {
  const all = shown?.rows.map(({ number }) => number) ?? [];
  const at = all.indexOf(current);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
  if (next >= 0 && next < all.length) open(all[next]);
  else if (by > 0 && shown.offset + all.length < shown.matched) {
    await turn("after");
    if (shown?.rows.length) open(shown.rows[0].number);
  } else if (by < 0 && shown?.offset > 0) {
    await turn("before");
    if (shown?.rows.length) open(shown.rows.at(-1).number);
  }
  if (studio.sets.isBeside()) part("rows").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

function turn(where) {
  const size = Number(part("size").value);
  const last = Math.max(0, Math.floor((shown.matched - 1) / size) * size);
  offset = { first: 0, before: Math.max(0, offset - size), after: offset + size, last }[where];
  return load();
}

async function goTo(number) {
  resetFilter();
  const size = Number(part("size").value);
  offset = Math.floor((number - 1) / size) * size;
  await load();
  if (shown?.rows.some((one) => one.number === number)) open(number);
  part("rows").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

function resetFilter() {
  numbers = null;
  part("filter").reset();
}

// ---- listening -------------------------------------------------------------------------------------------------------

part("filter").addEventListener("submit", (event) => { event.preventDefault(); again(); });
part("filter").addEventListener("input", soon);
part("reset").addEventListener("click", () => { resetFilter(); again(); });
part("clear").addEventListener("click", () => { numbers = null; again(); });
part("size").addEventListener("change", () => { offset = 0; load(); });
part("jump").addEventListener("submit", (event) => {
  event.preventDefault();
  const number = numberIn(part("number"));
  if (number && number <= (shown?.num_rows ?? 0)) goTo(number);
});
for (const one of all("[data-go]")) one.addEventListener("click", () => turn(one.dataset.go));

const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
const onKey = (event) => {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (element.offsetParent === null || !shown || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]") || typing()) return;
  const inTable = part("box").contains(document.activeElement);
  const by = { j: 1, k: -1, ...(inTable ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
  if (event.key === "Escape" && current) open(null);
  else if (event.key === "/" ) part("text").focus();
  else if (by) step(by);
  else return;
  event.preventDefault();
};
document.addEventListener("keydown", onKey);

const on = (name, action) => window.addEventListener(name, (event) => element.isConnected && action(event.detail));
on("studio:step", step);
on("studio:rows", (wanted) => wanted && showThese(wanted));
on("popstate", () => {
  const row = addressedRow();
  if (row === current) return;
  current = row;
  window.studio.row = row;
  mark();
  window.dispatchEvent(new CustomEvent("studio:row", { detail: row }));
});

function showThese(wanted) {
  window.studio.wantedRows = null;
  resetFilter();
  numbers = wanted.numbers;
  part("these").textContent = wanted.title || words.reading;
  again();
}

onSet(() => {
  part("there").hidden = true;
  part("absent").hidden = true;
  shown = null;
  isOpen = false;
  offset = 0;
  resetFilter();
  const wanted = addressedRow();
  open(wanted);
  if (studio.wantedRows) return showThese(studio.wantedRows);
  if (!studio.dataset?.name) return;
  wanted ? goTo(wanted) : load();
});
