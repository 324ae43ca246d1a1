// The passages that are asked about; they stay in the page, and go to the server with a question.
import { button, counted, make } from "./elements.js";
import { short } from "./making.js";

const FIELDS = ["text", "title", "id", "url", "metadata"];

export class Given extends EventTarget {
  constructor(most) {
    super();
    this.most = most;
    this.passages = [];
    this.ids = new Set();
    const at = (id) => document.getElementById(id);
    [this.list, this.items, this.count, this.said] = ["list", "passages", "count", "given-said"].map(at);
    at("clear").addEventListener("click", () => { this.clear(); this.tell("All are removed."); });
  }

  // Adds what has text, and returns how many that are; ids stay unique.
  add(passages) {
    const found = passages.filter((passage) => passage.text.trim());
    if (this.passages.length + found.length > this.most) {
      throw new Error(`These would be ${counted(this.passages.length + found.length, "passage")}; `
        + `the server takes ${counted(this.most, "passage")} at most.`);
    }
    const items = document.createDocumentFragment();
    for (const passage of found) {
      const own = Object.fromEntries(FIELDS.filter((name) => passage[name] != null)
        .map((name) => [name, passage[name]]));
      for (let more = 2; own.id && this.ids.has(own.id); more++) own.id = `${passage.id}#${more}`;
      this.ids.add(own.id);
      this.passages.push(own);
      items.append(this.#item(own));
    }
    this.items.append(items);
    this.#changed();
    return found.length;
  }

  clear() {
    this.passages = [];
    this.ids.clear();
    this.items.replaceChildren();
    this.#changed();
  }

  tell(text, isProblem = false) {
    this.said.textContent = text;
    this.said.className = isProblem ? "problem" : "quiet";
  }

  #item(passage) {
    const name = passage.title || passage.metadata?.path || short(passage.text, 40);
    const item = make("li", {},
      make("b", {}, make("bdi", {}, passage.title || "")), passage.title ? " " : "",
      make("bdi", { class: "quiet" }, short(passage.text, 140)), " ",
      button("Remove", () => {
        const next = item.nextElementSibling || item.previousElementSibling;
        this.passages.splice(this.passages.indexOf(passage), 1);
        this.ids.delete(passage.id);
        item.remove();
        this.#changed();
        (next ? next.querySelector("button") : document.getElementById("paste")).focus();
      }, { class: "release", "aria-label": `Remove ${short(name, 40)}` }));
    return item;
  }

  #changed() {
    this.list.hidden = !this.passages.length;
    document.getElementById("given").classList.toggle("filled", this.passages.length > 0);
    this.count.textContent = counted(this.passages.length, "passage");
    this.dispatchEvent(new Event("change"));
  }
}

// Paragraphs are passages; a line that begins with "# " is the title of what follows.
export function pasted(text) {
  const found = [];
  let title = null;
  for (const block of text.replace(/\r\n?/g, "\n").split(/\n\s*\n/)) {
    const head = /^\s*#\s+(.+)(?:\n|$)/.exec(block);
    if (head) title = head[1].trim();
    const rest = (head ? block.slice(head[0].length) : block).trim();
    if (rest) found.push({ text: rest, ...(title ? { title } : {}) });
  }
  return found;
}
