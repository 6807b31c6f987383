"""The withdraw form where payouts go to cards, and where there are none."""

from __future__ import annotations

import re

from shared.contracts.base import new_id
from shared.contracts.withdrawals import Card
from tests.integration.gateway_world import gateway_world
from tests.integration.purse_world import CARD_PAYMENT, OTHERS_PAYMENT, PAYMENT, Purse, beside, has_paid_by_card, pays_out, values


async def test_where_payouts_go_to_cards_one_chooses_a_payment_of_ones_own(amqp_url: str) -> None:
    async with gateway_world(amqp_url) as world:
        pays_out(world, "card")
        has_paid_by_card(world)
        purse = Purse(world)
        purse.has("rsd", 495_025)
        page = (await purse.page("/ru/balance")).text
        hidden = {name: values(page, name)[0] for name in ("csrf_token", "idempotency_key")}
        form = {**hidden, "amount": "100", "payout_currency": "rsd"}

        options = re.findall(r'<option value="([0-9a-f-]{36})">([^<]*)<', page)
        assert [(value, " ".join(text.split())) for value, text in options] == [(str(CARD_PAYMENT), "30 янв. 2026 г., 2 500,00 RSD")]
        assert 'name="account"' not in page
        for payment_id in ("", str(PAYMENT), str(OTHERS_PAYMENT), str(new_id())):
            answer = await purse.send({**form, "payment_id": payment_id})
            assert (answer.status_code, beside(answer.text, "payment_id")) == (422, "Choose the payment whose card the money goes back to.")
        assert purse.asked() == []

        assert (await purse.send({**form, "payment_id": str(CARD_PAYMENT)})).status_code == 303
        assert purse.asked()[0].destination == Card(payment_id=str(CARD_PAYMENT))

        purse.refusal = "destination_not_available"
        answer = await purse.send({**form, "payment_id": str(CARD_PAYMENT)})
        assert beside(answer.text, "payment_id") == "The money cannot be sent there. Please choose another destination."


async def test_where_nothing_is_paid_out_there_is_no_form(amqp_url: str) -> None:
    async with gateway_world(amqp_url) as world:
        purse = Purse(world)
        purse.has("rsd", 495_025)
        page = (await purse.page()).text
        assert "Withdrawals are not available here at the moment." in page
        assert 'name="idempotency_key"' not in page
        form = {"csrf_token": values(page, "csrf_token")[0], "idempotency_key": "k", "amount": "100", "payout_currency": "rsd"}

        assert (await purse.send(form)).status_code == 422
        assert purse.asked() == []
