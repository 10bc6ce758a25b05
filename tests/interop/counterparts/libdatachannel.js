// libdatachannel in Node, behind its imitation of the W3C's interface.
import { RTCPeerConnection } from "node-datachannel/polyfill";
import { counterpart } from "./counterpart.js";
import { listen, say } from "./lines.js";

// Its candidates that wait until it has taken in our description; null once it has.
let waiting = [];

// It hands a description to ICE before it notes whose certificate to expect. Whoever reaches it in
// between, by a candidate that it has told already, is refused as somebody unknown.
class Connection extends RTCPeerConnection {
  constructor(...configuration) {
    super(...configuration);
    waiting = [];
  }

  async setRemoteDescription(description) {
    await super.setRemoteDescription(description);
    waiting?.forEach(say);
    waiting = null;
  }
}

// It never tells how a channel of the other side was made, nor an id that was not given; its
// imitation makes something up.
function sayTruly({ id, init, ...event }) {
  if (init) event.init = { label: init.label, protocol: init.protocol };
  if (event.say === "candidate" && waiting) waiting.push(event);
  else say(event);
}

listen(counterpart(Connection, sayTruly));
