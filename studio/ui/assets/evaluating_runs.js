// The evaluations there are, and which of them are looked at. run_cards.js and evaluating.js stand before this in one
// scope.
const FEW = 5;
const STEP = 10;
let limit = STEP;
let wished = addressed();  // what the address names, until it is found
let stamps = "";           // of the chosen ones, when last told

function addressed() {
  const { searchParams } = new URL(location.href);
  const ids = [searchParams.get("run"), ...(searchParams.get("with") ?? "").split(",")].filter(Boolean);
  return searchParams.get("tab") === "evaluate" && ids.length ? { runs: ids, base: searchParams.get("base") ?? "" } : null;
}

// ---- which are looked at ---------------------------------------------------------------------------------------------

function choose(ids, base = "", step = false) {
  const unique = [...new Set(ids)].slice(0, 8);
  studio.scored = { runs: unique, base: unique.includes(base) ? base : "" };
  if (step) {
    const [run, ...others] = unique;
    studio.address({ run: run ?? null, with: others.join(",") || null, base: studio.scored.base || null });
  }
  tellScored();
  mark();
}

function tellScored() {
  stamps = stampsNow();
  window.dispatchEvent(new CustomEvent("studio:scored", { detail: studio.scored }));
}

const stampsNow = () => scored().runs.map((id) => rows.find((row) => row.id === id)?.stamp ?? "").join();

function lookAt(row) {
  choose(row.base ? [row.id, row.base] : [row.id], row.base, true);
}

function toggle(row, isWanted) {
  const { runs, base } = scored();
  choose(isWanted ? [...runs, row.id] : runs.filter((id) => id !== row.id), base, true);
}

function settle() {
  const known = new Set(rows.map(({ id }) => id));
  if (wished) {
    const isWhole = part("more").hidden && !part("search").value;  // of a part of the list nobody knows what is not there
    const there = wished.runs.filter((id) => !isWhole || known.has(id));
    const only = there.length === 1 && !wished.base ? rows.find(({ id }) => id === there[0]) : null;
    if (only?.base) choose([only.id, only.base], only.base);
    else if (there.length) choose(there, wished.base);
    wished = null;
  }
  if (!scored().runs.length) {
    const first = rows.find((row) => row.has_results && row.base) ?? rows.find(({ has_results }) => has_results);
    if (first) choose(first.base ? [first.id, first.base] : [first.id], first.base);
  } else if (stamps !== stampsNow()) tellScored();
}

// ---- what there is ---------------------------------------------------------------------------------------------------

const wishes = () => ({ limit, search: part("search").value });

function taken(news) {
  part("search").hidden = news.all < FEW;
  part("more").hidden = news.found <= rows.length;
  settle();
  mark();
}

function card(row) {
  const box = article(row, "finding ev-run");
  const head = make("header");
  const choice = Object.assign(make("input"), { type: "checkbox", title: words.compare, ariaLabel: `${words.compare}: ${row.name}` });
  choice.addEventListener("change", () => toggle(row, choice.checked));
  const name = button(row.name, () => lookAt(row), "ev-name");
  name.title = row.id;
  head.append(choice, name, chip(row), monitorLink(row));
  box.append(head, make("p", "quiet", row.about));
  if (row.active) box.append(progress(row));
  if (row.figures.length) {
    const line = make("p", "ev-figures");
    line.append(...row.figures.map((text) => make("span", "", text)));
    box.append(line);
  }
  box.append(...trouble(row));
  const line = make("div", "tool-line");
  line.append(...actions(row));
  if (row.can.length) box.append(line);
  return box;
}

function mark() {
  const { runs } = scored();
  for (const box of part("list").children) {
    const isChosen = runs.includes(box.dataset.run);
    box.toggleAttribute("aria-current", isChosen);
    box.querySelector("input").checked = isChosen;
  }
}

let typing = 0;
part("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(refresh, 200);
});
part("more").addEventListener("click", () => { limit += 4 * STEP; refresh(); });

watch("value", () => {  // runs were started
  const started = props.value?.runs ?? [];
  if (!started.length) return;
  choose(started, props.value.base, true);
  begun();
});
window.addEventListener("popstate", () => {
  if (!element.isConnected) return;
  wished = addressed();
  if (rows.length) settle();
});
studio.scoring = { choose: (ids, base = "") => choose(ids, base, true) };
seen(refresh);
refresh();
