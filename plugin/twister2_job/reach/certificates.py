"""Whether the certificate at an address is of its host and of today.

It is looked at apart from the question who answers, so that one that is wrong is told as such, and not as a connection
that fails.
"""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..exposure.model import Address
from ..exposure.nodes import host_port
from .in_time import in_time
from .sockets import REFUSED, TIMED_OUT, failed
from .tls import any_certificate, failure, handshake, speaks_tls

SOON = 14.0
"""Days before its end from which a certificate is warned of."""
AT_ONCE = 32
"""The most hosts asked at once: handshakes take processor time here, which others would take for the network's."""
WRONG_CERTIFICATE = "wrong certificate"
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's codes: X509_V_ERR_CERT_HAS_EXPIRED, ..._NOT_YET_VALID, ..._HOSTNAME_MISMATCH, ..._IP_ADDRESS_MISMATCH."""


class Certificate(NamedTuple):
    """What a look at a certificate found.

    Attributes:
        problem: Why its address can't count as one that answers; empty if it can.
        note: What is only worth a warning; may be empty.
        trusted: It is of its host, of today, and of an authority that is trusted here.
        state: The address's state if there is a problem: wrong certificate, or why none was seen.
    """

    problem: str = ""
    note: str = ""
    trusted: bool = False
    state: str = WRONG_CERTIFICATE


async def certificates(
    addresses: Sequence[Address], limit: float, seconds: float
) -> dict[tuple[str, int], Certificate]:
    """Return what is to say of the certificate at each host and port number of the addresses that speak TLS.

    Args:
        addresses: Any addresses; best those where something answers, since the others cost their whole limit.
        limit: Seconds for each step: resolving a name, connecting, the handshake.
        seconds: The time for all of them.
    """
    places = sorted({(a.host, a.number) for a in addresses if speaks_tls(a)})
    if not places:
        return {}
    trusted = ssl.create_default_context()  # Once: reading all authorities takes tens of milliseconds.

    async def one(place: tuple[str, int]) -> Certificate:
        try:
            return await _certificate(*place, trusted, limit)
        except (asyncio.TimeoutError, TimeoutError):
            state, why = TIMED_OUT, f"no answer within {limit:g} s"
        except ssl.SSLError as error:
            state, why = REFUSED, failure(error)
        except OSError as error:
            state, why = failed(error)
        return Certificate(f"its certificate could not be looked at: {why or state}", state=state)

    late = f"its certificate was not looked at: time ran out for all of them, after {seconds:g} s"
    found = await in_time(one, places, AT_ONCE, seconds)
    return {place: found.get(place, Certificate(late, state=TIMED_OUT)) for place in places}


async def _certificate(host: str, number: int, trusted: ssl.SSLContext, limit: float) -> Certificate:
    """Return what is to say of the certificate at a host and port number."""
    try:
        return Certificate(note=_late(host, number, await _shown(host, number, trusted, limit)), trusted=True)
    except ssl.SSLCertVerificationError:
        pass  # Its name and time are looked at without its authority, which need not be one that this machine knows.
    shown = (await handshake(host, number, any_certificate(), limit)).getpeercert(binary_form=True)
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    alone.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(shown or b""))
    alone.verify_flags = trusted.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN
    at = host_port(host, number)
    try:
        late = _late(host, number, await _shown(host, number, alone, limit))
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
            return Certificate(f"the certificate is of another name than {host}")
        if error.verify_code in (_EXPIRED, _NOT_YET):
            when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
            return Certificate(f"the certificate {when}")
        return Certificate(f"the certificate is refused: {error.verify_message}")
    unknown = f"The certificate at {at} is of no authority that this machine trusts."
    return Certificate(note=" ".join(filter(None, (unknown, late))))


async def _shown(host: str, number: int, context: ssl.SSLContext, limit: float) -> dict[str, Any]:
    """Return the fields of the certificate at a host, checked by the context."""
    return dict((await handshake(host, number, context, limit)).getpeercert() or {})


def _late(host: str, number: int, fields: dict[str, Any]) -> str:
    """Return a sentence if a certificate ends soon."""
    end = ssl.cert_time_to_seconds(fields["notAfter"])
    days = (end - time.time()) / 86400
    if days > SOON:
        return ""
    day = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).date()
    return f"The certificate at {host_port(host, number)} ends on {day}, in {max(0, int(days))} days."
