// libwebrtc in a browser's page. Arguments: a folder for the browser's profile, and its flags.
import { counterpart } from "./counterpart.js";
import { openPage } from "./browser.js";
import { listen, say } from "./lines.js";

const [profile, ...flags] = process.argv.slice(2);
const evaluate = await openPage(profile, flags, (event) => say(JSON.parse(event)));
await evaluate(`
  const hear = (${counterpart})(RTCPeerConnection, (event) => tell(JSON.stringify(event)));
`);
listen((command) => evaluate(`hear(${JSON.stringify(command)})`));
