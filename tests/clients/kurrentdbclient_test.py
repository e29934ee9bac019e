"""The official Python client, unchanged, against `annals log serve` at SERVED_AT; SERVER is the program."""
import os
import socket
import subprocess
import tempfile
import time
import unittest
import uuid

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (AlreadyExistsError, KurrentDBClientError, NotFoundError,
                                        StreamIsDeletedError, WrongCurrentVersionError)

ADDRESS = os.environ["SERVED_AT"]


def event(kind="happened", data=b"{}"):
    return NewEvent(type=kind, data=data, metadata=b'{"by":"test"}')


class Client(unittest.TestCase):
    def setUp(self):
        self.client = KurrentDBClient(f"kurrentdb://{ADDRESS}?tls=false")
        self.stream = f"python-{uuid.uuid4()}"

    def tearDown(self):
        self.client.close()

    def put(self, *events, version=StreamState.ANY):
        return self.client.append_to_stream(self.stream, current_version=version, events=list(events))

    def test_every_expected_version(self):
        first, second = event(), event()
        at = self.put(first, version=StreamState.NO_STREAM)
        self.assertEqual(at, self.put(first, version=StreamState.NO_STREAM), "a repeat is answered as the first was")
        self.assertLess(at, self.put(second, version=0))
        self.put(event(), version=StreamState.EXISTS)
        with self.assertRaises(WrongCurrentVersionError):
            self.put(event(), version=7)
        with self.assertRaises(WrongCurrentVersionError):
            self.put(event(), version=StreamState.NO_STREAM)

    def test_batches_are_whole_repeatable_and_refused_on_conflict(self):
        batch = [event(), event(), event()]
        at = self.client.append_events(self.stream, current_version=StreamState.NO_STREAM, events=batch)
        again = self.client.append_events(self.stream, current_version=StreamState.NO_STREAM, events=batch)
        self.assertEqual(at, again)
        with self.assertRaises(WrongCurrentVersionError):
            self.client.append_events(self.stream, current_version=StreamState.NO_STREAM, events=[event()])
        self.assertEqual(2, self.client.get_current_version(self.stream))

    def test_events_come_back_whole_both_ways(self):
        sent = [event(data=b'{"n":%d}' % n) for n in range(5)]
        self.client.append_events(self.stream, current_version=StreamState.NO_STREAM, events=sent)
        got = self.client.get_stream(self.stream)
        self.assertEqual([(e.id, e.data, e.metadata) for e in got], [(e.id, e.data, e.metadata) for e in sent])
        back = self.client.get_stream(self.stream, backwards=True, limit=2)
        self.assertEqual([4, 3], [e.stream_position for e in back])
        self.assertEqual(4, self.client.get_current_version(self.stream))

    def test_missing_deleted_and_tombstoned_streams(self):
        with self.assertRaises(NotFoundError):
            self.client.get_stream(self.stream)
        self.put(event())
        self.client.delete_stream(self.stream, current_version=0)
        with self.assertRaises(NotFoundError):
            self.client.get_stream(self.stream)
        self.put(event(), version=StreamState.NO_STREAM)
        self.assertEqual([1], [e.stream_position for e in self.client.get_stream(self.stream)])
        self.client.tombstone_stream(self.stream, current_version=StreamState.ANY)
        with self.assertRaises(StreamIsDeletedError):
            self.client.get_stream(self.stream)

    def test_metadata_goes_round(self):
        self.put(event(), event(), event())
        self.assertEqual({}, self.client.get_stream_metadata(self.stream)[0])
        wanted = {"$maxCount": 2, "$acl": {"$r": ["$all"]}, "mine": 1}
        self.client.set_stream_metadata(self.stream, metadata=wanted, current_version=StreamState.NO_STREAM)
        self.assertEqual(wanted, self.client.get_stream_metadata(self.stream)[0])
        self.assertEqual([1, 2], [e.stream_position for e in self.client.get_stream(self.stream)])

    def test_all_with_the_default_filter(self):
        at = self.put(event(), event())
        got = [e for e in self.client.read_all(commit_position=at)]
        self.assertEqual(self.stream, got[0].stream_name)
        self.assertFalse([e for e in self.client.read_all() if e.type.startswith("$")])

    def test_filters_by_stream_and_by_type(self):
        kind = f"kind-{uuid.uuid4().hex}"
        at = self.put(event(), event(kind), event())
        by_type = self.client.read_all(filter_include=[kind])
        self.assertEqual([1], [e.stream_position for e in by_type])
        by_stream = self.client.read_all(filter_include=[self.stream], filter_by_stream_name=True, backwards=True)
        self.assertEqual([2, 1, 0], [e.stream_position for e in by_stream])
        with self.client.subscribe_to_all(commit_position=at, filter_exclude=["happened"],
                                          include_checkpoints=True) as live:
            self.put(event("other"))
            self.assertEqual("other", next(e for e in live if hasattr(e, "stream_name") and e.stream_name == self.stream
                                           and e.type == "other").type)

    def test_catch_up_subscriptions(self):
        at = self.put(event())
        with self.client.subscribe_to_stream(self.stream) as one, \
                self.client.subscribe_to_all(commit_position=at) as everything:
            self.assertEqual(0, next(one).stream_position)
            self.put(event())
            self.assertEqual(1, next(one).stream_position)
            self.assertEqual((self.stream, 1), (lambda e: (e.stream_name, e.stream_position))(next(everything)))

    def test_categories(self):
        category = f"cat{uuid.uuid4().hex}"
        self.stream = f"{category}-1"
        self.put(event(), event())
        got = self.client.get_stream(f"$ce-{category}", resolve_links=True)
        self.assertEqual([0, 1], [e.stream_position for e in got])

    def test_persistent_subscriptions(self):
        self.put(event(), event())
        self.client.create_subscription_to_stream("group", self.stream, from_end=False)
        with self.assertRaises(AlreadyExistsError):
            self.client.create_subscription_to_stream("group", self.stream)
        with self.client.read_subscription_to_stream("group", self.stream) as consumer:
            for position in range(2):
                got = next(consumer)
                self.assertEqual(position, got.stream_position)
                consumer.ack(got) if position == 0 else consumer.nack(got, "park")
            for _ in range(100):
                info = self.client.get_subscription_info("group", self.stream)
                if info.parked_message_count == 1:
                    break
                time.sleep(0.05)
            self.assertEqual(1, info.parked_message_count)
            self.client.replay_parked_events("group", self.stream)
            again = next(consumer)
            self.assertEqual(1, again.stream_position)
            consumer.ack(again)
        self.assertIn("group", [s.group_name for s in self.client.list_subscriptions_to_stream(self.stream)])
        self.client.delete_subscription("group", self.stream)
        with self.assertRaises(NotFoundError):
            self.client.get_subscription_info("group", self.stream)

    def test_a_server_that_is_killed_and_comes_back(self):
        with tempfile.TemporaryDirectory() as data:
            port = free_port()
            server = start(data, port)
            client = KurrentDBClient(f"kurrentdb://127.0.0.1:{port}?tls=false")
            try:
                client.append_to_stream(self.stream, current_version=StreamState.NO_STREAM, events=[event()])
                for killed in range(1, 4):
                    server.kill()
                    server.wait()
                    server = start(data, port)
                    sent = event()
                    insist(lambda: client.append_to_stream(self.stream, current_version=killed - 1, events=[sent]))
                    self.assertEqual(killed, client.get_current_version(self.stream))
            finally:
                client.close()
                server.kill()
                server.wait()


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def start(data, port):
    command = [os.environ["SERVER"], "log", "serve", "--data", data, "--listen", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with server.stdout as said:
        said.readline()
    return server


def insist(call):
    """A connection that was cut is noticed by the call that meets it; the next one has a new connection."""
    for _ in range(50):
        try:
            return call()
        except WrongCurrentVersionError:
            raise
        except KurrentDBClientError:
            time.sleep(0.1)
    return call()


unittest.main(verbosity=1)
