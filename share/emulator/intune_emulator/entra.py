"""Entra ID: the OAuth 2.0 client credentials grant of the v2.0 token endpoint."""

import base64
import binascii
import collections
import hashlib
import hmac
import json
import math
import os
import threading
import time
import uuid
from urllib.parse import parse_qsl, unquote_plus

from .pki import b64url

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRAPH = "https://graph.microsoft.com"
INTUNE = "https://api.manage.microsoft.com/"	# the id of the resource ends in a slash
KEY_GONE = "A configuration issue is preventing authentication - check the error " \
    "message from the server for details. Client assertion failed signature validation. "

# AADSTS code: error, HTTP status, text ({0} is filled in where it is known)
AADSTS = {
    7000215: ("invalid_client", 401, "Invalid client secret provided. Ensure the secret being "
              "sent in the request is the client secret value, not the client secret ID, for a "
              "secret added to app '{0}'."),
    7000222: ("invalid_client", 401, "The provided client secret keys for app '{0}' are expired."),
    7000218: ("invalid_client", 401, "The request body must contain the following parameter: "
              "'client_assertion' or 'client_secret'."),
    7000112: ("unauthorized_client", 400, "Application '{0}' is disabled."),
    700016: ("unauthorized_client", 400, "Application with identifier '{0}' was not found in the "
             "directory."),
    700027: ("invalid_client", 401, KEY_GONE + "[Reason - The key was not found., Thumbprint of "
             "key used by client: '{0}']"),
    700024: ("invalid_client", 401, "Client assertion is not within its valid time range. {0}"),
    50012: ("invalid_client", 401, "Authentication failed. {0}"),
    50013: ("invalid_grant", 400, "Assertion failed signature validation. {0}"),
    500133: ("invalid_grant", 400, "Assertion is not within its valid time range. {0}"),
    50027: ("invalid_request", 400, "JWT token is invalid or malformed. {0}"),
    90002: ("invalid_request", 400, "Tenant '{0}' not found. Check to make sure you have the "
            "correct tenant ID and are signing into the correct cloud."),
    9001023: ("invalid_request", 400, "The grant type is not supported over the /common or "
              "/consumers endpoints. Please use the /organizations or tenant-specific endpoint."),
    500011: ("invalid_resource", 400, "The resource principal named {0} was not found in the tenant."),
    70011: ("invalid_scope", 400, "The provided request must include a 'scope' input parameter. "
            "The provided value for the input parameter 'scope' is not valid. {0}"),
    1002012: ("invalid_scope", 400, "The provided value for scope {0} is not valid. Client "
              "credential flows must have a scope value with /.default suffixed to the resource "
              "identifier (application ID URI)."),
    700022: ("invalid_scope", 400, "The provided value for the input parameter 'scope' is not "
             "valid because it contains more than one resource."),
    901002: ("invalid_request", 400, "The 'resource' request parameter is not supported."),
    900144: ("invalid_request", 400, "The request body must contain the following parameter: '{0}'."),
    90014: ("invalid_request", 400, "The required field '{0}' is missing from the credential."),
    9000411: ("invalid_request", 400, "The request is not properly formatted. The parameter '{0}' "
              "is duplicated."),
    70003: ("unsupported_grant_type", 400, "The app requested an unsupported grant type '{0}'."),
    90038: ("invalid_request", 400, "Confidential client is not supported in the cloud of the tenant."),
    900382: ("invalid_request", 400, "Confidential Client is not supported in Cross Cloud request."),
    900432: ("invalid_request", 400, "Confidential Client is not supported in Cross Cloud request."),
    50196: ("invalid_grant", 429, "The server terminated an operation because it encountered a "
            "client request loop. Please contact your app vendor."),
    90006: ("temporarily_unavailable", 503, "External server error: it is retryable."),
    90012: ("temporarily_unavailable", 504, "The authentication request timed out."),
    90024: ("temporarily_unavailable", 503, "A transient error: the request budget was exceeded."),
    90033: ("temporarily_unavailable", 503, "A transient error has occurred. Please try again."),
    90090: ("temporarily_unavailable", 503, "Graph retryable error."),
    90055: ("temporarily_unavailable", 429, "The tenant is throttled by too many requests."),
    530032: ("interaction_required", 400, "Blocked by a security policy of the tenant."),
    53003: ("invalid_grant", 400, "Access has been blocked by Conditional Access policies."),
    70021: ("invalid_client", 401, "No matching federated identity record found for presented assertion."),
    700211: ("invalid_client", 401, "No matching federated identity record found for presented "
             "assertion issuer '{0}'."),
    700212: ("invalid_client", 401, "No matching federated identity record found for presented "
             "assertion audience '{0}'."),
    700213: ("invalid_client", 401, "No matching federated identity record found for presented "
             "assertion subject '{0}'."),
}


