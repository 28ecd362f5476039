"""Hints of personal data: addresses and numbers that look like those of real people and machines.

Only hints: a number that passes its checksum may still be made up. Reports show them masked.
"""

import ipaddress
import re
from collections.abc import Iterator

from studio.data.doctor.finding import Tally
from studio.data.doctor.seen import Seen

CODES = ("email", "id_number", "card", "phone", "ip")  # in this order: what one has taken is no other's
LIKELY = re.compile(r"@|\d{3}|[0-9a-fA-F]:[0-9a-fA-F:]")
MANY_DIGITS = re.compile(r"\d(?:[ ().-]{0,3}\d){8}", re.ASCII)  # what all patterns of numbers have, and few texts
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?![\w-])", re.ASCII)
EXAMPLES = re.compile(r"@(?:[\w-]+\.)*(?:example|test|invalid|localhost)(?:\.(?:com|org|net|cn))?$", re.I)  # RFC 2606
ID_NUMBER = re.compile(  # place, date of birth, sequence, check digit
    r"(?<![\dA-Za-z])[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![\dA-Za-z])",
    re.ASCII,
)
ID_WEIGHTS, ID_CHECKS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"  # GB 11643-1999
CARD = re.compile(r"(?<![\d.,-])[3-6](?:[ -]?\d){12,18}(?![\d.,-]*\d)", re.ASCII)
PHONE = re.compile(
    r"(?<![\d.+-])(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\d-])"  # Chinese mobile
    r"|(?<![\d.+-])0\d{2,3}-\d{7,8}(?![\d-])"  # Chinese landline
    r"|(?<![\w.+])\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,5}(?![\d-])"  # international, E.164
    r"|(?<![\w.+-])\(?[2-9]\d{2}\)?[ .-][2-9]\d{2}[.-]\d{4}(?![\d-])",  # North American
    re.ASCII,
)
PHONE_DIGITS = range(9, 16)
IP = re.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)|(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:]|\.\d))",
    re.ASCII,
)
MASKS = {"email": "[EMAIL]", "id_number": "[ID]", "card": "[CARD]", "phone": "[PHONE]", "ip": "[IP]"}


def look(seen: Seen, tally: Tally) -> None:
    for code, begin, end in find(seen.text):
        tally.add(code, seen.number, found=_masked(seen.text[begin:end]))


def find(text: str) -> Iterator[tuple[str, int, int]]:
    """(code, begin, end) of what looks like personal data; no two overlap."""
    if not LIKELY.search(text):
        return
    taken: list[tuple[int, int]] = []
    likely = {"email": "@" in text, "ip": text.count(".") > 2 or text.count(":") > 1}
    is_number = MANY_DIGITS.search(text) is not None
    for code, pattern, holds in PATTERNS:
        if not likely.get(code, is_number):
            continue
        for match in pattern.finditer(text):
            begin, end = match.span()
            if holds(match[0]) and not any(begin < stop and start < end for start, stop in taken):
                taken.append((begin, end))
                yield code, begin, end


def mask(text: str, codes: frozenset[str]) -> str:
    """The text with a word for its kind in place of each."""
    found = sorted((begin, end, code) for code, begin, end in find(text) if code in codes)
    for begin, end, code in reversed(found):
        text = text[:begin] + MASKS[code] + text[end:]
    return text


def is_id_number(text: str) -> bool:
    """The check digit of a Chinese citizen's number, ISO 7064 MOD 11-2."""
    total = sum(int(digit) * weight for digit, weight in zip(text, ID_WEIGHTS, strict=False))
    return ID_CHECKS[total % 11] == text[17].upper()


def is_card(text: str) -> bool:
    """Luhn's check digit, ISO/IEC 7812-1, over 13 to 19 digits that are not all alike."""
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(text: str) -> bool:
    return sum(char.isdigit() for char in text) in PHONE_DIGITS


def _is_public(text: str) -> bool:
    """An address of a machine in the open net, not one of a private network or of a documentation."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


PATTERNS = (
    ("email", EMAIL, lambda text: not EXAMPLES.search(text)),
    ("id_number", ID_NUMBER, is_id_number),
    ("card", CARD, is_card),
    ("phone", PHONE, _is_phone),
    ("ip", IP, _is_public),
)


def _masked(text: str) -> str:
    """Enough to find it by, not enough to read it."""
    return text[:2] + "*" * max(1, len(text) - 4) + text[-2:]
