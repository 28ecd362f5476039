// One row in four ways; tools.js stands before this in one scope. Everything a row holds is put in as text.
const KEPT = "studio-row-way";
const WAYS = all("[data-way]").map((one) => one.dataset.way);
let way = WAYS.includes(localStorage.getItem(KEPT)) ? localStorage.getItem(KEPT) : WAYS[0];
let side = 0;
let held = null;
let asked = 0;
let whole = false;
let drawn = "";  // what is scrolled

async function look(isQuiet = false) {
  const number = studio.row;
  clearTimeout(waiting);
  part("root").hidden = !number || !studio.dataset;
  element.closest(".ds-two")?.classList.toggle("ds-open-row", !part("root").hidden);
  if (part("root").hidden) { held = null; return; }
  const turn = (asked += 1);
  const found = await call("row", { row: number, lens: studio.lens, whole }, isQuiet);
  if (turn !== asked) return;
  if (isQuiet && (!found || JSON.stringify(found) === JSON.stringify(held))) return wait();
  held = found?.closed ? null : found;
  part("root").hidden = Boolean(found?.closed);
  draw();
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

function draw() {
  part("title").textContent = say(words.row, { number: figure(studio.row) });
  for (const one of all("[data-way]")) {
    one.ariaSelected = String(one.dataset.way === way);
    one.tabIndex = one.dataset.way === way ? 0 : -1;
  }
  part("problem").textContent = held?.problem ?? "";
  part("problem").hidden = !held?.problem;
  drawTrouble();
  part("notices").replaceChildren(...(held?.notices ?? []).map((text) => make("li", "", text)));
  const sides = held?.sides ?? [];
  side = Math.min(side, Math.max(0, sides.length - 1));
  const both = ["tokens", "rendered"].includes(way);
  part("sides").hidden = sides.length < 2 || !both;
  for (const one of all("[data-side]")) one.ariaPressed = String(Number(one.dataset.side) === side);
  const shown = sides[side];
  drawCounts(shown?.counts);
  part("legend").hidden = way !== "tokens" || !shown;
  part("legend-dropped").hidden = !shown?.tokens.some(([, , mark]) => mark === "dropped");
  part("hover").hidden = way !== "tokens" || !shown;
  part("whole").hidden = way !== "tokens" || !shown?.more;
  part("seen").className = `ds-seen ds-${way}`;
  part("seen").replaceChildren(...(held ? drawings[way](shown) : []));
  const now = JSON.stringify([where(), studio.row, way, side]);
  if (now !== drawn) part("seen").scrollTop = 0;
  drawn = now;
}

// The model of the lens can be made ready from here; while a run is at it, the row is looked at again. A run that has
// ended without it stays linked: it says why.
let waiting = 0;
let begun = { run: null, model: "" };

function drawTrouble() {
  const text = held?.trouble ?? "";
  const model = studio.lens.model_name_or_path;
  part("trouble-word").textContent = text;
  part("trouble").hidden = !text;
  part("bring").hidden = !held?.can_bring || Boolean(held.run);
  if (held?.run) begun = { run: held.run, model };
  part("run").hidden = !held?.can_bring || !begun.run || begun.model !== model;
  part("run").href = `?run=${begun.run}`;
  if (held?.run) wait();
}

function wait() {
  clearTimeout(waiting);
  waiting = setTimeout(() => element.isConnected && (isSeen() ? look(true) : wait()), 2500);
}

part("bring").addEventListener("click", async () => {
  const model = studio.lens.model_name_or_path;
  const answer = await studio.sets.bringModel().catch(() => undefined);
  fail(answer?.error ?? "");
  if (!answer || answer.error) return;
  begun = { run: answer.run, model };
  look();
});

function drawCounts(counts) {
  part("counts").hidden = !counts;
  if (!counts) return;
  const values = { tokens: figure(counts.tokens), learned: figure(counts.learned), share: percent(counts.kept ? counts.learned / counts.kept : 0),
                   lost: figure(counts.tokens - counts.kept), cutoff: figure(studio.lens.cutoff_len) };
  const cut = counts.tokens > studio.lens.cutoff_len;  // else the end, which a stage that weighs answers does not take
  part("counts").textContent = say(words.counts, values) + (counts.kept < counts.tokens ? ` ${say(cut ? words.cut : words.left, values)}` : "");
}

const nothing = () => [make("p", "quiet", words.none)];

const drawings = {
  raw: () => [make("pre", "", held.raw)],
  rendered: (shown) => (shown ? [make("pre", "", shown.text)] : nothing()),
  conversation: () => (held.turns.length ? [...held.tools.length ? [drawTools()] : [], ...held.turns.map(drawTurn), ...held.media.map(drawMedia)] : nothing()),
  tokens: (shown) => (shown ? [drawTokens(shown.tokens)] : nothing()),
};

function drawTools() {
  const fold = make("details", "ds-fold");
  fold.append(make("summary", "", say(words.tools, { count: held.tools.length })), ...held.tools.map((text) => make("pre", "", text)));
  return fold;
}

function drawMedia({ name, picture, why }) {
  const box = make("figure", "ds-media");
  if (picture?.startsWith("data:image/")) box.append(Object.assign(make("img"), { src: picture, alt: name }));
  box.append(make("figcaption", "quiet", why || name));
  return box;
}

function drawTurn({ role, text, calls, learned, verdict }) {
  const box = make("article", "ds-turn");
  box.dataset.role = role;
  const head = make("header");
  head.append(make("b", "", words[role] ?? role));
  if (verdict) head.append(Object.assign(make("span", "chip", words[verdict]), { ariaLabel: words[verdict] }));
  if (learned) head.append(make("span", "chip ds-learned-chip", words.learned));
  box.append(head, ...(text ? [make("p", "", text)] : []), ...calls.map((call) => make("pre", "", `${words.calls} ${call}`)));
  return box;
}

// Pieces of one mark that follow each other stand in one group, which a reader of the screen is told the mark of.
function drawTokens(tokens) {
  const box = make("div", "ds-text");
  let [group, last] = [null, null];
  tokens.forEach(([text, ids, mark, special], index) => {
    if (mark !== last) {
      group = make("span", `ds-run ds-${mark}`);
      group.append(make("span", "only-read", `${words[mark]}: `));
      box.append(group);
      last = mark;
    }
    const piece = make("span", `ds-token${special ? " ds-special" : ""}`);
    piece.dataset.at = index;
    piece.append(...visible(text));
    group.append(piece);
  });
  return box;
}

function visible(text) {  // a line's end is held, and ends the line
  return text.split(/(\n)/).filter(Boolean).flatMap((bit) => {
    if (bit !== "\n") return [bit];
    const sign = make("span", "ds-sign", "⏎");
    sign.ariaHidden = "true";
    return [sign, "\n"];
  });
}

function hover(event) {
  const piece = event.target.closest?.("[data-at]");
  if (!piece || !held) return;
  const [text, ids, mark, special] = held.sides[side].tokens[piece.dataset.at];
  const values = { ids: ids.join(" "), text: JSON.stringify(text), count: ids.length, place: figure(Number(piece.dataset.at) + 1) };
  const kind = special ? ` · ${words.special}` : "";
  const named = ids.length > 1 ? say(words.split_ids, values) : ids.length ? `id ${values.ids}` : words.no_id;
  piece.title = `${named} · ${values.text} · ${words[mark]}${kind}`;
  part("hover").textContent = piece.title;
}

// ---- listening -------------------------------------------------------------------------------------------------------

function setWay(chosen) {
  way = chosen;
  localStorage.setItem(KEPT, way);
  draw();
}

for (const one of all("[data-way]")) {
  one.addEventListener("click", () => setWay(one.dataset.way));
  one.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    setWay(WAYS[(WAYS.indexOf(way) + by + WAYS.length) % WAYS.length]);
    element.querySelector(`[data-way=${way}]`).focus();
  });
}
for (const one of all("[data-side]")) one.addEventListener("click", () => { side = Number(one.dataset.side); draw(); });
for (const one of all("[data-step]")) {
  one.addEventListener("click", () => window.dispatchEvent(new CustomEvent("studio:step", { detail: Number(one.dataset.step) })));
}
part("close").addEventListener("click", () => {
  studio.row = null;
  studio.address({ row: null });
  window.dispatchEvent(new CustomEvent("studio:row", { detail: null }));
});
part("whole").addEventListener("click", () => { whole = true; look(); });
part("copy").addEventListener("click", async () => {
  const shown = held?.sides[side];
  const text = { raw: held?.raw, rendered: shown?.text, conversation: held?.turns.map(({ role, text }) => `${role}: ${text}`).join("\n\n"),
                 tokens: shown?.tokens.flatMap(([, ids]) => ids).join(" ") }[way];
  await navigator.clipboard.writeText(text ?? "").catch(() => null);
  const before = part("copy").textContent;
  part("copy").textContent = words.copied;
  setTimeout(() => { part("copy").textContent = before; }, 1500);
});
part("seen").addEventListener("pointerover", hover);

const on = (name, action) => window.addEventListener(name, (event) => element.isConnected && action(event));
on("studio:row", async () => {
  whole = false;
  await look();
  const { top } = part("title").getBoundingClientRect();
  const isOut = top < 0 || top > innerHeight - 120;
  if (studio.row && isOut && !studio.sets.isBeside()) element.scrollIntoView({ block: "start" });  // it opened below
});
on("studio:opened", () => look());
on("studio:lens", () => look());
look();
