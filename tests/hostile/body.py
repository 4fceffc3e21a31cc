#!/usr/bin/python3
"""Takes the place of `body` in a machine, as PID 1 and as a command: every answer is meant to fill
the memory of whoever asks, or to hold them up."""

import http.server
import itertools
import os
import signal
import socketserver
import sys
import threading

ESCAPES = "\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J"
PIECE = 1 << 16


def pieces(start, again):
    """What begins so and goes on for ever."""
    yield start
    piece = again * (PIECE // len(again) + 1)
    while True:
        yield piece


ZEROS = (b"", b"\0")
# Little text, and very much once it is read.
LISTS = (b'{"executions":[', b"[],")
NUMBERS = (b"[", b"0,")
LINE = (b"data: ", b"x")
EVENTS = (b"", b'event: output\ndata: {"output_type":"stream","name":"stdout","text":"\\u001b]0;owned\\u0007"}\n\n')
QUESTIONS = (b'event: accepted\ndata: {"execution_id":"a"}\n\n', b'event: input_request\ndata: {"prompt":"' + b"x" * 2000 + b'","password":false}\n\n')
CHANGES = (b"", b'data: {"kind":"evolve"}\n\n')
KINDS = [ZEROS, NUMBERS, LISTS, LINE]
turns = itertools.count()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        print(f"{ESCAPES}{self.path}", flush=True)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/ping":
            text = ('{"status":"ok","version":"' + ("\\u001b]0;owned\\u0007" + "9" * 100) * 400 + '"}').encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        kind = {"/events": CHANGES, "/exec": QUESTIONS, "/executions": LISTS, "/evolve/status": NUMBERS, "/mcp": EVENTS}.get(path)
        kind = kind or KINDS[next(turns) % len(KINDS)]
        self.send_response(200)
        is_stream = kind in (LINE, EVENTS, QUESTIONS, CHANGES)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for piece in pieces(*kind):
                self.wfile.write(piece)
        except OSError:
            pass

    do_POST = do_PUT = do_DELETE = do_GET


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def serve():
    # As PID 1 it hears nothing that it did not ask for.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for port in (8080, 8765):
        threading.Thread(target=Server(("0.0.0.0", port), Handler).serve_forever, daemon=True).start()
    while True:
        signal.pause()


def call(words):
    out = sys.stdout.buffer
    kind = NUMBERS if "status" in " ".join(words) else LISTS if "executions" in " ".join(words) else ZEROS
    if words[:2] == ["GET", "/ping"]:
        out.write(b'{"status":"ok"}')
        return
    try:
        for piece in pieces(*kind):
            out.write(piece)
    except OSError:
        pass


word = sys.argv[1] if len(sys.argv) > 1 else "init"
if word in ("call", "prove"):
    call(sys.argv[2:])
else:
    serve()
