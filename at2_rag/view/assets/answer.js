// Shades of an answer's page. Text is never read as markup here: elements are made one by one.
// Each answer is shown within an element of its own, so that a page may have several.
//   root: the element; data: what goes with it; prove: leaves out what a statement (by its index)
//   cites, and promises what that does, in words; signal: aborted when the answer is taken away.
// Returns a promise: of nothing, once the answer can be used.
export function showAnswer(root, data, { prove = null, signal } = {}) {
const all = (selector, within = root) => [...within.querySelectorAll(selector)];
const numbers = (told) => (told ? told.split(" ").map(Number) : []);
const texts = Object.fromEntries(all("[data-text]").map((each) => [each.dataset.text, each]));
const told = root.querySelector(".told");
const passages = root.querySelector(".passages");
const LEAST = 0.1; // of the highest score, below which nothing is shaded
const ROWS = 5;

// --- what is on the page -----------------------------------------------------------------
const bySource = new Map();
for (const piece of all("[data-s]")) {
  for (const source of numbers(piece.dataset.s)) {
    if (!bySource.has(source)) bySource.set(source, []);
    bySource.get(source).push(piece);
  }
}
const pieces = {};
const groups = {};
for (const [name, text] of Object.entries(texts)) {
  pieces[name] = all("[data-t]", text).map((piece) => ({ piece, tokens: numbers(piece.dataset.t) }));
  groups[name] = new Map();
  for (const group of all("[data-g]", text)) {
    const number = Number(group.dataset.g);
    if (!groups[name].has(number)) groups[name].set(number, []);
    groups[name].get(number).push(group);
  }
}
const bars = all(".passages details[data-p]").map((card) => ({
  passage: Number(card.dataset.p),
  bar: card.querySelector(".use rect"),
  share: card.querySelector(".share"),
  first: card.querySelector(".share") && card.querySelector(".share").textContent,
  width: card.querySelector(".use rect") && card.querySelector(".use rect").getAttribute("width"),
})).filter((each) => each.bar && !each.bar.closest(".unseen"));

// --- scores ------------------------------------------------------------------------------
async function unpacked(table) {
  const bytes = Uint8Array.from(atob(table.data), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Int16Array(await new Response(stream).arrayBuffer());
}
let method = 0;
let ready = false; // until all scores are unpacked, nothing can be shown of what is pointed at
const of = (text) => data.methods[method][text];
const statements = (text) => (of(text) ? of(text).statements : []);

function means(text, from, to) { // of each source's scores, over tokens
  const { table, values } = of(text);
  const [tokens, sources] = table.shape;
  const mean = new Float64Array(sources);
  const end = Math.min(to, tokens);
  for (let token = from; token < end; token++) {
    for (let source = 0; source < sources; source++) mean[source] += values[token * sources + source];
  }
  const factor = end > from ? table.scale / (end - from) : 0;
  return mean.map((sum) => sum * factor);
}

function byToken(text, wanted) { // the highest score of some sources, for each token
  const { table, values } = of(text);
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

// --- shading -----------------------------------------------------------------------------
let touched = [];
function mark(element, name) {
  element.classList.add(name);
  touched.push([element, name]);
}
function shade(element, value) {
  const before = element.classList.contains("lit") ? Number(element.style.getPropertyValue("--s")) : 0;
  if (value <= before) return;
  element.style.setProperty("--s", value.toFixed(3));
  mark(element, "lit");
}
function clear() {
  for (const [element, name] of touched) {
    element.classList.remove(name);
    if (name === "lit") element.style.removeProperty("--s");
  }
  touched = [];
  root.classList.remove("active", "looked");
}

function shares(scores) {
  let total = 0;
  for (const score of scores) total += Math.max(score, 0);
  return Array.from(scores, (score) => (total > 0 ? Math.max(score, 0) / total : 0));
}

function showUse(found) { // (sources) shares, as those of the passages
  const sums = new Map();
  found.forEach((share, source) => {
    const passage = data.owners[source];
    sums.set(passage, (sums.get(passage) || 0) + share);
  });
  for (const { passage, bar, share } of bars) {
    const sum = sums.get(passage) || 0;
    bar.setAttribute("width", `${(sum * 100).toFixed(1)}%`);
    share.textContent = `${Math.round(sum * 100)}%`;
  }
}

function shadeSources(found) {
  const most = Math.max(...found, 0);
  found.forEach((share, source) => {
    if (most > 0 && share >= LEAST * most) {
      for (const piece of bySource.get(source) || []) shade(piece, share / most);
    }
  });
}

// --- what is chosen ----------------------------------------------------------------------
// A choice is what is pointed at: {kind, text, from, to, statement, number, sources, said}.
const whole = { kind: "whole" };
let pinned = null;
let selected = null;

function ofStatement(text, number, cited = null) {
  const { tokens } = statements(text)[number];
  return { kind: "said", text, from: tokens[0], to: tokens[1], statement: number, number: cited };
}
const sourcesOf = (number) => {
  const found = new Set();
  for (const text of Object.keys(texts)) {
    for (const statement of statements(text)) {
      for (const [source, own] of Object.entries(statement.cited)) {
        if (own === number) found.add(Number(source));
      }
    }
  }
  return [...found];
};
const ofSources = (sources) => ({ kind: "source", sources });

function choiceAt(target) {
  const link = target.closest(".cite");
  const text = target.closest("[data-text]");
  if (link && text) {
    const within = link.closest("[data-g]");
    const citing = numbers(link.dataset.k);
    const own = within ? Number(within.dataset.g) : citing[0];
    return ofStatement(text.dataset.text, citing.includes(own) ? own : citing[0],
      Number(link.dataset.n));
  }
  const group = target.closest("[data-g]");
  if (group && text && of(text.dataset.text)) {
    return ofStatement(text.dataset.text, Number(group.dataset.g));
  }
  const named = target.closest(".back, .references li");
  if (named) return ofSources(sourcesOf(Number(named.dataset.n)));
  const piece = target.closest("[data-s]");
  if (piece) return ofSources(numbers(piece.dataset.s));
  return null;
}
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function show(choice) {
  if (!ready) return;
  clear();
  if (choice.kind === "whole") showWhole();
  else if (choice.kind === "said") showSaid(choice);
  else showSource(choice);
}

function showWhole() {
  const length = of("answer") ? of("answer").table.shape[0] : 0;
  const found = shares(means("answer", 0, length));
  showUse(found);
  if (method === 0) { // as it was told at first: of whole passages, with their titles
    for (const each of bars) {
      each.bar.setAttribute("width", each.width);
      each.share.textContent = each.first;
    }
  }
  const said = statements("answer");
  const claims = said.length > 0 && said.every((each) => each.refusal || each.supported === false);
  tellSources(claims ? "The whole answer looked at" : "The whole answer goes back to", found,
    citedOf("answer"));
}

function citedOf(text, number = null) {
  const cited = {};
  statements(text).forEach((statement, index) => {
    if (number === null || number === index) Object.assign(cited, statement.cited);
  });
  return cited;
}

function showSaid(choice) {
  root.classList.add("active");
  const found = shares(means(choice.text, choice.from, choice.to));
  const cited = choice.statement === undefined ? {} : citedOf(choice.text, choice.statement);
  const own = choice.number
    ? Object.keys(cited).filter((source) => cited[source] === choice.number) : Object.keys(cited);
  shadeSources(found);
  showUse(found);
  for (const source of own) {
    for (const piece of bySource.get(Number(source)) || []) {
      if (choice.number) shade(piece, 1);
      mark(piece, "hit");
    }
  }
  for (const element of groups[choice.text].get(choice.statement) || []) mark(element, "on");
  markNumbers(new Set(own.map((source) => cited[source])), choice);
  tellSources(nameOf(choice), found, cited, choice);
}

function markNumbers(wanted, choice) {
  for (const link of all(`.references:not([hidden]) li, .back:not([hidden])`)) {
    if (wanted.has(Number(link.dataset.n))) mark(link, "on");
  }
  if (!choice.number) return;
  for (const link of all(`[data-text="${choice.text}"] .cites:not([hidden]) .cite`)) {
    const here = numbers(link.dataset.k).includes(choice.statement);
    if (here && Number(link.dataset.n) === choice.number) mark(link, "on");
  }
}

function nameOf(choice) {
  if (choice.said) return `“${choice.said}” goes back to`;
  const name = choice.text === "thoughts" ? "Thought" : "Statement";
  const statement = statements(choice.text)[choice.statement];
  if (choice.number) return `${name} ${choice.statement + 1} cites ${choice.number}`;
  if (statement.supported === false) {
    return `${name} ${choice.statement + 1} is not supported; the model looked at`;
  }
  return `${name} ${choice.statement + 1} goes back to`;
}

function showSource(choice) {
  root.classList.add("active");
  const wanted = new Set(choice.sources);
  for (const source of wanted) {
    for (const piece of bySource.get(source) || []) mark(piece, "hit");
  }
  const rows = [];
  const cited = new Set();
  for (const text of Object.keys(texts)) {
    if (!of(text)) continue;
    const scores = byToken(text, wanted);
    const most = Math.max(...scores, of(text).table.scale * 32767 * 0.2);
    for (const { piece, tokens } of pieces[text]) {
      const value = Math.max(...tokens.map((token) => scores[token])) / most;
      if (value >= LEAST) shade(piece, value);
    }
    statements(text).forEach((statement, number) => {
      const share = wantedShare(text, statement, wanted);
      const own = Object.entries(statement.cited).find(([source]) => wanted.has(Number(source)));
      if (own) cited.add(own[1]);
      rows.push({ share, number: own ? own[1] : null, text, statement: number });
    });
  }
  markNumbers(cited, {});
  for (const link of all(".cites:not([hidden]) .cite")) {
    if (cited.has(Number(link.dataset.n))) mark(link, "on");
  }
  tellStatements(rows.sort((a, b) => b.share - a.share).slice(0, ROWS));
}

function wantedShare(text, statement, wanted) {
  const found = shares(means(text, ...statement.tokens));
  let sum = 0;
  for (const source of wanted) sum += found[source] || 0;
  return sum;
}

// --- telling it in words -----------------------------------------------------------------
function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}
function short(text, most = 90) {
  const plain = text.replace(/\s+/g, " ").trim();
  const chars = [...plain];
  return chars.length > most ? `${chars.slice(0, most).join("")}…` : plain;
}
function textOf(source) { // with a space from one block, or cell, to the next
  let said = "";
  let before = null;
  for (const piece of bySource.get(source) || []) {
    const block = piece.closest("p, li, td, th, h4, h5, h6, pre, .tight");
    said += (before && before !== block ? " " : "") + piece.textContent;
    before = block;
  }
  return short(said);
}

function row({ share, number, title, said, go }) {
  const button = make("button", "row");
  button.type = "button";
  button.append(number ? make("span", "chip", number) : make("span"));
  const bar = make("span", "use");
  const inner = make("i");
  inner.style.setProperty("--w", Math.min(share, 1).toFixed(3));
  bar.append(inner);
  const what = make("span", "what");
  if (title) what.append(make("b", "", title), make("span", "", " "));
  what.append(make("bdi", "", said));
  button.append(bar, make("span", "share", `${Math.round(share * 100)}%`), what);
  button.addEventListener("click", (event) => { event.stopPropagation(); go(); });
  const item = make("li");
  item.append(button);
  return item;
}

function tell(heading, items, note, action) {
  const list = make("ul");
  list.append(...items);
  const head = make("h3");
  head.append(make("span", "", heading));
  if (pinned || selected) {
    const release = make("button", "release", "Let go (Esc)");
    release.type = "button";
    release.addEventListener("click", (event) => { event.stopPropagation(); letGo(); });
    head.append(release);
  }
  if (action && pinned) head.append(action);
  told.replaceChildren(head, ...(note ? [make("p", "quiet", note)] : []), list);
}

function tellSources(heading, found, cited, choice = {}) {
  const order = found.map((share, source) => ({ share, source }))
    .sort((a, b) => b.share - a.share).filter((each) => each.share > 0).slice(0, ROWS);
  const items = order.map(({ share, source }) => row({
    share,
    number: cited[source] || null,
    title: data.titles[data.owners[source]],
    said: textOf(source),
    go: () => goTo((bySource.get(source) || [])[0]),
  }));
  let note = items.length ? "" : "nothing that has a score";
  const proof = choice.text === "answer" && data.proofs[choice.statement];
  if (proof) note = inLine(proof);
  const provable = prove && !proof && choice.text === "answer" && Object.keys(cited).length > 0;
  tell(heading, items, note, provable ? proveButton(choice.statement) : null);
  showWhether(choice);
}

// Shares of what supports nothing are hollow, and said to be no support.
function showWhether(choice) {
  const meant = choice.statement === undefined
    ? statements("answer") : [statements(choice.text)[choice.statement]];
  const claims = meant.every((each) => each.refusal || each.supported === false);
  root.classList.toggle("looked", meant.length > 0 && claims);
}

function tellStatements(rows) {
  const items = rows.filter((each) => each.share >= 0.01 || each.number).map((each) => {
    const found = groups[each.text].get(each.statement) || [];
    const said = found.map((group) => all("[data-t]", group).map((p) => p.textContent).join("")).join(" ");
    return row({ share: each.share, number: each.number,
      title: each.text === "thoughts" ? "Thought:" : "", said: short(said), go: () => goTo(found[0]) });
  });
  tell("How much of each statement goes back to this", items, items.length ? "" : "nothing");
}

// --- proof ---------------------------------------------------------------------------------
const inLine = (proof) => proof.split("\n").slice(1).map((line) => line.trim()).join("; ");

function proveButton(statement) {
  const button = make("button", "release prove", "Prove");
  button.type = "button";
  button.title = "Leave out what is cited, and see how much less likely the statement gets";
  button.addEventListener("click", (event) => { event.stopPropagation(); proveIt(statement, button); });
  return button;
}

async function proveIt(statement, button) {
  button.disabled = true;
  button.textContent = "Leaving it out…";
  let failed = null;
  try {
    data.proofs[statement] = await prove(statement);
  } catch (error) {
    failed = error.message;
  }
  if (signal && signal.aborted) return;
  button.disabled = false;
  button.textContent = "Prove";
  if (!failed) tellProof(statement);
  pinned = ofStatement("answer", statement);
  show(pinned);
  if (failed) told.querySelector("h3").after(make("p", "problem", failed));
}

function tellProof(statement) {
  for (const item of all(".references:not([hidden]) li")) {
    if (firstCiting(Number(item.dataset.n)) !== statement) continue;
    item.querySelector(".prove")?.remove();
    if (!item.querySelector(".effect")) {
      item.append(make("span", "quiet effect", ` · ${inLine(data.proofs[statement])}`));
    }
  }
}

const firstCiting = (number) => statements("answer")
  .findIndex((statement) => Object.values(statement.cited).includes(number));

function offerProofs() {
  for (const item of all(".references li")) {
    const statement = firstCiting(Number(item.dataset.n));
    if (statement >= 0) item.append(" ", proveButton(statement));
  }
}

// --- going there -------------------------------------------------------------------------
const still = matchMedia("(prefers-reduced-motion: reduce)");
function goTo(element, after = 0) {
  if (!element) return;
  for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    fold.open = true;
  }
  const go = () => {
    element.scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
  };
  clearTimeout(going);
  if (after) going = setTimeout(go, after);
  else go();
}
let going = null;
const ANOTHER_CLICK = 350; // ms; a word that is clicked twice must not move away in between
root.addEventListener("pointerdown", () => clearTimeout(going));
const isWide = matchMedia("(min-width: 62rem)");

function strongest(choice) {
  if (choice.kind === "source") {
    let best = null;
    for (const text of Object.keys(texts)) {
      if (!of(text)) continue;
      const scores = byToken(text, new Set(choice.sources));
      const token = scores.indexOf(Math.max(...scores));
      const found = pieces[text].find(({ tokens }) => tokens.includes(token));
      if (found && (!best || scores[token] > best.score)) {
        best = { score: scores[token], element: found.piece };
      }
    }
    return best && best.element;
  }
  const found = means(choice.text, choice.from, choice.to);
  const cited = Object.entries(citedOf(choice.text, choice.statement))
    .filter(([, number]) => !choice.number || number === choice.number)
    .map(([source]) => Number(source)).sort((a, b) => (found[b] || 0) - (found[a] || 0));
  const source = cited.length ? cited[0] : found.indexOf(Math.max(...found));
  return (bySource.get(source) || [])[0];
}

function pin(choice, scroll, after = 0) {
  if (!ready) return;
  if (same(pinned, choice)) { letGo(); return; }
  pinned = choice;
  show(choice);
  if (scroll) goTo(strongest(choice), after);
}
function letGo() {
  pinned = selected = null;
  const selection = getSelection();
  if (selection && !selection.isCollapsed) selection.removeAllRanges();
  show(whole);
}

// --- what is done ------------------------------------------------------------------------
let waiting = null;
function later(choice) { // once a frame, however fast the pointer moves
  if (!waiting) {
    requestAnimationFrame(() => { const next = waiting; waiting = null; show(next); });
  }
  waiting = choice;
}
let pointed = null;
function point(target) {
  if (pinned || selected) return;
  const choice = (target instanceof Element && choiceAt(target)) || whole;
  if (same(choice, pointed)) return;
  pointed = choice;
  later(choice);
}
const isTouch = (event) => event.pointerType === "touch";
root.addEventListener("pointerover", (event) => { if (!isTouch(event)) point(event.target); });
root.addEventListener("pointerleave", (event) => { if (!isTouch(event)) point(root); });
root.addEventListener("focusin", (event) => { if (!told.contains(event.target)) point(event.target); });

root.addEventListener("click", (event) => {
  const { target } = event;
  const selection = getSelection();
  if (selection && !selection.isCollapsed) return;
  if (!(target instanceof Element) || told.contains(target)) return;
  const link = target.closest("a, button, summary, input, label");
  if (link && !link.matches(".cite, .back, .ref")) return;
  const choice = choiceAt(target);
  if (!choice) { if (pinned) letGo(); return; }
  if (link) event.preventDefault();
  if (ready && link && link.matches(".ref, .back")) {
    pinned = choice;
    show(choice);
    goTo(link.matches(".ref") ? (bySource.get(choice.sources[0]) || [])[0] : strongest(choice));
    return;
  }
  pin(choice, Boolean(link) || isWide.matches, link ? 0 : ANOTHER_CLICK);
});

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (key === "Escape" && (pinned || selected)) letGo();
  const isGroup = target instanceof Element && root.contains(target)
    && target.matches(".group[tabindex]");
  if (isGroup && (key === "Enter" || key === " ")) {
    event.preventDefault();
    pin(choiceAt(target), true);
  }
}, { signal });

