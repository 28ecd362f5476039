// The exports there are. run_cards.js stands before this in one scope.
const open = new Set();  // runs whose files are unfolded

const named = new URL(location.href).searchParams.get("result") ?? "";  // the monitor leads here
let isThere = !named;    // it has been shown

const wishes = () => ({ named });

function taken() {
  if (isThere) return;
  isThere = true;
  part("list").querySelector("[aria-current]")?.scrollIntoView({ block: "start" });
}

function card(row) {
  const box = article(row, "finding export");
  box.toggleAttribute("aria-current", row.id === named);
  const head = make("header");
  head.append(make("b", "", row.about || row.name), chip(row), make("span", "quiet", row.about ? row.name : ""));
  box.append(head);
  if (row.active) box.append(progress(row));
  box.append(...trouble(row), ...row.notices.map((text) => make("p", "quiet", text)));
  if (row.result) box.append(...outcome(row));
  const line = make("div", "tool-line");
  line.append(...actions(row), monitorLink(row));
  box.append(line);
  return box;
}

// ---- what came of it -------------------------------------------------------------------------------------------------

function outcome({ id, result }) {
  const parts = [];
  const verdicts = make("ul", "export-verdicts");
  verdicts.append(...result.verdicts.map(({ title, text, ok }) => {
    const item = make("li");
    item.dataset.ok = ok === null ? "none" : ok ? "yes" : "no";
    item.append(make("b", "", title), ` ${text}`);
    return item;
  }));
  if (result.verdicts.length) parts.push(verdicts);
  parts.push(copied(words.folder, result.folder, "export-folder"));
  if (result.next.length) {
    const box = make("div", "export-next");
    box.append(make("p", "quiet", words.next), ...result.next.map((command) => copied("", command, "export-command")));
    parts.push(box);
  }
  if (result.pushed) {
    const line = make("p", "", `${words.pushed} `);
    line.append(/^https:\/\//.test(result.pushed)
      ? Object.assign(make("a", "ds-link", result.pushed), { href: result.pushed, target: "_blank", rel: "noopener noreferrer" })
      : result.pushed);
    parts.push(line);
  }
  if (result.files.length) parts.push(fold(id, result));
  if (result.facts) parts.push(make("p", "quiet", result.facts));
  return parts;
}

function fold(id, result) {
  const box = make("details", "tool-fold");
  box.open = open.has(id);
  box.addEventListener("toggle", () => box.open ? open.add(id) : open.delete(id));
  const title = say(words.files, { count: figure(result.files.length), total: result.total });
  const scroll = make("div", "tool-scroll");
  const table = make("table", "tool-table");
  const head = make("thead");
  const line = make("tr");
  line.append(...[words.file, words.bytes, words.sum].map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  head.append(line);
  const body = make("tbody");
  body.append(...result.files.map(([path, size, sum]) => {
    const row = make("tr");
    const cell = make("td", "export-sum");
    if (sum) cell.append(copied("", sum));
    row.append(make("td", "", path), make("td", "figure", size), cell);
    return row;
  }));
  table.append(head, body);
  scroll.append(table);
  const links = make("div", "tool-line");
  links.append(...result.downloads.map(({ name, size, address }) =>
    Object.assign(make("a", "small-button", say(words.download, { name, size })), { href: address, download: "" })));
  box.append(make("summary", "", title), make("p", "quiet", words.sums_help), scroll);
  if (!result.downloads.length) return box;
  const both = make("div", "tool-list");
  both.append(links, box);
  return both;
}

// A text to be taken along: its words and a button that copies them.
function copied(label, text, className = "") {
  const line = make("p", `export-copy ${className}`);
  const code = make("code", "", text);
  if (label) line.append(make("span", "quiet", label));
  const copy = button(words.copy, async (event) => {
    const node = event.currentTarget;
    try { await navigator.clipboard.writeText(text); } catch {  // only a safe address may use the clipboard
      getSelection().selectAllChildren(code);
      if (!document.execCommand("copy")) return;
    }
    node.textContent = words.copied;
    setTimeout(() => (node.textContent = words.copy), 1500);
  }, "text-button");
  copy.title = `${words.copy}: ${text}`;
  line.append(code, copy);
  return line;
}

watch("value", () => props.value?.run && begun());
seen(refresh);
refresh();
