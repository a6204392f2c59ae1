// Loaded before servers that listen on every address, some on a fixed port: puts them on loopback, on a free port or
// that of LOOPBACK_PORT, and tells which.
const { Server } = require("node:net");

// Below `listen`, which would look up a host name first and so return before the port is known; the conformance suite
// asks for the port at once.
const bind = Server.prototype._listen2;
Server.prototype._listen2 = function (_address, _port, _type, ...rest) {
  this.once("listening", () => console.log(`loopback port ${this.address().port}`));
  return bind.call(this, "127.0.0.1", Number(process.env.LOOPBACK_PORT ?? 0), 4, ...rest);
};
