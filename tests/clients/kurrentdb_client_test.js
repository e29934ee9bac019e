// The official Node client, unchanged, against `annals log serve`: node kurrentdb_client_test.js HOST:PORT
const test = require("node:test");
const assert = require("node:assert");
const { randomUUID } = require("node:crypto");
const {
  KurrentDBClient, jsonEvent, binaryEvent, ANY, NO_STREAM, STREAM_EXISTS, START, END, BACKWARDS,
  WrongExpectedVersionError, StreamNotFoundError, StreamDeletedError, excludeSystemEvents,
  streamNameFilter, persistentSubscriptionToStreamSettingsFromDefaults, PARK,
  PersistentSubscriptionExistsError, PersistentSubscriptionDoesNotExistError,
} = require("@kurrent/kurrentdb-client");

const client = KurrentDBClient.connectionString(`kurrentdb://${process.env.ANNALS_ESDB}?tls=false`);
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
