// The monitor of one run. It polls `server.tick` with what it already holds and gets only what is new; the run's id is in
// the address (?run=…), so that a reload, another browser or a restarted server shows the same run.
const words = props.words;
const part = (name) => element.querySelector(`[data-part=${name}]`);
const root = part("root");
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const POLL_MS = { active: 2000, idle: 8000, lost: 2000 };
const MAX_POINTS = 3000;

let run = null;      // id of the run shown; null: none
let seen = {};       // what we hold: {token, epoch, points, samples, log}
let shown = {};      // the last summary
let clockOff = 0;    // server's clock minus ours, seconds
let timer = 0;
let busy = false;
let failures = 0;
let reveal = false;  // scroll to the monitor once there is something to see
let hurry = 0;       // until when to look often: a button was pressed
let strange = false; // the server answers, but not to us

// ---- which run ------------------------------------------------------------------------------------------------------

function open(id, show = false) {
  run = id || null;
  reveal = show;
  seen = { token: "", epoch: -1, points: 0, samples: 0, log: -1 };
  shown = {};
  for (const name of ["samples", "log"]) part(name).replaceChildren();
  plots.clear();
  const url = new URL(location.href);
  url.searchParams.delete("run");
  if (run) url.search += `${url.search ? "&" : "?"}run=${encodeURIComponent(run).replaceAll("%2F", "/")}`;
  history.replaceState(history.state, "", url);
  window.dispatchEvent(new CustomEvent("studio:shown", { detail: run }));
  root.hidden = true;
  tick();
}

async function tick() {
  clearTimeout(timer);
  if (!element.isConnected) return;
  if (run === null || busy || document.hidden) return later();
  busy = true;
  const asked = run;
  seen.log = part("log-box").open ? Math.max(seen.log, 0) : -1;
  try {
    const news = await server.tick({ run, ...seen });  // undefined: no answer; null: nothing new
    news === undefined ? await failed() : recovered();
    if (asked === run && news) take(news);
  } catch (error) {
    console.error(error);
  }
  busy = false;
  asked === run ? later() : tick();
}

function later() {
  const pace = failures ? "lost" : shown.active || Date.now() < hurry ? "active" : "idle";
  timer = setTimeout(tick, run === null ? POLL_MS.idle : POLL_MS[pace]);
}

async function failed() {
  failures += 1;
  if (failures > 1) part("offline").hidden = root.hidden = false;
  if (failures < 4) return;
  // The server is there but does not know this page (another version, or the login is over): load it anew. It may have
  // come up this very moment, so only if the next tick fails too.
  if (strange) return location.reload();
  strange = (await fetch(location.href, { cache: "no-store" }).catch(() => null))?.ok;
}

function recovered() {
  if (failures && !seen.token) root.hidden = true;
  failures = 0;
  strange = false;
  part("offline").hidden = true;
}

// ---- what is new ----------------------------------------------------------------------------------------------------

function take(news) {
  if (news.gone) {
    part("gone").hidden = false;
    root.hidden = false;
    root.dataset.state = "gone";
    return;
  }
  part("gone").hidden = true;
  if (news.summary) {
    shown = news.summary;
    seen.token = news.token;
    clockOff = shown.now - Date.now() / 1000;
    drawSummary();
  }
  if (news.points) plots.take(news);
  if (news.samples) addSamples(news);
  if (news.log !== undefined) addLog(news);
  root.hidden = false;
  if (reveal) root.scrollIntoView({ behavior: "smooth", block: "start" });
  reveal = false;
}

function drawSummary() {
  if (root.dataset.state !== shown.state) window.dispatchEvent(new CustomEvent("studio:shown", { detail: run }));
  root.dataset.state = shown.state;
  part("state").textContent = shown.state_word;
  part("name").textContent = shown.title;
  part("about").textContent = shown.about;
  const bar = part("bar");
  const known = shown.fraction !== null;
  bar.classList.toggle("unknown", !known && shown.active);
  bar.firstElementChild.style.width = known ? `${(100 * shown.fraction).toFixed(1)}%` : "";
  if (known) bar.setAttribute("aria-valuenow", Math.round(100 * shown.fraction));
  else bar.removeAttribute("aria-valuenow");
  bar.setAttribute("aria-valuetext", shown.phase);
  part("phase").textContent = shown.phase;
  part("error").textContent = shown.error;
  part("error").hidden = !shown.error;
  part("notices").replaceChildren(...shown.notices.map((text) => make("li", "", text)));
  part("folder").textContent = shown.folder;
  for (const button of element.querySelectorAll("[data-action]")) {
    button.hidden = !shown.can.includes(button.dataset.action);
    button.disabled = false;
  }
  part("longer-box").hidden = !shown.can.includes("longer");
  if (shown.epochs && document.activeElement !== part("epochs")) part("epochs").value = shown.epochs;
  drawTime();
}

