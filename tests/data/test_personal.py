"""Personal data and secrets are found by their form, and what only looks like them is not."""

import json
from pathlib import Path

import pytest
from test_real_data import ROOT

from whet.data.checks._personal import personal
from whet.data.checks.secret import secrets

PERSONAL = [
    ("write to jo.o'neil@mail.example.org, please", "e-mail address", "neil@mail.example.org"),
    ("(anna+lists@example.co.uk)", "e-mail address", "anna+lists@example.co.uk"),
    ("pay to GB82 WEST 1234 5698 7654 32 today", "IBAN", "GB82 WEST 1234 5698 7654 32"),
    ("gb82west12345698765432.", "IBAN", "gb82west12345698765432"),
    ("card 4111 1111 1111 1111 was charged", "payment card", "4111 1111 1111 1111"),
    ("378282246310005", "payment card", "378282246310005"),
    ("from 203.0.113.7 at noon", "IP address", "203.0.113.7"),
    ("2001:db8::8a2e:370:7334", "IP address", "2001:db8::8a2e:370:7334"),
    ("my SSN is 219-09-9999", "social security number", "219-09-9999"),
    ("+1-212-555-0100 x21", "telephone number", "+1-212-555-0100 x21"),
    ("(212) 555-0199", "telephone number", "(212) 555-0199"),
    ("0171 555 0123", "telephone number", "0171 555 0123"),
    ("Please call me on 9472 7916!", "telephone number", "9472 7916"),
]


@pytest.mark.parametrize(("text", "kind", "value"), PERSONAL, ids=[text[:24] for text, _, _ in PERSONAL])
def test_personal_data_is_found_where_it_stands(text, kind, value):
    assert [(found, text[begin:end]) for found, begin, end in personal(text)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "GB82 WEST 1234 5698 7654 33 has a wrong check digit",
        "order 4111 1111 1111 1112",
        "the years 2019-2020 and 2019 2020",
        "on 2024-05-17 or 17.05.2024 or 17/05/2024",
        "a population of 10 000 000 or 10,000,000",
        "3.14159265358979 and 1,234,567.89",
        "version 10.0.19041.1 and v1.2.3.4",
        "127.0.0.1 and 999.1.1.1",
        "at 12:30:45 and 08:15",
        "$409 500 000 = $<<409500-400000=9500>>",
        "ISBN 978-3-16-148410-0",
        "@someone and a@b",
        "x = 12345678 / 87654321",
    ],
)
def test_what_only_looks_like_personal_data_is_left_alone(text):
    assert list(personal(text)) == []


def made(*parts: str) -> str:
    """Return a secret that never stands in one piece in this file, so that nobody takes it for a real one."""
    return "".join(parts)


SECRETS = {
    "AWS access key": made("AK", "IA", "Q3EGRK7XVPL2MZ9T"),
    "GitHub token": made("gh", "p_", "a1B2c3D4e5" * 4),
    "OpenAI key": made("s", "k-", "proj-a1B2c3D4e5F6g7H8i9J0"),
    "Anthropic key": made("s", "k-", "ant-", "a1B2c3D4e5F6g7H8i9J0"),
    "Google key": made("AI", "za", "Sy" + "a1B2c3D4e5F" * 3),
    "Slack token": made("xo", "xb", "-1234567890-abcdef"),
    "Hugging Face token": made("h", "f_", "aBcDeFgHiJ" * 4),
    "JSON web token": made("ey", "JhbGciOiJI.", "ey", "JzdWIiOiIx.c2lnbmF0dXJl"),
    "private key": made("-----BEGIN ", "RSA PRIVATE ", "KEY-----"),
    "password in an address": made("postgres://app:", "s3cr3t-w0rd", "@db.example.org/x"),
    "password or key": made("pass", 'word = "', 'q7W!x2Zp9L"'),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_found_by_the_form_that_their_issuer_gave_them(kind):
    assert [found for found, _, _ in secrets(f"use {SECRETS[kind]} for it")] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        'password = "your_password1"',
        "password: ${PASSWORD_1}",
        "the password is determined by you",
        "api_key = os.environ['KEY_1']",
        "sk-learn-is-a-nickname-of-a-library",
        "see https://user@example.org/a:b",
        "a secret: nobody knows",
    ],
)
def test_what_is_only_called_a_secret_is_left_alone(text):
    assert list(secrets(text)) == []


@pytest.mark.data
@pytest.mark.skipif(not (ROOT / "pii_synthetic").is_dir(), reason="the real data sets are not beside the checkout")
def test_at_least_95_of_100_pieces_of_each_kind_are_found_in_synthetic_letters():
    kinds = {
        "EMAIL_ADDRESS": "e-mail address", "IBAN_CODE": "IBAN", "CREDIT_CARD": "payment card",
        "IP_ADDRESS": "IP address", "US_SSN": "social security number", "PHONE_NUMBER": "telephone number",
    }  # fmt: skip
    hits, missed, false = dict.fromkeys(kinds.values(), 0), dict.fromkeys(kinds.values(), 0), 0
    for line in Path(ROOT / "pii_synthetic/test.jsonl").read_text().split("\n"):
        row = json.loads(line or '{"text": "", "spans": []}')
        found = list(personal(row["text"]))
        wanted = [(kinds[s["type"]], s["start"], s["end"]) for s in row["spans"] if s["type"] in kinds]

        def meets(one, other):
            return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]

        for one in wanted:
            there = any(meets(one, other) for other in found)
            hits[one[0]] += there
            missed[one[0]] += not there
        false += sum(not any(meets(one, other) for other in wanted) for one in found)
    assert all(hits[kind] >= 0.95 * (hits[kind] + missed[kind]) > 10 for kind in hits)
    assert false <= 0.05 * sum(hits.values())
