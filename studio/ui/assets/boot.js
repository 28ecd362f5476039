// First script of the page: the theme the visitor chose, before anything is drawn; and what was typed, kept over reloads.
(() => {
  const kept = localStorage.getItem("studio-theme");
  const url = new URL(location.href);
  if (kept && url.searchParams.get("__theme") !== kept) {
    url.searchParams.set("__theme", kept);
    history.replaceState(history.state, "", url);
  }

  const place = (store) => `studio-draft-${store}`;
  const read = (store) => JSON.parse(localStorage.getItem(place(store)) ?? "{}");
  const write = (store, draft) => localStorage.setItem(place(store), JSON.stringify(draft ?? {}));
  window.studio = { read, write, keep: (store, key, value) => write(store, { ...read(store), [key]: value }) };
})();
