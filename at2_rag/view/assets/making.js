// Elements, made one by one: text that is put into them is never read as markup.

export function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

// What is behind a button is not clicked with it.
export function button(name, act, ...children) {
  const element = make("button", name, ...children);
  element.type = "button";
  element.addEventListener("click", (event) => { event.stopPropagation(); act(); });
  return element;
}

// A share from 0 to 1, as a bar and as a number.
export function drawnShare(share) {
  const inner = make("i");
  inner.style.setProperty("--w", Math.min(share, 1).toFixed(3));
  return [make("span", "use", inner), make("span", "share", `${Math.round(share * 100)}%`)];
}

export function short(text, most = 90) {
  const chars = [...text.slice(0, 4 * most).replace(/\s+/g, " ").trim()];
  return chars.length > most ? `${chars.slice(0, most).join("")}…` : chars.join("");
}
