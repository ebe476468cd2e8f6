"""Certificates and signatures, by the openssl command."""

import base64
import hashlib
import os
import ssl
import subprocess
import tempfile

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class PkiError(Exception):
    pass


def openssl(*args, data=None, check=True):
    try:
        p = subprocess.run(("openssl",) + args, input=data, capture_output=True, check=False)
    except FileNotFoundError:
        raise PkiError("openssl: the command is not installed") from None
    if check and p.returncode != 0:
        lines = p.stderr.decode("utf-8", "replace").strip().splitlines()
        raise PkiError(f"openssl {args[0]}: {lines[0] if lines else 'failed'}")
    return p


def make_ca(dirname):
    """Makes DIR/ca.pem and its key, unless an earlier run left them there."""
    cert, key = os.path.join(dirname, "ca.pem"), os.path.join(dirname, "ca.key")
    if os.path.exists(cert) and os.path.exists(key):
        return cert, key
    openssl("req", "-x509", *NEW_KEY, "-keyout", key, "-out", cert, "-days", "3650",
            "-subj", "/O=intune-emulator/CN=intune-emulator test CA",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return cert, key


def make_server(dirname, which="server"):
    """Makes the server's certificate, or one of the bad ones, and gives its paths."""
    ca, ca_key = make_ca(dirname)
    cert, key = (os.path.join(dirname, which + end) for end in (".pem", ".key"))
    extra = ("-addext", "extendedKeyUsage=serverAuth",
             "-addext", "basicConstraints=critical,CA:FALSE")
    if which == "untrusted":
        openssl("req", "-x509", *NEW_KEY, "-keyout", key, "-out", cert, "-days", "30",
                "-subj", "/CN=localhost", "-addext", NAMES, *extra)
    elif which == "expired":
        make_expired(dirname, ca, ca_key, cert, key)
    elif which == "no-intermediate":
        make_orphan(dirname, ca, ca_key, cert, key, extra)
    else:
        names, subject = NAMES, "/CN=localhost"
        if which == "wrong-name":
            names, subject = "subjectAltName=DNS:wrong.example", "/CN=wrong.example"
        openssl("req", "-x509", "-CA", ca, "-CAkey", ca_key, *NEW_KEY, "-keyout", key,
                "-out", cert, "-days", "365", "-subj", subject, "-addext", names, *extra)
    return cert, key


def make_orphan(dirname, ca, ca_key, cert, key, extra):
    """A certificate whose issuer stands between it and our CA, and is sent to nobody."""
    with tempfile.TemporaryDirectory(dir=dirname) as tmp:
        mid, mid_key = os.path.join(tmp, "mid.pem"), os.path.join(tmp, "mid.key")
        openssl("req", "-x509", "-CA", ca, "-CAkey", ca_key, *NEW_KEY, "-keyout", mid_key,
                "-out", mid, "-days", "365", "-subj", "/O=intune-emulator/CN=intermediate CA",
                "-addext", "basicConstraints=critical,CA:TRUE")
        openssl("req", "-x509", "-CA", mid, "-CAkey", mid_key, *NEW_KEY, "-keyout", key,
                "-out", cert, "-days", "365", "-subj", "/CN=localhost", "-addext", NAMES, *extra,
                "-addext", "authorityInfoAccess=caIssuers;URI:http://ca.invalid/mid.cer")


def make_expired(dirname, ca, ca_key, cert, key):
    # "openssl req" takes no date in the past; "openssl ca" does, and wants a database.
    with tempfile.TemporaryDirectory(dir=dirname) as tmp:
        csr, conf = os.path.join(tmp, "csr"), os.path.join(tmp, "conf")
        open(os.path.join(tmp, "index"), "w", encoding="ascii").close()
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp}/index\nnew_certs_dir={tmp}\n"
                    "rand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n"
                    f"[p]\ncommonName=supplied\n[e]\n{NAMES}\n")
        openssl("req", "-new", *NEW_KEY, "-keyout", key, "-out", csr, "-subj", "/CN=localhost")
        openssl("ca", "-batch", "-notext", "-config", conf, "-cert", ca, "-keyfile", ca_key,
                "-startdate", "20240101000000Z", "-enddate", "20240102000000Z",
                "-in", csr, "-out", cert)


def context(cert, key):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.minimum_version = ssl.TLSVersion.TLSv1_2
    ctx.load_cert_chain(cert, key)
    ctx.set_alpn_protocols(["http/1.1"])
    return ctx


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class PublicKey:
    """The key of an identity provider that an application trusts."""

    def __init__(self, path):
        try:
            with open(path, "rb") as f:
                self.public_key = openssl("pkey", "-pubin", "-pubout", data=f.read()).stdout
        except OSError as e:
            raise PkiError(f"{path}: {e.strerror}") from None
        except PkiError:
            raise PkiError(f"{path}: not a public key in PEM") from None

    def verifies(self, alg, signed, signature):
        """Whether the RSA signature is this key's: PS256 with a salt of exactly 32
        bytes (RFC 7518, 3.5), or RS256."""
        pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32",
               "-sigopt", "rsa_mgf1_md:sha256") if alg == "PS256" else ()
        with tempfile.TemporaryDirectory() as tmp:
            key, sig = os.path.join(tmp, "key"), os.path.join(tmp, "sig")
            with open(key, "wb") as f:
                f.write(self.public_key)
            with open(sig, "wb") as f:
                f.write(signature)
            return openssl("dgst", "-sha256", "-verify", key, *pss, "-signature", sig,
                           data=signed, check=False).returncode == 0


class ClientCert(PublicKey):
    """A certificate that is registered on the application."""

    def __init__(self, path):
        try:
            with open(path, encoding="ascii") as f:
                pem = f.read()
        except OSError as e:
            raise PkiError(f"{path}: {e.strerror}") from None
        except UnicodeDecodeError:
            raise PkiError(f"{path}: not a PEM certificate") from None
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        if begin not in pem or end not in pem:
            raise PkiError(f"{path}: not a PEM certificate")
        pem = pem[pem.index(begin):pem.index(end) + len(end)] + "\n"
        try:
            der = ssl.PEM_cert_to_DER_cert(pem)
        except ValueError:
            raise PkiError(f"{path}: not a PEM certificate") from None
        self.pem = pem.encode()
        self.sha1 = hashlib.sha1(der).digest()
        self.sha256 = hashlib.sha256(der).digest()
        try:
            self.public_key = openssl("x509", "-pubkey", "-noout", data=self.pem).stdout
        except PkiError:
            raise PkiError(f"{path}: not a certificate that openssl can read") from None

    def expired(self):
        return openssl("x509", "-checkend", "0", "-noout", data=self.pem, check=False).returncode != 0
