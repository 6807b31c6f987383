"""Where a provider's words end: in its adapter and its signature check; and stand-ins share no line with what they are to test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"services", "shared", "deploy"}

WORDS = {
    "stripe": ("payment_intent", "PaymentIntent", "requires_action", "latest_charge", "funds_withdrawn"),
    "allsecure": ("merchantTransactionId", "referenceUuid", "returnType", "transactionType", "chargeback", "adapterMessage"),
    "prodamus": ("order_num", "order_denied", "urlNotification", "payments_limit", "link_expired", "demo_mode"),
}
"""Some that each of them says and nobody else here would."""

HOMES = r"services/(payments/providers/{provider}/[a-z_]+|gateway/signatures/{provider})\.py"
PAGES = {"services/gateway/pages/returns.py"}
"""Stripe has a page of ours besides, and its script writes behind that page's return address."""


def imported(path: Path) -> Iterator[str]:
    """The first part of each module's name that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (one.name.partition(".")[0] for one in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


def test_no_stand_in_imports_anything_of_what_it_tests() -> None:
    """Else an error that both sides make, in a signature or in a sum, would not be seen."""
    files = [path for folder in ("emulators", "contract/providers/kiosk") for path in (ROOT / "tests" / folder).rglob("*.py")]
    sharing = {path.relative_to(ROOT).as_posix(): found for path in files if (found := OURS & set(imported(path)))}
    # Kiosk's other half, which is an adapter and a check.
    ours = {f"tests/contract/providers/kiosk/{name}.py" for name in ("adapter", "client", "messages", "signature")}
    assert set(sharing) == ours
    assert len(files) > 50


def test_the_stand_ins_half_of_kiosk_imports_nothing_of_its_other_half() -> None:
    folder = ROOT / "tests" / "contract" / "providers" / "kiosk"
    for name in ("book", "control", "emulator", "signing"):
        text = (folder / f"{name}.py").read_text(encoding="utf-8")
        assert re.findall(r"kiosk\.(adapter|client|messages|signature)\b", text) == [], name


@pytest.mark.parametrize("provider", WORDS)
def test_nothing_outside_its_adapter_and_its_check_knows_a_providers_words(provider: str) -> None:
    word = re.compile("|".join(rf"\b{one}" for one in WORDS[provider]))
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in ("services", "shared", "deploy")
        for path in (ROOT / folder).rglob("*.py")
    }
    knowing = {path: sorted(set(word.findall(text))) for path, text in texts.items() if word.search(text)}
    at_home = {path for path in knowing if re.fullmatch(HOMES.format(provider=provider), path)}
    assert {path: words for path, words in knowing.items() if path not in at_home | PAGES} == {}
    assert at_home, "the words are its own"


def test_no_servers_certificate_goes_unchecked() -> None:
    """Samples of vendors switch that off, and samples are copied."""
    off = re.compile(r"verify\s*=\s*False|verify_ssl_certs\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified")
    files = [path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if off.search(path.read_text(encoding="utf-8"))] == []


CHECKS = sorted(path.stem for path in (ROOT / "services" / "gateway" / "signatures").glob("[a-z]*.py") if path.stem != "base")


@pytest.mark.parametrize("name", CHECKS)
def test_signatures_are_compared_in_constant_time(name: str) -> None:
    """How long a comparison takes must not tell how many characters were right."""
    tree = ast.parse((ROOT / "services" / "gateway" / "signatures" / f"{name}.py").read_text(encoding="utf-8"))
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert [text for text in compared if re.search(r"\b(given|expected|sign|signature|digest)\b", text)] == []
    assert any(ast.unparse(node.func) == "hmac.compare_digest" for node in ast.walk(tree) if isinstance(node, ast.Call))
