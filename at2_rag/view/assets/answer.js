// An answer's page that answers to what is done on it: to pointing, clicks, keys and selections.
// Each answer is shown within an element of its own, so that a page may have several.
import { Choices, WHOLE } from "./choices.js";
import { offerUnfolding, unfoldOnPaper } from "./folding.js";
import { Going } from "./going.js";
import { Holding } from "./holding.js";
import { Places } from "./places.js";
import { Proofs } from "./proofs.js";
import { Scores } from "./scores.js";
import { Shading } from "./shading.js";
import { Showing } from "./showing.js";
import { Switching } from "./switching.js";
import { Telling } from "./telling.js";

const ANOTHER_CLICK = 350; // ms; a word that is clicked twice must not move away in between
const isWide = matchMedia("(min-width: 62rem)");

// root: the element; data: what goes with it; prove: leaves out what a statement (by its index)
// cites, and promises what that does, in words; signal: aborted when the answer is taken away.
// Returns a promise: of nothing, once the answer can be used.
export async function showAnswer(root, data, { prove = null, signal } = {}) {
  const places = new Places(root);
  const scores = new Scores(data.methods, Object.keys(places.texts));
  const choices = new Choices(places, scores);
  const going = new Going(places, scores);
  const proofs = new Proofs(places, scores, data.proofs, { prove, signal, tried });
  const telling = new Telling(places, data, going, proofs, () => holding.letGo());
  const showing = new Showing(places, scores, new Shading(places, data.owners), telling);
  const holding = new Holding(scores, showing, going);
  const switching = new Switching(places, scores, () => holding.again());

  function tried(statement, failed) {
    holding.pin(choices.ofStatement("answer", statement));
    if (failed) telling.problem(failed);
  }

  answerPointer(places, choices, holding);
  answerClicks(places, choices, holding, going);
  answerKeys(root, choices, holding, signal);
  answerSelections(choices, holding, signal);
  offerUnfolding(places.passages);
  unfoldOnPaper(root, signal);

  await scores.unpack();
  if (switching.wanted) switching.to(switching.wanted);
  else holding.show(WHOLE);
  proofs.begin();
}

function answerPointer({ root, told }, choices, holding) {
  const point = (target) => holding.point(choices.at(target) || WHOLE);
  const isTouch = (event) => event.pointerType === "touch";
  root.addEventListener("pointerover", (event) => { if (!isTouch(event)) point(event.target); });
  root.addEventListener("pointerleave", (event) => { if (!isTouch(event)) point(root); });
  root.addEventListener("focusin", ({ target }) => { if (!told.contains(target)) point(target); });
}

function answerClicks({ root, told }, choices, holding, going) {
  root.addEventListener("click", (event) => {
    const { target } = event;
    const selection = getSelection();
    if (selection && !selection.isCollapsed) return;
    if (!(target instanceof Element) || told.contains(target)) return;
    const link = target.closest("a, button, summary, input, label");
    if (link && !link.matches(".cite, .back, .ref")) return;
    const choice = choices.at(target);
    if (!choice) { if (holding.pinned) holding.letGo(); return; }
    if (link) event.preventDefault();
    if (holding.isReady && link && link.matches(".ref, .back")) {
      holding.pin(choice);
      if (link.matches(".ref")) going.toSource(choice.sources[0]);
      else going.toStrongest(choice);
    } else if (link) holding.press(choice);
    else holding.press(choice, isWide.matches ? ANOTHER_CLICK : null);
  });
}

function answerKeys(root, choices, holding, signal) {
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (key === "Escape" && holding.isHeld) holding.letGo();
    const isGroup = target instanceof Element && root.contains(target)
      && target.matches(".group[tabindex]");
    if (isGroup && (key === "Enter" || key === " ")) {
      event.preventDefault();
      holding.press(choices.at(target));
    }
  }, { signal });
}

function answerSelections(choices, holding, signal) {
  let looking = false; // once a frame, however often it changes
  document.addEventListener("selectionchange", () => {
    if (looking) return;
    looking = true;
    requestAnimationFrame(() => {
      looking = false;
      holding.select(choices.in(getSelection()));
    });
  }, { signal });
}
