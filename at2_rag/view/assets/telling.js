// Tells what is chosen in words: shares of sources, or of what was said because of one.
import { button, drawnShare, make } from "./making.js";

const ROWS = 5;
const LEAST = 0.01; // share of a statement, below which it is not told of

export class Telling {
  // titles: of each passage; owners: the passage of each source; letGo: for what is held.
  constructor(places, { titles, owners }, going, proofs, letGo) {
    this.places = places;
    this.titles = titles;
    this.owners = owners;
    this.going = going;
    this.proofs = proofs;
    this.letGo = letGo;
  }

  // found: (sources) shares; cited: numbers by source; held: what is held while this is shown.
  sources(heading, found, cited, choice, held) {
    const items = found.map((share, source) => ({ share, source }))
      .sort((a, b) => b.share - a.share).filter((each) => each.share > 0).slice(0, ROWS)
      .map(({ share, source }) => row(share, cited[source], this.titles[this.owners[source]],
        this.places.sourceInWords(source), () => this.going.toSource(source)));
    const isAnswer = choice.text === "answer";
    const proof = isAnswer ? this.proofs.of(choice.statement) : undefined;
    const isProvable = isAnswer && held.pinned && Object.keys(cited).length > 0
      && this.proofs.canTry(choice.statement);
    this.#tell(heading, items, proof ?? (items.length ? "" : "nothing that has a score"), held,
      isProvable ? this.proofs.button(choice.statement) : null);
  }

  statements(found, held) { // found: {share, number, text, statement}
    const items = found.sort((a, b) => b.share - a.share).slice(0, ROWS)
      .filter((each) => each.share >= LEAST || each.number)
      .map(({ share, number, text, statement }) => row(share, number,
        text === "thoughts" ? "Thought:" : "", this.places.statementInWords(text, statement),
        () => this.going.toStatement(text, statement)));
    this.#tell("How much of each statement goes back to this", items,
      items.length ? "" : "nothing", held);
  }

  #tell(heading, items, note, held, action = null) {
    const head = make("h3", "", make("span", "", heading));
    if (held.isHeld) head.append(button("release", this.letGo, "Let go (Esc)"));
    if (action) head.append(action);
    const notes = note ? [make("p", "quiet", note)] : [];
    this.places.told.replaceChildren(head, ...notes, make("ul", "", ...items));
  }

  problem(text) {
    this.places.told.querySelector("h3").after(make("p", "problem", text));
  }
}

function row(share, number, title, said, go) {
  const what = make("span", "what");
  if (title) what.append(make("b", "", title), make("span", "", " "));
  what.append(make("bdi", "", said));
  const chip = number ? make("span", "chip", number) : make("span");
  return make("li", "", button("row", go, chip, ...drawnShare(share), what));
}
