// A server that demands a client certificate and streams what it gets to a plain server, and the answers back.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { pipeline } from "node:stream";

// Starts one towards this URL. `url` is where it listens; the rest grows while it runs.
export async function terminate(upstream) {
  const seen = { connections: 0, fingerprints: new Set(), requests: [] };
  // Kept once a GET has its first answer.
  seen.streamAnswered = new Promise((resolve) => (seen.answered = resolve));
  const server = https.createServer({
    cert: readFileSync(process.env.CONFORMANCE_SERVER_CERT),
    key: readFileSync(process.env.CONFORMANCE_SERVER_KEY),
    ca: readFileSync(process.env.CONFORMANCE_CLIENT_CA),
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on("secureConnection", () => (seen.connections += 1));
  server.on("request", (request, response) => {
    seen.fingerprints.add(verified(request.socket));
    seen.requests.push({ method: request.method, headers: request.headers });
    pass(request, response, upstream, seen);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  seen.url = `https://localhost:${server.address().port}${upstream.pathname}`;
  return seen;
}

// The SHA-256 of the certificate behind this connection.
function verified(socket) {
  if (!socket.authorized) return `not verified: ${socket.authorizationError}`;
  return socket.getPeerX509Certificate().fingerprint256.replaceAll(":", "").toLowerCase();
}

function pass(request, response, upstream, seen) {
  const headers = ["Host", upstream.host, ...endToEnd(request.rawHeaders)];
  const options = { method: request.method, path: request.url, headers, agent: false };
  const forward = http.request({ host: "127.0.0.1", port: upstream.port, ...options });
  forward.on("response", (answer) => {
    response.writeHead(answer.statusCode, answer.statusMessage, endToEnd(answer.rawHeaders));
    // A stream of events may have nothing to say for long, and its reader waits for the head.
    response.flushHeaders();
    if (request.method === "GET") seen.answered();
    pipeline(answer, response, () => {});
  });
  forward.on("error", () => response.destroy());
  response.on("close", () => forward.destroy());
  pipeline(request, forward, () => {});
}

// The headers but for those that belong to one hop.
function endToEnd(raw) {
  const kept = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (!HOP.has(raw[at].toLowerCase())) kept.push(raw[at], raw[at + 1]);
  }
  return kept;
}

const HOP = new Set(["host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]);
