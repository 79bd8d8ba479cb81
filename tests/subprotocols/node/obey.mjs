// What the clients in JavaScript have in common: they do as they are told, as those in Python do; see
// obeying.py.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

export const require = createRequire(import.meta.url); // `import` does not look into NODE_PATH
export const print = (...line) => console.log(JSON.stringify(line));

// A text of a payload, or the hash of a long one.
export const shown = (payload) =>
  payload.length < 1000 ? payload.toString() : createHash("sha256").update(payload).digest("hex");

// Do as told by the functions of `actions`; `told` is what is told of an error.
export const obey = (actions, told = (error) => [String(error)]) =>
  createInterface({ input: process.stdin }).on("line", async (line) => {
    const [number, what, args] = JSON.parse(line);
    try {
      print(number, "done", (await actions[what](...args)) ?? null);
    } catch (error) {
      print(number, "failed", told(error));
    }
  }).on("close", () => process.exit(0));
