// The chosen set and the lens: studio.dataset, studio.lens, studio.sets (see pages/dataset.py). The address holds the choice,
// the browser's store the lens.
const { words, usual } = props;
const part = (name) => element.querySelector(`[data-part=${name}]`);
const make = studio.make;
const knobs = [...element.querySelectorAll("[data-lens]")];
const STORE = "dataset-lens";

// ---- the choice ------------------------------------------------------------------------------------------------------

function addressed() {
  const asked = new URL(location.href).searchParams;
  const name = asked.get("set");
  return name ? { name, dataset_dir: asked.get("dir") || usual.dataset_dir } : null;
}

const same = (one, other) => one?.name === other?.name && one?.dataset_dir === other?.dataset_dir;

function set(chosen, anew = false) {
  const before = studio.dataset ?? null;
  window.studio.dataset = chosen;
  if (anew || !same(before, chosen)) window.dispatchEvent(new CustomEvent("studio:dataset", { detail: chosen }));
  look();
}

function choose(name, dataset_dir = "", { row = null } = {}) {
  const dir = dataset_dir || usual.dataset_dir;
  studio.address({ tab: "dataset", set: name, dir: dir === usual.dataset_dir ? null : dir, row }, true);
  set(name ? { name, dataset_dir: dir } : null, true);
}

function openTab(id) {
  const tab = document.querySelector(`#dataset-tabs [role=tab][data-tab-id="${CSS.escape(id)}"]`);
  if (tab && tab.ariaSelected !== "true") tab.click();
  document.querySelector("#dataset-tabs")?.scrollIntoView({ block: "nearest" });
}

function showRows(numbers, title = "") {
  window.studio.wantedRows = { numbers, title };
  openTab("rows");
  window.dispatchEvent(new CustomEvent("studio:rows", { detail: window.studio.wantedRows }));
}

function changed(name = "") {
  window.dispatchEvent(new CustomEvent("studio:sets", { detail: name }));
  look();
}

// Whether one row stands beside the table, not below it (dataset.css).
const isBeside = () => getComputedStyle(document.querySelector(".ds-two")).gridTemplateColumns.includes(" ");

window.studio.sets = { choose, openTab, showRows, changed, isBeside };
window.addEventListener("popstate", () => element.isConnected && set(addressed()));

// ---- the head --------------------------------------------------------------------------------------------------------

let asking = 0;

async function look() {
  const chosen = studio.dataset;
  part("none").hidden = Boolean(chosen);
  part("there").hidden = !chosen;
  if (!chosen) return;
  part("name").textContent = chosen.name;
  const turn = (asking += 1);
  const about = await server.about(chosen).catch(() => undefined);
  if (turn !== asking) return;
  follow(chosen, about);
  if (!about) return;
  part("about").textContent = about.about ?? "";
  part("where").textContent = about.where ?? "";
  part("fault").textContent = about.error || about.fault || "";
  part("fault").hidden = !(about.error || about.fault);
  part("fetch").hidden = about.kind !== "hub";
  part("bring").hidden = Boolean(about.run);
  part("notices").replaceChildren(...(about.notices ?? []).map((text) => make("li", "", text)));
  part("train").hidden = !about.train;
  if (about.train) part("train").href = about.train;
  part("remove").hidden = !about.own;
  part("columns").hidden = about.kind !== "own";
  part("lens").hidden = Boolean(about.error);
}

// A set of a hub is brought by a run; it is looked at until it is there, or the run has ended without it.
let [brings, timer] = [null, 0];  // the set whose run is followed

function follow(chosen, about) {
  clearTimeout(timer);
  if (!same(brings, chosen)) part("bringing").hidden = true;
  if (about?.run) {
    brings = chosen;
    showRun(part("bringing"), about.run);
  }
  if (!same(brings, chosen)) return;
  if (about?.run || !about) timer = setTimeout(() => element.isConnected && look(), 2500);
  else if (about.kind !== "hub" && !about.error) {
    brings = null;
    part("bringing").hidden = true;
    changed(chosen.name);
    window.dispatchEvent(new CustomEvent("studio:dataset", { detail: chosen }));
  }
}

part("bring").addEventListener("click", async () => {
  const chosen = studio.dataset;
  const begun = await server.bring({ ...chosen }).catch(() => undefined);
  if (!same(chosen, studio.dataset)) return;
  if (begun?.error) {
    part("fault").textContent = begun.error;
    part("fault").hidden = false;
  } else if (begun) {
    brings = chosen;
    showRun(part("bringing"), begun.run);
    look();
  }
});

function showRun(link, run) {
  link.hidden = !run;
  link.textContent = words.see_run;
  link.href = `?run=${run}`;
}

part("columns").addEventListener("click", () => {  // adding.js changes them
  window.dispatchEvent(new CustomEvent("studio:columns", { detail: studio.dataset.name }));
});

// What the row view and the tools ask for when the model of the lens is not here: its run, or an error in words.
studio.sets.bringModel = () => server.bring({ ...studio.dataset, lens: studio.lens });

part("remove").addEventListener("click", async () => {
  const { name } = studio.dataset;
  const text = words.remove_ask.replace("{name}", name);
  if (!(await studio.ask({ text, yes: words.remove_yes, no: words.cancel, takes: true }))) return;
  const done = await server.remove({ name }).catch(() => undefined);
  if (done?.error) {
    part("fault").textContent = done.error;
    part("fault").hidden = false;
  } else if (done) {
    choose("");
    changed();
  }
});

// ---- the lens --------------------------------------------------------------------------------------------------------

function lensNow() {
  const kept = studio.read(STORE);
  return {
    model_name_or_path: kept.model_name_or_path || usual.model, template: kept.template || "", stage: kept.stage || "",
    cutoff_len: kept.cutoff_len || usual.cutoff_len, mask_history: Boolean(kept.mask_history),
    train_on_prompt: Boolean(kept.train_on_prompt),
  };
}

function drawLens() {
  const lens = lensNow();
  for (const knob of knobs) {
    if (knob.type === "checkbox") knob.checked = lens[knob.dataset.lens];
    else if (knob !== document.activeElement) knob.value = studio.read(STORE)[knob.dataset.lens] ?? "";
  }
  const model = lens.model_name_or_path.replace(/\/+$/, "").split("/").pop();
  const stage = lens.stage ? lens.stage.toUpperCase() : words.stage_fits;
  const flags = ["mask_history", "train_on_prompt"].filter((name) => lens[name]).map((name) => words[name]);
  part("lens-line").textContent = [model, lens.template || words.own_template, stage, lens.cutoff_len, ...flags].join(" · ");
}

function setLens() {
  window.studio.lens = lensNow();
  drawLens();
  window.dispatchEvent(new CustomEvent("studio:lens", { detail: window.studio.lens }));
}

for (const knob of knobs) {
  knob.addEventListener("change", () => {
    if (knob.type === "number" && !knob.checkValidity()) return;
    const value = knob.type === "checkbox" ? knob.checked : knob.type === "number" ? Number(knob.value) || null : knob.value.trim();
    studio.write(STORE, { ...studio.read(STORE), [knob.dataset.lens]: value || undefined });
    setLens();
  });
}
element.querySelector("[data-lens=model_name_or_path]").placeholder = usual.model;
server.offered(null).then(({ models, templates }) => {
  part("models").replaceChildren(...models.map((value) => Object.assign(make("option"), { value })));
  const select = element.querySelector("[data-lens=template]");
  select.append(...templates.map((value) => Object.assign(make("option", "", value), { value })));
  drawLens();
}).catch(() => null);

window.studio.lens = lensNow();
drawLens();
set(addressed());
