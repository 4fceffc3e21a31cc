"""The conformance suite against a server by itself and through the relay: what passes directly passes
through the relay, but for what is named here with its reason. Needs a Node of 22 or newer (NODE)."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
NODE = os.environ.get("NODE", "node")
SERVER = HERE / "server.mjs"
LIMIT = 600

# Checks that pass directly and fail through the relay, by scenario and check.
REASONS = {
    "dns-rebinding-protection: localhost-host-valid-accepted": "A page's Origin is refused, be it one of this "
    "computer, unless OS_ALLOWED_ORIGINS names it: other programs serve pages here, too.",
}
# A check that says less than that it passed, but not that it failed.
NEUTRAL = ("INFO", "SKIPPED")


def listening(arguments, **variables):
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables})
    return process, process.stdout.readline().removeprefix("listening on ").strip()


@contextlib.contextmanager
def ended(process):
    try:
        yield
    finally:
        process.terminate()
        process.wait(LIMIT)
        process.stdout.close()


@contextlib.contextmanager
def directly():
    process, address = listening([NODE, str(SERVER), "http"])
    with ended(process):
        yield f"{address}/mcp"


@contextlib.contextmanager
def through_the_relay():
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "mcp.json")
        entry = {"command": NODE, "args": [str(SERVER), "stdio"], "cwd": str(HERE)}
        config.write_text(json.dumps({"mcpServers": {"suite": entry}}))
        # The suite sends no token.
        arguments = [os.environ["VIVARIUM_BODY"], "mcp", "--port", "0", "--config", str(config)]
        process, address = listening(arguments, OS_TOKEN="off", LOG_LEVEL="error")
        with ended(process):
            yield f"{address}/servers/suite/mcp"


def results(package, url):
    """How each check of each scenario went."""
    suite = HERE / "node_modules" / package / "dist/index.js"
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [NODE, str(suite), "server", "--url", url, "--suite", "all", "-o", folder]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
        for path in pathlib.Path(folder).glob("**/checks.json"):
            scenario = re.sub(r"-\d{4}-\d{2}-\d{2}T.*$", "", path.parent.name.removeprefix("server-"))
            for check in json.loads(path.read_text()):
                key = f"{scenario}: {check['id']}"
                status = check["status"]
                # One that is made several times passes if each of them does.
                if key not in found or status not in ("SUCCESS", *NEUTRAL):
                    found[key] = (status, check.get("errorMessage") or status)
    assert found, f"the suite found nothing: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return found


class Conformance(unittest.TestCase):
    def check(self, package):
        with directly() as url:
            direct = results(package, url)
        with through_the_relay() as url:
            relayed = results(package, url)
        passed = {key for key, (status, _) in direct.items() if status == "SUCCESS"}
        self.assertGreater(len(passed), 20, direct)
        through = {key: relayed.get(key, ("FAILURE", "missing")) for key in passed}
        failed = {key: words for key, (status, words) in through.items() if status not in ("SUCCESS", *NEUTRAL)}
        new = {key: words for key, words in failed.items() if key not in REASONS}
        self.assertEqual(new, {}, "these pass directly")
        return failed

    def test_conformance(self):
        failed = [self.check(package) for package in ("conformance", "conformance-next")]
        stale = set(REASONS) - {key for one in failed for key in one}
        self.assertEqual(stale, set(), "these pass by now")


if __name__ == "__main__":
    unittest.main()
