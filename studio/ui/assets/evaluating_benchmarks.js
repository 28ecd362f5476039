// Benchmarks of the evaluations that are looked at. tools.js and evaluating.js stand before this in one scope.
const SIZE = 10;
let offset = 0;
let turn = 0;

async function load(runs) {
  const mine = (turn += 1);
  const found = await call("figures", { runs }, true);
  if (mine !== turn) return;
  part("root").hidden = !found?.columns.length;
  if (!found?.columns.length) return;
  const names = unlike(found.columns);
  const head = make("tr");
  head.append(headCell(words.name), ...found.columns.map((id, at) => headCell(names[at], "col", id)));
  part("head").replaceChildren(head);
  part("rows").replaceChildren(...found.rows.map((row) => {
    const line = make("tr", row.group === "categories" ? "ev-strong" : "");
    line.append(headCell(row.label, "row"), ...row.values.map((value, at) => {
      const node = cell("td", at === row.best ? "ev-best" : "", value);
      node.dataset.head = names[at];
      return node;
    }));
    return line;
  }));
  part("notes").replaceChildren(...found.notes.map((text) => make("li", "", text)));
  const there = found.with_questions;
  part("fold").hidden = !there.length;
  fill(part("of"), there.map((id) => [id, names[found.columns.indexOf(id)] ?? lastPart(id)]));
  offset = 0;
  if (there.length && part("fold").open) ask();
}

async function ask() {
  const asked = { run: part("of").value, task: part("task").value, only: part("only").value };
  const found = await call("questions", { ...asked, offset, limit: SIZE });
  if (!found) return;
  fill(part("task"), [["", part("task").options[0].text], ...found.tasks.map((name) => [name, name])]);
  part("task-box").hidden = found.tasks.length < 2;
  part("none").hidden = found.matched > 0;
  part("list").replaceChildren(...found.rows.map(question));
  const to = offset + found.rows.length;
  part("range").textContent = found.matched ? say(words.range, { from: figure(offset + 1), to: figure(to), matched: figure(found.matched) }) : "";
  element.querySelector("[data-go=before]").disabled = offset === 0;
  element.querySelector("[data-go=after]").disabled = to >= found.matched;
}

function question({ task, subject, index, prompt, answer, label, correct }) {
  const box = make("article", "ev-side");
  const head = make("header");
  head.append(make("b", "", [task, subject, index].filter(Boolean).join(" · ")));
  if (correct !== null) {  // else no right answer is known
    const chip = make("span", "chip", correct ? words.right : words.wrong);
    chip.dataset.state = correct ? "finished" : "failed";
    head.append(chip);
  }
  const answers = make("p", "ev-figures");
  for (const [name, text] of [[words.answer, answer], [words.label, label]]) {
    const node = make("span", "", `${name} `);
    node.append(make("b", "", text || "–"));
    answers.append(node);
  }
  box.append(head, make("p", "ev-text ev-short", prompt), answers);
  return box;
}

for (const name of ["of", "task", "only"]) part(name).addEventListener("change", () => { offset = 0; ask(); });
for (const one of all("[data-go]")) one.addEventListener("click", () => {
  offset = Math.max(0, offset + (one.dataset.go === "after" ? SIZE : -SIZE));
  ask();
});
part("fold").addEventListener("toggle", () => part("fold").open && ask());
onScored(({ runs }) => (runs.length ? load(runs) : (part("root").hidden = true)));
