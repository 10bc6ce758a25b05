// A page in a browser as a member of a lobby. Arguments: a folder for the browser's profile, the
// URL of the signaling server, and the lobby to join; without one, it creates a mesh.
import { openPage } from "./browser.js";

const [profile, url, lobby = ""] = process.argv.slice(2);
const evaluate = await openPage(profile, [], console.log);
await evaluate(`(${joinMesh})(${JSON.stringify(url)}, ${JSON.stringify(lobby)}, tell)`);

// Joins by the protocol of docs/protocol.md, connects as `WebRTCMultiplayerPeer` does, and answers
// "ping …" with "pong …" on the same channel. It runs in the page.
function joinMesh(url, lobby, tell) {
  const [JOIN, ID, PEER_CONNECT, PEER_DISCONNECT, OFFER, ANSWER, CANDIDATE] = [0, 1, 2, 3, 4, 5, 6];
  // The first byte of a packet of Godot's `SceneMultiplayer.send_bytes`.
  const RAW = 3;
  const CHANNELS = {
    reliable: { negotiated: true, id: 1 },
    ordered: { negotiated: true, id: 2, maxPacketLifeTime: 1 },
    unreliable: { negotiated: true, id: 3, maxPacketLifeTime: 1, ordered: false },
  };

  const socket = new WebSocket(url);
  const peers = new Map();
  let ownId;

  const send = (type, id, data) => socket.send(JSON.stringify({ type, id, data }));
  socket.onopen = () => send(JOIN, 0, lobby);
  socket.onclose = ({ code, reason }) => tell(`the server said ${code} ${reason}`);

  const handlers = {
    [JOIN]: (_, name) => tell(`lobby ${name}`),
    [ID]: (id) => (ownId = id),
    [PEER_CONNECT]: async (id) => {
      const connection = connect(id);
      if (ownId > id) await describe(id, OFFER, await connection.createOffer());
    },
    [PEER_DISCONNECT]: (id) => peers.get(id)?.close(),
    [OFFER]: async (id, sdp) => {
      const connection = peers.get(id);
      await connection.setRemoteDescription({ type: "offer", sdp });
      await describe(id, ANSWER, await connection.createAnswer());
    },
    [ANSWER]: (id, sdp) => peers.get(id).setRemoteDescription({ type: "answer", sdp }),
    [CANDIDATE]: (id, data) => {
      const [, sdpMid, sdpMLineIndex, candidate] = data.split("\n");
      return peers.get(id).addIceCandidate({ sdpMid, sdpMLineIndex, candidate });
    },
  };

  // One after the other, as they came.
  let done = Promise.resolve();
  socket.onmessage = (event) => {
    const { type, id, data } = JSON.parse(event.data);
    const complain = (error) => tell(`message ${type} of ${id}: ${error}`);
    done = done.then(() => handlers[type](id, data)).catch(complain);
  };

  function connect(id) {
    const connection = new RTCPeerConnection();
    peers.set(id, connection);
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      const { sdpMid, sdpMLineIndex } = candidate;
      send(CANDIDATE, id, `\n${sdpMid}\n${sdpMLineIndex}\n${candidate.candidate}`);
    };
    connection.onconnectionstatechange = () => tell(`${id} is ${connection.connectionState}`);
    for (const [label, init] of Object.entries(CHANNELS)) {
      const channel = connection.createDataChannel(label, init);
      channel.binaryType = "arraybuffer";
      channel.onmessage = ({ data }) => answer(channel, new Uint8Array(data));
    }
    return connection;
  }

  async function describe(id, type, description) {
    await peers.get(id).setLocalDescription(description);
    send(type, id, description.sdp);
  }

  function answer(channel, packet) {
    const text = new TextDecoder().decode(packet.subarray(1));
    if (packet[0] !== RAW || !text.startsWith("ping ")) {
      tell(`${channel.label}: a packet ${packet[0]} of ${packet.length} bytes`);
      return;
    }
    const pong = new TextEncoder().encode(text.replace("ping", "pong"));
    channel.send(Uint8Array.of(RAW, ...pong));
  }
}
