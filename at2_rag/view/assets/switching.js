// Switches between methods: what each of them cites, and does not support, is seen in its turn.
import { all } from "./reading.js";

export class Switching {
  // switched: called once another method is shown.
  constructor(places, scores, switched) {
    this.places = places;
    this.scores = scores;
    this.switched = switched;
    for (const input of places.all("input[name=method]")) {
      input.addEventListener("change", () => this.to(Number(input.value)));
    }
  }

  get wanted() { // which may not be the first: browsers keep it when a page is loaded again
    return Number(this.places.root.querySelector("input[name=method]:checked")?.value || 0);
  }

  to(number) {
    this.scores.method = number;
    for (const element of this.places.all("[data-m]")) {
      element.hidden = Number(element.dataset.m) !== number;
    }
    this.#showCited();
    this.#showSupported();
    this.switched();
  }

  #showCited() {
    const cited = this.scores.names.flatMap((text) => Object.keys(this.scores.cited(text)));
    const wanted = new Set(cited.map(Number));
    for (const source of this.places.sources()) {
      for (const piece of this.places.ofSource(source)) {
        piece.classList.toggle("cited", wanted.has(source));
      }
    }
  }

  #showSupported() {
    this.scores.statements("answer").forEach(({ supported }, number) => {
      const groups = this.places.ofStatement("answer", number);
      for (const piece of groups.flatMap((group) => all("[data-t]", group))) {
        piece.classList.toggle("weak", supported === false);
      }
    });
  }
}
