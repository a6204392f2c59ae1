// What a host does in each scenario of the suite. The suite judges what its server saw; a play throws when the host was
// told something else than the server said.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { accepted } from "./host.mjs";

export const plays = {
  initialize: list,
  "json-schema-ref-no-deref": list,

  async tools_call(host) {
    await list(host);
    const { content } = await host.request("tools/call", { name: "add_numbers", arguments: { a: 5, b: 3 } });
    assert.equal(content[0].text, "The sum of 5 and 3 is 8");
  },

  async "elicitation-sep1034-client-defaults"(host) {
    const [{ name }] = await list(host);
    const { content } = await host.request("tools/call", { name, arguments: {} });
    assert.match(content[0].text, /^Elicitation completed/);
  },

  async "sse-retry"(host) {
    const [{ name }] = await list(host);
    const { content } = await host.request("tools/call", { name, arguments: {} });
    assert.equal(content[0].text, "Reconnection test completed successfully");
  },

  async "json-schema-2020-12-preservation"(host) {
    const [{ inputSchema }, { name }] = await list(host);
    await host.request("tools/call", { name, arguments: { schema: inputSchema } });
  },

  // The server refuses the first request whatever its version, so it names one that nobody knows.
  async "request-metadata"(host) {
    const { version } = host;
    host.version = "2099-12-31";
    await assert.rejects(host.open(), ({ rpc }) => rpc.code === -32022 && rpc.data.supported.includes(version));
    host.version = version;
    await list(host);
  },

  async "http-standard-headers"(host) {
    for (const { name } of await list(host)) await host.request("tools/call", { name, arguments: {} });
    const { resources } = await host.request("resources/list");
    for (const { uri } of resources) await host.request("resources/read", { uri });
    const { prompts } = await host.request("prompts/list");
    for (const { name } of prompts) await host.request("prompts/get", { name, arguments: {} });
  },

  async "http-custom-headers"(host, { toolCalls }) {
    const listed = (await list(host)).map(({ name }) => name);
    for (const call of toolCalls) {
      assert(listed.includes(call.name), `${call.name} is not in ${listed}`);
      await host.request("tools/call", call);
    }
  },

  // A host that calls what it sees: the suite fails it for each tool that the bridge should not have shown.
  async "http-invalid-tool-headers"(host) {
    for (const { name, inputSchema } of await list(host)) {
      const values = Object.keys(inputSchema.properties).map((property) => [property, "value"]);
      await host.request("tools/call", { name, arguments: Object.fromEntries(values) });
    }
  },

  async "sep-2322-client-request-state"(host) {
    await list(host);
    const call = (name) => callInRounds(host, name, () => callInRounds(host, "test_mrtr_unrelated"));
    assert.equal(await call("test_mrtr_echo_state"), "echo-state-ok");
    assert.equal(await call("test_mrtr_no_state"), "no-state-ok");
    assert.equal(await call("test_mrtr_no_result_type"), "no-result-type-test-ok");
  },

  async "sep-2640-client-no-prefetch"(host) {
    await host.open();
    const { skills } = await host.request("skills/list");
    assert.equal(skills.length, 1);
  },

  "sep-2640-client-verify-digest": loadSkills,
  "sep-2640-client-verify-size": loadSkills,
  "sep-2640-client-verify-frontmatter": loadSkills,
};

async function list(host) {
  await host.open();
  return (await host.request("tools/list")).tools;
}

// Calls a tool, answers what it asks, and returns the text of its result.
async function callInRounds(host, name, between) {
  let params = { name, arguments: {} };
  for (;;) {
    const result = await host.request("tools/call", params);
    if (result.resultType !== "input_required") return result.content[0].text;
    await between();
    const answers = Object.entries(result.inputRequests).map(([key, { params }]) => [key, accepted(params)]);
    params = { name, arguments: {}, inputResponses: Object.fromEntries(answers) };
    if ("requestState" in result) params.requestState = result.requestState;
  }
}

// Reads the files of each skill for as long as they are what the list says.
async function loadSkills(host) {
  await host.open();
  const { skills } = await host.request("skills/list");
  for (const { frontmatter, resources } of skills) {
    for (const { uri, digest, size } of resources) {
      const { contents } = await host.request("resources/read", { uri });
      const [{ text }] = contents;
      const same = Buffer.byteLength(text) === size && digestOf(text) === digest;
      if (!same || !text.includes(`description: ${frontmatter.description}\n`)) break;
    }
  }
}

function digestOf(text) {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
