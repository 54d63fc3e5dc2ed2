// What the gateway's fan-out is set beside: a Node server on `socket.io` that does the same for its clients. They subscribe to
// topics and publish; each event goes to whoever subscribed, in the same form, under its topic and under `event`. Prints where it
// listens, and serves until it is killed.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { serveClient: false });
let seq = 0;

io.on('connection', (socket) => {
  socket.on('subscribe', (topics, ack) => {
    socket.join(topics);
    ack({ ok: true, filters: topics, seq });
  });
  socket.on('publish', ({ topic, data }, ack) => {
    seq += 1;
    const event = {
      specversion: '1.0', id: randomUUID(), source: 'socket.io', type: topic, time: new Date().toISOString(),
      datacontenttype: 'application/json', seq, data,
    };
    io.to(topic).emit(topic, event);
    io.to(topic).emit('event', event);
    ack({ ok: true, id: event.id, seq });
  });
});

http.listen(0, '127.0.0.1', () => {
  const { address, port } = http.address();
  console.log(`${address}:${port}`);
});
