"""A server on this machine that gives out files, by plain URLs and as the Hugging Face hub does."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit


def commit(number):
    return hashlib.sha1(str(number).encode()).hexdigest()


class Elsewhere:
    """What it gives: `files` by path, and `sets` by OWNER/NAME, each a list of versions (path -> bytes).

    `cut` sends half of every body, `status` answers everything with an error, `sizes` lies about sizes on the hub;
    `asked` are the requests, as "GET /path".
    """

    def __init__(self):
        self.files, self.sets, self.sizes = {}, {}, {}
        self.cut, self.status, self.gated, self.kind = False, None, False, "application/octet-stream"
        self.redirects, self.asked = {}, []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def fetched(self):
        """Return the files that were fetched, not only asked about."""
        return [one.removeprefix("GET ") for one in self.asked if one.startswith("GET ") and "/api/" not in one]

    def answer(self, path):
        """Return a status, headers and a body."""
        if self.status:
            return self.status, {}, b""
        if path in self.redirects:
            return 302, {"Location": self.redirects[path]}, b""
        parts = unquote(path).strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            return self._info("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        if parts[0] == "datasets":
            return self._resolved("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        if (body := self.files.get(unquote(path))) is None:
            return 404, {}, b""
        return 200, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"'}, body

    def _version(self, repo, revision):
        for number, files in enumerate(self.sets[repo]):
            if revision == commit(number) or (revision == "main" and files is self.sets[repo][-1]):
                return commit(number), files
        return None, {}

    def _info(self, repo, revision):
        if repo not in self.sets:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        sha, files = self._version(repo, revision)
        if sha is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        beside = [{"rfilename": name, "size": self.sizes.get(name, len(body))} for name, body in files.items()]
        return 200, {}, json.dumps({"id": repo, "sha": sha, "siblings": beside}).encode()

    def _resolved(self, repo, revision, name):
        if self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        sha, files = self._version(repo, revision)
        if name not in files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        return 200, {"ETag": f'"{hashlib.sha256(files[name]).hexdigest()}"', "X-Repo-Commit": sha}, files[name]

    def _handler(outer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(f"{self.command} {urlsplit(self.path).path}")
                status, headers, body = outer.answer(urlsplit(self.path).path)
                self.send_response(status)
                for name, value in {"Content-Type": outer.kind, **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body[: len(body) // 2] if outer.cut else body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler
