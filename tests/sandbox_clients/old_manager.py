"""A client as those of the old sandbox manager are: no token, no body where none is needed, and 404
with `detail`. Only what comes with Python is used."""

import http.client
import json
import os
import unittest
from urllib.parse import quote, urlsplit

AT = urlsplit(os.environ["SANDBOX_MANAGER_URL"])
# How long such clients wait for a command.
PATIENCE_S = 310


def ask(method, path, body=None, headers=None):
    """Status, headers and body of a request; a body that is given as an object is JSON."""
    connection = http.client.HTTPConnection(AT.hostname, AT.port, timeout=PATIENCE_S)
    headers = dict(headers or {})
    if isinstance(body, dict):
        body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def answer(method, path, body=None):
    """The JSON of a request that has to work."""
    status, _, text = ask(method, path, body)
    if status not in (200, 201):
        raise AssertionError(f"{method} {path}: {status} {text!r}")
    return json.loads(text)


class OldManager(unittest.TestCase):
    """The routes of the old manager."""

    def setUp(self):
        self.session = answer("POST", "/sessions")["sandbox_id"]
        self.addCleanup(lambda: ask("DELETE", f"/sessions/{self.session}"))

    def exec(self, command, **more):
        return answer("POST", f"/sessions/{self.session}/exec", {"command": command, **more})

    def test_a_command_s_streams_and_exit_code_come_apart(self):
        ended = self.exec("echo out; echo err >&2; exit 3")
        self.assertEqual((ended["stdout"], ended["stderr"], ended["exit_code"]), ("out\n", "err\n", 3))

    def test_files_go_in_and_out(self):
        path = quote("/home/sandboxuser/a b.bin", safe="")
        content = bytes(range(256)) * 64
        status, _, _ = ask("PUT", f"/sessions/{self.session}/files/content?path={path}", content)
        self.assertEqual(status, 200)
        status, headers, read = ask("GET", f"/sessions/{self.session}/files/content?path={path}")
        self.assertEqual((status, read), (200, content))
        self.assertEqual(headers["Content-Type"], "application/octet-stream")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertTrue(headers["Content-Disposition"].startswith("attachment"))
        names = [file["name"] for file in answer("GET", f"/sessions/{self.session}/files")["files"]]
        self.assertIn("a b.bin", names)
        self.assertEqual(self.exec("stat -c %s 'a b.bin'", cwd="/home/sandboxuser")["stdout"], f"{len(content)}\n")

    def test_what_a_sandbox_made_is_never_a_page(self):
        page = b"<!doctype html><script>fetch('/sessions').then((r) => r.text()).then(alert)</script>"
        for name in ("page.html", "image.svg", "code.js", "a\r\nContent-Type: text/html\r\n\r\n.html", "\N{RIGHT-TO-LEFT OVERRIDE}.html", "'\";filename=x.html"):
            path = quote(f"/workspace/{name}", safe="")
            self.assertEqual(ask("PUT", f"/sessions/{self.session}/files/content?path={path}", page)[0], 200, name)
            status, headers, read = ask("GET", f"/sessions/{self.session}/files/content?path={path}")
            self.assertEqual((status, read), (200, page))
            self.assertEqual(headers.get_all("Content-Type"), ["application/octet-stream"])
            self.assertEqual(headers.get_all("X-Content-Type-Options"), ["nosniff"])
            self.assertRegex(headers["Content-Disposition"], r"\Aattachment; filename\*=UTF-8''[A-Za-z0-9%._~-]+\Z")

    def test_no_path_leads_out_of_the_folders(self):
        self.exec("ln -s /etc link; ln -s / root", cwd="/workspace")
        for path in ("/etc/passwd", "/workspace/../etc/passwd", "/workspace/link/passwd", "/workspace/root/etc/passwd", "../../etc/passwd", "/proc/1/environ", "/workspace/a\0b", "/workspace/" + "n" * 5000):
            where = f"/sessions/{self.session}/files/content?path={quote(path, safe='')}"
            for method, body in (("GET", None), ("PUT", b"x")):
                status, _, text = ask(method, where, body)
                self.assertIn(status, (400, 403, 404, 409, 422), (path, method))
                self.assertNotIn(b"root:x", text)
        # A path that is escaped twice is a name, and no way.
        status, _, _ = ask("GET", f"/sessions/{self.session}/files/content?path=/workspace/%252e%252e/etc/passwd")
        self.assertEqual(status, 404)

    def test_hostile_bytes_are_data_or_refused(self):
        hostile = "'\"`$(touch /tmp/owned)\n\r\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}"
        self.assertEqual(self.exec(["printf", "%s", hostile])["stdout"], hostile)
        self.assertEqual(self.exec("printf %s \"$A\"; ls /tmp/owned 2>&- ", env={"A": hostile})["stdout"], hostile)
        for body in ({"command": "echo a\0b"}, {"command": []}, {"command": 7}, {"command": "true", "env": {"A": "\0"}}, {"command": "true", "env": {"A=B": ""}}, {"command": "x" * (1 << 20)}, {"command": "true", "cwd": "/no/such"}):
            status, _, text = ask("POST", f"/sessions/{self.session}/exec", body)
            self.assertIn(status, (400, 409, 422), text[:200])
        self.assertEqual(self.exec("echo on")["stdout"], "on\n")

    def test_what_is_not_there_has_a_detail(self):
        for method, path in [("GET", "/sessions/gone"), ("POST", "/sessions/gone/exec"), ("GET", "/sessions/../x")]:
            body = {"command": "true"} if method == "POST" else None
            status, _, text = ask(method, path, body)
            self.assertEqual(status, 404, path)
            if path.startswith("/sessions/gone"):
                said = json.loads(text)
                self.assertEqual(said["error"]["code"], "not_found")
                self.assertTrue(said["detail"])

    def test_an_end_is_told_once_and_is_no_error_the_second_time(self):
        self.assertIn("message", answer("DELETE", f"/sessions/{self.session}"))
        self.assertIn("message", answer("DELETE", f"/sessions/{self.session}"))
        status, _, text = ask("POST", f"/sessions/{self.session}/exec", {"command": "true"})
        self.assertEqual(status, 404)
        self.assertTrue(json.loads(text)["detail"])

    def test_it_is_in_good_health(self):
        self.assertEqual(answer("GET", "/health")["status"], "ok")

    def test_a_key_gives_the_same_sandbox_back(self):
        key = {"Idempotency-Key": "a-key"}
        made = [json.loads(ask("POST", "/sessions", headers=key)[2])["sandbox_id"] for _ in range(2)]
        self.addCleanup(lambda: ask("DELETE", f"/sessions/{made[0]}"))
        self.assertEqual(made[0], made[1])

    def test_rules_are_refused_with_words(self):
        status, _, text = ask("POST", "/sessions", {"network": {"allow": [{"host": "example.org"}]}})
        self.assertEqual(status, 501)
        self.assertEqual(json.loads(text)["error"]["code"], "not_supported")

    def test_code_keeps_its_variables(self):
        run = lambda code: answer("POST", f"/sessions/{self.session}/code", {"code": code})
        self.assertEqual(run("x = 20")["status"], "completed")
        self.assertEqual(run("x + 22")["result"], "42")


if __name__ == "__main__":
    unittest.main()