function covers(range, node) { // any character of it
  const own = document.createRange();
  own.selectNodeContents(node);
  return range.compareBoundaryPoints(Range.START_TO_END, own) > 0
    && range.compareBoundaryPoints(Range.END_TO_START, own) < 0;
}
const leaf = (element) => element.firstChild || element;

function choiceOf(selection) {
  if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  for (const [name, text] of Object.entries(texts)) {
    if (!range.intersectsNode(text) || !of(name)) continue;
    const tokens = pieces[name].filter(({ piece }) => covers(range, leaf(piece)))
      .flatMap((each) => each.tokens);
    if (!tokens.length) continue;
    const from = tokens.reduce((a, b) => Math.min(a, b));
    const to = tokens.reduce((a, b) => Math.max(a, b)) + 1;
    return { kind: "said", text: name, from, to, said: short(selection.toString(), 60) };
  }
  if (!range.intersectsNode(passages)) return null;
  const sources = all("[data-s]", passages).filter((piece) => covers(range, leaf(piece)))
    .flatMap((piece) => numbers(piece.dataset.s));
  return sources.length ? ofSources([...new Set(sources)]) : null;
}
let looking = false;
document.addEventListener("selectionchange", () => {
  if (looking) return;
  looking = true;
  requestAnimationFrame(() => {
    looking = false;
    const choice = choiceOf(getSelection());
    if (same(choice, selected)) return;
    selected = choice;
    show(selected || pinned || whole);
  });
}, { signal });

