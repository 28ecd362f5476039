// Adding a set; tools.js stands before this in one scope. What rows hold is put in as text.
const PAUSE_MS = 200;
let sending = null;   // the request while a file is on its way
let asked = null;     // what is added: {upload} or {where, hub}; or {known}: the set whose columns are changed
let found = null;     // how the server would enter it
let turn = 0;
let timer = 0;

// ---- what is added ---------------------------------------------------------------------------------------------------

function send(file) {
  fail("");
  sending?.abort();
  const request = sending = new XMLHttpRequest();
  request.open("PUT", `../upload?name=${encodeURIComponent(file.name)}`);
  request.upload.addEventListener("progress", ({ loaded, total }) => drawUpload(file.name, loaded / (total || 1)));
  const over = (word) => () => {
    if (sending === request) sending = null;
    part("uploading").hidden = true;
    if (word) fail(words[word]);
  };
  request.addEventListener("abort", over("upload_stopped"));
  request.addEventListener("error", over("upload_failed"));
  request.addEventListener("load", () => {
    over()();
    const answer = parsed(request.responseText);
    if (request.status === 200 && answer?.upload) look({ upload: answer.upload }, file.name);
    else fail(answer?.error ?? words.upload_failed);
  });
  drawUpload(file.name, 0);
  request.send(file);
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return null; }
}

function drawUpload(name, share) {
  part("uploading").hidden = false;
  part("upload-bar").firstElementChild.style.width = `${(100 * share).toFixed(1)}%`;
  part("upload-bar").setAttribute("aria-valuenow", Math.round(100 * share));
  part("upload-word").textContent = say(words.uploading, { name, percent: percent(share) });
}

async function look(what, shown) {
  element.classList.add("ds-busy");
  const answer = await call("propose", what);
  element.classList.remove("ds-busy");
  if (!answer) { if (what.upload) server.discard(what); return; }
  asked = what;
  found = answer;
  part("where").textContent = shown;
  part("guess").textContent = answer.problem;
  part("guess").hidden = !answer.problem;
  part("dialog-title").textContent = what.known ? words.change : words.dialog;
  part("add").textContent = what.known ? words.keep : words.add;
  part("as").value = answer.name;
  part("as").readOnly = Boolean(what.known);
  part("format").value = answer.formatting;
  drawColumns(answer.columns, answer.tags);
  say_wrong("");
  part("dialog").showModal();
  if (!what.known) part("as").select();
  preview();
}

// ---- columns and roles -----------------------------------------------------------------------------------------------

function drawColumns(columns = {}, tags = {}) {
  const format = part("format").value;
  part("columns").replaceChildren(...found.slots[format].map((slot) => columnBox(slot, columns[slot] ?? "")));
  part("ask").hidden = !found.found.length;
  part("roles").hidden = format === "alpaca";
  const usual = found.usual_tags[format];
  part("tags").replaceChildren(...Object.keys(usual).map((tag) => {
    const input = Object.assign(make("input"), { value: tags[tag] ?? "", placeholder: usual[tag] ?? "" });
    input.dataset.tag = tag;
    return labelled(words[`tag_${tag}`], input);
  }));
}

function columnBox(slot, value) {
  const box = make(found.found.length ? "select" : "input");
  if (found.found.length) fill(box, [["", words.no_column], ...found.found.map((name) => [name, name])], value);
  else box.value = value;
  box.dataset.column = slot;
  return labelled(words[`column_${slot}`], box);
}

function labelled(text, box) {
  const label = make("label", "", text);
  label.append(box);
  return label;
}

function chosen() {
  const named = (key) => Object.fromEntries(all(`[data-${key}]`).map((one) => [one.dataset[key], one.value.trim()]));
  return { ...asked, formatting: part("format").value, columns: named("column"), tags: named("tag"), as: part("as").value.trim() };
}

// ---- what it does to the first rows ----------------------------------------------------------------------------------

async function preview() {
  clearTimeout(timer);
  const mine = (turn += 1);
  let answer;
  try { answer = await server.preview(chosen()); } catch { return; }
  if (mine !== turn) return;
  say_wrong(answer.error ?? "");
  const rows = answer.rows ?? [];
  const wrong = rows.filter(({ problem }) => problem).length;
  part("verdict").textContent = found.hub ? words.no_rows_yet : say(wrong ? words.rows_wrong : words.rows_fine, { wrong, count: rows.length });
  part("preview").replaceChildren(...rows.map(drawRow));
}

function drawRow({ number, problem, raw, turns }) {
  const item = make("li");
  item.append(make("b", "quiet", say(words.row, { number })));
  if (problem) item.append(make("p", "note", problem), make("pre", "", raw));
  else item.append(...turns.slice(0, 8).map(drawTurn));
  return item;
}

