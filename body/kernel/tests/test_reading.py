"""Files into memory, by every way there is."""

import errno
import fcntl
import os
import tempfile
import unittest
from unittest import mock

from vivarium_kernel import reading
from vivarium_kernel.reading import CHUNK, Damaged

REAL_OPEN, REAL_READ = os.open, os.preadv


def refused(*_):
    raise OSError(errno.EINVAL, "Invalid argument")


class Plain(unittest.TestCase):
    def setUp(self):
        file = tempfile.NamedTemporaryFile()
        self.addCleanup(file.close)
        self.path = file.name
        self.content = os.urandom(2 * CHUNK + 12345)
        file.write(self.content)
        file.flush()
        os.fsync(file.fileno())

    def forget(self):
        """Takes the file out of the page cache."""
        file = os.open(self.path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)

    def read(self, length=None):
        memory = reading.memory(len(self.content) if length is None else length)
        given = b"".join(bytes(chunk) for chunk in reading.plain(self.path, memoryview(memory)))
        self.assertEqual(given, memory[:])
        return given

    def test_from_the_disk_and_from_the_cache(self):
        self.forget()
        self.assertEqual(self.content, self.read())
        with open(self.path, "rb") as file:
            file.read()
        with mock.patch.object(reading, "_is_cached", wraps=reading._is_cached) as asked:
            self.assertEqual(self.content, self.read())
        self.assertEqual(2, asked.call_count)  # the rest is no whole chunk

    def test_where_no_file_can_be_read_directly(self):
        def opened(path, flags):
            return refused() if flags & os.O_DIRECT else REAL_OPEN(path, flags)

        with mock.patch("os.open", opened):
            self.assertEqual(self.content, self.read())

    def test_where_a_direct_read_is_refused_or_ends_before_its_chunk(self):
        for limit in (0, CHUNK // 2, CHUNK // 2 + 7):
            direct = []

            def read(file, places, at, *flags):
                if flags:
                    refused()  # nothing is in the cache
                if not fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT:
                    return REAL_READ(file, places, at)
                direct.append(at)
                if not limit or at % reading.PAGE:
                    refused()
                part = self.content[at:at + min(limit, len(places[0]))]
                places[0][:len(part)] = part
                return len(part)

            with self.subTest(limit), mock.patch("os.preadv", read):
                self.assertEqual(self.content, self.read())
                self.assertTrue(direct)
                self.assertEqual([], [at for at in direct if at % reading.PAGE])

    def test_a_file_of_another_length_is_damaged(self):
        for length in (len(self.content) - 1, len(self.content) + 1, CHUNK):
            with self.assertRaises(Damaged):
                self.read(length)

    def test_a_file_that_becomes_shorter_while_it_is_read_is_damaged(self):
        with mock.patch.object(reading, "_expect"), self.assertRaisesRegex(Damaged, "ends too early"):
            self.read(3 * CHUNK)

    def test_nothing_stays_open(self):
        before = len(os.listdir("/proc/self/fd"))
        chunks = reading.plain(self.path, memoryview(reading.memory(len(self.content))))
        next(chunks)
        chunks.close()
        self.read()
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))
