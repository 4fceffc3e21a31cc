#!/usr/bin/env python3
"""A registry of images that do nothing, for tests of what is asked before one is used.

The first part of an image's name says what it is: `agent-amd64/ai-claude` runs as `agent` and is for amd64,
`root-arm64/…` has no user and is for arm64. What the file SERIAL has is part of each image, so that a test
can have another one pushed under the same name.

    registry.py --port-file FILE --serial FILE --log FILE
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import re
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
options = argparse.Namespace()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(serial: bytes) -> bytes:
    """A tar with one file; the same each time."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo("serial")
        entry.size = len(serial)
        tar.addfile(entry, io.BytesIO(serial))
    return made.getvalue()


def image(kind: str) -> tuple[bytes, dict[str, bytes]]:
    """Manifest, and blobs by their digests."""
    user, architecture = kind.split("-")
    tar = layer(options.serial.read_bytes())
    packed = gzip.compress(tar, mtime=0)
    config = json.dumps({
        "architecture": architecture, "os": "linux",
        "config": {"User": "" if user == "root" else user, "Cmd": ["/nothing"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(tar)]},
        "history": [{"created_by": "a test"}],
    }).encode()
    blob = lambda kind, data: {"mediaType": kind, "size": len(data), "digest": digest(data)}
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": blob("application/vnd.docker.container.image.v1+json", config),
        "layers": [blob("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
    }).encode()
    return manifest, {digest(config): config, digest(packed): packed}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        # Engines try TLS first: they are told at once that there is none.
        if self.rfile.peek(1)[:1] == b"\x16":
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            self.close_connection = True
            return
        super().handle_one_request()

    def answer(self, data: bytes, kind: str = "application/json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.send_header("docker-content-digest", digest(data))
        self.send_header("docker-distribution-api-version", "registry/2.0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self) -> None:
        with options.log.open("a") as log:
            log.write(f"{self.path}\n")
        if self.path == "/v2/":
            return self.answer(b"{}")
        found = re.fullmatch(r"/v2/(\w+-\w+)/[^/]+/(manifests|blobs)/(.+)", self.path)
        if not found:
            return self.answer(b"{}", status=404)
        kind, what, reference = found.groups()
        manifest, blobs = image(kind)
        if what == "manifests":
            return self.answer(manifest, MANIFEST)
        if reference in blobs:
            return self.answer(blobs[reference], "application/octet-stream")
        return self.answer(b"{}", status=404)

    do_HEAD = do_GET


def main() -> None:
    parser = argparse.ArgumentParser(description="A registry of images that do nothing.")
    for name in ("port-file", "serial", "log"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.parse_args(namespace=options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    aside = options.port_file.with_name(options.port_file.name + ".new")
    aside.write_text(f"{server.server_port}\n")
    aside.rename(options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
