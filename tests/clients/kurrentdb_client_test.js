// The official Node client, unchanged, against `annals log serve` at SERVED_AT; SERVER is the program.
const test = require("node:test");
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { mkdtempSync, rmSync } = require("node:fs");
const { createServer } = require("node:net");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { randomUUID } = require("node:crypto");
const {
  KurrentDBClient, jsonEvent, binaryEvent, ANY, NO_STREAM, STREAM_EXISTS, START, END, BACKWARDS,
  WrongExpectedVersionError, StreamNotFoundError, StreamDeletedError, excludeSystemEvents,
  streamNameFilter, persistentSubscriptionToStreamSettingsFromDefaults, PARK,
  PersistentSubscriptionExistsError, PersistentSubscriptionDoesNotExistError,
} = require("@kurrent/kurrentdb-client");

const client = KurrentDBClient.connectionString(`kurrentdb://${process.env.SERVED_AT}?tls=false`);
const event = (n = 0) => jsonEvent({ type: "happened", data: { n }, metadata: { by: "test" } });
const name = () => `node-${randomUUID()}`;
const all = async (read) => {
  const events = [];
  for await (const found of read) events.push(found);
  return events;
};
const revisions = (events) => events.map((found) => Number((found.link ?? found.event).revision));

test.after(() => client.dispose());

test("every expected revision, repeats and conflicts", async () => {
  const stream = name();
  const first = event();
  const done = await client.appendToStream(stream, first, { streamState: NO_STREAM });
  assert.equal(done.nextExpectedRevision, 0n);
  const again = await client.appendToStream(stream, first, { streamState: NO_STREAM });
  assert.equal(again.nextExpectedRevision, 0n);
  await client.appendToStream(stream, event(), { streamState: 0n });
  await client.appendToStream(stream, event(), { streamState: STREAM_EXISTS });
  await client.appendToStream(stream, event(), { streamState: ANY });
  await assert.rejects(client.appendToStream(stream, event(), { streamState: 9n }), WrongExpectedVersionError);
  await assert.rejects(client.appendToStream(stream, event(), { streamState: NO_STREAM }), WrongExpectedVersionError);
});

test("batches are whole, repeatable, and refused on conflict", async () => {
  const stream = name();
  const batch = [event(0), event(1), event(2)];
  const done = await client.appendToStream(stream, batch, { streamState: NO_STREAM });
  const again = await client.appendToStream(stream, batch, { streamState: NO_STREAM });
  assert.deepEqual(again.position, done.position);
  await assert.rejects(
    client.appendToStream(stream, [event(), event()], { streamState: NO_STREAM }), WrongExpectedVersionError);
  assert.deepEqual(revisions(await all(client.readStream(stream))), [0, 1, 2]);
});

test("events come back whole, both ways", async () => {
  const stream = name();
  await client.appendToStream(stream, [event(0), event(1), binaryEvent({ type: "raw", data: Buffer.from([1, 255]) })]);
  const forwards = await all(client.readStream(stream));
  assert.deepEqual(revisions(forwards), [0, 1, 2]);
  assert.deepEqual(forwards[1].event.data, { n: 1 });
  assert.deepEqual([...forwards[2].event.data], [1, 255]);
  const backwards = await all(client.readStream(stream, { direction: BACKWARDS, fromRevision: END, maxCount: 2 }));
  assert.deepEqual(revisions(backwards), [2, 1]);
});

test("missing, deleted and tombstoned streams", async () => {
  const stream = name();
  await assert.rejects(all(client.readStream(stream)), StreamNotFoundError);
  await client.appendToStream(stream, event());
  await client.deleteStream(stream);
  await assert.rejects(all(client.readStream(stream)), StreamNotFoundError);
  await client.appendToStream(stream, event());
  assert.deepEqual(revisions(await all(client.readStream(stream))), [1]);
  await client.tombstoneStream(stream);
  await assert.rejects(all(client.readStream(stream)), StreamDeletedError);
});

test("metadata goes round", async () => {
  const stream = name();
  await client.appendToStream(stream, [event(), event(), event()]);
  await client.setStreamMetadata(stream, { maxCount: 1, acl: { readRoles: ["$all"] }, mine: 1 });
  const { metadata } = await client.getStreamMetadata(stream);
  assert.equal(metadata.maxCount, 1);
  assert.equal(metadata.mine, 1);
  assert.deepEqual(revisions(await all(client.readStream(stream))), [2]);
});

