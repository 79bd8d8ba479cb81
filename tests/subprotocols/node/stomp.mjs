// node stomp.mjs URI 1.2|1.1
//
// A client of @stomp/stompjs, which obeys (obey.mjs). It connects and subscribes again when it has
// lost its connection.

import { obey, print, require, shown } from "./obey.mjs";

const { Client, Versions } = require("@stomp/stompjs");
const { WebSocket } = require("ws");
Object.assign(globalThis, { WebSocket });

const [url, version] = process.argv.slice(2);
const subscriptions = {};
const messages = {}; // what can be acknowledged, by its text
let client;
let receipts = 0;

const subscribe = (name, headers = {}) => {
  const { destination, ack } = subscriptions[name];
  const heard = (message) => {
    messages[shown(message.body)] = message;
    print(0, "message", [name, shown(message.body), message.headers.redelivered === "true"]);
  };
  client.subscribe(destination, heard, { id: name, ack, ...headers });
};

// The receipt of what is sent with these headers.
const receiptOf = (send) =>
  new Promise((resolve) => {
    const receipt = `receipt-${++receipts}`;
    client.watchForReceipt(receipt, () => resolve());
    send({ receipt });
  });

const actions = {
  open: ({ heartbeats = [0, 0], password = "guest", subprotocol = true, again = true, ...options }) =>
    new Promise((resolve, reject) => {
      client = new Client({
        brokerURL: url,
        connectHeaders: { login: "guest", passcode: password },
        stompVersions: new Versions([version]),
        reconnectDelay: again ? 50 : 0,
        heartbeatOutgoing: heartbeats[0],
        heartbeatIncoming: heartbeats[1],
        ...options,
        onConnect(frame) {
          Object.keys(subscriptions).forEach((name) => subscribe(name));
          print(0, "opened", frame.headers.version);
          resolve();
        },
        onWebSocketError: (event) => reject(event.message),
        onWebSocketClose: (event) => print(0, "closed", event.code),
        onStompError(frame) {
          print(0, "error", frame.headers.message);
          reject(frame.headers.message);
        },
        onHeartbeatReceived: () => print(0, "heartbeat", null),
      });
      if (!subprotocol) client.webSocketFactory = () => new WebSocket(url);
      client.activate();
    }),
  subscribe(name, destination, ack) {
    subscriptions[name] = { destination, ack };
    return receiptOf((headers) => subscribe(name, headers));
  },
  send: (destination, text, times) =>
    receiptOf((headers) => client.publish({ destination, headers, body: text.repeat(times) })),
  answer(what, text) {
    const message = messages[text];
    delete messages[text];
    return receiptOf((headers) => message[what](headers));
  },
  close: () => client.deactivate(),
};

obey(actions);
