// An answer that is there: drawn as its own page draws it, to be pruned, proven and kept.
import { showAnswer } from "./answer.js";
import { post } from "./api.js";
import { button, drawn, make, save } from "./elements.js";

let shownSoFar = 0;

export class Shown {
  // finished: {answer, view, passages} as it came; signal: aborted when it is taken away.
  constructor(finished, signal) {
    this.finished = finished;
    const { answer, view } = finished;
    this.root = make("div", { class: "sides" });
    this.root.append(drawn(view.html));
    apart(this.root, `v${++shownSoFar}-`);
    this.tools = make("div", { class: "tools" },
      make("p", { class: "quiet" }, make("bdi", {}, view.facts.join(" · "))), this.#keeping());
    this.element = make("div", { class: "shown" }, this.tools, this.root);
    if (answer.dropped.length) {
      this.root.before(make("p", { class: "problem" },
        `${answer.dropped.length} of ${finished.passages.length} passages did not fit the model's `
        + "context, and were left out."));
    }
    this.ready = showAnswer(this.root, view.data, {
      prove: (statement) => this.#prove(statement, signal), signal,
    });
  }

  #keeping() {
    const { answer, view } = this.finished;
    const name = answer.question.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replace(/^-|-$/g, "")
      || "answer";
    return make("p", { class: "keeping" },
      button("Save as HTML", () => save(`${name}.html`, "text/html",
        view.before + view.html + behind(view))),
      button("Save as JSON", () => save(`${name}.json`, "application/json",
        JSON.stringify(answer))));
  }

  async #prove(statement, signal) {
    const { answer, passages } = this.finished;
    const body = {
      question: answer.question, passages, answer: answer.text, statement,
      options: { on_overflow: "drop" },
    };
    if (answer.thoughts) body.thoughts = answer.thoughts.text;
    const { verification } = await (await post("api/prove", body, signal)).json();
    const { together, alone } = verification.statements[statement];
    const found = [together, ...(alone.length > 1 ? alone : [])].filter(Boolean);
    return ["", ...found.map((each) => each.words)].join("\n");
  }
}

// What follows the sides on a page of their own: its data, with what was proven since, and its script.
function behind(view) {
  if (!view.data.proofs.length) return view.behind;
  const data = JSON.stringify(view.data).replace(/[<>&]/g,
    (mark) => `\\u00${mark.charCodeAt(0).toString(16)}`);
  return view.behind.replace(/(?<=<script type="application\/json" id="data">).*?(?=<\/script>)/s,
    () => data);
}

// Several answers stand on one page, so that each has names of its own.
function apart(root, prefix) {
  for (const each of root.querySelectorAll("[id]")) each.id = prefix + each.id;
  for (const each of root.querySelectorAll("[href^='#']")) {
    each.setAttribute("href", `#${prefix}${each.getAttribute("href").slice(1)}`);
  }
  for (const each of root.querySelectorAll("[aria-labelledby]")) {
    each.setAttribute("aria-labelledby", prefix + each.getAttribute("aria-labelledby"));
  }
}
