// New sets out of the chosen one: split, sample, shuffle, merge, fill, convert, export. What would come out is shown while
// one types. tools.js stands before this in one scope.
const WAYS = ["split", "sample", "shuffle", "merge", "fill", "convert", "export"];
const SUFFIX = { sample: "sample", shuffle: "shuffled", merge: "merged", fill: "filled", convert: "" };
let way = "split";
let rows = null;       // rows of the chosen set, where they are known
let sets = [];         // {name, rows}: what can be merged
let parts = [["train", 80], ["val", 10], ["test", 10]];  // name, share in percent or count
let sources = [];      // {name, weight}
let named = false;     // the visitor typed a name

const bySplit = () => element.querySelector("[name=by]:checked").value;
const rowsOf = (name) => (name === where().name ? rows : sets.find((one) => one.name === name)?.rows) ?? null;

function drawWay() {
  for (const tab of all("[data-way]")) {
    tab.setAttribute("aria-selected", tab.dataset.way === way);
    tab.tabIndex = tab.dataset.way === way ? 0 : -1;
  }
  for (const box of all("[data-of]")) box.hidden = !box.dataset.of.split(" ").includes(way);
  part("way-help").textContent = words[`${way}_help`];
  part("do").textContent = words[`${way}_do`];
  part("do").hidden = way === "fill" && !part("boxes").childElementCount;
  if (!named) part("new-name").value = suggestedName();
  drawPreview();
}

function suggestedName() {  // one that is free
  const { name } = where();
  if (!name || !(way in SUFFIX)) return "";
  const wanted = `${name}_${SUFFIX[way] || part("formatting").value}`;
  let free = wanted;
  for (let number = 2; sets.some((one) => one.name === free); number += 1) free = `${wanted}_${number}`;
  return free;
}

// ---- splitting -------------------------------------------------------------------------------------------------------

// As the server does it (making.sizes_of): by counts what is asked for, by shares the whole set in that proportion.
function sizes() {
  if (rows === null) return parts.map(([, amount]) => (bySplit() === "count" ? amount : null));
  return bySplit() === "count" ? parts.map(([, amount]) => amount) : cut(parts.map(([, amount]) => amount / 100), rows);
}

// Whole numbers in these shares of a total: the ends are rounded, halves to the even number as numpy does it.
function cut(shares, total) {
  let [share, before] = [0, 0];
  return shares.map((one) => {
    share += one;
    const end = Math.min(share * total % 1 === 0.5 ? 2 * Math.round(share * total / 2) : Math.round(share * total), total);
    const size = end - before;
    before = end;
    return size;
  });
}

function cellOf(content) {
  const cell = make("td");
  cell.append(content);
  return cell;
}

function drawParts() {
  part("amount-word").textContent = bySplit() === "count" ? words.count_word : words.share_word;
  part("parts").replaceChildren(...parts.map(([name, amount], at) => {
    const line = make("tr");
    const nameBox = Object.assign(make("input"), { value: name, maxLength: 30, ariaLabel: words.part_word });
    const numeric = { type: "number", min: 0, step: bySplit() === "count" ? 1 : "any" };
    const amountBox = Object.assign(make("input"), { ...numeric, value: amount, ariaLabel: part("amount-word").textContent });
    nameBox.addEventListener("input", () => { parts[at][0] = nameBox.value; });
    amountBox.addEventListener("input", () => { parts[at][1] = Number(amountBox.value); drawPreview(); });
    const size = make("td", "figure");
    size.dataset.size = at;
    const remove = button("✕", () => { parts.splice(at, 1); drawParts(); drawPreview(); }, "icon-button");
    remove.ariaLabel = words.remove;
    remove.hidden = parts.length < 2;
    line.append(cellOf(nameBox), cellOf(amountBox), size, cellOf(remove));
    return line;
  }));
}

// ---- merging ---------------------------------------------------------------------------------------------------------

