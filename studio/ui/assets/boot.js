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
  const begun = new Set();  // until a store is restored, its controls hold their usual values: nobody has chosen those
  const keep = (store, key, value, usual) => {
    const { [key]: _, ...rest } = read(store);
    const plain = JSON.stringify(value) === JSON.stringify(usual);
    if (plain && !begun.has(store)) return;
    const draft = plain ? rest : { ...rest, [key]: value };
    localStorage.setItem(place(store), JSON.stringify(draft));
  };
  window.studio = { read, keep, begin: (store) => { begun.add(store); } };
})();
