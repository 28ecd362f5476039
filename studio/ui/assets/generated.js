// The runs that have an endpoint write rows. run_cards.js stands before this in one scope.
const sets = new Map();  // run → the set it had made when last seen: a new one is told to the tab
const open = new Map();  // run → the reason whose rows are shown

const wishes = () => ({});

function taken() {
  for (const row of rows) {
    if (sets.has(row.id) && row.set && sets.get(row.id) !== row.set + row.facts) studio.sets?.changed(row.set);
    sets.set(row.id, row.set && row.set + row.facts);
  }
}

function card(row) {
  const box = article(row);
  const head = make("header");
  head.append(make("b", "", row.name), chip(row), make("span", "quiet", row.about));
  box.append(head);
  if (row.active) box.append(progress(row));
  if (row.facts) box.append(make("p", "quiet", row.facts));
  box.append(...trouble(row));
  if (row.refused.length) box.append(refusals(row));
  const line = make("div", "tool-line");
  line.append(...actions(row), ...(row.set ? [setLink(row.set)] : []), monitorLink(row));
  box.append(line);
  return box;
}

function refusals(row) {
  const box = make("div", "tool-list");
  const line = make("p", "tool-numbers");
  const list = make("ul", "tool-turns");
  line.append(make("span", "quiet", words.refused), ...row.refused.map(({ reason, text, count }) => {
    const one = button(`${text} ${figure(count)}`, () => {
      open.get(row.id) === reason ? open.delete(row.id) : open.set(row.id, reason);
      draw();
    }, "");
    one.ariaExpanded = String(open.get(row.id) === reason);
    one.dataset.reason = reason;
    return one;
  }));
  async function draw() {
    const reason = open.get(row.id);
    for (const one of line.querySelectorAll("[data-reason]")) one.ariaExpanded = String(one.dataset.reason === reason);
    list.replaceChildren();
    if (!reason) return;
    const found = await call("refused", { run: row.id, reason });
    if (!found || open.get(row.id) !== reason) return;
    list.replaceChildren(...found.rows.map(({ detail, text }) => {
      const item = make("li");
      if (detail) item.append(make("b", "", detail));
      item.append(make("p", "mono", text));
      return item;
    }));
  }
  if (open.has(row.id)) draw();
  box.append(line, list);
  return box;
}

watch("value", () => props.value?.run && begun());
seen(refresh);
refresh();
