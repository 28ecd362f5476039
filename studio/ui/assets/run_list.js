// The list of runs. It asks for changes only: the token names what it shows.
const part = (name) => element.querySelector(`[data-part=${name}]`);
const POLL_MS = 5000;
let token = "";
let current = new URL(location.href).searchParams.get("run");
let timer = 0;

async function refresh() {
  clearTimeout(timer);
  if (!element.isConnected) return;
  if (!document.hidden) {
    try {
      const news = await server.listing(token);
      if (news) draw(news);
    } catch { /* the monitor says that the server is away; here the old list stays */ }
  }
  timer = setTimeout(refresh, POLL_MS);
}

function draw(news) {
  token = news.token;
  part("none").hidden = news.rows.length > 0;
  part("list").replaceChildren(...news.rows.map(row));
  highlight();
}

function row({ id, name, about, state, word, fraction }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.dataset.run = id;
  button.dataset.state = state;
  const texts = [["run-name", name], ["chip", word], ["run-about", about]];
  for (const [className, text] of texts) {
    const span = document.createElement("span");
    span.className = className;
    span.textContent = text;
    button.append(span);
  }
  button.children[1].dataset.state = state;
  if (fraction !== null && fraction < 1) {
    const bar = document.createElement("i");
    bar.className = "run-bar";
    bar.style.width = `${100 * fraction}%`;
    button.append(bar);
  }
  button.addEventListener("click", () => window.dispatchEvent(new CustomEvent("studio:open", { detail: id })));
  item.append(button);
  return item;
}

function highlight() {
  for (const button of part("list").querySelectorAll("button")) {
    button.toggleAttribute("aria-current", button.dataset.run === current);
  }
}

window.addEventListener("studio:shown", (event) => {
  current = event.detail;
  highlight();
  if (element.isConnected) refresh();
});
document.addEventListener("visibilitychange", () => element.isConnected && !document.hidden && refresh());
refresh();
