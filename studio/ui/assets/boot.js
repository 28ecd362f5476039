// First script of the page: the theme the visitor chose, before anything is drawn.
(() => {
  const kept = localStorage.getItem("studio-theme");
  const url = new URL(location.href);
  if (!kept || url.searchParams.get("__theme") === kept) return;
  url.searchParams.set("__theme", kept);
  history.replaceState(history.state, "", url);
})();
