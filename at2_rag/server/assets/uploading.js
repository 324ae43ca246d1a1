// Files and folders, chosen or dropped: the server reads them as passages, and keeps nothing.
import { post } from "./api.js";
import { counted } from "./elements.js";

export class Uploading {
  constructor(given, { suffixes, limits }) {
    this.given = given;
    this.suffixes = suffixes;
    this.most = limits.bytes;
    const at = (id) => document.getElementById(id);
    for (const [opener, chooser] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
      const input = at(chooser);
      if (chooser === "files") input.accept = suffixes.join(",");
      at(opener).addEventListener("click", () => input.click());
      input.addEventListener("change", () => {
        const files = [...input.files].map((file) => [file.webkitRelativePath || file.name, file]);
        input.value = ""; // so that the same can be chosen again
        this.send(files);
      });
    }
    const place = at("given");
    const mark = (on) => place.classList.toggle("over", on);
    addEventListener("dragover", (event) => {
      event.preventDefault(); // a file that is dropped beside must not take the page's place
      mark(place.contains(event.target));
    });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
    addEventListener("drop", async (event) => {
      event.preventDefault();
      mark(false);
      if (place.contains(event.target)) this.send(await dropped(event.dataTransfer));
    });
  }

  readable(name) {
    const hidden = name.split("/").some((part) => part.startsWith("."));
    return !hidden && this.suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
  }

  async send(files) {
    const { given } = this;
    const wanted = files.filter(([name]) => this.readable(name));
    const left = files.filter(([name]) => !this.readable(name)).map(([name]) => name);
    if (!files.length) return;
    if (!wanted.length) {
      given.tell(`${left.slice(0, 3).join(", ")} cannot be read; expected one of `
        + `${this.suffixes.join(", ")}.`, true);
      return;
    }
    const bytes = wanted.reduce((sum, [, file]) => sum + file.size, 0);
    if (bytes > this.most) {
      given.tell(`These files are ${size(bytes)}; the server takes ${size(this.most)} at a time. `
        + "Choose fewer of them.", true);
      return;
    }
    const form = new FormData();
    for (const [name, file] of wanted) form.append("files", file, name);
    given.tell(`Reading ${counted(wanted.length, "file")}…`);
    try {
      const { passages, remarks } = await (await post("api/passages", form)).json();
      const count = given.add(passages);
      const skipped = left.length ? [`skipped ${counted(left.length, "file")} of other kinds`] : [];
      given.tell([`Added ${counted(count, "passage")} from ${counted(wanted.length, "file")}`,
        ...skipped, ...few(remarks)].join("; "), remarks.length > 0);
    } catch (error) {
      given.tell(error.message, true);
    }
  }
}

// The first of what a folder full of files gives rise to, and how much more there is.
const few = (remarks, most = 3) => (remarks.length <= most + 1 ? remarks
  : [...remarks.slice(0, most), `and ${remarks.length - most} more of this kind`]);

const size = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

async function dropped(transfer) {
  // The entries have to be taken before anything is waited for.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = entries.length ? [] : [...transfer.files].map((file) => [file.name, file]);
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  const name = `${folder}${entry.name}`;
  if (entry.isFile) {
    found.push([name, await new Promise((done, failed) => { entry.file(done, failed); })]);
    return;
  }
  const reader = entry.createReader();
  for (;;) { // a hundred at a time
    const some = await new Promise((done, failed) => { reader.readEntries(done, failed); });
    if (!some.length) return;
    for (const each of some) await walk(each, `${name}/`, found);
  }
}