// As the server does it (making.shares): where a weight is given, one that is not counts as 1, and no row comes twice
// unless more rows are asked for than that makes.
function merged() {
  const there = sources.map(({ name }) => rowsOf(name));
  if (!sources.some(({ weight }) => weight !== null)) return { there, counts: there, isWeighted: false };
  const weights = sources.map(({ weight }) => weight ?? 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = weights.map((weight) => weight / total);
  const known = there.every((size) => size !== null);
  const most = known ? Math.floor(Math.min(...there.map((size, at) => size / shares[at])) + 1e-6) : null;
  const wanted = numberIn(part("rows")) ?? most;
  return { there, shares, isWeighted: true, counts: wanted === null ? shares.map(() => null) : cut(shares, wanted) };
}

function drawSources() {
  part("sources").replaceChildren(...sources.map((source, at) => {
    const line = make("tr");
    const numeric = { type: "number", min: 0, step: "any", placeholder: words.weight_none };
    const box = Object.assign(make("input"), { ...numeric, value: source.weight ?? "", ariaLabel: words.weight_word });
    box.addEventListener("input", () => { source.weight = box.value === "" ? null : Number(box.value); drawPreview(); });
    const size = rowsOf(source.name);
    const share = make("td");
    share.dataset.share = at;
    const remove = button("✕", () => { sources.splice(at, 1); drawSources(); drawPreview(); }, "icon-button");
    remove.ariaLabel = words.remove;
    remove.hidden = at === 0;
    line.append(make("td", "", source.name), make("td", "figure", size === null ? "?" : figure(size)), cellOf(box), share, cellOf(remove));
    return line;
  }));
  const taken = sources.map(({ name }) => name);
  fill(part("others"), sets.filter(({ name }) => !taken.includes(name)).map(({ name }) => [name, name]));
}

// ---- what would come out ---------------------------------------------------------------------------------------------

function drawPreview() {
  const preview = part("preview");
  preview.textContent = "";
  const over = way === "split" && drawSplit();
  part("do").disabled = over || AT_WORK.includes(element.querySelector("[data-errand=make]").dataset.state);
  if (way === "sample" && rows !== null) {
    preview.textContent = say(words.sampled, { count: figure(Math.min(numberIn(part("count")) ?? 0, rows)), rows: figure(rows) });
  }
  if ((way === "shuffle" || way === "convert") && rows !== null) preview.textContent = say(words.keeps, { rows: figure(rows) });
  if (way === "merge") drawMerge(preview);
}

function drawSplit() {  // whether more is asked for than there is
  const found = sizes();
  found.forEach((size, at) => {
    const cell = element.querySelector(`[data-size="${at}"]`);
    if (cell) cell.textContent = size === null ? "?" : figure(size);
  });
  const sum = parts.reduce((sum, [, amount]) => sum + amount, 0);
  const over = bySplit() === "share" ? sum > 100.0001 : rows !== null && sum > rows;
  const left = rows === null ? null : rows - found.reduce((sum, size) => sum + size, 0);
  const whole = left === null ? "" : say(words.left, { count: figure(left), rows: figure(rows) });
  part("left").textContent = over ? (bySplit() === "share" ? words.over_share : words.over_count) : whole;
  return over;
}

function drawMerge(preview) {
  const { there, counts, shares, isWeighted } = merged();
  const total = counts.every((count) => count !== null) ? counts.reduce((sum, count) => sum + count, 0) : null;
  sources.forEach((_, at) => {
    const cell = element.querySelector(`[data-share="${at}"]`);
    const share = shares?.[at] ?? (total ? counts[at] / total : null);
    const bar = make("span", "tool-share");
    bar.style.setProperty("--share", share ?? 0);
    const size = counts[at] === null ? "" : ` · ${figure(counts[at])}`;
    cell?.replaceChildren(...(share === null ? ["?"] : [bar, ` ${percent(share)}${size}`]));
  });
  const again = counts.reduce((sum, count, at) => sum + Math.max(0, (count ?? 0) - (there[at] ?? Infinity)), 0);
  const more = again ? ` ${say(words.again, { count: figure(again) })}` : "";
  if (sources.length < 2) preview.textContent = words.need_two;
  else if (total !== null) preview.textContent = say(isWeighted ? words.weighted : words.joined, { rows: figure(total) }) + more;
}

// ---- asking ----------------------------------------------------------------------------------------------------------

function asked() {
  const boxes = [...part("boxes").querySelectorAll("input")].filter((box) => box.value !== "");
  return {
    way, by: bySplit(), parts: parts.map(([name, amount]) => [name.trim(), amount]), in_order: part("in-order").checked,
    count: numberIn(part("count")), rows: numberIn(part("rows")), seed: numberIn(part("seed")) ?? 42,
    sources: sources.map(({ name, weight }) => [name, weight]), formatting: part("formatting").value,
    drop: part("drop").checked, kind: part("kind").value,
    values: Object.fromEntries(boxes.map((box) => [box.dataset.name, box.value])), new_name: part("new-name").value,
  };
}

const making = errand("make", (made, isNew) => {
  part("made").hidden = !made;
  if (!made) return;
  drawMade(part("made"), made.text, made.names);
  for (const { address, text } of made.files) part("made").append(Object.assign(make("a", "small-button strong", text), { href: address, download: "" }));
  if (isNew) {
    named = false;
    for (const name of made.names) studio.sets.changed(name);
    learn();
  }
});

const names = errand("names", (found) => {
  part("no-names").hidden = !found || found.names.length > 0;
  part("boxes").replaceChildren(...(found?.names ?? []).map(([name, times]) => {
    const label = make("label", "", `{{${name}}} · ${say(words.times, { count: figure(times) })}`);
    const box = Object.assign(make("input"), { maxLength: 2000 });
    box.dataset.name = name;
    label.append(box);
    return label;
  }));
  drawWay();
});

const sizing = errand("size", (found) => {
  if (!found) return;
  rows = found.rows;
  drawSources();
  drawPreview();
});

async function learn() {  // how many rows there are, and which other sets
  if (!where().name || !isSeen()) return;
  const about = where().name;
  const found = await call("known", {}, true);
  if (!found?.sets || about !== where().name) return;
  sets = found.sets;
  rows = found.rows;
  fill(part("kind"), found.kinds.map((kind) => [kind, kind]));
  if (rows === null && found.is_here) sizing.begin();
  if (!sources.length) {  // the first time for this set
    sources = [{ name: about, weight: null }];
    part("formatting").value = found.formatting === "alpaca" ? "sharegpt" : "alpaca";
  }
  drawParts();
  drawSources();
  drawWay();
}

part("ways").addEventListener("click", ({ target }) => {
  if (!target.dataset.way) return;
  way = target.dataset.way;
  named = false;
  drawWay();
});
part("ways").addEventListener("keydown", ({ key }) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  if (!step) return;
  const next = all("[data-way]")[(WAYS.indexOf(way) + step + WAYS.length) % WAYS.length];
  next.click();
  next.focus();
});
for (const box of all("[name=by]")) box.addEventListener("change", () => {
  const total = parts.reduce((sum, [, amount]) => sum + amount, 0) || 1;
  if (bySplit() === "count") parts = parts.map(([name, amount]) => [name, Math.floor(((rows ?? 1000) * amount) / Math.max(total, 100))]);
  else parts = parts.map(([name, amount]) => [name, Math.round((100 * amount) / Math.max(total, rows ?? total))]);
  drawParts();
  drawPreview();
});
part("add-part").addEventListener("click", () => {
  parts.push([`${words.part_word}_${parts.length + 1}`, 0]);
  drawParts();
  drawPreview();
});
part("add-set").addEventListener("click", () => {
  if (part("others").value) sources.push({ name: part("others").value, weight: null });
  drawSources();
  drawPreview();
});
part("new-name").addEventListener("input", () => { named = true; });
part("formatting").addEventListener("change", () => !named && (part("new-name").value = suggestedName()));
for (const name of ["count", "rows"]) part(name).addEventListener("input", drawPreview);
part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  making.begin(asked());
});
element.querySelector("[data-begin=names]").addEventListener("click", () => names.begin());
onSet(() => {
  [rows, sets, sources, named] = [null, [], [], false];
  drawParts();
  drawWay();
  learn();
});
seen(learn);
