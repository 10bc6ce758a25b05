// libwebrtc in Node.
import wrtc from "@roamhq/wrtc";
import { counterpart } from "./counterpart.js";
import { listen, say } from "./lines.js";

// Its way to say that a channel's limit is not set.
const UNSET = 65535;

function sayPlainly(event) {
  say(event.init ? { ...event, init: withoutUnset(event.init) } : event);
}

function withoutUnset(init) {
  const plain = ([key, value]) => [key, value === UNSET ? null : value];
  return Object.fromEntries(Object.entries(init).map(plain));
}

listen(counterpart(wrtc.RTCPeerConnection, sayPlainly));
