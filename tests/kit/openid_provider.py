"""A small OpenID provider in a process of its own, with real keys: as it should be, or as a test says it misbehaves.

It signs in whoever asks as the one person it knows. Codes are used once, and only with their PKCE verifier, client and
redirect. `POST /misbehave` names what is wrong from then on.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm, get_default_algorithms
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from trustplane.wire.http_serve import HttpServer, tcp_listener

CLIENT, SECRET = "trustplane", "s3cret: of a test/+"
KID = "key-1"
HTTP = httpx.Client(trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # in the clear: it loads no CAs
PERSON = {"sub": "248289761001", "preferred_username": "grace@navy.example", "groups": ["staff", "mesh-operators"]}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Provider:
    """`now` is its clock, which stands still."""

    def __init__(self, address: str, now: int) -> None:
        self.address = address
        self.now = now
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.wrong = ""
        self.person: dict[str, Any] = dict(PERSON)
        self.codes: dict[str, dict[str, str]] = {}
        self.key_requests = 0

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/keys", self.keys),
            Route("/counts", self.counts),
            Route("/misbehave", self.misbehave, methods=["POST"]),
        ]

    async def misbehave(self, request: Request) -> Response:
        said = await request.json()
        self.wrong, self.person = said["wrong"], {**PERSON, **said["person"]}
        return PlainTextResponse("so be it")

    async def counts(self, _: Request) -> Response:
        return JSONResponse({"keys": self.key_requests})

    async def discovery(self, _: Request) -> Response:
        document = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "authorization_response_iss_parameter_supported": True,
        }
        spoilt = {
            "discovery that is huge": PlainTextResponse("{" + " " * 1_000_000 + "}"),
            "discovery that redirects": RedirectResponse("https://evil.example/"),
            "discovery that is no JSON": PlainTextResponse("<html>"),
            "discovery that is away": PlainTextResponse("later", 503),
        }
        if self.wrong in spoilt:
            return spoilt[self.wrong]
        if self.wrong == "discovery of another issuer":
            document["issuer"] = "https://evil.example"
        if self.wrong == "discovery of an address in the clear":
            document["jwks_uri"] = "http://evil.example/keys"
        return JSONResponse(document)

    async def keys(self, _: Request) -> Response:
        self.key_requests += 1
        first = RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True) | {"kid": KID, "use": "sig"}
        second = ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True) | {"kid": "key-2"}
        foreign = {"kty": "OKP", "crv": "Ed25519", "x": _b64(bytes(32)), "kid": "key-3"}
        encrypting = first | {"kid": "key-4", "use": "enc"}
        return JSONResponse({"keys": [foreign, encrypting, first, second]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.address}
        if self.wrong == "an answer of another issuer":
            answer["iss"] = "https://evil.example"
        if self.wrong == "an answer that names no issuer":
            del answer["iss"]
        if self.wrong == "a refusal":
            answer = {"error": "access_denied", "state": asked["state"], "iss": self.address}
        if self.wrong == "an answer without a code":
            del answer["code"]
        back = f"{asked['redirect_uri']}?{urlencode(answer)}"
        if "text/html" in request.headers.get("accept", ""):  # a person at a browser decides
            return HTMLResponse(f'<title>Provider</title><a id="yes" href="{escape(back)}">Yes, it is me</a>')
        return RedirectResponse(back, 303)

    async def token(self, request: Request) -> Response:
        fields = dict(parse_qsl((await request.body()).decode()))
        asked = self.codes.pop(fields.get("code", ""), None)
        challenge = _b64(hashlib.sha256(fields.get("code_verifier", "").encode()).digest())
        expected = base64.b64encode(f"{CLIENT}:s3cret%3A+of+a+test%2F%2B".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_client"}, 401)
        if asked is None or challenge != asked["code_challenge"] or fields["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant", "error_description": "<script>"}, 400)
        spoilt: dict[str, Response] = {
            "an answer without an ID token": JSONResponse({"access_token": "x"}),
            "an answer that is huge": JSONResponse({"id_token": "x" * 1_000_000}),
            "an answer that is packed": Response(b"x", headers={"content-encoding": "gzip"}),
            "an answer that redirects": RedirectResponse("https://evil.example/", 307),
        }
        if self.wrong in spoilt:
            return spoilt[self.wrong]
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked)})

    def id_token(self, asked: dict[str, str]) -> str:
        header: dict[str, Any] = {"alg": "RS256", "kid": KID, "typ": "JWT"}
        claims: dict[str, Any] = {
            "iss": self.address,
            "aud": CLIENT,
            "iat": self.now,
            "exp": self.now + 300,
            "nonce": asked["nonce"],
            **self.person,
        }
        self._spoil(header, claims)
        body = json.dumps(claims)
        if self.wrong == "a claim said twice":
            body = body[:-1] + ', "aud": "trustplane"}'
        signed = f"{_b64(json.dumps(header).encode())}.{_b64(body.encode())}"
        return f"{signed}.{self._signature(signed.encode())}"

    def _spoil(self, header: dict[str, Any], claims: dict[str, Any]) -> None:
        changes: dict[str, dict[str, Any]] = {
            "a wrong audience": {"aud": "somebody-else"},
            "several audiences, ours not the one it was issued to": {"aud": [CLIENT, "b"], "azp": "b"},
            "several audiences and nobody it was issued to": {"aud": [CLIENT, "b"]},
            "another issuer": {"iss": "https://evil.example"},
            "expired": {"exp": self.now - 61},
            "of tomorrow": {"iat": self.now + 86400, "exp": self.now + 86500},
            "not valid yet": {"nbf": self.now + 3600},
            "of an hour ago": {"iat": self.now - 3600},
            "an end that is no number": {"exp": "never"},
            "an end beyond all time": {"exp": 1e300},
            "a nonce of another sign-in": {"nonce": "x" * 43},
            "a nonce that is no text": {"nonce": 7},
            "a huge token": {"padding": "x" * 40_000},
            "a subject that is no text": {"sub": 7},
            "a name that is a path": {"preferred_username": "../<script>"},
            "a name that is local": {"preferred_username": "ada", "sub": "of an impostor"},
            "a name that is no text": {"preferred_username": ["a"]},
            "groups that are no list": {"groups": {"mesh-operators": True}},
            "very many groups": {"groups": [str(number) for number in range(1001)]},
            "groups without a role": {"groups": ["staff"]},
        }
        claims |= changes.get(self.wrong, {})
        if self.wrong == "no nonce":
            del claims["nonce"]
        if self.wrong == "no groups":
            del claims["groups"]
        algorithms = {
            "alg none": "none", "signed with HMAC by the public key": "HS256", "a key of another kind": "ES256",
            "signed on a curve": "ES256", "signed with EdDSA": "EdDSA",
        }  # fmt: skip
        header["alg"] = algorithms.get(self.wrong, "RS256")
        if self.wrong == "signed on a curve":
            header["kid"] = "key-2"
        if self.wrong == "a key that is not published":
            header["kid"] = "key-9"
        if self.wrong == "a critical extension":
            header["crit"] = ["exp"]

    def _signature(self, signed: bytes) -> str:
        known = get_default_algorithms()
        if self.wrong in {"alg none", "unsigned"}:
            return ""
        if self.wrong == "signed with HMAC by the public key":
            pem = self.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return _b64(hmac.digest(pem, signed, "sha256"))
        if self.wrong == "signed on a curve":
            return _b64(known["ES256"].sign(signed, self.ec))
        key = self.other if self.wrong == "signed by another key" else self.rsa
        return _b64(known["RS256"].sign(signed + (b"x" if self.wrong == "changed after it was signed" else b""), key))


class Running:
    """What a test knows of it."""

    def __init__(self, address: str) -> None:
        self.issuer = address

    def misbehave(self, wrong: str = "", **person: object) -> None:
        HTTP.post(f"{self.issuer}/misbehave", json={"wrong": wrong, "person": person}).raise_for_status()

    def key_requests(self) -> int:
        return int(HTTP.get(f"{self.issuer}/counts").json()["keys"])


@contextlib.contextmanager
def provider(now: datetime, host: str = "127.0.0.1") -> Iterator[Running]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.kit.openid_provider", host, str(int(now.timestamp()))]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Running(process.stdout.readline().strip())
        finally:
            process.terminate()


def main() -> None:
    import asyncio  # noqa: PLC0415 - of the process alone

    async def serve() -> None:
        listener = tcp_listener(sys.argv[1], 0)
        address = f"http://{sys.argv[1]}:{listener.getsockname()[1]}"
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        app = Starlette(routes=Provider(address, int(sys.argv[2])).routes())
        await HttpServer(app, listener).serve(sockets=[listener])

    asyncio.run(serve())


if __name__ == "__main__":
    main()
