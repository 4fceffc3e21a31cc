"""`runtime.resource`, without a process around it."""

import pickle
import unittest

from vivarium_kernel.resource import Resource
from vivarium_kernel.runtime import Shell


class Line:
    made = 0

    def __init__(self, name):
        Line.made += 1
        self.name, self.good, self.ended = name, True, False


def is_good(line):
    return line.good


class Context(unittest.TestCase):
    def test_variables_of_a_snapshot_that_fail_every_command_stay_away(self):
        shell = Shell(lambda change: None)
        shell.restore("/", {"A B": "x", "NUL": "a\0b", "C": "d"})
        self.assertEqual({"C": "d"}, shell.context()["env"])


class Resources(unittest.TestCase):
    def test_it_connects_once_and_again_when_it_is_stale(self):
        connected, ended = [], []
        handle = Resource(Line, ("a",)).on_connect(connected.append).validate(is_good).teardown(ended.append)
        first = handle.get()
        self.assertIs(first, handle.get())
        first.good = False
        second = handle.get()
        self.assertIsNot(first, second)
        self.assertEqual([first], ended)
        handle.invalidate()
        third = handle.get()
        self.assertEqual([first, second, third], connected)

    def test_a_check_that_fails_means_stale(self):
        handle = Resource(object).validate(lambda _: 1 / 0)
        self.assertIsNot(handle.get(), handle.get())

    def test_a_connection_whose_set_up_fails_is_torn_down(self):
        ended = []
        handle = Resource(Line, ("a",)).on_connect(lambda _: 1 / 0).teardown(ended.append)
        self.assertRaises(ZeroDivisionError, handle.get)
        self.assertEqual(1, len(ended))

    def test_retry(self):
        tries = []

        def connect():
            tries.append(1)
            if len(tries) < 3:
                raise ConnectionError(len(tries))
            return "up"

        self.assertRaises(ConnectionError, Resource(connect).get)
        tries.clear()
        self.assertEqual("up", Resource(connect).retry(3, base_delay_s=0, backoff_base=2).get())
        tries.clear()
        self.assertRaises(ConnectionError, Resource(connect).retry(2, base_delay_s=0).get)
        self.assertRaises(ValueError, Resource(connect).retry, backoff=0)

    def test_a_copy_connects_for_itself(self):
        handle = Resource(Line, ("a",)).validate(is_good)
        handle.get()
        made = Line.made
        copy = pickle.loads(pickle.dumps(handle))
        self.assertIn("not connected", repr(copy))
        self.assertEqual("a", copy.get().name)
        self.assertEqual(made + 1, Line.made)
