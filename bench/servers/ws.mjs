// Node's ws: node bench/servers/ws.mjs PORT [--mode listener|loop] [--deflate ...] [--max-size ...],
// with `ws` from .peers/node (npm install --prefix). It sends no pings by itself. As a "listener"
// it echoes; as a "loop" it sends what it gets to all, one after the other.

import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const require = createRequire(new URL("../../.peers/node/", import.meta.url));
const { WebSocketServer } = require("ws");

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: "string", default: "listener" },
    deflate: { type: "string" },
    "max-size": { type: "string" },
  },
});

function perMessageDeflate(told) {
  if (told === undefined || told === "default") return told !== undefined;
  const [level, memLevel, window] = told.split(",").map(Number);
  return {
    serverMaxWindowBits: window,
    clientMaxWindowBits: window,
    zlibDeflateOptions: { level, memLevel },
  };
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(positionals[0]),
  perMessageDeflate: perMessageDeflate(values.deflate),
  maxPayload: Number(values["max-size"]),
});

server.on("connection", (socket) => {
  const echo = (data, isBinary) => socket.send(data, { binary: isBinary });
  const loop = (data, isBinary) => {
    for (const member of server.clients) member.send(data, { binary: isBinary });
  };
  socket.on("message", values.mode === "loop" ? loop : echo);
});

server.on("listening", () => {
  const ws = require("ws/package.json").version;
  console.log(JSON.stringify({ node: process.versions.node, ws }));
});
