// Text-to-SQL: databases and questions become conversations; one is shown before anything is made. tools.js stands before
// this in one scope. What is typed stays in the browser over a reload.
const STORE = "text-to-sql";
const field = (name) => element.querySelector(`[data-field="${name}"]`);
const read = (node) => (node.type === "checkbox" ? node.checked : node.value);
const typed = () => Object.fromEntries(all("[data-field]").map((node) => [node.dataset.field, read(node)]));
const asked = () => ({ language: props.language, ...typed() });
let named = false;

for (const node of all("[data-field]")) {
  const kept = studio.read(STORE)[node.dataset.field];
  if (kept !== undefined) node.type === "checkbox" ? (node.checked = kept === true) : (node.value = kept);
  node.addEventListener("input", () => studio.write(STORE, { ...studio.read(STORE), [node.dataset.field]: read(node) }));
}

async function showUsual(isWanted) {
  if (!isWanted && field("prompt").value) return;
  const found = await call("usual", {}, true);
  if (found) field("prompt").value = found.prompt;
  if (isWanted) field("prompt").dispatchEvent(new Event("input"));
}

async function preview() {
  part("preview").disabled = true;
  const found = await call("preview", { ...asked(), number: numberIn(part("number")) ?? 1 });
  part("preview").disabled = false;
  part("turns").replaceChildren();
  part("found").textContent = "";
  if (!found) return;
  part("number").value = found.number;
  part("number").max = found.entries;
  const counts = { databases: figure(found.databases), entries: figure(found.entries), database: found.database };
  part("found").textContent = say(words.found, counts);
  if (!named && !field("new_name").value) field("new_name").value = found.new_name;
  part("turns").replaceChildren(...found.turns.map(({ role, text }) => {
    const item = make("li");
    item.dataset.role = role;
    item.append(make("b", "", words[role]), make("p", role === "user" ? "" : "mono", text));
    return item;
  }));
}

// Files from the visitor's own machine, one after another; the server keeps them together and says where.
async function bring(files) {
  const keys = [];
  part("uploading").hidden = false;
  for (const [at, file] of files.entries()) {
    part("uploading").textContent = say(words.uploading, { name: file.name, at: at + 1, of: files.length });
    const sent = await fetch(`../upload?name=${encodeURIComponent(file.name)}`, { method: "PUT", body: file }).catch(() => null);
    const answer = await sent?.json().catch(() => null);
    if (!answer?.upload) { fail(answer?.error ?? words.upload_failed); break; }
    keys.push(answer.upload);
  }
  part("uploading").hidden = true;
  part("files").value = "";
  if (!keys.length) return;
  const kept = await call("take", { uploads: keys, folder: field("folder").value });
  for (const [name, path] of Object.entries(kept ?? {})) {
    field(name).value = path;
    field(name).dispatchEvent(new Event("input"));
  }
  if (kept && field("questions").value) preview();
}

const making = errand("make", (made, isNew) => {
  part("made").hidden = !made;
  part("notes").replaceChildren(...(made?.notes ?? []).map((text) => make("li", "", text)));
  if (!made) return;
  drawMade(part("made"), made.text, made.names);
  if (!isNew) return;
  field("new_name").value = "";
  field("new_name").dispatchEvent(new Event("input"));
  named = false;
  for (const name of made.names) studio.sets.changed(name);
});

part("preview").addEventListener("click", preview);
part("files").addEventListener("change", () => bring([...part("files").files]));
for (const kind of ["dragover", "dragleave", "drop"]) part("drop").addEventListener(kind, (event) => {
  event.preventDefault();
  part("drop").classList.toggle("over", kind === "dragover");
  if (kind === "drop") bring([...event.dataTransfer.files]);
});
part("number").addEventListener("change", () => part("turns").childElementCount && preview());
part("usual").addEventListener("click", () => showUsual(true));
field("new_name").addEventListener("input", ({ isTrusted }) => { named = isTrusted; });
part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  part("made").hidden = true;
  part("notes").replaceChildren();
  making.begin(asked());
});
seen(() => showUsual(false));
