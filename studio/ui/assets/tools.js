// What the tools of the Dataset tab have in common (tool.py); stands before the script of each in one scope. What comes
// from the server is put in as text, never as HTML.
//   call("preview", {…})                    asks the server about the chosen set; null after an error was said
//   const work = errand("examine", draw)    work.begin({…}); draw(result, isNew), or draw(null, isNew, code of the error)
//   onSet(() => …)                          another set was chosen, and once at the start
//   seen(() => …)                           the tool comes into sight
const words = props.words;
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const all = (selector) => [...element.querySelectorAll(selector)];
const make = studio.make;
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const digits = new Intl.NumberFormat(props.language);
const figure = (number) => digits.format(number);
function percent(share) {
  const options = { style: "percent", maximumFractionDigits: share && share < 0.1 ? 1 : 0 };
  return new Intl.NumberFormat(props.language, options).format(share);
}
const where = () => ({ name: studio.dataset?.name ?? "", dataset_dir: studio.dataset?.dataset_dir ?? "" });
const isSeen = () => !document.hidden && element.offsetParent !== null;
const AT_WORK = ["waiting", "working", "stopping"];
const PACE_MS = { atWork: 350, idle: 10000 };
const watched = [];   // errands
const followers = []; // of the chosen set
const whenSeen = [];
const seen = (action) => whenSeen.push(action);

function button(text, action, className = "small-button") {
  const node = Object.assign(make("button", className, text), { type: "button" });
  node.addEventListener("click", action);
  return node;
}

function fail(text) {
  part("error").textContent = text ?? "";
  part("error").hidden = !text;
  if (text) part("error").scrollIntoView({ block: "nearest" });
}

// `isQuiet`: nobody pressed a button for it, so an error that stands there is not taken away.
async function call(name, asked = {}, isQuiet = false) {
  let answer;
  try { answer = await server[name]({ ...where(), ...asked }); } catch { answer = undefined; }
  part("offline").hidden = answer !== undefined;
  if (answer === undefined) return null;
  if (answer?.error || !isQuiet) fail(answer?.error ?? "");
  return answer?.error ? null : answer ?? {};
}

function fill(select, pairs, value) {
  const wanted = JSON.stringify(pairs);
  if (select.dataset.pairs !== wanted) {
    const before = value ?? select.value;
    select.dataset.pairs = wanted;
    select.replaceChildren(...pairs.map(([id, text]) => Object.assign(make("option", "", text), { value: id })));
    if (pairs.some(([id]) => id === before)) select.value = before;
  } else if (value !== undefined) select.value = value;
}

const numberIn = (input) => (input.value === "" ? null : Number(input.value));

// ---- sets ------------------------------------------------------------------------------------------------------------

// A link to a set of the user's own registry; the tab shows it without being loaded anew.
function setLink(name, text = name) {
  const link = Object.assign(make("a", "small-button", text), { href: `?tab=dataset&set=${encodeURIComponent(name)}` });
  link.dataset.set = name;
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    studio.sets.choose(name, "");
  });
  return link;
}

// What was made: a sentence and a link for each new set.
function drawMade(box, sentence, names) {
  box.replaceChildren(make("span", "", sentence), ...names.map((name) => setLink(name)));
  box.hidden = !sentence;
}

const onSet = (follower) => followers.push(follower);

function setChosen() {
  if (!element.isConnected) return window.removeEventListener("studio:dataset", setChosen);
  fail("");
  const none = part("none-chosen");
  if (none) none.hidden = Boolean(studio.dataset?.name);
  const body = part("body");
  if (body && none) body.hidden = !studio.dataset?.name;
  for (const work of watched) work.anew();
  for (const follower of followers) follower();
}
window.addEventListener("studio:dataset", setChosen);

// ---- errands ---------------------------------------------------------------------------------------------------------

function errand(name, draw) {
  const box = element.querySelector(`[data-errand="${name}"]`);
  const on = (part) => box.querySelector(`[data-part="${part}"]`);
  let [token, state, timer, asking] = ["", "none", 0, false];
  let turn = 0;  // goes up with what makes an answer that is under way an old one

  async function look() {
    clearTimeout(timer);
    if (!element.isConnected) return;
    if (isSeen() && !asking) {
      asking = true;
      const before = turn;
      const news = await server.news({ ...where(), errand: name, token }).catch(() => undefined);
      asking = false;
      part("offline").hidden = news !== undefined;
      if (before !== turn) return look();
      if (news) take(news);
    }
    clearTimeout(timer);
    timer = setTimeout(look, AT_WORK.includes(state) ? PACE_MS.atWork : PACE_MS.idle);
  }

  function take(news) {
    const before = state;
    token = news.token ?? "";
    state = news.state ?? "failed";
    const atWork = AT_WORK.includes(state);
    on("at-work").hidden = !atWork;
    for (const node of all(`[data-begin="${name}"]`)) node.disabled = atWork;
    if (atWork) drawProgress(news);
    on("failed").hidden = !news.error;
    on("failed").textContent = news.error ?? "";
    on("ended").hidden = state !== "stopped";
    on("ended").textContent = words.stopped;
    if (!atWork) draw(news.result ?? null, AT_WORK.includes(before), news.code);
    box.dataset.state = state;
  }

  function drawProgress({ done, total }) {
    const bar = on("bar");
    const share = total > 0 ? Math.min(done / total, 1) : null;
    bar.classList.toggle("unknown", share === null);
    bar.firstElementChild.style.width = share === null ? "" : `${(100 * share).toFixed(1)}%`;
    share === null ? bar.removeAttribute("aria-valuenow") : bar.setAttribute("aria-valuenow", Math.round(100 * share));
    const far = share !== null ? ` · ${percent(share)}` : done ? ` · ${figure(done)}` : "";
    on("phase").textContent = words[state] + (state === "working" ? far : "");
    on("stop").disabled = state === "stopping";
  }

  on("stop").addEventListener("click", async () => {
    await call("stop", { errand: name });
    look();
  });
  const work = {
    anew() { turn += 1; [token, state] = ["", "none"]; draw(null, false); look(); },
    async begin(asked = {}) {
      for (const node of all(`[data-begin="${name}"]`)) node.disabled = true;
      const begun = await call("begin", { ...asked, errand: name });
      for (const node of all(`[data-begin="${name}"]`)) node.disabled = false;
      if (begun) { turn += 1; [token, state] = ["", "working"]; }
      look();  // where it was refused, what is at work instead
    },
    look,
  };
  watched.push(work);
  return work;
}

const sight = new IntersectionObserver((entries) => {
  if (!element.isConnected) return sight.disconnect();
  if (!entries.some((one) => one.isIntersecting)) return;
  for (const work of watched) work.look();
  for (const action of whenSeen) action();
});
sight.observe(element);
queueMicrotask(setChosen);
