// The server's routes, and what goes wrong on the way to them, in words.

export class Problem extends Error {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

const KEPT = "at2-token";

// The token comes in the address behind #, which no browser sends anywhere, and leaves it at once.
export function takeToken() {
  const told = new URLSearchParams(location.hash.slice(1)).get("token");
  if (told === null) return;
  setToken(told);
  history.replaceState(null, "", location.pathname);
}
export const setToken = (token) => sessionStorage.setItem(KEPT, token);

function headers() {
  const token = sessionStorage.getItem(KEPT);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function reached(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.message.includes("ISO-8859-1") || error.message.includes("header")) {
      throw new Problem("The token has signs that no header holds.", "invalid_api_key");
    }
    throw new Problem("The server does not answer. See whether it still runs, and try again.", "gone");
  }
  if (response.ok) return response;
  let told = null;
  try {
    told = (await response.json()).error;
  } catch {
    told = { message: `The server said ${response.status} and no more.` };
  }
  throw new Problem(told.message, told.code);
}

export const get = async (path) => (await reached(path, {})).json();

export function post(path, body, signal) {
  const isForm = body instanceof FormData;
  return reached(path, {
    method: "POST",
    body: isForm ? body : JSON.stringify(body),
    headers: isForm ? {} : { "Content-Type": "application/json" },
    signal,
  });
}

// Yields [name, data] of each event; a stream that ends with an error, or too early, throws.
export async function* events(response, last) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  let done = false;
  while (!done) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      break; // as if it had ended
    }
    if (piece.done) break;
    let from = Math.max(buffer.length - 1, 0);
    buffer += piece.value;
    for (let end = buffer.indexOf("\n\n", from); end >= 0; end = buffer.indexOf("\n\n")) {
      const found = parsed(buffer.slice(0, end));
      buffer = buffer.slice(end + 2);
      if (!found) continue;
      if (found[0] === "error") throw new Problem(found[1].error.message, found[1].error.code);
      yield found;
      done = done || found[0] === last;
    }
  }
  if (!done) throw new Problem("The connection ended before the answer did. Ask again.", "gone");
}

function parsed(block) {
  const lines = block.split("\n").filter((line) => line && !line.startsWith(":"));
  if (!lines.length) return null;
  const [name, data] = lines;
  return [name.replace(/^event: /, ""), JSON.parse(data.replace(/^data: /, ""))];
}
