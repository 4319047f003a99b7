"""Personal data that can be told by its form: what each kind looks like, and what only looks like it.

Letters and digits alone do not make an identifier: whatever carries a checksum is held to it (IBAN: ISO 7064, mod
97-10; payment cards: ISO/IEC 7812-1, Luhn), addresses of the Internet are parsed, and digits that may as well be an
amount or a date count as a telephone number only where the words around say so.
"""

import ipaddress
import re
from collections.abc import Iterator

# Lengths by country: the IBAN registry (SWIFT), release 99.
_IBAN = {
    length: codes.split()
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC",
        33: "RU",
    }.items()
}  # fmt: skip
_LENGTHS = {code: length for length, codes in _IBAN.items() for code in codes}

_ANY = re.compile(r"[\d@]|::")  # most texts have none of these, and this is soon seen
_SIGN = re.compile(  # every form below has one of these: four digits close together, or the beginning of an account
    r"@|\d\D{0,3}\d\D{0,3}\d\D{0,3}\d|::|[0-9A-Fa-f]:[0-9A-Fa-f]{1,4}:|[A-Za-z]{2}\d\d[ -]?[A-Za-z]{4}"
)
_MAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,24}(?![\w-])")
_ACCOUNT = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d\d(?:[ -]?[A-Za-z\d]){11,29}")
_CARD = re.compile(r"(?<![\w.,+<>=*/-])\d(?:[ -]?\d){11,18}(?!\d|[ -]\d|[.,]\d|[\w=*/])")
_ISSUED = re.compile(r"4|5[0-8]|6|3[04-9]|2[2-7]|1800|2131")
_FOUR = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_VERSION = re.compile(r"\b(?:v|ver|version|release|build)\.?\s*$", re.IGNORECASE)
_SIX = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:.])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_PHONE = re.compile(
    r"(?<!\d,)(?<![\w./:+$\u20ac\u00a3#%-])(?:\+|\()?\d(?:[ .()/-]{0,2}\d){6,16}"
    r"(?: ?(?:x|ext\.?) ?\d{1,5})?(?![\w%]|[.,:/-]\d)"
)
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ]\d\d?[-./ ]\d\d?|\d\d?[-./ ]\d\d?[-./ ](?:19|20)\d\d|(?:19|20)\d\d[-/ ](?:19|20)\d\d"
)
_SURE = re.compile(
    r"\+\d|00[1-9]\d{8}|\(\d{1,5}\)|\d{3}[-.]\d{3}[-.]\d{4}\b"  # abroad, area code in brackets, North America
    r"|0\d{1,4}[ /-]\d{2,4}(?:[ -]\d{2,4})+\b|0\d(?:[. ]\d\d){4}\b|0\d{3,4}[ -]\d{6,7}\b"  # with a trunk prefix
)
_AROUND = re.compile(
    r"\b(?:phones?|call(?:ed|ing)?|tel|telephone|mobile|cell|fax|contact|reach|dial|ring|sms|text(?:ed|ing)? me|"
    r"whatsapp|hotline|answer(?:ed|ing)?|messages?|office|desk|landline)\b",
    re.IGNORECASE,
)  # fmt: skip

KINDS = ("e-mail address", "IBAN", "payment card", "IP address", "social security number", "telephone number")


def personal(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, begin, end) of each piece of personal data, none of them inside another."""
    taken: list[tuple[int, int]] = []
    if not (_ANY.search(text) and _SIGN.search(text)):
        return
    for kind, begin, end in _candidates(text):
        if all(end <= first or last <= begin for first, last in taken):
            taken.append((begin, end))
            yield kind, begin, end


def _candidates(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield what looks like personal data, the surest kinds first."""
    if "@" in text:
        for found in _MAIL.finditer(text):
            yield "e-mail address", *found.span()
    for found in _ACCOUNT.finditer(text):
        if end := _iban(found[0]):
            yield "IBAN", found.start(), found.start() + end
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if _ISSUED.match(digits) and _luhn(digits):
            yield "payment card", *found.span()
    for found in (*_FOUR.finditer(text), *_SIX.finditer(text)):
        if _address(found[0]) and not _VERSION.search(text[max(0, found.start() - 12) : found.start()]):
            yield "IP address", *found.span()
    for found in _SSN.finditer(text):
        yield "social security number", *found.span()
    for found in _PHONE.finditer(text):
        if _telephone(found[0], text[max(0, found.start() - 45) : found.start()], text[found.end() : found.end() + 12]):
            yield "telephone number", *found.span()


def _iban(text: str) -> int:
    """Return where an IBAN at the beginning of a text ends, 0 if there is none."""
    length = _LENGTHS.get(text[:2].upper(), 0)
    signs = [(at, sign) for at, sign in enumerate(text) if sign.isalnum()][:length]
    if not length or len(signs) < length:
        return 0
    code = "".join(sign for _, sign in signs).upper()
    end = signs[-1][0] + 1
    rest = text[end : end + 1]
    number = int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4]))
    return end if number % 97 == 1 and not rest.isalnum() else 0


def _luhn(digits: str) -> bool:
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0 and len(set(digits)) > 1


def _address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast)


def _telephone(found: str, before: str, after: str) -> bool:
    digits = sum(sign.isdigit() for sign in found.partition("x")[0])
    if not 7 <= digits <= 15 or _DATE.match(found):
        return False
    return bool(_SURE.match(found) or _AROUND.search(before) or _AROUND.search(after))
