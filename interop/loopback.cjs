// Loaded before a server that listens on every address and a fixed port: puts it on loopback, on a free port,
// and tells which.
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function (...args) {
  this.once("listening", () => console.log(`loopback port ${this.address().port}`));
  return listen.call(this, { host: "127.0.0.1", port: 0 }, ...args.filter((arg) => typeof arg === "function"));
};
