// What leaving out the sources of a statement does, as far as anybody tried, and trying it.
import { button, make } from "./making.js";

export class Proofs {
  // proofs: by statement, in words, to which is added; prove: promises what leaving out does, or
  // null where nobody can; tried: told of a statement, and why it failed or null.
  constructor(places, scores, proofs, { prove, signal, tried }) {
    this.places = places;
    this.scores = scores;
    this.proofs = proofs;
    this.prove = prove;
    this.signal = signal;
    this.tried = tried;
  }

  of(statement) { // in a line; undefined where nobody tried
    const proof = this.proofs[statement];
    if (!proof) return undefined;
    return proof.split("\n").slice(1).map((line) => line.trim()).join("; ");
  }

  canTry(statement) { return Boolean(this.prove) && !this.proofs[statement]; }

  button(statement) {
    const made = button("release prove", () => this.#try(statement, made), "Prove");
    made.title = "Leave out what is cited, and see how much less likely the statement gets";
    return made;
  }

  async #try(statement, pressed) {
    pressed.disabled = true;
    pressed.textContent = "Leaving it out…";
    let failed = null;
    try {
      this.proofs[statement] = await this.prove(statement);
    } catch (error) {
      failed = error.message;
    }
    if (this.signal && this.signal.aborted) return;
    pressed.disabled = false;
    pressed.textContent = "Prove";
    if (!failed) this.#tell(statement);
    this.tried(statement, failed);
  }

  // Beside each reference; later ones are told as they come.
  begin() {
    this.proofs.forEach((proof, statement) => proof && this.#tell(statement));
    if (!this.prove) return;
    for (const item of this.places.all(".references li")) {
      const statement = this.#of(item);
      if (statement >= 0) item.append(" ", this.button(statement));
    }
  }

  #of(item) { return this.scores.firstCiting(Number(item.dataset.n)); }

  #tell(statement) {
    for (const item of this.places.all(".references:not([hidden]) li")) {
      if (this.#of(item) !== statement) continue;
      item.querySelector(".prove")?.remove();
      if (!item.querySelector(".effect")) {
        item.append(make("span", "quiet effect", ` · ${this.of(statement)}`));
      }
    }
  }
}
