// An answer while it is written: text as it comes, numbers as soon as a statement ends.
import { counted, make } from "./elements.js";
import { short } from "./making.js";

export class Live {
  constructor(passages) {
    this.passages = passages;
    this.text = make("div", { class: "text", dir: "auto" });
    this.thought = make("div", { class: "text", dir: "auto" });
    this.thoughts = make("details", { class: "thoughts fold", hidden: true },
      make("summary", {}, "Thoughts"), this.thought);
    this.list = make("ol", {});
    this.references = make("section", { class: "references", hidden: true },
      make("h3", {}, "References"), this.list);
    this.element = make("div", { class: "said live" }, this.thoughts, this.text, this.references);
    this.numbers = new Set();
    this.run = null;
    this.early = null;
  }

  think(text) {
    this.thoughts.hidden = false;
    this.thought.append(text);
  }

  // Text as it is written, until it comes again with its statements.
  ahead(text) {
    if (!this.early) this.text.append(this.early = make("span"));
    this.early.append(text);
  }

  write(text) {
    this.early?.remove();
    this.early = null;
    if (!this.run) this.text.append(this.run = make("span"));
    this.run.append(text);
  }

  // Comes right behind the statement's last piece of text.
  end(statement) {
    const numbers = [...new Set(statement.citations.map((citation) => citation.number))]
      .sort((a, b) => a - b);
    const weak = statement.supported === false;
    if (this.run && weak) this.run.classList.add("weak");
    this.run = null;
    if (numbers.length) {
      const cites = numbers.map((number) => make("span", { class: "cite" }, String(number)));
      this.text.append(make("sup", { class: "cites" }, ...cites));
    }
    if (weak) this.text.append(make("span", { class: "flag" }, "not supported"));
    for (const citation of statement.citations) this.#refer(citation);
    say(statement, numbers, weak);
  }

  #refer(citation) {
    if (this.numbers.has(citation.number)) return;
    this.numbers.add(citation.number);
    const title = citation.title || `Passage ${citation.passage_index + 1}`;
    this.references.hidden = false;
    this.list.append(make("li", { value: citation.number },
      make("b", {}, make("bdi", {}, title)), " ", make("q", { dir: "auto" }, short(citation.text, 300))));
  }
}

// Who listens gets whole statements, not every piece of one.
function say(statement, numbers, weak) {
  const told = numbers.length ? `${numbers.length === 1 ? "Source" : "Sources"} ${numbers.join(", ")}.` : "";
  announce(`${statement.text} ${told}${weak ? " Not supported by the passages." : ""}`);
}

export function announce(text) {
  const region = document.getElementById("live");
  region.append(make("p", {}, text));
  while (region.childElementCount > 20) region.firstElementChild.remove();
}

export const inLine = (ahead) => (ahead > 0
  ? `Waiting: ${counted(ahead, "request")} ${ahead === 1 ? "comes" : "come"} before this one.`
  : "Still at it…");
