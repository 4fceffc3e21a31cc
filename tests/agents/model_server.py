#!/usr/bin/env python3
"""A model service that says what a script has, so that coding tools run whole turns without any service.

It speaks Anthropic Messages, OpenAI Chat Completions and OpenAI Responses, streamed and not. A script is a
JSON list of turns, each one answer of the model:

    [{"run": "touch a"}, {"text": "Done."}]

`run` calls the tool's own shell tool with that command, and with what `arguments` has besides; `text` ends
the turn. `"after": PATH` keeps an answer back until that file exists. Which turn is next follows from the conversation that the tool sends along, so
that several conversations, and one that a tool goes on with after it was killed, each have the script from
its beginning. After the last turn the answer is "Done.". Requests that offer no shell tool (titles,
summaries) get a text and count for nothing.

    model_server.py --script FILE [--port N] [--port-file FILE] [--log FILE]

The port is written to the port file once the server listens. The log has a JSON line for each request: path,
model, number of the turn, names of the tools, and whether a key came along.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Shell tools, by the names that claude, codex, opencode, qwen and their relatives give them.
SHELLS = ("Bash", "exec_command", "shell_command", "shell", "bash", "run_shell_command")
USAGE = 7
numbers = itertools.count(1)


def arguments_of(shell: str, command: str) -> dict:
    """What a shell tool wants to be called with."""
    match shell:
        case "exec_command":
            return {"cmd": command}
        case "shell":
            return {"command": ["bash", "-lc", command]}
        case "run_shell_command":
            return {"command": command, "description": "runs a command", "is_background": False}
        case _:
            return {"command": command, "description": "runs a command"}


class Script:
    """The turns, and which of them is next."""

    def __init__(self, turns: list[dict]):
        self.turns = turns

    def turn(self, answered: int) -> dict:
        """The turn after that many answers; waits for its file."""
        turn = self.turns[answered] if answered < len(self.turns) else {"text": "Done."}
        after = turn.get("after")
        while after and not os.path.exists(after):
            time.sleep(0.02)
        return turn


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script
    log_file: Path | None = None
    log_lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        pass

    def note(self, **entry: object) -> None:
        if self.log_file:
            with self.log_lock, self.log_file.open("a") as file:
                file.write(json.dumps(entry) + "\n")

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.note(method="GET", path=self.path)
        model = {"id": "scripted", "object": "model", "type": "model", "created": 1, "owned_by": "nobody", "display_name": "Scripted", "created_at": "2026-01-01T00:00:00Z"}
        self.json({"object": "list", "data": [model], "models": [], "has_more": False} if "models" in self.path else {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(raw)
        except ValueError:
            return self.json({"error": {"type": "invalid_request_error", "message": "not JSON"}}, 400)
        path = self.path.split("?")[0]
        if path.endswith("/messages/count_tokens"):
            return self.json({"input_tokens": USAGE})
        if path.endswith("/messages"):
            return self.answer(path, body, "messages")
        if path.endswith("/chat/completions"):
            return self.answer(path, body, "chat")
        if path.endswith("/responses"):
            return self.answer(path, body, "responses")
        self.note(method="POST", path=path)
        self.json({})

    def answer(self, path: str, body: dict, kind: str) -> None:
        tools = [name for tool in body.get("tools") or [] if (name := tool_name(tool))]
        shell = next((name for name in SHELLS if name in tools), None)
        answered = answers(body, kind)
        turn = self.script.turn(answered) if shell else {"text": "A title"}
        key = bool(self.headers.get("x-api-key") or self.headers.get("authorization"))
        self.note(method="POST", path=path, model=body.get("model"), turn=answered if shell else None, tools=tools, key=key)
        call = (shell, arguments_of(shell, turn["run"]) | turn.get("arguments", {})) if shell and "run" in turn else None
        made = {"messages": messages, "chat": chat, "responses": responses}[kind](body.get("model"), turn.get("text", "Done."), call)
        if body.get("stream"):
            self.stream(made.events, named=kind != "chat")
        else:
            self.json(made.whole)

    def json(self, answer: dict, status: int = 200) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events: list[dict | str], named: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            name = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
            data = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write(f"{name}data: {data}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True


class Made:
    """An answer: as a whole, and as the events of a stream."""

    def __init__(self, whole: dict, events: list[dict | str]):
        self.whole = whole
        self.events = events


def tool_name(tool: dict) -> str | None:
    return tool.get("name") or (tool.get("function") or {}).get("name")


def answers(body: dict, kind: str) -> int:
    """How many answers of the model the conversation has. Each turn is one item: a call, or a text."""
    if kind == "responses":
        items = body.get("input")
        items = items if isinstance(items, list) else []
        mine = [item for item in items if item.get("type") in ("function_call", "custom_tool_call", "local_shell_call") or item.get("role") == "assistant"]
        return len(mine)
    return sum(message.get("role") == "assistant" for message in body.get("messages", []))


def messages(model: str, text: str, call: tuple | None) -> Made:
    """Anthropic Messages."""
    usage = {"input_tokens": USAGE, "output_tokens": USAGE, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    if call:
        block = {"type": "tool_use", "id": f"toolu_{next(numbers)}_{time.time_ns()}", "name": call[0], "input": call[1]}
        empty, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(call[1])}
    else:
        block = {"type": "text", "text": text}
        empty, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": text}
    stop = "tool_use" if call else "end_turn"
    message = {"id": f"msg_{time.time_ns()}", "type": "message", "role": "assistant", "model": model, "stop_sequence": None, "usage": usage}
    return Made(
        {**message, "content": [block], "stop_reason": stop},
        [
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": empty},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": USAGE}},
            {"type": "message_stop"},
        ],
    )


def chat(model: str, text: str, call: tuple | None) -> Made:
    """OpenAI Chat Completions."""
    usage = {"prompt_tokens": USAGE, "completion_tokens": USAGE, "total_tokens": 2 * USAGE}
    base = {"id": f"chat_{time.time_ns()}", "created": int(time.time()), "model": model}
    if call:
        function = {"id": f"call_{next(numbers)}_{time.time_ns()}", "type": "function", "function": {"name": call[0], "arguments": json.dumps(call[1])}}
        message, piece = {"role": "assistant", "content": None, "tool_calls": [function]}, {"role": "assistant", "tool_calls": [{"index": 0, **function}]}
    else:
        message = piece = {"role": "assistant", "content": text}
    end = "tool_calls" if call else "stop"
    chunk = {**base, "object": "chat.completion.chunk"}
    return Made(
        {**base, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": end}], "usage": usage},
        [
            {**chunk, "choices": [{"index": 0, "delta": piece, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": end}], "usage": usage},
            "[DONE]",
        ],
    )


def responses(model: str, text: str, call: tuple | None) -> Made:
    """OpenAI Responses."""
    number = f"{next(numbers)}_{time.time_ns()}"
    if call:
        item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": call[0], "arguments": json.dumps(call[1])}
    else:
        item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    usage = {"input_tokens": USAGE, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": USAGE, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2 * USAGE}
    response = {"id": f"resp_{number}", "object": "response", "model": model}
    whole = {**response, "status": "completed", "output": [item], "usage": usage}
    return Made(
        whole,
        [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": whole},
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="A model service that says what a script has.")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    Handler.script = Script(json.loads(options.script.read_text()))
    Handler.log_file = options.log
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    if options.port_file:
        aside = options.port_file.with_name(options.port_file.name + ".new")
        aside.write_text(f"{server.server_port}\n")
        aside.rename(options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
