// Node's ws: node bench/servers/ws.mjs PORT, with `ws` from .peers/node (npm install --prefix).

import { createRequire } from "node:module";

const require = createRequire(new URL("../../.peers/node/", import.meta.url));
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  perMessageDeflate: false,
});

server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});

server.on("listening", () => {
  const ws = require("ws/package.json").version;
  console.log(JSON.stringify({ node: process.versions.node, ws }));
});
