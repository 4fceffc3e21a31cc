"""Files of large pieces, without a kernel."""

import os
import tempfile
import unittest

from vivarium_kernel.objects import CHUNK, Damaged, Objects


class Frames(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.objects = folder.name, Objects(folder.name)
        self.content = bytes(range(256)) * (2 * CHUNK // 256) + b"end"
        self.name, self.size, self.frames = self.objects.put(memoryview(self.content))

    def get(self, frames):
        return bytes(self.objects.get(self.name, len(self.content), frames))

    def test_what_was_compressed_comes_back_with_its_frames_and_without(self):
        self.assertTrue(self.name.endswith(".zst"))
        self.assertEqual((3, self.size), (len(self.frames), sum(self.frames)))
        self.assertEqual(self.content, self.get(self.frames))
        # A snapshot from before there were frames lies in one.
        self.assertEqual(self.content, self.get(()))

    def test_damage_in_any_frame_is_found(self):
        path = os.path.join(self.folder, self.name)
        for at in (4, self.frames[0] + 30, self.size - 1):
            with open(path, "r+b") as file:
                file.seek(at)
                before = file.read(1)
                file.seek(at)
                file.write(bytes([before[0] ^ 0x55]))
                file.flush()
                with self.assertRaises(Damaged):
                    self.get(self.frames)
                with self.assertRaises(Damaged):
                    self.get(())
                file.seek(at)
                file.write(before)
        self.assertEqual(self.content, self.get(self.frames))
        os.truncate(path, self.size - 1)
        with self.assertRaises(Damaged):
            self.get(self.frames)

    def test_what_does_not_compress_lies_as_it_is(self):
        content = os.urandom(CHUNK + 5)
        name, size, frames = self.objects.put(memoryview(content))
        self.assertEqual((len(content), []), (size, frames))
        self.assertEqual(content, bytes(self.objects.get(name, len(content))))
