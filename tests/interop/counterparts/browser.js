// A headless Chromium with one empty page, driven through its debugging pipe.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--log-level=3",
  "--remote-debugging-pipe",
];

// Opens a page; `tell` gets what the page passes to its global function `tell`, a string.
// Returns a function that evaluates an expression in the page.
export async function openPage(profile, flags, tell) {
  rmSync(profile, { recursive: true, force: true });
  const devtools = new Devtools([...FLAGS, `--user-data-dir=${profile}`, ...flags]);
  const { targetId } = await devtools.call("Target.createTarget", { url: "about:blank" });
  const attach = { targetId, flatten: true };
  const { sessionId } = await devtools.call("Target.attachToTarget", attach);
  devtools.on("Runtime.bindingCalled", ({ payload }) => tell(payload));
  await devtools.call("Runtime.enable", {}, sessionId);
  await devtools.call("Runtime.addBinding", { name: "tell" }, sessionId);
  return async (expression) => {
    const outcome = await devtools.call("Runtime.evaluate", { expression }, sessionId);
    const { exceptionDetails: exception } = outcome;
    if (exception) throw new Error(exception.exception?.description ?? exception.text);
  };
}

// Chromium's debugging protocol: JSON messages, each ended by a zero byte. The browser ends with
// its pipe, and so with this process.
class Devtools {
  #input;
  #pending = new Map();
  #handlers = new Map();
  #next = 1;

  constructor(flags) {
    const browser = spawn("chromium", flags, {
      stdio: ["ignore", "ignore", "inherit", "pipe", "pipe"],
    });
    once(browser, "exit").then(([code, signal]) => {
      console.error(`Chromium ended with ${code ?? signal}`);
      process.exit(1);
    });
    this.#input = browser.stdio[3];
    let rest = "";
    browser.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      messages.forEach((message) => this.#take(JSON.parse(message)));
    });
  }

  on(method, handler) {
    this.#handlers.set(method, handler);
  }

  call(method, params, sessionId) {
    const id = this.#next++;
    this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  #take({ id, method, params, result, error }) {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    if (error) call.reject(new Error(error.message));
    else if (call) call.resolve(result);
    else this.#handlers.get(method)?.(params);
  }
}
