"""Pretends to be the orders API on this machine, so that the quickstart has something to look at.

    python3 pretend.py [PORT]        prints the port it listens on; without one it takes any that is free

/staging/ready and /standby/ready say that all is well, /production/ready that it isn't: to those who send the key that
is in GITOPS_SECRET_PROBE_KEY.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "/staging/ready": (200, "ready\n"),
    "/production/ready": (503, "no database\n"),
    "/standby/ready": (200, "ready\n"),
}
KEY = os.environ.get("GITOPS_SECRET_PROBE_KEY", "")


class Orders(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, text = ANSWERS.get(self.path, (404, "no such page\n"))
        if KEY and self.headers.get("X-Key") != KEY:
            status, text = 401, "who are you?\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Orders)
print(server.server_address[1], flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
