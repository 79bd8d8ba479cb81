// node graphql.mjs URI graphql-transport-ws|graphql-ws
//
// The client of the package graphql-ws, or of subscriptions-transport-ws, which obeys (obey.mjs). It
// subscribes again when it has lost its connection.

import { obey, print, require } from "./obey.mjs";

const { WebSocket } = require("ws");
const [url, protocol] = process.argv.slice(2);
const subscriptions = {};

const newer = () => {
  const client = require("graphql-ws").createClient({
    url,
    webSocketImpl: WebSocket,
    lazy: false,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
    onNonLazyError: (error) => print(0, "failed", String(error)),
    on: { connected: () => print(0, "opened", true), closed: (event) => print(0, "closed", event.code) },
  });
  return {
    subscribe: (query, variables, sink) => client.subscribe({ query, variables }, sink),
    close: () => client.dispose(),
  };
};

const older = () => {
  const { SubscriptionClient } = require("subscriptions-transport-ws"); // the older one
  const client = new SubscriptionClient(url, { reconnect: true, minTimeout: 5000 }, WebSocket);
  client.onConnected(() => print(0, "opened", true));
  client.onReconnected(() => print(0, "opened", true));
  client.onDisconnected(() => print(0, "closed", null));
  return {
    subscribe(query, variables, sink) {
      const { unsubscribe } = client.request({ query, variables }).subscribe(sink);
      return unsubscribe;
    },
    close: () => client.close(),
  };
};

let client;
const actions = {
  open() {
    client = protocol === "graphql-ws" ? older() : newer();
  },
  subscribe(name, query, variables) {
    subscriptions[name] = client.subscribe(query, variables, {
      next: (answer) => print(0, name, answer.errors ? answer.errors.map((e) => e.message) : answer.data),
      error: (error) => print(0, `${name} failed`, [error].flat().map((e) => e.message ?? String(e))),
      complete: () => print(0, `${name} complete`, null),
    });
  },
  unsubscribe: (name) => subscriptions[name](),
  close: () => client.close(),
};

obey(actions);
