"""moto's S3 server on a free port of loopback, with two checks of real S3's that it lacks.

python -m tests.s3_server

A body that breaks off before its Content-Length is refused, as by S3 (IncompleteBody), and so is an
object without that header (MissingContentLength): Python's server takes headers that break off for
whole ones. moto by itself would store what had arrived.
"""

import io

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

MOTO = DomainDispatcherApplication(create_backend_app)


def serve(environ, start_response):
    """A WSGI application: moto's, for requests that are whole."""

    def refuse(status: str, code: bytes) -> list[bytes]:
        start_response(status, [("Content-Type", "application/xml")])
        return [b"<Error><Code>" + code + b"</Code></Error>"]

    if environ["REQUEST_METHOD"] == "PUT" and not environ.get("CONTENT_LENGTH"):
        return refuse("411 Length Required", b"MissingContentLength")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length:
        body = environ["wsgi.input"].read(length)
        if len(body) < length:
            return refuse("400 Bad Request", b"IncompleteBody")
        environ["wsgi.input"] = io.BytesIO(body)
    return MOTO(environ, start_response)


if __name__ == "__main__":
    run_simple("127.0.0.1", 0, serve, threaded=True)
