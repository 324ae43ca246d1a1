// Reads what is written into a page for its script: elements, lists of numbers, tables.

export const all = (selector, within) => [...within.querySelectorAll(selector)];

export const numbers = (told) => (told ? told.split(" ").map(Number) : []);

// The whole numbers of a table; each times table.scale is what was packed.
export async function unpacked(table) {
  const bytes = Uint8Array.from(atob(table.data), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Int16Array(await new Response(stream).arrayBuffer());
}
