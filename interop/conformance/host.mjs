// A host of `mcp-mtls connect`: writes and reads JSON-RPC lines as a revision has them, and nothing is made nicer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class Host {
  #bridge;
  #exited;
  #terminator;
  #waiting = new Map();
  #nextId = 1;

  constructor(terminator, version) {
    this.version = version;
    this.#terminator = terminator;
    const { CONFORMANCE_BINARY: binary, CONFORMANCE_CERT: cert, CONFORMANCE_KEY: key } = process.env;
    const args = ["connect", terminator.url, "--cert", cert, "--key", key, "--ca", process.env.CONFORMANCE_SERVER_CA];
    const env = { PATH: process.env.PATH };
    this.#bridge = spawn(binary, args, { env, stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = new Promise((resolve) => this.#bridge.on("exit", (...how) => resolve(how)));
    createInterface({ input: this.#bridge.stdout, crlfDelay: Infinity }).on("line", (line) => this.#read(line));
  }

  get modern() {
    return this.version >= "2026-07-28";
  }

  // Greets the server as the revision has it.
  async open() {
    if (this.modern) return this.request("server/discover");
    const params = { protocolVersion: this.version, capabilities: CAPABILITIES, clientInfo: CLIENT };
    const { protocolVersion } = await this.request("initialize", params);
    assert.equal(protocolVersion, this.version, "the server chose another revision");
    this.#write({ jsonrpc: "2.0", method: "notifications/initialized" });
    // Some servers ask their questions there and forget those asked before it is open.
    await within("the GET stream", this.#terminator.streamAnswered);
  }

  // The result of a request; an error of JSON-RPC is thrown as it came.
  async request(method, params = {}) {
    const id = this.#nextId++;
    if (this.modern) params = { ...params, _meta: this.#meta() };
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#write({ jsonrpc: "2.0", id, method, params });
    const { result, error } = await within(`the answer to ${method}`, answer);
    if (error) throw Object.assign(new Error(`${method}: ${JSON.stringify(error)}`), { rpc: error });
    return result;
  }

  // Closes the bridge's standard input, after which it has to end by itself and well.
  async end() {
    this.#bridge.stdin.end();
    assert.deepEqual(await within("the end of the bridge", this.#exited), [0, null], "exit status and signal");
    assert.deepEqual([...this.#waiting.keys()], [], "requests without an answer");
  }

  #meta() {
    return {
      "io.modelcontextprotocol/protocolVersion": this.version,
      "io.modelcontextprotocol/clientInfo": CLIENT,
      "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
    };
  }

  #write(message) {
    this.#bridge.stdin.write(`${JSON.stringify(message)}\n`);
  }

  // Throws, which ends the driver, for what no host can use: no JSON, an answer that nobody awaits, an odd question.
  #read(line) {
    const message = JSON.parse(line);
    if (message.method === undefined) {
      const resolve = this.#waiting.get(message.id);
      assert(resolve, `nobody waits for this: ${line}`);
      this.#waiting.delete(message.id);
      resolve(message);
    } else if (message.id !== undefined) {
      assert.equal(message.method, "elicitation/create");
      this.#write({ jsonrpc: "2.0", id: message.id, result: accepted(message.params) });
    }
  }
}

// What a person answers to elicitation/create who presses Enter.
export function accepted({ requestedSchema }) {
  const fields = Object.entries(requestedSchema.properties);
  const content = Object.fromEntries(fields.map(([name, field]) => [name, field.default ?? true]));
  return { action: "accept", content };
}

async function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const CLIENT = { name: "conformance-driver", version: "1.0.0" };
const CAPABILITIES = { roots: {}, sampling: {}, elicitation: {} };
// Less than the suite waits for us, so that what is missing has a name.
const PATIENCE = 10_000;
