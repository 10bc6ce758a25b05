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

async function client(options) {
  const local = new LocalPeer();
  local.addDataChannel("data", { ordered: true });
  const room_options = { local, auto_connect: true };
  const calling = new Calling(new WebSocketChannel(url), room_options, options);
  await calling.connect();
  return calling;
}

// What an emitter tells when this is done.
async function when(emitter, event, act) {
  const told = once(emitter, event);
  await act();
  return told;
}

// Invites somebody; both sides of the invitation.
async function invite(room, invitee, data) {
  const incoming = once(invitee, "invitation");
  const invitation = await room.invite(invitee.id, data);
  return [invitation, (await incoming)[0]];
}

// The first other peer of a room, as soon as there is one.
async function peerOf(room) {
  const [peer] = Object.values(room.peers);
  return peer ?? (await once(room, "peer_joined"))[0];
}

// The data channel with the first other peer of a room.
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

// Sends back what it is sent, until the other peer leaves.
async function echo(room) {
  const channel = await channelOf(room);
  channel.on("message", (text) => channel.send(text));
  await once(room, "peer_left");
}

function expect(what, actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: ${a} is not ${b}`);
}

async function expectRefusal(promise, reason) {
  const error = await promise.then(() => undefined, (error) => error);
  expect("refusal", error?.message, reason);
}

const scenarios = {
  // What is announced in a namespace: users, rooms, and what becomes of them.
  async namespaces() {
    const [a, b, c] = [await client(), await client(), await client()];
    const lounge = await a.subscribe("lounge");
    expect("empty", [lounge.users, lounge.rooms], [{}, {}]);
    await b.setStatus({ name: "Bo" });
    const [user] = await when(lounge, "user_registered", () => b.register("lounge"));
    expect("user", [user.id, user.status], [b.id, { name: "Bo" }]);
    await when(user, "status_changed", () => b.setStatus({ name: "Bob" }));
    expect("status", user.status, { name: "Bob" });

    const [den, inside] = [b.room("den"), c.room("den")];
    await den.connect();
    const [room] = await when(lounge, "room_registered", () => den.register("lounge"));
    expect("room", [room.id, Object.keys(room.peers)], ["den", [b.id]]);
    const [, peer] = await when(lounge, "room_peer_joined", () => inside.connect());
    expect("peer", [peer.id, peer.pending], [c.id, false]);
    await when(peer, "status_changed", () => inside.signaling.setStatus({ cam: true }));
    expect("peer's status", peer.status, { cam: true });
    await when(room, "status_changed", () => den.signaling.setRoomStatus("topic", "tea"));
    expect("room's status", room.status, { topic: "tea" });

    const late = await c.subscribe("lounge");
    const listed = late.rooms.den;
    expect("listed user", late.users[b.id].status, { name: "Bob" });
    expect("listed room", [listed.status, listed.peers[c.id].status], [room.status, peer.status]);

    await when(peer, "left", () => inside.leave());
    await when(room, "closed", () => den.unregister("lounge"));
    const [again] = await when(lounge, "room_registered", () => den.register("lounge"));
    await when(again, "closed", () => den.leave());
    await when(user, "left", () => b.unregister("lounge"));
    await expectRefusal(b.unregister("lounge"), "User was not registered to namespace");
    await lounge.unsubscribe();
    await expectRefusal(lounge.unsubscribe(), "User was not subscribed to namespace");
    await when(late, "user_registered", () => b.register("lounge"));
    await when(late, "user_left", () => b.close());
    expect("unsubscribed", lounge.users, {});
  },
  // Two in a room whose name the server draws.
  async rooms() {
    const [a, b] = [await client(), await client()];
    const first = a.room();
    await first.connect();
    const name = first.signaling.id;
    const second = b.room(name);
    await second.connect();
    await greet([first, second]);
    await expectRefusal(b.room(name).connect(), "User is already in room");

    const [own, other] = [first.signaling, second.signaling];
    await when(other, "status_changed", () => own.setRoomStatusSafe("slot", "a"));
    expect("room's status", other.status, { slot: "a" });
    await expectRefusal(other.setRoomStatusSafe("slot", "b"), "Status not in expected state");
    await when(own, "status_changed", () => other.setRoomStatusSafe("slot", "b", "a"));
    expect("room's status", own.status, { slot: "b" });
    await when(first, "peer_status_changed", () => b.setStatus({ name: "Bo", cam: false }));
    const [peer] = await when(first, "peer_status_changed", () => second.local.status("cam", true));
    expect("peer's status", [peer.status("name"), peer.status("cam")], ["Bo", true]);

    await when(first, "peer_left", () => second.leave());
    const back = b.room(name);
    await back.connect();
    await greet([first, back]);
    await when(first, "peer_left", () => b.close());
  },
  // Accepted, denied and cancelled, and what happens meanwhile.
  async invitations() {
    const [a, b, c] = [await client(), await client(), await client()];
    const attic = a.room("attic");
    await attic.connect();
    const [asked, room] = await invite(attic, b, { why: "tea" });
    expect("invitation", [room.sender_id, room.data], [a.id, { why: "tea" }]);
    const { signaling: pending } = attic.peers[b.id];
    expect("pending", pending.pending, true);
    await expectRefusal(pending.send("note", {}), "Recipient is pending");
    await expectRefusal(attic.invite(b.id, {}), "User is already in room");
    await expectRefusal(attic.invite("nobody", {}), "Unknown recipient");
    await room.connect();
    expect("response", await asked.response(), true);
    await greet([attic, room]);

    const [denied, unwanted] = await invite(room, c, {});
    await when(attic, "peer_left", () => unwanted.deny());
    expect("response", await denied.response(), false);
    const [taken, late] = await invite(attic, c, {});
    const response = expectRefusal(taken.response(), "Invitation cancelled");
    await when(late, "cancelled", () => taken.cancel());
    await response;
    await expectRefusal(late.connect(), "Invalid invitation handle");
    await expectRefusal(taken.cancel(), "Invalid invitation handle");

    const [, orphaned] = await invite(attic, c, {});
    await when(orphaned, "cancelled", () => a.close());
    const [abandoned] = await invite(room, c, {});
    await c.close();
    expect("response", await abandoned.response(), false);
  },
  // The server says that it is there, and notices who does not.
  async signs_of_life() {
    const [a, b] = [await client({ remotePing: 100, remoteTimeout: PATIENCE }), await client()];
    const den = a.room("den");
    await Promise.all([den.connect(), b.room("den").connect()]);
    await a.ping();
    while ((await once(a.channel, "message"))[0].type !== "ping");
    const closed = once(b, "closed");
    await when(den, "peer_left", () => b.request({ type: "remote_timeout", time: 100 }));
    await closed;
  },
  // In a room before, or after, somebody else.
  async one() {
    const room = (await client()).room("den");
    await room.connect();
    report({ say: "joined" });
    await echo(room);
  },
  // Invited by somebody who sees it in a namespace.
  async invited() {
    const calling = await client();
    const [room] = await when(calling, "invitation", () => calling.register("lounge"));
    await room.connect();
    await echo(room);
  },
  // The other way round.
  async inviting() {
    const calling = await client();
    const room = calling.room("den");
    await room.connect();
    const lounge = await calling.subscribe("lounge");
    const [known] = Object.values(lounge.users);
    const user = known ?? (await once(lounge, "user_registered"))[0];
    const invitation = await room.invite(user, { why: "tea" });
    expect("response", await invitation.response(), true);
    await echo(room);
  },
};

setTimeout(() => fail(new Error("it took too long")), PATIENCE);
scenarios[scenario]().then(() => report({ say: "done" }), fail);
// Its end is the end of this process, whatever still runs in it.
process.stdin.on("close", () => process.exit(0)).resume();

function fail(error) {
  report({ say: "error", text: String(error?.stack ?? error) });
}
