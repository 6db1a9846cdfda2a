// A server on Node's module net.
"use strict";

const net = require("node:net");

const [mode, port] = process.argv.slice(2);
const fortune = mode === "fortune";

const server = net.createServer({ noDelay: !fortune }, (socket) => {
  // The end of one connection is no error of the server.
  socket.on("error", () => {});
  if (fortune) {
    // Resumed, or the end of a client that sent something would never be seen.
    socket.end("Fortune cookie!\n").resume();
  } else {
    socket.pipe(socket);
  }
});

server.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 }, () => console.log("ready"));
