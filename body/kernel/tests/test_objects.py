"""Files of large pieces, without a kernel."""

import os
import tempfile
import unittest

from vivarium_kernel.objects import CHUNK, Damaged, Objects, fingerprint


class Frames(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.objects = folder.name, Objects(folder.name)
        self.content = bytes(range(256)) * (2 * CHUNK // 256) + b"end"
        entry = self.objects.put(memoryview(self.content), fingerprint(self.content))
        self.name, self.size, self.frames = entry["object"], entry["size_bytes"], entry["frames"]

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
        entry = self.objects.put(memoryview(content), fingerprint(content))
        self.assertEqual(len(content), entry["size_bytes"])
        self.assertNotIn("frames", entry)
        self.assertEqual(content, bytes(self.objects.get(entry["object"], len(content))))

    def test_what_changes_while_it_is_written_is_whole_all_the_same(self):
        for content in (bytearray(self.content), bytearray(os.urandom(3 * CHUNK))):
            known = fingerprint(content)
            content[CHUNK] ^= 1  # as a thread would, after the fingerprint was taken
            entry = self.objects.put(memoryview(content), known)
            self.assertEqual(content, self.objects.get(entry["object"], len(content), entry.get("frames", ()))[:])
            # It is taken for nothing else later.
            self.assertNotIn("fingerprint", entry)
            self.assertEqual([], [name for name in os.listdir(self.folder) if name.startswith("new-")])

    def test_a_fingerprint_is_of_all_that_there_is(self):
        for length in (0, 1, 2 * CHUNK, 2 * CHUNK + 1, 4 * CHUNK + 5):
            content = bytearray(length)
            seen = {fingerprint(content)}
            places = {0, length // 2, length - 1} if length else set()
            for at in places:
                content[at] ^= 1
                seen.add(fingerprint(content))
                content[at] ^= 1
            self.assertIn(fingerprint(bytes(content)), seen)
            self.assertEqual(1 + len(places), len(seen))
            self.assertNotIn(fingerprint(bytes(length + 1)), seen)