function drawTime() {
  const now = Date.now() / 1000 + clockOff;
  const elapsed = shown.started ? say(words.time, { elapsed: clock((shown.ended || now) - shown.started) }) : "";
  const left = shown.active && shown.ends_at ? say(words.left, { left: clock(shown.ends_at - now) }) : "";
  part("time").textContent = [elapsed, left].filter(Boolean).join(" · ");
}

function clock(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

// ---- plots ----------------------------------------------------------------------------------------------------------

const plots = (() => {
  const names = [...element.querySelectorAll("[data-plot]")].map((box) => box.dataset.plot);
  const figures = [...element.querySelectorAll("[data-fact]")];
  let data = {};      // {name: {x: [], y: []}}
  let drawn = {};     // {name: points drawn}
  let loading = null;

  const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();
  const box = (name) => element.querySelector(`[data-plot=${name}]`);

  function library() {
    if (window.Plotly) return Promise.resolve();
    loading ??= new Promise((done, fail) => {
      const tag = document.createElement("script");
      tag.src = props.plotly;
      tag.onload = done;
      tag.onerror = () => { loading = null; tag.remove(); fail(new Error("plotly")); };
      document.head.append(tag);
    });
    return loading;
  }

  // A straight line through the neighbours of each point, the near ones weighing most (local linear regression, Gaussian
  // kernel): it neither lags behind nor bends at the ends. The width is a part of what is shown, whatever the run's length.
  function smooth({ x, y }) {
    const width = Math.max((x.at(-1) - x[0]) / 40, (2 * (x.at(-1) - x[0])) / x.length);
    let from = 0;
    return x.map((at, i) => {
      while (x[from] < at - 3 * width) from += 1;
      let [w0, w1, w2, v0, v1] = [1e-12, 0, 0, 0, 0];
      for (let j = from; j < x.length && x[j] <= at + 3 * width; j += 1) {
        const d = (x[j] - at) / (width || 1);
        const w = Math.exp((-d * d) / 2);
        w0 += w; w1 += w * d; w2 += w * d * d; v0 += w * y[j]; v1 += w * d * y[j];
      }
      const det = w0 * w2 - w1 * w1;
      return det > 1e-6 * w0 * w0 ? (w2 * v0 - w1 * v1) / det : v0 / w0 || y[i];
    });
  }

  function layout(name) {
    const grid = colour("--plot-grid");
    const axis = { gridcolor: grid, linecolor: grid, zeroline: false, ticks: "", automargin: true, nticks: 6 };
    return {
      height: name === "loss" ? 300 : 190, margin: { l: 8, r: 10, t: 6, b: 6 }, showlegend: false, uirevision: run,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "x", dragmode: "zoom",
      font: { family: getComputedStyle(document.body).fontFamily, size: 11, color: colour("--plot-ink") },
      hoverlabel: { bgcolor: colour("--plot-hover"), bordercolor: grid, font: { color: colour("--plot-strong") } },
      xaxis: { ...axis, showgrid: false },
      yaxis: { ...axis, ...(name === "learning_rate" ? { rangemode: "tozero", tickformat: "~e" } : {}) },
    };
  }

  function traces(name) {
    const { x, y } = data[name];
    const few = x.length < 2 || name === "eval_loss";
    const line = { x: [...x], y: [...y], mode: few ? "lines+markers" : "lines", hovertemplate: "%{y:.5~g}<extra>%{x}</extra>" };
    if (name !== "loss") return [{ ...line, line: { color: colour("--plot-line"), width: 2 }, marker: { size: 5 } }];
    return [
      { ...line, line: { color: colour("--plot-line"), width: 1 }, opacity: 0.35 },
      { x: [...x], y: smooth(data[name]), mode: "lines", line: { color: colour("--plot-line"), width: 2.5, shape: "spline" },
        hovertemplate: "<b>%{y:.5~g}</b><extra></extra>" },
    ];
  }

  const config = { displaylogo: false, responsive: true, doubleClick: "reset",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

  function draw(name) {
    box(name).closest("figure").hidden = false;
    const count = data[name].x.length;
    const at = drawn[name];
    drawn[name] = count;
    if (at === undefined || at < 2) return Plotly.react(box(name), traces(name), layout(name), config);
    if (at === count) return;
    const x = data[name].x.slice(at);
    Plotly.extendTraces(box(name), { x: [x], y: [data[name].y.slice(at)] }, [0]);
    if (name === "loss") Plotly.restyle(box(name), { x: [[...data[name].x]], y: [smooth(data[name])] }, [1]);
  }

  async function drawAll() {
    if (!Object.keys(data).length) return;
    try { await library(); } catch { return; }
    for (const name of names) if (data[name]?.x.length) draw(name);
    root.dataset.points = data.loss?.x.length ?? 0;
  }

  function facts() {
    for (const cell of figures) {
      const last = data[cell.dataset.fact]?.y.at(-1);
      cell.hidden = last === undefined;
      if (last !== undefined) cell.querySelector("b").textContent = number(last);
    }
  }

  function number(value) {
    if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
    return value >= 1000 ? Math.round(value).toLocaleString() : String(Number(value.toPrecision(4)));
  }

  window.addEventListener("studio:theme", () => {
    if (!element.isConnected || !window.Plotly) return;
    for (const name of Object.keys(drawn)) Plotly.react(box(name), traces(name), layout(name), config);
  });

  return {
    clear() {
      data = {};
      drawn = {};
      for (const name of names) {
        box(name).closest("figure").hidden = true;
        if (window.Plotly) Plotly.purge(box(name));
      }
      facts();
      delete root.dataset.points;
    },
    take(news) {
      if (news.reset) [data, drawn] = [{}, {}];
      for (const [name, [x, y]] of Object.entries(news.points)) {
        data[name] ??= { x: [], y: [] };
        data[name].x.push(...x);
        data[name].y.push(...y);
        if (data[name].x.length > MAX_POINTS) news.epoch = -1;  // ask for a thinned set
      }
      seen.epoch = news.epoch;
      seen.points = news.count;
      facts();
      drawAll();
    },
  };
})();

// ---- samples and log ------------------------------------------------------------------------------------------------

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

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
    [...answers.children].find((other) => Number(other.dataset.step) >= step)?.remove();
    const row = make("li");
    row.dataset.step = step;
    row.append(make("span", "when", step === 0 ? words.before : say(words.at_step, { step })), make("p", "", response || words.no_answer));
    answers.append(row);
  }
  seen.samples = total;
  part("samples-box").hidden = !list.children.length;
}

