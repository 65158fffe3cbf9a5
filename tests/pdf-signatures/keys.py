"""Throw-away keys and their certificates, all below one root but one."""

from datetime import datetime, timedelta, timezone

from asn1crypto import keys as asn1_keys, x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.signers import SimpleSigner
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
END = START + timedelta(days=50 * 365)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "IE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "THROW-AWAY KEY, NOT REAL"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _rsa():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Keys:
    """One of each kind."""

    def __init__(self):
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        root = self._certificate("Test root", self._root_key.public_key(), is_authority=True)
        self.root_pem = root.public_bytes(serialization.Encoding.PEM)
        self.root = self._asn1(root)
        self._rsa_key = _rsa()
        self.rsa = self._signer("Ada Example", self._rsa_key)
        self.rsa_pss = self._signer("Ada Example", _rsa(), prefer_pss=True)
        self.ec256 = self._signer("Bea Example", ec.generate_private_key(ec.SECP256R1()))
        self.ec384 = self._signer("Bea Example", ec.generate_private_key(ec.SECP384R1()))
        self.ec521 = self._signer("Bea Example", ec.generate_private_key(ec.SECP521R1()))
        self.ed25519 = self._signer("Eve Example", ed25519.Ed25519PrivateKey.generate())
        self.stranger = self._signer("Stranger", _rsa(), is_self_signed=True)
        authority_key = _rsa()
        authority = self._certificate("Test time-stamp authority", authority_key.public_key(), is_timestamper=True)
        store = SimpleCertificateStore()
        store.register(self.root)
        self.timestamper = DummyTimeStamper(
            tsa_cert=self._asn1(authority), tsa_key=self._key(authority_key), certs_to_embed=store
        )

    def twin(self, serial: int) -> asn1_x509.Certificate:
        """Another certificate for the RSA signer's key, with this serial number."""
        return self._asn1(self._certificate("Mallory Example", self._rsa_key.public_key(), serial=serial))

    def _signer(self, common: str, key, is_self_signed=False, **options) -> SimpleSigner:
        certificate = self._certificate(common, key.public_key(), signed_by=key if is_self_signed else None)
        store = SimpleCertificateStore()
        if not is_self_signed:
            store.register(self.root)
        return SimpleSigner(
            signing_cert=self._asn1(certificate), signing_key=self._key(key), cert_registry=store, **options
        )

    def _certificate(self, common, public_key, is_authority=False, is_timestamper=False, signed_by=None, serial=None):
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common))
            .issuer_name(_name(common if signed_by else "Test root"))
            .public_key(public_key)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(START)
            .not_valid_after(END)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(_usage(is_authority), critical=True)
        )
        if is_timestamper:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(signed_by or self._root_key, hashes.SHA256())

    @staticmethod
    def _asn1(certificate) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))

    @staticmethod
    def _key(key) -> asn1_keys.PrivateKeyInfo:
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return asn1_keys.PrivateKeyInfo.load(der)


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
