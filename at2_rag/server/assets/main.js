// The page put together.
import { get, setToken, takeToken } from "./api.js";
import { Asked } from "./asking.js";
import { button, counted } from "./elements.js";
import { Given, pasted } from "./given.js";
import { Uploading } from "./uploading.js";

const at = (id) => document.getElementById(id);
const question = at("question");
let given = null;
let working = null;

function askFor(token) {
  at("token-form").hidden = false;
  at("token-said").textContent = token.message;
  at("token").focus();
}
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(at("token").value.trim());
  at("token-form").hidden = true;
  begin();
});

async function begin() {
  let start;
  try {
    start = await get("api/start");
  } catch (error) {
    askFor(error);
    return;
  }
  given = new Given(start.limits.passages);
  new Uploading(given, start);
  at("about").textContent = `${start.model} answers from your passages, and shows the sentences that `
    + "made it say so: not whether these are true, or understood. What you give is sent to this "
    + "server with each question, and not kept there.";
  welcome(start.example);
  at("main").hidden = false;
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

function welcome({ questions, passages }) {
  at("welcome-text").textContent = `${counted(passages.length, "short passage")}, and a question `
    + "about them:";
  at("examples").replaceChildren(...questions.map((text) => button(text, () => {
    given.clear();
    given.add(passages);
    given.tell("These are the example's.");
    ask(text);
  })));
  given.addEventListener("change", () => {
    at("welcome").hidden = given.passages.length > 0;
    at("asking-said").textContent = "";
  });
}

function takePasted() {
  const text = at("paste").value;
  if (!text.trim()) return;
  const count = given.add(pasted(text));
  at("paste").value = "";
  given.tell(`Added ${counted(count, "passage")}.`);
}
at("add").addEventListener("click", () => {
  try {
    takePasted();
  } catch (error) {
    given.tell(error.message, true);
  }
});

function busy(controller) {
  working = controller;
  at("ask").disabled = Boolean(controller);
  for (const each of document.querySelectorAll("#examples button, .pruning button")) {
    each.disabled = Boolean(controller);
  }
  const hadFocus = document.activeElement === at("stop");
  at("stop").hidden = !controller;
  if (hadFocus && !controller) question.focus();
}
at("stop").addEventListener("click", () => working?.abort());

function ask(text) {
  question.value = text;
  at("asking-said").textContent = "";
  for (const earlier of document.querySelectorAll("#answers > details")) earlier.open = false;
  const asked = new Asked(text, [...given.passages], busy);
  at("answers").prepend(asked.element);
  asked.begin();
}

at("asking").addEventListener("submit", (event) => {
  event.preventDefault();
  if (working) return;
  try {
    takePasted();
  } catch (error) {
    given.tell(error.message, true);
    return;
  }
  if (!given.passages.length) {
    at("asking-said").textContent = "There are no passages yet; paste some, or choose files.";
    at("paste").focus();
    return;
  }
  ask(question.value.trim());
});

takeToken();
addEventListener("hashchange", () => { takeToken(); if (at("main").hidden) begin(); });
begin();
