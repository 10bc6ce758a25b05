// A web client of CloudLink 5, on PeerJS. It creates a lobby and connects to whoever joins, or joins
// and is connected to. Then it sends back what is said on each channel, opens one for each that is
// opened, and closes the connection when it is told to hang up. At the end the other one leaves.
// It runs in Node as well as in a browser's page, which gets its source.
export async function webClient(Peer, url, { creates, lobby, serialization }, whenReady) {
  const socket = new WebSocket(`${url}/?ugi=interop`);
  const awaited = {};
  socket.onmessage = ({ data }) => {
    const { opcode, payload } = JSON.parse(data);
    awaited[opcode]?.(payload);
  };
  const tell = (opcode, payload) => socket.send(JSON.stringify({ opcode, payload }));
  // What the server says next with this opcode.
  const hear = (opcode) => new Promise((resolve) => (awaited[opcode] = resolve));
  const event = (emitter, name) =>
    new Promise((resolve, reject) => {
      emitter.once(name, resolve);
      emitter.once("error", reject);
    });
  const expect = (actual, expected) => {
    if (actual !== expected) throw new Error(`${actual} is not ${expected}`);
  };

  await new Promise((resolve) => (socket.onopen = resolve));
  const welcome = hear("INIT_OK");
  tell("KEEPALIVE", null);
  tell("INIT", { token: "let me in", username: "Ada", pubkey: "MFkw" });
  const { instance_id: id } = await welcome;
  const { hostname: host, port } = new URL(url);
  const peer = new Peer(id, { host, port: Number(port), config: { iceServers: [] } });
  await event(peer, "open");
  return creates ? create() : join();

  async function create() {
    const [created, newcomer, left] = ["CREATE_ACK", "NEW_PEER", "PEER_LEFT"].map(hear);
    const options = { max_players: 1, password: "", locked: false, enable_relay: false };
    tell("CREATE_LOBBY", { name: lobby, ...options });
    expect(await created, "ok");
    whenReady();
    const { instance_id: other } = await newcomer;
    await converse(peer.connect(other, { label: "default", reliable: true, serialization }));
    expect(await left, other);
  }

  async function join() {
    const [joined, incoming] = [hear("JOIN_ACK"), event(peer, "connection")];
    tell("JOIN_LOBBY", { name: lobby, password: "" });
    expect(await joined, "ok");
    whenReady();
    const inherited = hear("TRANSITION");
    await converse(await incoming);
    expect(await inherited, "host");
  }

  function converse(connection) {
    const closed = event(connection, "close");
    const open = ({ id, label, ordered }) => {
      const init = { id, ordered, negotiated: true };
      const channel = connection.peerConnection.createDataChannel(label, init);
      channel.onmessage = ({ data }) => answer(channel, JSON.parse(data));
    };
    const answer = (channel, { opcode, payload }) => {
      if (opcode === "G_MSG") channel.send(JSON.stringify({ opcode: "P_MSG", payload }));
      // In text there is no way to say so on the channel.
      if (opcode === "HANGUP") connection.close({ flush: connection.serialization !== "raw" });
      if (opcode !== "NEW_CHAN") return;
      open(payload);
      const ours = { id: payload.id + 1, label: `${payload.label} back`, ordered: true };
      open(ours);
      channel.send(JSON.stringify({ opcode: "NEW_CHAN", payload: ours }));
    };
    connection.on("data", (data) => answer(connection, JSON.parse(data)));
    return closed;
  }
}