class Refused(Exception):
    """A token request that gets AADSTS error `code`."""

    def __init__(self, code, about="", text=None):
        super().__init__(code)
        self.code, self.about, self.text = code, about, text


def error_body(code, about="", text=None):
    """The status and the JSON of an AADSTS error, CR LF in the text and all."""
    error, status, form = AADSTS.get(code, ("invalid_request", 400, "An error of this emulator's."))
    when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    body = {
        "error": error,
        "error_description": f"AADSTS{code}: {text or form.format(about)}\r\nTrace ID: {trace}\r\n"
        f"Correlation ID: {correlation}\r\nTimestamp: {when}",
        "error_codes": [code], "timestamp": when, "trace_id": trace,
        "correlation_id": correlation,
    }
    if code % 2:				# there sometimes, and sometimes not
        body["error_uri"] = f"https://login.microsoftonline.com/error?code={code}"
    return status, body


class Window:
    """So many events in so many seconds; a refused one counts too."""

    def __init__(self, limit, seconds):
        self.limit, self.seconds = limit, seconds
        self.times = collections.deque()
        self.lock = threading.Lock()

    def hit(self):
        """None, or the seconds until there is room again."""
        now = time.monotonic()
        with self.lock:
            while self.times and self.times[0] <= now - self.seconds:
                self.times.popleft()
            over = self.limit > 0 and len(self.times) >= self.limit
            if over:
                self.times.popleft()		# the newest `limit` are enough to know
            self.times.append(now)
            return max(1, math.ceil(self.times[0] + self.seconds - now)) if over else None


def part(text, what):
    """One base64url part of a JWT, as an object."""
    try:
        data = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), "-_", validate=True))
    except (ValueError, RecursionError):
        raise Refused(50027, f"The {what} is not base64url of JSON.") from None
    if "=" in text or not isinstance(data, dict):
        raise Refused(50027, f"The {what} is not base64url without padding of a JSON object.")
    return data


def thumbprint(header):
    """The name of the header and the digest in it; x5t is met padded and in plain
    base64 too."""
    for name, size in (("x5t#S256", 32), ("x5t", 20)):
        text = header.get(name)
        if isinstance(text, str):
            text = text.rstrip("=").replace("+", "-").replace("/", "_")
            try:
                digest = base64.b64decode(text + "=" * (-len(text) % 4), "-_", validate=True)
            except (ValueError, binascii.Error):
                digest = b""
            if len(digest) != size:
                raise Refused(50027, f"The {name} of the header is no thumbprint.")
            return name, digest
    raise Refused(50027, "The header has neither x5t#S256 nor x5t.")


