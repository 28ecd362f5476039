// ---- curves and devices ---------------------------------------------------------------------------------------------

const plots = (() => {
  const MAX_POINTS = 3000;
  const LOOKS = {
    loss: { height: 300, smooth: true }, eval_loss: { markers: true }, learning_rate: { toZero: true, format: "~e" },
    rewards: { legend: true }, utilization: { range: [0, 102], dates: true }, memory_gib: { toZero: true, dates: true },
    power_w: { toZero: true, dates: true },
  };
  const boxes = [...element.querySelectorAll("[data-plot]")];
  const deviceBoxes = [...element.querySelectorAll("[data-device-plot]")];
  const cells = [...element.querySelectorAll("[data-fact]")];
  let data = {};     // {curve: {x: [], y: []}}
  let machine = {};  // {device: {time: [], figure: []}}
  let epoch = 0;     // counts the times that curves began anew

  function show(box, name, curves) {
    box.closest("figure").hidden = false;
    const looks = LOOKS[name] ?? {};
    plotting.show(box, curves, { key: run, epoch, ...looks, legend: curves.length > 1 });
  }

  async function draw() {
    if (!Object.keys(data).length) return;
    try { await plotting.script(props.plotly); } catch { return; }
    for (const box of boxes) {
      const curves = box.dataset.curves.split(",").filter((name) => data[name]?.x.length);
      if (curves.length) show(box, box.dataset.plot, curves.map((name) => ({ label: props.curves[name], ...data[name] })));
    }
    root.dataset.points = data.loss?.x.length ?? 0;
  }

  async function drawDevices() {
    if (!Object.keys(machine).length) return;
    part("devices-box").hidden = false;
    if (!part("devices-box").open) return;
    try { await plotting.script(props.plotly); } catch { return; }
    for (const box of deviceBoxes) {
      const figure = box.dataset.devicePlot;
      const known = Object.entries(machine).filter(([, columns]) => columns[figure]?.some((value) => value !== null));
      const label = (device) => (device === "cpu" ? words.worker : device);
      const curves = known.map(([device, columns]) => ({ label: label(device), x: columns.when, y: columns[figure] }));
      if (curves.length) show(box, figure, curves);
    }
    root.dataset.devicePoints = Math.max(...Object.values(machine).map(({ when }) => when.length));
  }

  // Plotly's dates know no time zone: seconds since the epoch as this place's clock shows them.
  const local = (seconds) => {
    const then = new Date(seconds * 1000);
    return new Date(then - then.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
  };

  function facts() {
    for (const cell of cells) {
      const last = data[cell.dataset.fact]?.y.at(-1);
      cell.hidden = last === undefined;
      if (last !== undefined) cell.querySelector("b").textContent = number(last);
    }
  }

  function number(value) {
    if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
    return value >= 1000 ? Math.round(value).toLocaleString() : String(Number(value.toPrecision(4)));
  }

  part("devices-box").addEventListener("toggle", drawDevices);
  return {
    clear() {
      [data, machine] = [{}, {}];
      for (const box of [...boxes, ...deviceBoxes]) {
        box.closest("figure").hidden = true;
        plotting.clear(box);
      }
      part("devices-box").hidden = true;
      facts();
      delete root.dataset.points;
      delete root.dataset.devicePoints;
    },
    take(news) {
      if (news.reset) [data, epoch] = [{}, epoch + 1];
      for (const [name, [x, y]] of Object.entries(news.points)) {
        data[name] ??= { x: [], y: [] };
        data[name].x.push(...x);
        data[name].y.push(...y);
        if (data[name].x.length > MAX_POINTS) news.epoch = -1;  // ask for a thinned set
      }
      seen.epoch = news.epoch;
      seen.points = news.count;
      facts();
      draw();
    },
    takeDevices(news) {
      if (news.device_reset) [machine, epoch] = [{}, epoch + 1];
      for (const [device, { time, ...figures }] of Object.entries(news.devices)) {
        machine[device] ??= { when: [] };
        const held = machine[device].when.length;
        machine[device].when.push(...time.map(local));
        for (const [name, values] of Object.entries(figures)) {
          machine[device][name] ??= new Array(held).fill(null);
          machine[device][name].push(...values);
        }
        for (const [name, values] of Object.entries(machine[device])) {  // a figure that was not told this time
          while (name !== "when" && values.length < machine[device].when.length) values.push(null);
        }
        if (machine[device].when.length > MAX_POINTS) news.device_epoch = -1;
      }
      seen.device_epoch = news.device_epoch;
      seen.device_count = news.device_count;
      drawDevices();
    },
  };
})();

// ---- samples: before, and at the step that the slider names ---------------------------------------------------------

let stepShown = null;  // null: the newest

function addSamples({ samples, first_sample: first, num_samples: total }) {
  const list = part("samples");
  if (first === 0) list.replaceChildren();
  for (const { step, prompt, response, label } of samples) {
    let card = [...list.children].find((other) => other.dataset.prompt === prompt);
    if (!card) {
      card = make("article", "sample");
      card.dataset.prompt = prompt;
      card.append(make("h4", "", prompt), make("ol", "answers"));
      if (label) card.append(make("p", "sample-label", `${words.expected} ${label}`));
      list.append(card);
    }
    const answers = card.querySelector("ol");
    for (const other of [...answers.children]) if (Number(other.dataset.step) >= step) other.remove();
    const row = make("li");
    row.dataset.step = step;
    row.append(make("span", "when", stepWord(step)), make("p", "", response || words.no_answer));
    answers.append(row);
  }
  seen.samples = total;
  if (first === 0) stepShown = null;
  part("samples-box").hidden = !list.children.length;
  showStep();
}

const stepWord = (step) => (step === 0 ? words.before : say(words.at_step, { step }));

function showStep() {
  const rows = [...part("samples").querySelectorAll(".answers li")];
  const steps = [...new Set(rows.map((row) => Number(row.dataset.step)))].sort((a, b) => a - b);
  const at = stepShown === null ? steps.length - 1 : Math.max(0, steps.indexOf(stepShown));
  const slider = part("step");
  part("step-box").hidden = steps.length < 3;
  slider.max = steps.length - 1;
  slider.value = at;
  slider.setAttribute("aria-valuetext", stepWord(steps[at] ?? 0));
  part("step-word").textContent = stepWord(steps[at] ?? 0);
  for (const card of part("samples").children) {
    const answers = [...card.querySelectorAll(".answers li")];
    const chosen = answers.findLast((row) => Number(row.dataset.step) <= steps[at]) ?? answers[0];
    for (const row of answers) row.hidden = row !== chosen && row !== answers[0];
    for (const row of answers) row.classList.toggle("chosen", row === chosen && answers.length > 1);
  }
  slider.oninput = () => {
    stepShown = Number(slider.value) === steps.length - 1 ? null : steps[Number(slider.value)];
    showStep();
  };
}

// ---- log: its end, followed unless the reader has scrolled up; or every line that holds a word ----------------------

let searching = 0;
const logBox = part("log");
const atLogEnd = () => logBox.scrollTop + logBox.clientHeight >= logBox.scrollHeight - 8;

function addLog({ log, log_at, log_new }) {
  const follow = atLogEnd() || log_new;
  const text = (log_new ? "" : logBox.textContent) + log;
  logBox.textContent = text.slice(-60000);
  seen.log = log_at;
  if (follow) logBox.scrollTop = logBox.scrollHeight;
}

function showFound(on) {
  logBox.hidden = on;
  part("log-lines").hidden = !on;
  if (!on) part("log-found").textContent = "";
  part("log-newest").hidden = on || atLogEnd();
}

async function search() {
  const text = part("log-search").value.trim();
  const turn = (searching += 1);
  if (!text) return showFound(false);
  const answer = await server.search_log({ run, text });
  if (turn !== searching || !answer) return;
  part("log-found").textContent = answer.found;
  part("log-lines").textContent = answer.lines;
  showFound(true);
  part("log-lines").scrollTop = part("log-lines").scrollHeight;
}

let typing = 0;
part("log-search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 250);
});
logBox.addEventListener("scroll", () => { part("log-newest").hidden = atLogEnd(); });
part("log-newest").addEventListener("click", () => { logBox.scrollTop = logBox.scrollHeight; });
part("log-box").addEventListener("toggle", () => tick());

