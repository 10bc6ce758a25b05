import { createInterface } from "node:readline";

export function say(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

// Hands over each command on stdin. Its end is the end of this process, whatever still runs in it.
export function listen(hear) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => hear(JSON.parse(line)));
  lines.on("close", () => process.exit(0));
}