class Entra:
    def __init__(self, options, names):
        """names: a function that gives the host:port names of this server."""
        self.tenant, self.domain = options.tenant, options.domain
        self.client_id, self.secret = options.client_id, options.secret
        self.lifetime = options.token_lifetime
        self.roles = options.roles
        self.certs = options.certs
        self.federated = []			# issuer, subject, audience, key
        self.names = names
        self.window = Window(options.token_limit, 60)
        self.lock = threading.Lock()
        self.tokens = {}
        self.issued = 0
        self.seen_jti = {}

    def answer(self, tenant, request, active, note):
        """The status and object for a POST to the token endpoint.  note(key, value)
        puts a word that is no secret in the log."""
        try:
            if "aadsts" in active:
                note("scope", self.form(request).get("scope"))
                raise Refused(active["aadsts"].number("code", 0), self.client_id)
            # Loop detection comes first: it counts refused requests too.
            if self.window.hit() is not None:
                raise Refused(50196)
            return 200, self.grant(tenant, request, active, note)
        except Refused as r:
            note("aadsts", r.code)
            return error_body(r.code, r.about, r.text)

    def grant(self, tenant, request, active, note):
        if tenant.lower() in ("common", "consumers", "organizations"):
            raise Refused(9001023)
        if tenant.lower() not in (self.tenant, self.domain):
            raise Refused(90002, tenant)
        form = self.form(request)
        note("fields", sorted(form))
        basic = self.basic(request)
        v1 = not request.path.partition("?")[0].lower().endswith("/v2.0/token")
        if "resource" in form and not v1:
            raise Refused(901002)
        for name in ("grant_type", "client_id", "resource" if v1 else "scope"):
            if not form.get(name) and not (name == "client_id" and basic):
                raise Refused(900144, name)
        if form["grant_type"] != "client_credentials":
            raise Refused(70003, form["grant_type"])
        if v1:			# the resource itself, where v2.0 has what it may be used for
            resource = form["resource"]
            form["scope"] = (resource if resource == INTUNE else resource.rstrip("/")) + "/.default"
        note("scope", form["scope"])
        audience = self.audience(form["scope"])
        client_id = form.get("client_id") or basic[0]
        if client_id.lower() != self.client_id:
            raise Refused(700016, client_id)
        if "client_assertion" in form:
            note("auth", self.assertion(form))
        elif "client_secret" in form or basic:
            note("auth", "basic" if "client_secret" not in form else "secret")
            secret = form.get("client_secret") or (basic[1] if basic else "")
            if basic and basic[0].lower() != self.client_id or \
                    not hmac.compare_digest(secret.encode(), self.secret.encode()):
                raise Refused(7000215, self.client_id)
        else:
            raise Refused(7000218)
        token = self.issue(audience, "client_assertion" in form, active)
        if v1:
            now = int(time.time())
            token.update(expires_in=str(self.lifetime), ext_expires_in=str(self.lifetime),
                         expires_on=str(now + self.lifetime), not_before=str(now - 300),
                         resource=form["resource"])
        return token

    @staticmethod
    def form(request):
        kind = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise Refused(900144, "grant_type")
        try:
            pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True,
                              errors="strict", max_num_fields=50)
        except ValueError:
            raise Refused(90014, "request") from None
        form = {}
        for name, value in pairs:
            if name in form:
                raise Refused(9000411, name)
            form[name] = value
        return form

    @staticmethod
    def basic(request):
        """(client id, secret) of HTTP Basic, each form-encoded by RFC 6749, 2.3.1."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, colon, word = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        except ValueError:
            raise Refused(7000218) from None
        return (unquote_plus(user), unquote_plus(word)) if colon else None

    def audience(self, scope):
        """The resource of `{id}/.default`; sign-in scopes beside it do no harm."""
        wanted = [s for s in scope.split() if s not in ("openid", "profile", "offline_access")]
        if not wanted:
            raise Refused(70011, f"The scope {scope} is not valid.")
        found = set()
        for s in wanted:
            if not s.endswith("/.default"):
                raise Refused(1002012, s)
            found.add(s[:-len("/.default")])
        if len(found) > 1:
            raise Refused(700022)
        resource = found.pop()
        if resource == INTUNE:
            return INTUNE
        if resource.lower() in {GRAPH} | {f"https://{n}" for n in self.names()}:
            return GRAPH
        raise Refused(500011, resource)

    def assertion(self, form):
        """Checks a client assertion; gives its algorithm and header name for the log."""
        if form.get("client_assertion_type") != JWT_BEARER:
            raise Refused(900144, "client_assertion_type")
        pieces = form["client_assertion"].split(".")
        if len(pieces) != 3:
            raise Refused(50027, "A JWS has three parts.")
        header, claims = part(pieces[0], "header"), part(pieces[1], "claims")
        alg = header.get("alg")
        if alg not in ("PS256", "RS256"):
            raise Refused(50027, "The alg of the header is neither PS256 nor RS256.")
        if str(claims.get("iss")).lower() != self.client_id and \
                not {"x5t", "x5t#S256"} & header.keys():
            return self.federation(alg, claims, pieces)
        name, digest = thumbprint(header)
        cert = next((c for c in self.certs if digest in (c.sha1, c.sha256)), None)
        hexed = digest.hex().upper()
        if cert is None:
            raise Refused(700027, hexed)
        if cert.expired():
            raise Refused(700027, text=KEY_GONE + "[Reason - The key used is expired., Thumbprint "
                          f"of key used by client: '{hexed}']")
        try:
            signature = base64.b64decode(pieces[2] + "=" * (-len(pieces[2]) % 4), "-_", validate=True)
        except (ValueError, binascii.Error):
            raise Refused(50027, "The signature is not base64url.") from None
        if "=" in pieces[2]:
            raise Refused(50027, "The signature is padded.")
        if not cert.verifies(alg, f"{pieces[0]}.{pieces[1]}".encode(), signature):
            raise Refused(700027, text=KEY_GONE + "[Reason - The key was found, but use of the key "
                          f"to verify the signature failed., Thumbprint of key used by client: '{hexed}']")
        self.claims(claims)
        return f"{alg} {name}"

    def federation(self, alg, claims, pieces):
        """Another provider's token, of which the application knows the issuer."""
        known = self.federated
        for code, at, name in ((700211, 0, "iss"), (700213, 1, "sub"), (700212, 2, "aud")):
            known = [f for f in known if f[at] == claims.get(name)]
            if not known:
                raise Refused(code if self.federated else 70021, claims.get(name))
        try:
            signature = base64.b64decode(pieces[2] + "=" * (-len(pieces[2]) % 4), "-_", validate=True)
        except (ValueError, binascii.Error):
            raise Refused(50027, "The signature is not base64url.") from None
        if not known[0][3].verifies(alg, f"{pieces[0]}.{pieces[1]}".encode(), signature):
            raise Refused(50013, "The key of the issuer does not fit.")
        exp = claims.get("exp")
        if isinstance(exp, bool) or not isinstance(exp, (int, float)) or exp <= time.time():
            raise Refused(700024, "The assertion has expired.")
        return f"{alg} federated"

    def claims(self, claims):
        for name in ("iss", "sub"):
            if str(claims.get(name)).lower() != self.client_id:
                raise Refused(50012, f"The {name} claim is not the client id.")
        hosts = self.names()
        ok = {f"https://{h}/{t}/oauth2/{v}token".lower() for h in hosts
              for t in (self.tenant, self.domain) for v in ("v2.0/", "")}
        if not isinstance(claims.get("aud"), str) or claims["aud"].lower() not in ok:
            raise Refused(50012, "The aud claim is not the address of the token endpoint.")
        now = time.time()
        times = [claims.get(k) for k in ("nbf", "exp")]
        if any(isinstance(t, bool) or not isinstance(t, (int, float)) for t in times):
            raise Refused(50027, "The nbf and exp claims must be numbers.")
        if times[0] > now + 1 or times[1] <= now:
            shown = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(max(0, min(t, 4e9))))
                     for t in (now, *times)]
            raise Refused(700024, f"Current time: {shown[0]}.0000000Z, assertion valid from "
                          f"{shown[1]}.0000000Z, expiry time of assertion {shown[2]}.0000000Z.")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise Refused(50027, "The jti claim is missing.")
        with self.lock:
            self.seen_jti = {j: e for j, e in self.seen_jti.items() if e > now}
            if jti in self.seen_jti:
                raise Refused(50012, "The assertion was seen before (jti).")
            self.seen_jti[jti] = times[1]

    def issue(self, audience, by_cert, active):
        now = int(time.time())
        roles = [] if "no-roles" in active else self.roles if audience == GRAPH \
            else ["get_device_compliance"]
        claims = {
            "aud": audience, "iss": f"https://sts.windows.net/{self.tenant}/", "iat": now,
            "nbf": now, "exp": now + self.lifetime, "aio": b64url(os.urandom(60)),
            "app_displayname": "intune-nac", "appid": self.client_id,
            "appidacr": "2" if by_cert else "1", "idtyp": "app", "tid": self.tenant,
            "uti": b64url(os.urandom(16)), "ver": "1.0",
            "wids": [str(uuid.uuid4()) for _ in range(8)], "xms_ftd": b64url(os.urandom(900)),
        }
        if roles:
            claims["roles"] = roles
        header = {"typ": "JWT", "alg": "RS256", "x5t": b64url(os.urandom(20)),
                  "kid": b64url(os.urandom(20))}
        # Signed with nothing but chance: a client has no business to look at it.
        token = ".".join((b64url(json.dumps(header).encode()), b64url(json.dumps(claims).encode()),
                          b64url(os.urandom(256))))
        with self.lock:
            self.issued += 1
            self.tokens = {k: t for k, t in self.tokens.items() if t["exp"] > now - 3600}
            self.tokens[digest_of(token)] = {"n": self.issued, "aud": audience, "roles": roles,
                                             "exp": time.time() + self.lifetime}
        out = {"token_type": "Bearer", "expires_in": self.lifetime,
               "ext_expires_in": self.lifetime, "access_token": token}
        if "no-ext-expires-in" in active:
            del out["ext_expires_in"]
        if "string-expires-in" in active:
            out["expires_in"] = str(self.lifetime)
        return out

    def token(self, text):
        """What is known of a token, or None."""
        return self.tokens.get(digest_of(text))

    def expire_all(self):
        with self.lock:
            for t in self.tokens.values():
                t["exp"] = 0


def digest_of(token):
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