// ---- buttons --------------------------------------------------------------------------------------------------------

const questions = {
  rename: () => studio.ask({ text: words.rename_ask, yes: words.rename, no: words.cancel, value: shown.title }),
  delete: () => studio.ask({ text: say(words.delete_ask, { run: shown.title }), yes: words.delete, no: words.cancel, takes: true }),
};

for (const button of element.querySelectorAll("[data-action]")) {
  button.addEventListener("click", async () => {
    const action = button.dataset.action;
    const asked = { run, action, epochs: Number(part("epochs").value) };
    if (questions[action]) asked.name = await questions[action]();
    if (asked.name === false || asked.name === null || asked.name === "") return;
    button.disabled = true;
    setTimeout(() => (button.disabled = false), 4000);
    trigger("act", asked);
    hurry = Date.now() + 15000;
    setTimeout(tick, 400);
    window.dispatchEvent(new Event("studio:changed"));
  });
}

part("copy").addEventListener("click", async () => {
  const text = part("folder").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // only a safe address (https, localhost) may use the clipboard: choose the text instead
    getSelection().selectAllChildren(part("folder"));
    if (!document.execCommand("copy")) return;
  }
  const word = part("copy").textContent;
  part("copy").textContent = words.copied;
  setTimeout(() => (part("copy").textContent = word), 1500);
});
part("close").addEventListener("click", () => open(null));
// Who asks to talk to a run wants it loaded; an address that anybody may send does not do that (server.js).
element.querySelector("[data-lead=chat]").addEventListener("click", () => sessionStorage.setItem("studio-load", run));
watch("value", () => props.value && open(props.value.run, Boolean(props.value.run)));

const onOpen = (event) => element.isConnected && open(event.detail, true);
const onShow = () => element.isConnected && !document.hidden && tick();
const onBack = () => element.isConnected && !isElsewhere() && namedRun() !== run && open(namedRun());
const beat = setInterval(() => {
  if (element.isConnected) return document.hidden || drawTime();
  clearInterval(beat);
  window.removeEventListener("studio:open", onOpen);
  window.removeEventListener("popstate", onBack);
  document.removeEventListener("visibilitychange", onShow);
}, 1000);
window.addEventListener("studio:open", onOpen);
window.addEventListener("popstate", onBack);
document.addEventListener("visibilitychange", onShow);

namedRun() ? open(namedRun()) : server.current().then((id) => id && run === null && open(id));
