// node echo_client.mjs URI
//
// Sends text, binary, a fragmented message and a ping to an echo server, closes with 4000 "bye" and
// prints what it saw as one line of JSON. NODE_PATH says where ws is. Exits with 1 on an error.

import { createRequire } from "node:module";

// `import` does not look into NODE_PATH.
const { WebSocket } = createRequire(import.meta.url)("ws");

const TIMEOUT = 20_000; // milliseconds
const ECHOES = 3;

const seen = { messages: [], pong: null, code: null, reason: null };
const ws = new WebSocket(process.argv[2], { perMessageDeflate: false });

function closeWhenDone() {
  if (seen.messages.length === ECHOES && seen.pong !== null) ws.close(4000, "bye");
}

ws.on("open", () => {
  ws.send("text: 你好 👋");
  ws.send(Uint8Array.from({ length: 256 }, (_, i) => i));
  ws.send("in ", { fin: false });
  ws.send("three ", { fin: false });
  ws.ping("beat"); // between fragments: RFC 6455 5.4
  ws.send("parts", { fin: true });
});
ws.on("message", (data, isBinary) => {
  seen.messages.push(isBinary ? { hex: data.toString("hex") } : { text: data.toString() });
  closeWhenDone();
});
ws.on("pong", (data) => {
  seen.pong = data.toString();
  closeWhenDone();
});
ws.on("error", (error) => {
  console.error(error);
  process.exitCode = 1;
});
ws.on("close", (code, reason) => {
  Object.assign(seen, { code, reason: reason.toString() });
  console.log(JSON.stringify(seen));
});

setTimeout(() => {
  console.error(`no end after ${TIMEOUT} ms`);
  process.exitCode = 1;
  ws.terminate();
}, TIMEOUT).unref();
