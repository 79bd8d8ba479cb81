// node subprotocols.mjs graphql-ws|mqtt|stomp|wamp URI
//
// Has the usual client of a protocol over WebSocket ask a server for something, and prints the
// answer as one line of JSON. NODE_PATH says where the clients are. Exits with 1 on an error.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url); // `import` does not look into NODE_PATH
const { WebSocket } = require("ws");
const TIMEOUT = 30_000; // milliseconds

const clients = {
  async "graphql-ws"(url) {
    const { createClient } = require("graphql-ws");
    const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
    const answers = [];
    await new Promise((complete, error) => {
      const next = (answer) => answers.push(answer);
      client.subscribe({ query: "subscription { greetings }" }, { next, error, complete });
    });
    await client.dispose();
    return answers;
  },

  async mqtt(url) {
    const client = await require("mqtt").connectAsync(url, { reconnectPeriod: 0, protocolVersion: 4 });
    await client.subscribeAsync("greetings");
    const arrived = new Promise((resolve) => {
      client.on("message", (topic, payload) => resolve([topic, payload.toString()]));
    });
    await client.publishAsync("greetings", "hello");
    const answer = await arrived;
    await client.endAsync();
    return answer;
  },

  async stomp(brokerURL) {
    const { Client } = require("@stomp/stompjs");
    Object.assign(globalThis, { WebSocket });
    const client = new Client({ brokerURL, reconnectDelay: 0 });
    const answer = await new Promise((resolve, reject) => {
      client.onStompError = client.onWebSocketError = reject;
      client.onConnect = () => {
        client.subscribe("/greetings", (message) => resolve([message.headers.destination, message.body]));
        client.publish({ destination: "/greetings", body: "hello" });
      };
      client.activate();
    });
    await client.deactivate();
    return answer;
  },

  async wamp(url) {
    const autobahn = require("autobahn");
    Object.assign(globalThis, { WebSocket });
    const connection = new autobahn.Connection({
      transports: [{ type: "websocket", url, protocols: ["wamp.2.json"] }],
      realm: "realm1",
      max_retries: 0,
    });
    const session = await new Promise((resolve, reject) => {
      connection.onopen = resolve;
      connection.onclose = (reason) => reject(new Error(reason));
      connection.open();
    });
    connection.onclose = () => true;
    const answer = await session.call("greet", ["hello"]);
    connection.close();
    return answer;
  },
};

setTimeout(() => {
  console.error(`no answer after ${TIMEOUT} ms`);
  process.exit(1);
}, TIMEOUT).unref();
const [name, uri] = process.argv.slice(2);
console.log(JSON.stringify(await clients[name](uri)));
