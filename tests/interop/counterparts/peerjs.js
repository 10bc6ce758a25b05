// PeerJS, the client library of PeerServers, in Node: what a browser would give it comes from "ws"
// and "@roamhq/wrtc". What it is to do is its second argument, the server's address the first.
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import wrtc from "@roamhq/wrtc";
import WebSocket from "ws";
import { say } from "./lines.js";

// It looks around for a browser when it is loaded.
Object.assign(globalThis, wrtc, { WebSocket, location: new URL("http://localhost") });
// What it remarks is for the log.
console.log = console.error;
const { Peer } = createRequire(import.meta.url)("peerjs");

const PATIENCE = 20_000;
const [address, scenario, ...details] = process.argv.slice(2);
const { hostname: host, port } = new URL(`http://${address}`);

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
  // One creates a lobby, and connects to whoever joins.
  async host() {
    const { tell, told, peer } = await introduce();
    const lobby = { max_players: 1, password: "", locked: false, enable_relay: false };
    tell("CREATE_LOBBY", { name: "den", ...lobby });
    expect("creation", await once(told, "CREATE_ACK"), "ok");
    report({ say: "ready" });
    const { instance_id: id } = await once(told, "NEW_PEER");
    const left = once(told, "PEER_LEFT");
    const [serialization] = details;
    await converse(peer.connect(id, { label: "default", reliable: true, serialization }));
    expect("who has left", await left, id);
  },
  // One joins a lobby, is connected to, and inherits it.
  async join() {
    const { tell, told, peer } = await introduce();
    const incoming = once(peer, "connection");
    tell("JOIN_LOBBY", { name: "den", password: "" });
    expect("role", await once(told, "TRANSITION"), "peer");
    const inherited = once(told, "TRANSITION");
    await converse(await incoming);
    expect("role", await inherited, "host");
  },
};

// Says who it is as the web clients of CloudLink 5 do. What the lobby server says is emitted by its
// opcode.
async function introduce() {
  const socket = new WebSocket(`ws://${address}/?ugi=interop`);
  const told = new EventEmitter();
  const tell = (opcode, payload) => socket.send(JSON.stringify({ opcode, payload }));
  socket.on("message", (text) => {
    const { opcode, payload } = JSON.parse(text);
    told.emit(opcode, payload);
  });
  await once(socket, "open");
  tell("KEEPALIVE", null);
  tell("INIT", { token: "let me in", username: "Peer", pubkey: "MFkw" });
  const { instance_id: id } = await once(told, "INIT_OK");
  return { tell, told, peer: await opened(create(id)) };
}

// Sends back what is said on each channel, opens one for each that is opened, and closes the
// connection when it is told to hang up.
async function converse(connection) {
  const closed = once(connection, "close");
  const answer = (channel, { opcode, payload }) => {
    if (opcode === "G_MSG") channel.send(JSON.stringify({ opcode: "P_MSG", payload }));
    if (opcode === "HANGUP") connection.close({ flush: connection.serialization !== "raw" });
    if (opcode !== "NEW_CHAN") return;
    open(payload);
    const ours = { id: payload.id + 1, label: `${payload.label} back`, ordered: true };
    open(ours);
    channel.send(JSON.stringify({ opcode: "NEW_CHAN", payload: ours }));
  };
  const open = ({ id, label, ordered }) => {
    const init = { id, ordered, negotiated: true };
    const channel = connection.peerConnection.createDataChannel(label, init);
    channel.onmessage = ({ data }) => answer(channel, JSON.parse(data));
  };
  connection.on("data", (data) => answer(connection, JSON.parse(data)));
  await closed;
}

setTimeout(() => fail(new Error("it took too long")), PATIENCE);
scenarios[scenario]().then(() => report({ say: "done" }), fail);
// Its end is the end of this process, whatever still runs in it.
process.stdin.on("close", () => process.exit(0)).resume();

function fail(error) {
  report({ say: "error", text: String(error?.stack ?? error) });
}
