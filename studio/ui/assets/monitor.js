// The monitor of one run. It polls `server.tick` with what it already holds and gets only what is new; the run's id is in
// the address (?run=…), so that a reload, another browser or a restarted server shows the same run. Curves, samples and
// log are drawn by monitor_parts.js, which follows in the same scope.
const words = props.words;
const part = (name) => element.querySelector(`[data-part=${name}]`);
const root = part("root");
const make = studio.make;
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const POLL_MS = { active: 2000, idle: 8000, lost: 2000 };
const TITLE = document.title;

let run = null;      // id of the run shown; null: none
let seen = {};       // what we hold: {token, epoch, points, samples, log, device_epoch, device_count}
let shown = {};      // the last summary
let clockOff = 0;    // server's clock minus ours, seconds
let timer = 0;
let busy = false;
let failures = 0;
let reveal = false;  // scroll to the monitor once there is something to see
let hurry = 0;       // until when to look often: a button was pressed
let strange = false; // the server answers, but not to us

// ---- which run ------------------------------------------------------------------------------------------------------

const addressed = (name) => new URL(location.href).searchParams.get(name);
const namedRun = () => addressed("run");
const isElsewhere = () => ![null, "train"].includes(addressed("tab"));  // another tab means something else by `run`

function open(id, show = false) {
  run = id || null;
  reveal = show;
  seen = { token: "", epoch: -1, points: 0, samples: 0, log: -1, device_epoch: -1, device_count: 0 };
  shown = {};
  for (const name of ["samples", "log", "log-lines"]) part(name).replaceChildren();
  part("samples-box").hidden = true;
  part("log-search").value = "";
  showFound(false);
  plots.clear();
  document.title = TITLE;
  if (run !== namedRun() && (show || !isElsewhere())) studio.address(show ? { run, tab: null } : { run }, show && namedRun() !== null);
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
  clearTimeout(timer);
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
    document.title = TITLE;
    shown = {};
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
  if (news.devices) plots.takeDevices(news);
  if (news.samples) addSamples(news);
  if (news.log !== undefined) addLog(news);
  root.hidden = false;
  if (reveal) root.scrollIntoView({ behavior: "smooth", block: "start" });
  reveal = false;
}

function drawSummary() {
  if (root.dataset.state !== shown.state) window.dispatchEvent(new CustomEvent("studio:shown", { detail: run }));
  root.dataset.state = shown.state;
  setText("state", shown.state_word);
  setText("name", shown.title);
  setText("about", shown.about);
  const bar = part("bar");
  const known = shown.fraction !== null;
  bar.classList.toggle("unknown", !known && shown.active);
  bar.firstElementChild.style.width = known ? `${(100 * shown.fraction).toFixed(1)}%` : "";
  if (known) bar.setAttribute("aria-valuenow", Math.round(100 * shown.fraction));
  else bar.removeAttribute("aria-valuenow");
  bar.setAttribute("aria-valuetext", shown.phase);
  setText("phase", shown.phase);
  setText("error", shown.error);
  part("error").hidden = !shown.error;
  part("notices").replaceChildren(...shown.notices.map((text) => make("li", "", text)));
  setText("folder", shown.folder);
  for (const button of element.querySelectorAll("[data-action]")) {
    button.hidden = !shown.can.includes(button.dataset.action);
    button.disabled = false;
  }
  part("longer-box").hidden = !shown.can.includes("longer");
  if (shown.epochs && document.activeElement !== part("epochs")) part("epochs").value = shown.epochs;
  part("leads").hidden = !Object.keys(shown.leads).length;
  for (const link of element.querySelectorAll("[data-lead]")) {
    const address = shown.leads[link.dataset.lead];
    link.hidden = !address;
    link.href = address ?? "";
  }
  part("log-none").hidden = shown.has_log;
  part("log-download").hidden = !shown.has_log;
  part("log-download").href = `${props.log}?run=${encodeURIComponent(run)}`;
  drawTime();
}

function setText(name, text) {  // only what changes is written: a screen reader says it again otherwise
  if (part(name).textContent !== text) part(name).textContent = text;
}

function drawTime() {
  const now = Date.now() / 1000 + clockOff;
  const elapsed = shown.started ? say(words.time, { elapsed: clock((shown.ended || now) - shown.started) }) : "";
  const left = shown.active && shown.ends_at ? say(words.left, { left: clock(shown.ends_at - now) }) : "";
  setText("time", [elapsed, left].filter(Boolean).join(" · "));
  if (!shown.state) return;
  const far = shown.active && shown.fraction !== null ? `${Math.floor(100 * shown.fraction)} %` : shown.state_word;
  document.title = `${far} · ${shown.title} · ${TITLE}`;
}

function clock(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

