// Goes to where something is on the page.

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Going {
  #coming = null; // what goes there in a moment

  constructor(places, scores) {
    this.places = places;
    this.scores = scores;
    places.root.addEventListener("pointerdown", () => clearTimeout(this.#coming));
  }

  // after: how long to wait, in ms, as another click may come that is meant for what is here now.
  to(element, after = 0) {
    if (!element) return;
    for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      fold.open = true;
    }
    const go = () => {
      element.scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
    };
    clearTimeout(this.#coming);
    if (after) this.#coming = setTimeout(go, after);
    else go();
  }

  toSource(source) { this.to(this.places.ofSource(source)[0]); }

  toStatement(text, number) { this.to(this.places.ofStatement(text, number)[0]); }

  // Goes to what a choice leads to: of a statement its source, of a source what was said of it.
  toStrongest(choice, after = 0) {
    const found = choice.kind === "source" ? this.#said(choice) : this.#source(choice);
    this.to(found, after);
  }

  #said({ sources }) {
    let best = null;
    for (const text of this.scores.names.filter((name) => this.scores.has(name))) {
      const scores = this.scores.byToken(text, new Set(sources));
      const token = scores.indexOf(Math.max(...scores));
      const found = this.places.ofTokens(text).find(({ tokens }) => tokens.includes(token));
      if (found && (!best || scores[token] > best.score)) {
        best = { score: scores[token], element: found.piece };
      }
    }
    return best && best.element;
  }

  #source({ text, from, to, statement, number }) { // what is cited, before what scores higher
    const found = this.scores.means(text, from, to);
    const cited = Object.entries(this.scores.cited(text, statement))
      .filter(([, own]) => !number || own === number)
      .map(([source]) => Number(source)).sort((a, b) => (found[b] || 0) - (found[a] || 0));
    const source = cited.length ? cited[0] : found.indexOf(Math.max(...found));
    return this.places.ofSource(source)[0];
  }
}
