// What is meant by a place or a selection. A choice is one of
//   {kind: "whole"}: the whole answer;
//   {kind: "said", text, from, to}: tokens of a text, with statement and number (both by the place
//     that was pointed at) or with said (the words that were selected);
//   {kind: "source", sources}: sources, for what was said because of them.
import { short } from "./making.js";
import { all, numbers } from "./reading.js";

export const WHOLE = { kind: "whole" };

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Choices {
  constructor(places, scores) {
    this.places = places;
    this.scores = scores;
  }

  // number: the one that was pointed at; null for all that the statement cites.
  ofStatement(text, statement, number = null) {
    const [from, to] = this.scores.statements(text)[statement].tokens;
    return { kind: "said", text, from, to, statement, number };
  }

  at(target) { // null where there is nothing to choose
    if (!(target instanceof Element)) return null;
    const link = target.closest(".cite");
    const text = target.closest("[data-text]");
    const group = target.closest("[data-g]");
    if (link && text) return this.#atNumber(link, text.dataset.text);
    if (group && text && this.scores.has(text.dataset.text)) {
      return this.ofStatement(text.dataset.text, Number(group.dataset.g));
    }
    const named = target.closest(".back, .references li");
    if (named) return ofSources(this.scores.sourcesOf(Number(named.dataset.n)));
    const piece = target.closest("[data-s]");
    return piece && ofSources(numbers(piece.dataset.s));
  }

  #atNumber(link, text) { // which stands for several statements where they end together
    const within = link.closest("[data-g]");
    const citing = numbers(link.dataset.k);
    const own = within ? Number(within.dataset.g) : citing[0];
    const statement = citing.includes(own) ? own : citing[0];
    return this.ofStatement(text, statement, Number(link.dataset.n));
  }

  in(selection) { // null where nothing is selected that has scores, and of space alone
    if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
    const said = short(selection.toString(), 60);
    if (!said) return null;
    const range = selection.getRangeAt(0);
    for (const [text, element] of Object.entries(this.places.texts)) {
      if (!range.intersectsNode(element) || !this.scores.has(text)) continue;
      const tokens = this.places.ofTokens(text).filter(({ piece }) => covers(range, piece))
        .flatMap((each) => each.tokens);
      if (!tokens.length) continue;
      const from = tokens.reduce((a, b) => Math.min(a, b));
      const to = tokens.reduce((a, b) => Math.max(a, b)) + 1;
      return { kind: "said", text, from, to, said };
    }
    const { passages } = this.places;
    if (!range.intersectsNode(passages)) return null;
    const sources = all("[data-s]", passages).filter((piece) => covers(range, piece))
      .flatMap((piece) => numbers(piece.dataset.s));
    return sources.length ? ofSources([...new Set(sources)]) : null;
  }
}

const ofSources = (sources) => ({ kind: "source", sources });

function covers(range, piece) { // any character of it
  const own = document.createRange();
  own.selectNodeContents(piece.firstChild || piece);
  return range.compareBoundaryPoints(Range.START_TO_END, own) > 0
    && range.compareBoundaryPoints(Range.END_TO_START, own) < 0;
}
