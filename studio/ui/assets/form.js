(...values) => {
  // Hides the controls whose `when` does not hold, and a fold without a control to show. The words are those of
  // `studio.config.applies`: `a=b`, `a=b|c`, `a!=b`, `a`, joined by `&`.
  const keys = KEYS, rules = RULES;
  const held = (key) => [values[keys.indexOf(key)] ?? ""].flat().map((value) => (value === "" ? "null" : String(value)));
  const holds = (part) => {
    const [, key, not, equals, wanted] = part.match(/^\s*([^\s!=]+)\s*(!?)(=?)(.*)$/);
    if (!equals) return held(key).some((value) => !["null", "false", "0"].includes(value));
    return held(key).some((value) => wanted.split("|").some((word) => word.trim() === value)) === !not;
  };
  const applies = (when) => when.split("&").filter((part) => part.trim()).every(holds);
  const hidden = Object.keys(rules).filter((id) => !rules[id].some(applies));
  // A style sheet, not the elements: a fold draws its controls only when it is opened, and anew whenever it likes.
  let sheet = document.getElementById("studio-when");
  if (!sheet) document.head.append((sheet = Object.assign(document.createElement("style"), { id: "studio-when" })));
  sheet.textContent = hidden.length ? hidden.map((id) => `#${id}`).join() + "{display:none!important}" : "";
  return [];
}
