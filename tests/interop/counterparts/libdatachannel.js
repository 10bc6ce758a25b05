// libdatachannel in Node, behind its imitation of the W3C's interface.
import { RTCPeerConnection } from "node-datachannel/polyfill";
import { counterpart } from "./counterpart.js";
import { listen, say } from "./lines.js";

// It never tells how a channel of the other side was made, nor an id that was not given; its
// imitation makes something up.
function sayTruly({ id, init, ...event }) {
  if (init) event.init = { label: init.label, protocol: init.protocol };
  say(event);
}

listen(counterpart(RTCPeerConnection, sayTruly));
