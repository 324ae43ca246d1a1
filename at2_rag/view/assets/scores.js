// What each source counts for each token, by the method that is chosen, and what is cited for it.
import { unpacked } from "./reading.js";

const HIGHEST = 32767; // the whole number that a table's highest score is packed as

// What each source has of all scores; those below zero have nothing of it.
export function shares(scores) {
  let total = 0;
  for (const score of scores) total += Math.max(score, 0);
  return Array.from(scores, (score) => (total > 0 ? Math.max(score, 0) / total : 0));
}

export class Scores {
  // methods: for each, {table, statements} of each text; names: of all texts, in the page's order.
  constructor(methods, names) {
    this.methods = methods;
    this.names = names;
    this.method = 0;
    this.ready = false; // until all is unpacked, nothing can be shown of what is pointed at
    this.values = new Map(); // by table, and not within: what the page was given may be saved again
  }

  async unpack() {
    for (const method of this.methods) {
      for (const text of ["answer", "thoughts"]) {
        if (!method[text]) continue;
        const { table } = method[text];
        this.values.set(table, await unpacked(table));
      }
    }
    this.ready = true;
  }

  #of(text) { return this.methods[this.method][text]; }

  has(text) { return Boolean(this.#of(text)); }

  statements(text) { return this.has(text) ? this.#of(text).statements : []; }

  length(text) { return this.#of(text).table.shape[0]; } // in tokens

  highest(text) { return this.#of(text).table.scale * HIGHEST; } // any source's, for any token

  means(text, from, to) { // of each source's scores, over tokens
    const { table } = this.#of(text);
    const values = this.values.get(table);
    const [tokens, sources] = table.shape;
    const mean = new Float64Array(sources);
    const end = Math.min(to, tokens);
    for (let token = from; token < end; token++) {
      for (let source = 0; source < sources; source++) mean[source] += values[token * sources + source];
    }
    const factor = end > from ? table.scale / (end - from) : 0;
    return mean.map((sum) => sum * factor);
  }

  byToken(text, wanted) { // the highest score of some sources, for each token
    const { table } = this.#of(text);
    const values = this.values.get(table);
    const [tokens, sources] = table.shape;
    const found = new Float64Array(tokens);
    for (let token = 0; token < tokens; token++) {
      let best = 0;
      for (const source of wanted) {
        if (source < sources) best = Math.max(best, values[token * sources + source]);
      }
      found[token] = best * table.scale;
    }
    return found;
  }

  shareOf(text, statement, wanted) { // what some sources have of all that a statement goes back to
    const found = shares(this.means(text, ...statement.tokens));
    let sum = 0;
    for (const source of wanted) sum += found[source] || 0;
    return sum;
  }

  cited(text, number = null) { // numbers by source, of one statement or of all
    const cited = {};
    this.statements(text).forEach((statement, index) => {
      if (number === null || number === index) Object.assign(cited, statement.cited);
    });
    return cited;
  }

  sourcesOf(number) { // of a number that is cited anywhere
    const found = new Set();
    for (const { cited } of this.names.flatMap((text) => this.statements(text))) {
      for (const [source, own] of Object.entries(cited)) {
        if (own === number) found.add(Number(source));
      }
    }
    return [...found];
  }

  firstCiting(number) { // index of a statement of the answer; -1 if none cites it
    return this.statements("answer")
      .findIndex((statement) => Object.values(statement.cited).includes(number));
  }
}
