// One question with all that comes of it: the answer as it is written, and others from fewer passages.
import { events, post } from "./api.js";
import { button, counted, make } from "./elements.js";
import { announce, inLine, Live } from "./live.js";
import { Shown } from "./shown.js";

const FIRST_KEPT = 3;

export class Asked {
  constructor(question, passages, busy) {
    this.question = question;
    this.passages = passages;
    this.busy = busy; // told (controller or null) whenever work begins or ends
    this.ended = new AbortController();
    this.said = make("p", { role: "status", class: "quiet" });
    this.answers = make("div", { class: "answers" });
    this.element = make("details", { class: "asked", open: true },
      make("summary", {}, make("h2", { dir: "auto" }, question)), this.said, this.answers);
  }

  async begin() {
    const place = make("div", { class: "one" });
    this.answers.append(place);
    const shown = await this.#answer(this.passages, place);
    if (shown) this.#offerPruning(shown);
  }

  // Has an answer written in a place, and returns it; null where it does not come.
  async #answer(passages, place) {
    const working = new AbortController();
    this.busy(working);
    const live = new Live(passages);
    place.replaceChildren(live.element);
    live.element.setAttribute("aria-busy", "true");
    this.#tell(`Reading ${counted(passages.length, "passage")}…`);
    try {
      const finished = await this.#follow(passages, live, working.signal);
      const shown = new Shown({ ...finished, passages }, this.ended.signal);
      place.replaceChildren(shown.element);
      await shown.ready;
      this.#tell("");
      announce("The answer is complete.");
      return shown;
    } catch (error) {
      const stopped = error.name === "AbortError";
      this.#tell(stopped ? "Stopped." : error.message, !stopped);
      live.element.removeAttribute("aria-busy");
      if (!live.text.hasChildNodes()) live.element.remove();
      return null;
    } finally {
      this.busy(null);
    }
  }

  async #follow(passages, live, signal) {
    const body = {
      question: this.question, passages, options: { on_overflow: "drop" }, view: true,
    };
    const finished = {};
    const response = await post("api/answer", body, signal);
    for await (const [name, data] of events(response, "view")) {
      if (name === "waiting") this.#tell(inLine(data.ahead));
      else if (name === "thinking") live.think(data.text);
      else if (name === "writing") {
        this.#tell(data.last ? "Looking for what it goes back to…" : "Answering…");
        live.ahead(data.text);
      }
      else if (name === "text") { this.#tell("Answering…"); live.write(data.text); }
      else if (name === "statement") live.end(data);
      else finished[name] = data;
    }
    return finished;
  }

  #offerPruning(whole) {
    const { answer, view } = whole.finished;
    const most = answer.kept.length - 1;
    if (most < 1) return;
    const first = Math.min(FIRST_KEPT, most);
    const again = button("", () => this.#prune(whole, Number(slider.value), again));
    const id = `keep-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    const slider = make("input", { type: "range", id, min: 1, max: most, value: first });
    const tell = () => {
      again.textContent = `Answer again from the best ${slider.value}`;
      slider.setAttribute("aria-valuetext", `${slider.value} of ${answer.kept.length} passages`);
    };
    slider.addEventListener("input", tell);
    tell();
    whole.tools.append(make("p", { class: "pruning" },
      make("label", { for: id }, "Keep the passages used most"), slider, again));
    this.ranked = view.ranked;
  }

  async #prune(whole, count, again) {
    again.disabled = true;
    const kept = this.ranked.slice(0, count).sort((a, b) => a - b);
    const place = make("div", { class: "one" });
    if (!this.answers.classList.contains("pair")) {
      this.answers.classList.add("pair");
      this.answers.firstElementChild.prepend(
        make("h3", {}, `From all ${counted(this.passages.length, "passage")}`));
    }
    if (this.answers.childElementCount > 1) this.answers.lastElementChild.replaceWith(place);
    else this.answers.append(place);
    const shown = await this.#answer(kept.map((index) => this.passages[index]), place);
    if (shown) {
      const before = whole.finished.answer.prompt_tokens;
      const after = shown.finished.answer.prompt_tokens;
      place.prepend(make("h3", {}, `From the best ${counted(count, "passage")}, reading `
        + `${Math.round((1 - after / before) * 100)}% fewer tokens`));
    }
    again.disabled = false;
  }

  #tell(text, isProblem = false) {
    if (this.said.textContent === text) return;
    this.said.textContent = text;
    this.said.className = isProblem ? "problem" : "quiet";
  }
}
