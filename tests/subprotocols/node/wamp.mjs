// node wamp.mjs URI json|msgpack
//
// A client of autobahn, which obeys (obey.mjs). It connects again when it has lost its connection.

import { obey, print, require } from "./obey.mjs";

const autobahn = require("autobahn");
Object.assign(globalThis, { WebSocket: require("ws").WebSocket });

const [url, format] = process.argv.slice(2);
const { JSONSerializer, MsgpackSerializer } = autobahn.serializer;
const serializer = format === "json" ? new JSONSerializer() : new MsgpackSerializer();
let connection, session;
const subscriptions = {};
const registrations = {};

const procedures = {
  add: ([a, b]) => a + b,
  named: (args, named) => new autobahn.Result(args, named),
  fail: () => { throw new autobahn.Error("com.example.failed", ["why"], { code: 7 }); },
  hang: () => new Promise(() => {}),
};

const actions = {
  open: (realm) => new Promise((resolve) => {
    connection = new autobahn.Connection({
      transports: [{ type: "websocket", url, serializers: [serializer] }],
      realm,
      initial_retry_delay: 0.05,
      max_retry_delay: 0.2,
      on_user_error: () => {},
      on_internal_error: (error) => print(0, "internal error", String(error)),
    });
    connection.onopen = (opened) => {
      session = opened;
      print(0, "opened", session.isOpen);
      resolve(true);
    };
    connection.onclose = (reason, details) => {
      print(0, "closed", details.reason ?? reason);
      resolve(false);
      return reason === "closed" || details.reason === "wamp.error.no_such_realm";
    };
    connection.open();
  }),
  async subscribe(topic) {
    const heard = (args, named) => print(0, "event", [topic, args, named]);
    subscriptions[topic] = await session.subscribe(topic, heard);
  },
  unsubscribe: (topic) => session.unsubscribe(subscriptions[topic]),
  async publish(topic, args, named, options) {
    const done = await session.publish(topic, args, named, options);
    return done ? done.id > 0 : null;
  },
  async register(uri, name) {
    registrations[uri] = await session.register(uri, procedures[name]);
  },
  unregister: (uri) => session.unregister(registrations[uri]),
  async call(uri, args, named) {
    const result = await session.call(uri, args, named);
    return result instanceof autobahn.Result ? [result.args, result.kwargs] : result;
  },
  close: () => connection.close(),
};

obey(actions, (error) => [error.error ?? String(error), error.args ?? [], error.kwargs ?? {}]);
