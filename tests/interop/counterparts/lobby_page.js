// A page in a browser as a web client of CloudLink 5. Arguments: a folder for the browser's profile,
// the URL of the server, and the lobby to join; without one, it creates it.
import { readFileSync } from "node:fs";
import { openPage } from "./browser.js";
import { webClient } from "./web_client.js";

const [profile, url, lobby] = process.argv.slice(2);
const options = { creates: !lobby, lobby: lobby || "den", serialization: "binary" };
const ready = `lobby ${options.lobby}`;

const evaluate = await openPage(profile, [], console.log);
await evaluate(readFileSync("node_modules/peerjs/dist/peerjs.min.js", "utf8"));
await evaluate(`
  (${webClient})(Peer, ${JSON.stringify(url)}, ${JSON.stringify(options)}, () => tell("${ready}"))
    .then(() => tell("done"), (error) => tell(String(error.stack)));
`);
