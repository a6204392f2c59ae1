// The client command of the conformance suite: plays the host of one scenario on the standard input and output of
// `mcp-mtls connect`, which speaks mutual TLS with a terminator in front of the suite's plain server.
//
// The suite gives the scenario (MCP_CONFORMANCE_*) and, as the last argument, the URL of its server; xtask gives the
// binary and the certificates (CONFORMANCE_*). The last line on standard output tells what the terminator verified;
// it is missing when anything went otherwise than a host may expect.
import assert from "node:assert/strict";

import { Host } from "./host.mjs";
import { plays } from "./plays.mjs";
import { terminate } from "./terminator.mjs";

const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_PROTOCOL_VERSION: version } = process.env;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

// Of an error that ends us: what is wrong and where, once.
process.on("uncaughtException", (error) => {
  console.error(error.stack);
  process.exit(1);
});
// The suite holds our standard input open for as long as it lives. Once it is gone nobody waits for this play.
process.stdin.on("end", () => process.exit(1)).resume();

const play = plays[scenario];
assert(play, `there is no play for the scenario ${scenario}`);
const terminator = await terminate(new URL(process.argv.at(-1)));
const host = new Host(terminator, version);
await play(host, context);
await host.end();
expectOnlyOfTheEra(terminator.requests);

const { connections, fingerprints } = terminator;
console.log(JSON.stringify({ connections, fingerprints: [...fingerprints] }));
process.exit(0);

// From 2026-07-28 on there are no sessions and no streams but those of a POST, which the suite does not check.
function expectOnlyOfTheEra(requests) {
  assert(requests.length > 0, "no request came");
  for (const { method, headers } of host.modern ? requests : []) {
    const stray = ["mcp-session-id", "last-event-id"].filter((name) => name in headers);
    assert.deepEqual([method, stray], ["POST", []], "a request as of an older revision");
  }
}