function drawTurn({ role, text, calls, verdict }) {
  const box = make("article", "ds-turn");
  box.dataset.role = role;
  box.append(make("b", "", (words[role] ?? role) + (verdict === "rejected" ? ` · ${words.rejected}` : "")),
             make("p", "", [text, ...calls].join("\n").slice(0, 600)));
  return box;
}

// ---- a model's suggestion --------------------------------------------------------------------------------------------

const askBox = (name) => element.querySelector(`[data-ask=${name}]`);

part("ask").addEventListener("toggle", async () => {
  if (!part("ask").open) return;
  const { servers = [] } = (await server.askable(null).catch(() => null)) ?? {};
  fill(askBox("server"), [...servers.map(({ id, title }) => [id, title]), ["", askBox("server").options[askBox("server").options.length - 1].text]]);
  drawElsewhere();
});

function drawElsewhere() {
  for (const one of all("[data-part=elsewhere]")) one.hidden = Boolean(askBox("server").value);
}
askBox("server").addEventListener("change", drawElsewhere);

part("suggest").addEventListener("click", async () => {
  const whom = Object.fromEntries(all("[data-ask]").map((one) => [one.dataset.ask, one.value.trim()]));
  part("suggest").disabled = true;
  part("asking").textContent = words.asking;
  let answer;
  try { answer = await server.suggest({ ...asked, ...whom }); } catch { answer = { error: words.upload_failed }; }
  part("suggest").disabled = false;
  part("asking").textContent = "";
  say_wrong(answer.error ?? "", true);
  if (answer.error || !asked) return;
  part("format").value = answer.formatting;
  drawColumns(answer.columns, answer.tags);
  preview();
});

function say_wrong(text, isAsked = false) {
  part("dialog-error").textContent = text;
  part("dialog-error").hidden = !text;
  if (text && isAsked) part("dialog-error").scrollIntoView({ block: "nearest" });
}

async function add() {
  part("add").disabled = true;
  let answer;
  try { answer = await server.add(chosen()); } catch { answer = { error: words.upload_failed }; }
  part("add").disabled = false;
  if (answer.error) return say_wrong(answer.error, true);
  asked = null;
  part("dialog").close();
  part("path").value = part("hub-id").value = "";
  studio.sets.changed(answer.name);
  studio.sets.choose(answer.name);
}

// ---- listening -------------------------------------------------------------------------------------------------------

const drop = part("drop");
for (const name of ["dragover", "dragenter"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file, ...others] = event.dataTransfer.files;
  if (others.length) fail(words.one_file);
  else if (file) send(file);
});
part("file").addEventListener("change", () => {
  const [file] = part("file").files;
  if (file) send(file);
  part("file").value = "";
});
part("upload-stop").addEventListener("click", () => sending?.abort());
part("path-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const where = part("path").value.trim();
  if (where) look({ where }, where);
});
part("hub-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const where = part("hub-id").value.trim();
  if (where) look({ where, hub: part("hub").value }, `${part("hub").selectedOptions[0].text}: ${where}`);
});
part("find").addEventListener("click", async () => {
  const where = part("hub-id").value.trim();
  part("hits-word").hidden = false;
  part("hits-word").textContent = words.searching;
  part("hits").hidden = true;
  part("find").disabled = true;
  const hub = part("hub").value;
  const answer = await call("find", { where, hub });
  part("find").disabled = false;
  part("hits-word").hidden = Boolean(!answer || answer.hits.length);
  part("hits-word").textContent = words.no_hits;
  part("hits").hidden = !answer?.hits.length;
  part("hits").replaceChildren(...(answer?.hits ?? []).map((one) => hit(one, hub)));
});

const onColumns = ({ detail }) => {
  if (!element.isConnected) return window.removeEventListener("studio:columns", onColumns);
  look({ known: detail }, detail);
};
window.addEventListener("studio:columns", onColumns);

function hit({ id, downloads, about }, hub) {
  const item = make("li");
  const choice = button("", () => {
    part("hub-id").value = id;
    part("hub").value = hub;
    part("hits").hidden = true;
    look({ where: id, hub: part("hub").value }, `${part("hub").selectedOptions[0].text}: ${id}`);
  }, "");
  choice.append(make("span", "run-name", id), make("span", "run-figures", say(words.downloads, { count: figure(downloads) })),
                make("span", "run-about", about));
  item.append(choice);
  return item;
}

part("form").addEventListener("submit", (event) => { event.preventDefault(); add(); });
part("form").addEventListener("input", (event) => {
  if (event.target === part("as") || event.target.closest("[data-part=ask]")) return;
  if (event.target === part("format")) drawColumns(chosen().columns);
  clearTimeout(timer);
  timer = setTimeout(preview, PAUSE_MS);
});
for (const name of ["close", "cancel"]) part(name).addEventListener("click", () => part("dialog").close());
part("dialog").addEventListener("close", () => {
  if (asked?.upload) server.discard(asked);
  asked = null;
});
