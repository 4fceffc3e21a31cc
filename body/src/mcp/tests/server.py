"""A server that does what it is told, good or bad. Tools are named in `call`."""

import json
import os
import subprocess
import sys
import threading
import time

mode = sys.argv[1] if len(sys.argv) > 1 else ""
LONG = "a_tool_whose_name_says_all_of_what_it_does_and_of_when_to_use_it"
cancelled = []
asked = {}
lock = threading.Lock()


def say(text):
    with lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def answer(number, **outcome):
    say(json.dumps({"jsonrpc": "2.0", "id": number, **outcome}))


def tell(method, **params):
    say(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))


def text(words, **more):
    return {"content": [{"type": "text", "text": str(words)}], **more}


def call(number, params):
    name, given = params["name"], params.get("arguments", {})
    if name == "echo":
        answer(number, result=text(given.get("word", "")))
    elif name == "pid":
        answer(number, result=text(os.getpid()))
    elif name == "hang":
        tell("notifications/progress", progressToken=params["_meta"]["progressToken"], progress=1)
    elif name == "silent":
        asked["wait"] = number
    elif name == "wait":
        asked["wait"] = number
        tell("notifications/progress", progressToken=params["_meta"]["progressToken"], progress=1)
    elif name == "meet":
        asked.setdefault("meet", []).append((number, params["_meta"]["progressToken"], given["word"]))
        if len(asked["meet"]) == 2:
            # The one that came last is answered first.
            for number, token, word in reversed(asked.pop("meet")):
                tell("notifications/progress", progressToken=token, progress=1, message=word)
                answer(number, result=text(word))
    elif name == "where":
        answer(number, result=text(json.dumps([os.getcwd(), sys.argv[2:], os.environ.get("WORD")])))
    elif name == "release":
        answer(asked.pop("wait"), result=text("released late"))
        answer(number, result=text("released"))
    elif name == "tell":
        tell("notifications/resources/updated", uri=given["uri"])
        tell("notifications/resources/updated", uri="x://2")
        tell("notifications/prompts/list_changed")
        tell("notifications/message", level="info", data="loud")
        tell("notifications/tools/list_changed")
        answer(number, result=text("told"))
    elif name == "cancelled":
        answer(number, result=text(len(cancelled)))
    elif name == "die":
        print("a word of mine", file=sys.stderr, flush=True)
        os._exit(3)
    elif name == "close":
        os.close(1)
        time.sleep(1000)
    elif name == "noise":
        for line in ["Listening on port 3000", "{", "[]", '{"jsonrpc":"2.0"}', "\x00\x01", "null", ""]:
            say(line)
        answer(number, result=text("heard"))
    elif name == "twice":
        answer(number, result=text("first"))
        answer(number, result=text("second"))
    elif name == "stray":
        answer(987654, result=text("whose?"))
        answer("odd", error={"code": 1, "message": "whose?"})
        answer(number, result=text("mine"))
    elif name == "flood":
        for count in range(given["count"]):
            tell("notifications/message", level="info", data=f"{count} " + "x" * given.get("size", 10))
        answer(number, result=text("flooded"))
    elif name == "large":
        answer(number, result=text("x" * given["bytes"]))
    elif name == "child":
        child = subprocess.Popen(["sleep", "1000"])
        answer(number, result=text(child.pid))
    elif name == "fail":
        answer(number, result=text("no", isError=True))
    elif name == LONG:
        answer(number, result=text("long"))
    elif name == "echo-pid":
        answer(number, result=text("dashed"))
    elif name == "names":
        answer(number, result=text(json.dumps(sorted(params))))
    elif name == "roots":
        answer(number, result=text(json.dumps(asked.get("roots"))))
    elif name == "answer-then-ask":
        asks = json.dumps({"jsonrpc": "2.0", "id": "r1", "method": "roots/list"})
        done = json.dumps({"jsonrpc": "2.0", "id": number, "result": text("done")})
        say(f"{done}\n{asks}")
    elif name == "ask":
        asked["s1"] = number
        say(json.dumps({"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}))
    else:
        answer(number, error={"code": -32602, "message": f"no tool {name}"})


def refuse(number, code, words):
    answer(number, error={"code": code, "message": words})


def without_sessions(method, number, params):
    """A server that speaks only revision 2026-07-28."""
    meta = params.get("_meta", {})
    ours = {name.removeprefix("io.modelcontextprotocol/"): value for name, value in meta.items()}
    if number is None:
        return
    if method == "initialize" or ours.get("protocolVersion") != "2026-07-28":
        return refuse(number, -32022, "unsupported protocol version")
    if "clientInfo" not in ours or "clientCapabilities" not in ours:
        return refuse(number, -32602, "incomplete _meta")
    complete = {"resultType": "complete"}
    name = params.get("name")
    if method == "server/discover":
        capabilities = {"tools": {"listChanged": True}, "logging": {}}
        info = {"name": "without sessions", "version": "1"}
        answer(number, result={**complete, "supportedVersions": ["2026-07-28"], "capabilities": capabilities, "serverInfo": info})
    elif method == "tools/list":
        tools = [{"name": one, "inputSchema": {"type": "object"}} for one in ["echo", "ask"]]
        answer(number, result={**complete, "tools": tools, "ttlMs": 0, "cacheScope": "private"})
    elif method == "tools/call" and name == "echo":
        answer(number, result={**complete, **text(params["arguments"]["word"])})
    elif method == "tools/call" and name == "level":
        answer(number, result={**complete, **text(ours.get("logLevel"))})
    elif method == "tools/call" and name == "hang":
        tell("notifications/progress", progressToken=meta["progressToken"], progress=1)
    elif method == "tools/call" and name == "cancelled":
        answer(number, result={**complete, **text(len(cancelled))})
    elif method == "tools/call" and name == "ask" and "inputResponses" in params:
        if params.get("requestState") != "state" or number in asked:
            return refuse(number, -32602, "that is another call")
        answer(number, result={**complete, **text(json.dumps(params["inputResponses"]["q"]))})
    elif method == "tools/call" and name == "ask":
        asked[number] = True
        question = {"method": "sampling/createMessage", "params": {"maxTokens": 1}}
        answer(number, result={"resultType": "input_required", "inputRequests": {"q": question}, "requestState": "state"})
    else:
        refuse(number, -32601, f"no {method}")


if mode == "loop":
    print("something is wrong", file=sys.stderr)
    sys.exit(7)
for line in sys.stdin:
    message = json.loads(line)
    method, number = message.get("method"), message.get("id")
    params = message.get("params", {})
    if mode == "without-sessions":
        if method == "notifications/cancelled":
            cancelled.append(params["requestId"])
        without_sessions(method, number, params)
    elif method == "initialize":
        if mode == "mute":
            continue
        while mode == "slow" and not os.path.exists(sys.argv[2]):
            time.sleep(0.01)
        capabilities = {"tools": {}, "logging": {}, "resources": {"subscribe": True}}
        info = {"name": "scripted", "version": "1"}
        version = params["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
        if mode == "odd-lists":
            result["instructions"] = "Use echo."
        answer(number, result=result)
    elif method == "tools/call":
        call(number, params)
    elif method == "notifications/initialized" and mode == "roots":
        say(json.dumps({"jsonrpc": "2.0", "id": "r1", "method": "roots/list"}))
    elif method is None and number == "r1":
        asked["roots"] = message.get("result") or message.get("error")
        if "list" in asked:
            answer(asked.pop("list"), result={"tools": []})
    elif method == "tools/list" and mode == "odd-lists":
        count = {"type": "integer", "format": "uint32", "minimum": 0}
        schema = {"type": "object", "properties": {"count": count}}
        tools = [{"name": name, "inputSchema": schema} for name in ["echo", "names", "echo", LONG]]
        answer(number, result={"tools": tools, "nextCursor": "again"})
    elif method == "resources/list" and mode == "odd-lists":
        one = {"uri": "x://1", "name": "one"}
        answer(number, result={"resources": [one, {**one, "name": "two"}]})
    elif method == "tools/list" and mode == "dashed":
        answer(number, result={"tools": [{"name": "echo-pid", "inputSchema": {"type": "object"}}]})
    elif method == "tools/list" and mode == "asks-first":
        asked["list"] = number
        say(json.dumps({"jsonrpc": "2.0", "id": "r1", "method": "roots/list"}))
    elif method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ["echo", "pid"]]
        answer(number, result={"tools": tools})
    elif method == "notifications/cancelled":
        cancelled.append(params["requestId"])
    elif method is None and number == "s1":
        answer(asked.pop("s1"), result=text(json.dumps(message.get("result"))))
    elif number is not None:
        answer(number, result={})
