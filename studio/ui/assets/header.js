// The header: devices, language and theme. Address and form survive a change of language.
const part = (name) => element.querySelector(`[data-part=${name}]`);

document.documentElement.lang = props.language;  // gradio puts the browser's here
for (const [type, word] of Object.entries(props.toasts)) {  // and its own English words on its toasts
  document.documentElement.style.setProperty(`--toast-${type}`, JSON.stringify(word));
}

const url = new URL(location.href);
if (url.searchParams.has("__theme")) {
  url.searchParams.delete("__theme");
  history.replaceState(history.state, "", url);
}

const isDark = () => document.body.classList.contains("dark");
part("theme").addEventListener("click", () => {
  const dark = !isDark();
  document.body.classList.toggle("dark", dark);
  localStorage.setItem("studio-theme", dark ? "dark" : "light");
  window.dispatchEvent(new Event("studio:theme"));
});

for (const link of element.querySelectorAll("[data-language]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    location.href = `../${link.dataset.language}/${location.search}`;
  });
}

server.machine().then((text) => {
  part("devices").textContent = text;
  part("devices").hidden = !text;
});
