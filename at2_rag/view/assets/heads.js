// The heads of a model on one answer: a map of them, and where any of them looked.
import { button, drawnShare, make } from "./making.js";
import { all, numbers, unpacked } from "./reading.js";

const data = JSON.parse(document.getElementById("data").textContent);
const LEAST_SHOWN = 0.2; // of a method's highest score, as in the paper's figures
const TOP = 10;
const [layers, heads, , sources] = data.attention.shape;
const cells = new Map(all(".cell", document)
  .map((cell) => [`${cell.dataset.l} ${cell.dataset.h}`, cell]));
const columns = all(".method", document);
const pieces = columns.map((column) => all("[data-s]", column).map((piece) => ({
  piece, sources: numbers(piece.dataset.s),
})));
let [layer, head] = data.head;
let statement = 0;
let map = 0;

const weightOf = (l, h) => data.weights.values[l * heads + h] * data.weights.scale;
function contributionOf(l, h) {
  const { values, scale, shape } = data.contributions;
  return values[(l * heads + h) * shape[2] + statement] * scale;
}
function attentionOf(l, h) {
  const { values, scale, shape } = data.attention;
  const begin = ((l * heads + h) * shape[2] + statement) * sources;
  return Array.from(values.subarray(begin, begin + sources), (value) => value * scale);
}
function rowOf(table) {
  const begin = statement * sources;
  return Array.from(table.values.subarray(begin, begin + sources), (value) => value * table.scale);
}
function shares(scores) {
  const most = Math.max(...scores, 0);
  return scores.map((score) => (most > 0 && score > 0 ? score / most : 0));
}

function drawMap() {
  const value = map === 0 ? contributionOf : weightOf;
  let most = 0;
  for (let l = 0; l < layers; l++) for (let h = 0; h < heads; h++) most = Math.max(most, Math.abs(value(l, h)));
  for (const cell of cells.values()) {
    const l = Number(cell.dataset.l);
    const h = Number(cell.dataset.h);
    const own = value(l, h);
    cell.classList.toggle("minus", own < 0);
    cell.classList.toggle("plus", own >= 0);
    cell.style.setProperty("--s", (most > 0 ? Math.abs(own) / most : 0).toFixed(3));
    cell.title = `Layer ${l}, head ${h}: ${own.toPrecision(3)}`;
    const chosen = l === layer && h === head;
    cell.setAttribute("aria-pressed", String(chosen));
    cell.tabIndex = chosen ? 0 : -1;
  }
}

function drawTop() {
  const value = map === 0 ? contributionOf : weightOf;
  const order = [];
  let total = 0;
  for (let l = 0; l < layers; l++) {
    for (let h = 0; h < heads; h++) {
      order.push({ l, h, own: value(l, h) });
      total += Math.max(value(l, h), 0);
    }
  }
  order.sort((a, b) => b.own - a.own);
  const items = order.slice(0, TOP).filter(({ own }) => own > 0).map(({ l, h, own }) => {
    const name = make("span", "what", `layer ${l}, head ${h}`);
    return make("li", "", button("row", () => choose(l, h), name, ...drawnShare(own / total)));
  });
  document.getElementById("top").replaceChildren(...items);
}

function drawColumns() {
  const found = [...data.methods.map((method) => shares(rowOf(method.table))), shares(attentionOf(layer, head))];
  const worth = new Set();
  found.forEach((own) => own.forEach((share, source) => {
    if (share >= LEAST_SHOWN) worth.add(data.owners[source]);
  }));
  found.forEach((own, index) => {
    for (const { piece, sources: over } of pieces[index]) {
      const share = Math.max(...over.map((source) => own[source]));
      piece.classList.toggle("lit", share > 0);
      piece.classList.toggle("hit", share === 1);
      piece.style.setProperty("--s", share.toFixed(3));
      piece.title = share > 0 ? share.toFixed(2) : "";
    }
    for (const passage of all(".shown", columns[index])) {
      passage.hidden = !worth.has(Number(passage.dataset.p));
    }
  });
  columns[columns.length - 1].querySelector("h3").textContent = `layer ${layer}, head ${head}`;
  document.getElementById("head").textContent = `Layer ${layer}, head ${head}: counts for `
    + `${weightOf(layer, head).toPrecision(3)}, adds ${contributionOf(layer, head).toPrecision(3)} `
    + "to the score of the statement's best source";
}

function draw() { drawMap(); drawTop(); drawColumns(); }
function choose(l, h) {
  [layer, head] = [l, h];
  draw();
}
function say(number) {
  statement = number;
  for (const group of all("[data-g]", document)) {
    const own = Number(group.dataset.g) === statement;
    group.classList.toggle("on", own);
    if (group.hasAttribute("aria-pressed")) group.setAttribute("aria-pressed", String(own));
  }
  draw();
}

document.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell) choose(Number(cell.dataset.l), Number(cell.dataset.h));
  const group = event.target.closest("[data-g]");
  if (group) say(Number(group.dataset.g));
});
const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
document.addEventListener("keydown", (event) => {
  const { target } = event;
  if (target.matches("[data-g]") && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    say(Number(target.dataset.g));
  }
  if (target.matches(".cell") && STEPS[event.key]) {
    event.preventDefault();
    const [right, down] = STEPS[event.key];
    choose((layer + right + layers) % layers, (head + down + heads) % heads);
    cells.get(`${layer} ${head}`).focus();
  }
});
for (const input of all("input[name=map]", document)) {
  input.addEventListener("change", () => { map = Number(input.value); draw(); });
}

async function start() {
  const tables = [data.weights, data.attention, data.contributions, ...data.methods.map((m) => m.table)];
  await Promise.all(tables.map(async (table) => { table.values = await unpacked(table); }));
  say(0);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}
start();
