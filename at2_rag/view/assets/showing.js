// Shows a choice: shades what goes with it, and tells it in words.
import { shares } from "./scores.js";

const LEAST_DARKEST = 0.2; // of the highest score there is, which is needed to be the darkest

export class Showing {
  constructor(places, scores, shading, telling) {
    this.places = places;
    this.scores = scores;
    this.shading = shading;
    this.telling = telling;
  }

  // held: what is held while this is shown.
  show(choice, held) {
    if (!this.scores.ready) return;
    this.shading.clear();
    if (choice.kind === "whole") this.#whole(held);
    else if (choice.kind === "said") this.#said(choice, held);
    else this.#source(choice, held);
  }

  #whole(held) {
    const found = shares(this.scores.means("answer", 0, this.scores.length("answer")));
    if (this.scores.method === 0) this.shading.firstUse();
    else this.shading.use(found);
    const said = this.scores.statements("answer");
    const heading = supportsNothing(said) ? "looked at" : "goes back to";
    this.telling.sources(`The whole answer ${heading}`, found, this.scores.cited("answer"), {}, held);
    this.shading.hollow(supportsNothing(said));
  }

  #said(choice, held) {
    const { text, statement, number } = choice;
    const found = shares(this.scores.means(text, choice.from, choice.to));
    const cited = statement === undefined ? {} : this.scores.cited(text, statement);
    const own = Object.keys(cited).filter((source) => !number || cited[source] === number);
    this.shading.begin();
    this.shading.sources(found);
    this.shading.use(found);
    for (const piece of own.flatMap((source) => this.places.ofSource(Number(source)))) {
      if (number) this.shading.shade(piece, 1);
      this.shading.mark(piece, "hit");
    }
    for (const group of this.places.ofStatement(text, statement)) this.shading.mark(group, "on");
    this.shading.references(new Set(own.map((source) => cited[source])));
    if (number) this.shading.cites(new Set([number]), text, statement);
    const meant = statement === undefined
      ? this.scores.statements("answer") : [this.scores.statements(text)[statement]];
    this.telling.sources(this.#heading(choice), found, cited, choice, held);
    this.shading.hollow(supportsNothing(meant));
  }

  #heading({ text, statement, number, said }) {
    if (said) return `“${said}” goes back to`;
    const name = `${text === "thoughts" ? "Thought" : "Statement"} ${statement + 1}`;
    if (number) return `${name} cites ${number}`;
    const { supported } = this.scores.statements(text)[statement];
    return supported === false
      ? `${name} is not supported; the model looked at` : `${name} goes back to`;
  }

  #source({ sources }, held) {
    const wanted = new Set(sources);
    const cited = new Set();
    const found = [];
    this.shading.begin();
    for (const source of wanted) {
      for (const piece of this.places.ofSource(source)) this.shading.mark(piece, "hit");
    }
    for (const text of this.scores.names.filter((name) => this.scores.has(name))) {
      this.shading.tokens(text, this.scores.byToken(text, wanted),
        this.scores.highest(text) * LEAST_DARKEST);
      this.scores.statements(text).forEach((each, statement) => {
        const own = Object.entries(each.cited).find(([source]) => wanted.has(Number(source)));
        const number = own ? own[1] : null;
        if (own) cited.add(number);
        found.push({ share: this.scores.shareOf(text, each, wanted), number, text, statement });
      });
    }
    this.shading.references(cited);
    this.shading.cites(cited);
    this.telling.statements(found, held);
  }
}

// Shares of such statements tell where the model looked, and support nothing.
const supportsNothing = (statements) => statements.length > 0
  && statements.every((each) => each.refusal || each.supported === false);
