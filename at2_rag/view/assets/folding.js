// Unfolds passages: all at once, or on paper those that are cited.
import { button } from "./making.js";
import { all } from "./reading.js";

export function offerUnfolding(passages) {
  const cards = all(":scope > details.passage", passages);
  const first = cards.map((card) => card.open);
  if (first.every(Boolean)) return;
  const made = button("release", () => {
    const folded = cards.some((card) => !card.open);
    cards.forEach((card, index) => { card.open = folded || first[index]; });
    made.textContent = folded ? "Fold" : "Unfold all";
  }, "Unfold all");
  passages.querySelector("h2").append(made);
}

export function unfoldOnPaper(root, signal) {
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = all("details:not([open])", root).filter((fold) => fold.querySelector(".cited"));
    for (const fold of unfolded) fold.open = true;
  }, { signal });
  addEventListener("afterprint", () => {
    for (const fold of unfolded) fold.open = false;
  }, { signal });
}
