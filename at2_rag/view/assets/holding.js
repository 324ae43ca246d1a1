// What is pointed at, pinned or selected, of which one is shown at a time.
import { same, WHOLE } from "./choices.js";

export class Holding {
  #pointed = null;
  #waiting = null; // to be shown in the next frame

  constructor(scores, showing, going) {
    this.scores = scores;
    this.showing = showing;
    this.going = going;
    this.pinned = null;
    this.selected = null;
  }

  get isReady() { return this.scores.ready; }

  get isHeld() { return Boolean(this.pinned || this.selected); }

  show(choice) { this.showing.show(choice, this); }

  again() { this.show(this.selected || this.pinned || WHOLE); }

  point(choice) {
    if (this.isHeld || same(choice, this.#pointed)) return;
    this.#pointed = choice;
    this.#later(choice);
  }

  #later(choice) { // once a frame, however fast the pointer moves
    if (!this.#waiting) {
      requestAnimationFrame(() => {
        const next = this.#waiting;
        this.#waiting = null;
        this.show(next);
      });
    }
    this.#waiting = choice;
  }

  pin(choice) {
    this.pinned = choice;
    this.show(choice);
  }

  // Pins as a click does: the same again lets go. after: as for Going.to; null for staying here.
  press(choice, after = 0) {
    if (!this.isReady) return;
    if (same(this.pinned, choice)) { this.letGo(); return; }
    this.pin(choice);
    if (after !== null) this.going.toStrongest(choice, after);
  }

  select(choice) { // null: nothing
    if (same(choice, this.selected)) return;
    this.selected = choice;
    this.again();
  }

  letGo() {
    this.pinned = this.selected = null;
    const selection = getSelection();
    if (selection && !selection.isCollapsed) selection.removeAllRanges();
    this.show(WHOLE);
  }
}
