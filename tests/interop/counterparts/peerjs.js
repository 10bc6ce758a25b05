// PeerJS, the client library of PeerServers, in Node: what a browser would give it comes from "ws"
// and "@roamhq/wrtc". What it is to do is its second argument, the server's URL the first.
import { createRequire } from "node:module";
import wrtc from "@roamhq/wrtc";
import WebSocket from "ws";
import { say } from "./lines.js";
import { webClient } from "./web_client.js";

// It looks around for a browser when it is loaded.
Object.assign(globalThis, wrtc, { WebSocket, location: new URL("http://localhost") });
// What it remarks is for the log.
console.log = console.error;
const { Peer } = createRequire(import.meta.url)("peerjs");

const PATIENCE = 20_000;
const [url, scenario, ...details] = process.argv.slice(2);
const { hostname: host, port } = new URL(url);

// There is one connection for each process.
function report(event) {
  say({ connection: 0, ...event });
}

// What comes of an event, or the error that comes instead.
function once(emitter, event) {
  return new Promise((resolve, reject) => {
    emitter.once(event, resolve);
    emitter.once("error", reject);
  });
}

// The type of the error that comes of this.
async function failure(promise) {
  return promise.then(() => "none", (error) => error.type);
}

function create(id, options = {}) {
  return new Peer(id, { host, port: Number(port), config: { iceServers: [] }, debug: 2, ...options });
}

async function opened(peer) {
  await once(peer, "open");
  return peer;
}

function expect(what, actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: ${a} is not ${b}`);
}

// Both ends of a connection, as soon as both are open.
async function connect(from, to, serialization) {
  const incoming = once(to, "connection");
  const ours = from.connect(to.id, { label: "default", reliable: true, serialization });
  const [theirs] = await Promise.all([incoming.then(whenOpen), whenOpen(ours)]);
  return [ours, theirs];
}

async function whenOpen(connection) {
  if (!connection.open) await once(connection, "open");
  return connection;
}

async function exchange([a, b], data) {
  for (const [from, to] of [[a, b], [b, a]]) {
    const heard = once(to, "data");
    from.send(data);
    expect("data", await heard, data);
  }
}

const scenarios = {
  // Two of them meet.
  async two() {
    const [a, b] = await Promise.all([create(), create("Bo 2-x")].map(opened));
    for (const serialization of ["binary", "json", "raw"]) {
      await exchange(await connect(a, b, serialization), "grüße");
    }
    const ends = await connect(a, b, "binary");
    await exchange(ends, "x".repeat(100_000));
    await exchange(ends, { a: [1, -2.5, null, "ü"] });

    // Who disconnects from the server keeps its connections; it comes back with its id.
    b.disconnect();
    await exchange(ends, "still here");
    b.reconnect();
    await opened(b);
    const last = await connect(a, b, "binary");
    await exchange(last, "here again");

    const gone = once(last[0], "close");
    b.destroy();
    await gone;
  },
  // Who is not let in, and who is not there.
  async refused() {
    const a = await opened(create("A"));
    expect("id", await failure(opened(create("A"))), "unavailable-id");
    expect("key", await failure(opened(create("B", { key: "other" }))), "server-error");

    const late = once(a.connect("late"), "open");
    await opened(create("late"));
    await late;

    a.connect("nobody");
    expect("peer", await failure(once(a, "close")), "peer-unavailable");
  },
  // One is in a lobby with somebody else.
  async meet() {
    const [role, serialization] = details;
    const options = { creates: role === "host", lobby: "den", serialization };
    await webClient(Peer, url, options, () => report({ say: "ready" }));
  },
};

setTimeout(() => fail(new Error("it took too long")), PATIENCE);
scenarios[scenario]().then(() => report({ say: "done" }), fail);
// Its end is the end of this process, whatever still runs in it.
process.stdin.on("close", () => process.exit(0)).resume();

function fail(error) {
  report({ say: "error", text: String(error?.stack ?? error) });
}
