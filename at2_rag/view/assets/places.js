// Where on the page each source, token and statement is; all of it stays where it is.
import { short } from "./making.js";
import { all, numbers } from "./reading.js";

const BLOCKS = "p, li, td, th, h4, h5, h6, pre, .tight";

export class Places {
  #bySource = new Map();
  #pieces = {}; // by text: {piece, tokens}
  #groups = {}; // by text and statement

  constructor(root) {
    this.root = root;
    this.told = root.querySelector(".told");
    this.passages = root.querySelector(".passages");
    this.texts = Object.fromEntries(this.all("[data-text]").map((each) => [each.dataset.text, each]));
    for (const piece of this.all("[data-s]")) {
      for (const source of numbers(piece.dataset.s)) addTo(this.#bySource, source, piece);
    }
    for (const [name, text] of Object.entries(this.texts)) {
      this.#pieces[name] = all("[data-t]", text)
        .map((piece) => ({ piece, tokens: numbers(piece.dataset.t) }));
      this.#groups[name] = new Map();
      for (const group of all("[data-g]", text)) {
        addTo(this.#groups[name], Number(group.dataset.g), group);
      }
    }
  }

  all(selector) { return all(selector, this.root); }

  sources() { return [...this.#bySource.keys()]; }

  ofSource(source) { return this.#bySource.get(source) || []; }

  ofTokens(text) { return this.#pieces[text]; }

  ofStatement(text, number) { return this.#groups[text]?.get(number) || []; }

  sourceInWords(source) { // with a space from one block, or cell, to the next
    let said = "";
    let before = null;
    for (const piece of this.ofSource(source)) {
      const block = piece.closest(BLOCKS);
      said += (before && before !== block ? " " : "") + piece.textContent;
      before = block;
    }
    return short(said);
  }

  statementInWords(text, number) { // without the numbers that stand in it
    const said = this.ofStatement(text, number)
      .map((group) => all("[data-t]", group).map((piece) => piece.textContent).join(""));
    return short(said.join(" "));
  }
}

function addTo(lists, key, value) {
  if (!lists.has(key)) lists.set(key, []);
  lists.get(key).push(value);
}
