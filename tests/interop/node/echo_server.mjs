// node echo_server.mjs PORT
//
// Echoes every message on 127.0.0.1; port 0 takes a free one. Prints {"port"} once it listens, and
// {"code", "reason"} for every connection that ended, each as one line of JSON. NODE_PATH says
// where ws is.

import { createRequire } from "node:module";

// `import` does not look into NODE_PATH.
const { WebSocketServer } = createRequire(import.meta.url)("ws");

const report = (line) => console.log(JSON.stringify(line));

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  perMessageDeflate: false,
});
server.on("listening", () => report({ port: server.address().port }));
server.on("connection", (ws) => {
  ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
  // ws closes by itself, with the code that the error asks for.
  ws.on("error", (error) => console.error(error));
  ws.on("close", (code, reason) => report({ code, reason: reason.toString() }));
});
