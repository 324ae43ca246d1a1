// Shades and marks on what is there, and the bars of how much of each passage is used.
import { all, numbers } from "./reading.js";

const LEAST = 0.1; // of the highest score, below which nothing is shaded

export class Shading {
  #touched = []; // what to undo for the next choice

  // owners: the passage of each source.
  constructor(places, owners) {
    this.places = places;
    this.owners = owners;
    this.bars = barsOf(places);
  }

  clear() {
    for (const [element, name] of this.#touched) {
      element.classList.remove(name);
      if (name === "lit") element.style.removeProperty("--s");
    }
    this.#touched = [];
    this.places.root.classList.remove("active", "looked");
  }

  // From now on what is cited anywhere is shaded only where it goes with what is chosen.
  begin() { this.places.root.classList.add("active"); }

  // Shares of what supports nothing are hollow.
  hollow(isHollow) { this.places.root.classList.toggle("looked", isHollow); }

  mark(element, name) {
    element.classList.add(name);
    this.#touched.push([element, name]);
  }

  shade(element, value) {
    const isLit = element.classList.contains("lit");
    if (value <= (isLit ? Number(element.style.getPropertyValue("--s")) : 0)) return;
    element.style.setProperty("--s", value.toFixed(3));
    this.mark(element, "lit");
  }

  sources(found) { // (sources) shares
    const most = Math.max(...found, 0);
    found.forEach((share, source) => {
      if (most > 0 && share >= LEAST * most) {
        for (const piece of this.places.ofSource(source)) this.shade(piece, share / most);
      }
    });
  }

  // scores: of each token; least: the lowest score that may be the darkest, so that where all are
  // low, none looks high.
  tokens(text, scores, least) {
    const most = Math.max(...scores, least);
    for (const { piece, tokens } of this.places.ofTokens(text)) {
      const value = Math.max(...tokens.map((token) => scores[token])) / most;
      if (value >= LEAST) this.shade(piece, value);
    }
  }

  references(cited) { // cited: a set of numbers
    this.#links(cited, ".references:not([hidden]) li, .back:not([hidden])");
  }

  cites(cited, text = null, statement = null) { // in all texts, or in one statement of one of them
    const where = text === null ? "" : `[data-text="${text}"] `;
    this.#links(cited, `${where}.cites:not([hidden]) .cite`,
      (link) => statement === null || numbers(link.dataset.k).includes(statement));
  }

  #links(cited, selector, isMeant = () => true) {
    for (const link of this.places.all(selector)) {
      if (cited.has(Number(link.dataset.n)) && isMeant(link)) this.mark(link, "on");
    }
  }

  use(found) { // (sources) shares, as those of the passages
    const sums = new Map();
    found.forEach((share, source) => {
      const passage = this.owners[source];
      sums.set(passage, (sums.get(passage) || 0) + share);
    });
    for (const { passage, bar, share } of this.bars) {
      const sum = sums.get(passage) || 0;
      bar.setAttribute("width", `${(sum * 100).toFixed(1)}%`);
      share.textContent = `${Math.round(sum * 100)}%`;
    }
  }

  firstUse() { // as it was told at first: of whole passages, with their titles
    for (const { bar, share, width, told } of this.bars) {
      bar.setAttribute("width", width);
      share.textContent = told;
    }
  }
}

// Of the passages that the answer was made of; the others keep what the draft gave them.
function barsOf(places) {
  return places.all(".passages details[data-p]:not(.unseen)").flatMap((card) => {
    const [bar] = all(".use rect", card);
    const [share] = all(".share", card);
    if (!bar) return [];
    const passage = Number(card.dataset.p);
    return [{ passage, bar, share, width: bar.getAttribute("width"), told: share.textContent }];
  });
}