test("reads and subscriptions of everything, filtered", async () => {
  const stream = name();
  await client.appendToStream(stream, event());
  const read = await all(client.readAll({ filter: streamNameFilter({ prefixes: [stream] }) }));
  assert.deepEqual(revisions(read), [0]);
  const live = client.subscribeToAll({ fromPosition: START, filter: excludeSystemEvents() });
  for await (const found of live) {
    assert.ok(!found.event.type.startsWith("$"));
    if (found.event.streamId === stream) break;
  }
});

test("a catch-up subscription goes live", async () => {
  const stream = name();
  await client.appendToStream(stream, event());
  const got = [];
  for await (const found of client.subscribeToStream(stream, { fromRevision: START })) {
    got.push(Number(found.event.revision));
    if (got.length === 1) await client.appendToStream(stream, event());
    if (got.length === 2) break;
  }
  assert.deepEqual(got, [0, 1]);
});

test("persistent subscriptions: acknowledge, park, replay, info, list", async () => {
  const stream = name();
  await client.appendToStream(stream, [event(0), event(1)]);
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START });
  await client.createPersistentSubscriptionToStream(stream, "group", settings);
  await assert.rejects(
    client.createPersistentSubscriptionToStream(stream, "group", settings), PersistentSubscriptionExistsError);
  const consumer = client.subscribeToPersistentSubscriptionToStream(stream, "group");
  const got = [];
  for await (const found of consumer) {
    got.push(Number(found.event.revision));
    if (got.length === 2) {
      await consumer.nack(PARK, "because", found);
      for (let tries = 0; tries < 100; tries++) {
        const info = await client.getPersistentSubscriptionToStreamInfo(stream, "group");
        if (Number(info.stats.parkedMessageCount) === 1) break;
        await new Promise((wait) => setTimeout(wait, 50));
      }
      await client.replayParkedMessagesToStream(stream, "group");
      continue;
    }
    await consumer.ack(found);
    if (got.length === 3) break;
  }
  assert.deepEqual(got, [0, 1, 1]);
  const groups = await client.listPersistentSubscriptionsToStream(stream);
  assert.deepEqual(groups.map((group) => group.groupName), ["group"]);
  await client.deletePersistentSubscriptionToStream(stream, "group");
  await assert.rejects(
    client.getPersistentSubscriptionToStreamInfo(stream, "group"), PersistentSubscriptionDoesNotExistError);
});

test("a server that is killed and comes back", async () => {
  const stream = name();
  const data = mkdtempSync(join(tmpdir(), "annals-"));
  const port = await freePort();
  let server = await start(data, port);
  const own = KurrentDBClient.connectionString(`kurrentdb://127.0.0.1:${port}?tls=false`);
  try {
    await own.appendToStream(stream, event(), { streamState: NO_STREAM });
    for (let killed = 1; killed < 4; killed++) {
      server.kill("SIGKILL");
      await once(server, "exit");
      server = await start(data, port);
      const sent = event();
      const streamState = BigInt(killed - 1);
      const done = await insist(() => own.appendToStream(stream, sent, { streamState }));
      assert.equal(done.nextExpectedRevision, BigInt(killed));
    }
    assert.deepEqual(revisions(await all(own.readStream(stream))), [0, 1, 2, 3]);
  } finally {
    await own.dispose();
    server.kill("SIGKILL");
    await once(server, "exit");
    rmSync(data, { recursive: true });
  }
});

async function freePort() {
  const unused = createServer().listen(0, "127.0.0.1");
  await once(unused, "listening");
  const { port } = unused.address();
  unused.close();
  await once(unused, "close");
  return port;
}

async function start(data, port) {
  const parts = ["log", "serve", "--data", data, "--listen", `127.0.0.1:${port}`];
  const server = spawn(process.env.SERVER, parts, { stdio: ["ignore", "pipe", "ignore"] });
  await Promise.race([once(server.stdout, "data"), once(server, "exit")]);
  return server;
}

// A connection that was cut is noticed by the call that meets it; the next one has a new connection.
async function insist(call) {
  for (let tries = 0; tries < 50; tries++) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof WrongExpectedVersionError) throw error;
      await new Promise((wait) => setTimeout(wait, 100));
    }
  }
  return call();
}