// --- another method ----------------------------------------------------------------------
function choose(number) {
  method = number;
  for (const element of all("[data-m]")) element.hidden = Number(element.dataset.m) !== method;
  const cited = new Set();
  for (const text of Object.keys(texts)) {
    for (const source of Object.keys(citedOf(text))) cited.add(Number(source));
  }
  for (const [source, own] of bySource) {
    for (const piece of own) piece.classList.toggle("cited", cited.has(source));
  }
  statements("answer").forEach((statement, index) => {
    for (const group of groups.answer ? groups.answer.get(index) || [] : []) {
      for (const piece of all("[data-t]", group)) {
        piece.classList.toggle("weak", statement.supported === false);
      }
    }
  });
  show(selected || pinned || whole);
}
for (const input of all("input[name=method]")) {
  input.addEventListener("change", () => choose(Number(input.value)));
}

// --- folding -----------------------------------------------------------------------------
const cards = all(":scope > details.passage", passages);
if (cards.some((card) => !card.open)) {
  const button = make("button", "release", "Unfold all");
  button.type = "button";
  const first = cards.map((card) => card.open);
  button.addEventListener("click", () => {
    const folded = cards.some((card) => !card.open);
    cards.forEach((card, index) => { card.open = folded || first[index]; });
    button.textContent = folded ? "Fold" : "Unfold all";
  });
  passages.querySelector("h2").append(button);
}

// --- paper shows what is cited ------------------------------------------------------------
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = all("details:not([open])").filter((fold) => fold.querySelector(".cited"));
  for (const fold of unfolded) fold.open = true;
}, { signal });
addEventListener("afterprint", () => {
  for (const fold of unfolded) fold.open = false;
}, { signal });

async function start() {
  for (const each of data.methods) {
    for (const text of ["answer", "thoughts"]) {
      if (each[text]) each[text].values = await unpacked(each[text].table);
    }
  }
  ready = true;
  const chosen = root.querySelector("input[name=method]:checked");
  if (chosen && Number(chosen.value)) choose(Number(chosen.value)); // as left before a reload
  else show(whole);
  data.proofs.forEach((proof, statement) => proof && tellProof(statement));
  if (prove) offerProofs();
}
return start();
}
