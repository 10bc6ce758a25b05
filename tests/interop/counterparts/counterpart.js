// A side of a WebRTC connection that does what it is told, says what happens, and echoes every
// message. It needs nothing but the W3C's interface, and no other name of this file.
export function counterpart(RTCPeerConnection, say) {
  let connection;
  let report = () => {};
  let channels = new Map();

  const commands = {
    start({ number, channels: inits }) {
      connection?.close();
      report = (event) => say({ connection: number, ...event });
      connection = new RTCPeerConnection();
      channels = new Map();
      follow(connection, report);
      inits.forEach((init) => commands.open({ init }));
      report({ say: "started" });
    },
    open({ init: { label, ...rest } }) {
      const given = Object.entries(rest).filter(([, value]) => value !== null);
      adopt(connection.createDataChannel(label, Object.fromEntries(given)), report);
    },
    async offer({ restart }) {
      await describe(await connection.createOffer({ iceRestart: restart }));
    },
    async description({ type, sdp }) {
      await connection.setRemoteDescription({ type, sdp });
      if (type === "offer") await describe(await connection.createAnswer());
    },
    candidate({ candidate, mid, index }) {
      return connection.addIceCandidate({ candidate, sdpMid: mid, sdpMLineIndex: index });
    },
    close_channel({ label }) {
      channels.get(label).close();
    },
    close() {
      connection.close();
    },
  };

  async function describe(description) {
    await connection.setLocalDescription(description);
    report({ say: "description", type: description.type, sdp: description.sdp });
  }

  function follow(connection, report) {
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      const { sdpMid: mid, sdpMLineIndex: index } = candidate;
      report({ say: "candidate", candidate: candidate.candidate, mid, index });
    };
    connection.onconnectionstatechange = () =>
      report({ say: "state", state: connection.connectionState });
    connection.ondatachannel = ({ channel }) => {
      adopt(channel, report);
      const { label, protocol, ordered, maxRetransmits, maxPacketLifeTime, id } = channel;
      const init = { label, protocol, ordered, maxRetransmits, maxPacketLifeTime };
      report({ say: "announced", label, init, id });
    };
  }

  function adopt(channel, report) {
    const { label } = channel;
    channels.set(label, channel);
    channel.binaryType = "arraybuffer";
    channel.onopen = () => report({ say: "open", label, id: channel.id });
    channel.onclose = () => report({ say: "closed", label });
    channel.onmessage = label === "bulk" ? bulk(channel) : ({ data }) => channel.send(data);
    // Not every imitation of the interface says so later.
    if (channel.readyState === "open") channel.onopen();
  }

  // Swallows binary messages; tells their size when asked by "size?", and sends as many as
  // "send 8 16384" says.
  function bulk(channel) {
    let size = 0;
    return async ({ data }) => {
      if (typeof data !== "string") {
        size += data.byteLength;
      } else if (data === "size?") {
        channel.send(String(size));
      } else {
        const [, count, bytes] = data.split(" ").map(Number);
        for (let sent = 0; sent < count; sent += 1) {
          while (channel.bufferedAmount > 1_000_000) {
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
          channel.send(new Uint8Array(bytes));
        }
      }
    };
  }

  // One after the other, as they came.
  let done = Promise.resolve();
  return (command) => {
    const complain = (error) => report({ say: "error", text: String(error?.stack ?? error) });
    done = done.then(() => commands[command.do](command)).catch(complain);
  };
}
