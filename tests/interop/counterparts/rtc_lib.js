// rtc-lib, the client library of calling-signaling, in Node: what a browser would give it comes
// from "ws" and "@roamhq/wrtc". What it is to do is its second argument, the server's URL the first.
// It is under the AGPL: it is installed to be tested with, and never part of what we ship.
import { once } from "node:events";
import { createRequire } from "node:module";
import wrtc from "@roamhq/wrtc";
import WebSocket from "ws";
import { say } from "./lines.js";

// Node cannot import its modules, which are made for browsers.
const require = createRequire(import.meta.url);
Object.assign(globalThis, wrtc, { WebSocket });
// What it remarks is for the log.
console.log = console.error;
// It does not wait for peers that are gone before they were connected.
process.on("unhandledRejection", console.error);
const { Calling, LocalPeer, WebSocketChannel } = require("rtc-lib");

const PATIENCE = 20_000;
const [url, scenario] = process.argv.slice(2);

// There is one connection for each process.
function report(event) {
  say({ connection: 0, ...event });
}

async function client() {
  const local = new LocalPeer();
  local.addDataChannel("data", { ordered: true });
  const calling = new Calling(new WebSocketChannel(url), { local, auto_connect: true });
  await calling.connect();
  return calling;
}

// The first other peer of a room, as soon as there is one.
async function peerOf(room) {
  const [peer] = Object.values(room.peers);
  return peer ?? (await once(room, "peer_joined"))[0];
}

// The data channel with the first other peer of a room, and what comes on it.
async function channelOf(room) {
  const peer = await peerOf(room);
  const channel = await peer.channel("data");
  await channel.connect();
  return channel;
}

// Both send their name and hear that of the other.
async function greet(rooms) {
  const channels = await Promise.all(rooms.map(channelOf));
  const heard = channels.map((channel) => once(channel, "message"));
  channels.forEach((channel, index) => channel.send(`I am ${index}`));
  const texts = (await Promise.all(heard)).map(([text]) => text);
  expect("greetings", texts, ["I am 1", "I am 0"]);
}

function expect(what, actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: ${a} is not ${b}`);
}

const scenarios = {
  // Two of them see each other in a namespace, meet in a room, and invite each other.
  async two() {
    const [a, b] = [await client(), await client()];
    const namespace = await a.subscribe("lounge");
    const registered = once(namespace, "user_registered");
    await b.setStatus({ name: "Bo" });
    await b.register("lounge");
    const [user] = await registered;
    expect("user", [user.id, user.status], [b.id, { name: "Bo" }]);

    const rooms = [a.room("den"), b.room("den")];
    await rooms[0].connect();
    const announced = once(namespace, "room_registered");
    await rooms[0].register("lounge");
    expect("room", (await announced)[0].id, "den");
    await rooms[1].connect();
    await greet(rooms);
    const left = once(rooms[0], "peer_left");
    await rooms[1].leave();
    await left;

    const [attic, invited] = [a.room("attic"), once(b, "invitation")];
    await attic.connect();
    const invitation = await attic.invite(user, { why: "tea" });
    const [room] = await invited;
    expect("invitation", [room.sender_id, room.data], [a.id, { why: "tea" }]);
    await room.connect();
    expect("response", await invitation.response(), true);
    await greet([attic, room]);

    const denied = once(b, "invitation");
    const other = a.room("cellar");
    await other.connect();
    const second = await other.invite(user, {});
    await (await denied)[0].deny();
    expect("second response", await second.response(), false);
  },
  // One is in a room before, or after, somebody else, and echoes what it is sent.
  async one() {
    const calling = await client();
    const room = calling.room("den");
    await room.connect();
    report({ say: "joined" });
    const channel = await channelOf(room);
    channel.on("message", (text) => channel.send(text));
    await once(room, "peer_left");
  },
};

setTimeout(() => fail(new Error("it took too long")), PATIENCE);
scenarios[scenario]().then(() => report({ say: "done" }), fail);
// Its end is the end of this process, whatever still runs in it.
process.stdin.on("close", () => process.exit(0)).resume();

function fail(error) {
  report({ say: "error", text: String(error?.stack ?? error) });
}