function addLog({ log, log_at, log_new }) {
  const box = part("log");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  const text = (log_new ? "" : box.textContent) + log;
  box.textContent = text.slice(-60000);
  seen.log = log_at;
  if (atEnd || log_new) box.scrollTop = box.scrollHeight;
}

// ---- listening ------------------------------------------------------------------------------------------------------

for (const button of element.querySelectorAll("[data-action]")) {
  button.addEventListener("click", () => {
    button.disabled = true;
    setTimeout(() => (button.disabled = false), 4000);
    trigger("act", { run, action: button.dataset.action, epochs: Number(part("epochs").value) });
    hurry = Date.now() + 15000;
    setTimeout(tick, 400);
  });
}
part("log-box").addEventListener("toggle", () => tick());
part("close").addEventListener("click", () => open(null));
watch("value", () => props.value && open(props.value.run, true));

const onOpen = (event) => element.isConnected && open(event.detail, true);
const onShow = () => element.isConnected && !document.hidden && tick();
const beat = setInterval(() => {
  if (element.isConnected) return document.hidden || drawTime();
  clearInterval(beat);
  window.removeEventListener("studio:open", onOpen);
  document.removeEventListener("visibilitychange", onShow);
}, 1000);
window.addEventListener("studio:open", onOpen);
document.addEventListener("visibilitychange", onShow);

const asked = new URL(location.href).searchParams.get("run");
asked ? open(asked) : server.current().then((id) => id && run === null && open(id));
