// Node's ws, from .peers/node (npm install --prefix .peers/node ws).

import { createRequire } from "node:module";

const require = createRequire(new URL("../../../.peers/node/", import.meta.url));
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  maxPayload: 1 << 20,
  perMessageDeflate: true,
});

server.on("connection", (socket) => {
  socket.on("error", () => {}); // the library closes; without a listener the process would end
  // As the others do: no more is read until the answer has left.
  socket.on("message", (data, isBinary) => {
    socket.pause();
    socket.send(data, { binary: isBinary }, () => socket.resume());
  });
});

server.on("listening", () => {
  const ws = require("ws/package.json").version;
  console.log(JSON.stringify({ ws, node: process.versions.node, ports: `${server.address().port}` }));
});
