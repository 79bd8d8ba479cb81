// node mqtt.mjs URI 3.1.1|5
//
// A client of mqtt, which obeys (obey.mjs). It connects again when it has lost its connection.

import { obey, print, require, shown } from "./obey.mjs";

const { connect } = require("mqtt");
const { WebSocket } = require("ws");

const [url, version] = process.argv.slice(2);
let client;

const actions = {
  open: (clientId, { clean = true, subprotocol = true, keepalive = 60, will }) =>
    new Promise((resolve, reject) => {
      client = connect(url, {
        clientId,
        clean,
        keepalive,
        protocolVersion: version === "5" ? 5 : 4,
        properties: version === "5" ? { sessionExpiryInterval: clean ? 0 : 3600 } : undefined,
        will: will && { topic: will[0], payload: will[1], qos: 1 },
        reconnectPeriod: 50,
        resubscribe: false, // the session at the broker has the subscriptions
        // The client would try again without an end, and say nothing.
        createWebsocket: subprotocol ? undefined : (to) => new WebSocket(to).on("error", reject),
      });
      client.on("connect", (packet) => {
        print(0, "opened", packet.sessionPresent);
        resolve();
      });
      client.on("close", () => print(0, "closed", null));
      client.on("error", reject);
      client.on("message", (topic, payload, { qos, retain }) =>
        print(0, "message", [topic, shown(payload), qos, retain]));
    }),
  async subscribe(topic, qos) {
    const [granted] = await client.subscribeAsync(topic, { qos });
    return granted.qos;
  },
  async publish(topic, text, times, options) {
    await client.publishAsync(topic, text.repeat(times), options);
  },
  close: () => client.endAsync(),
};

obey(actions);
