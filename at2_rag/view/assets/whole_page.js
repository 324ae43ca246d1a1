// A page that has one answer and nothing else, with its data beside it.
import { showAnswer } from "./answer.js";

showAnswer(document.documentElement, JSON.parse(document.getElementById("data").textContent))
  .then(() => { document.documentElement.dataset.ready = String(Math.round(performance.now())); });
