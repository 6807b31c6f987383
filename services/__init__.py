"""The road that money takes, hop by hop.

A deposit:      gateway/api/deposits.py -> create-deposit.v1 -> payments/consumers/ -> payments/handlers/ -> payments/providers/
A proof of it:  gateway/webhooks.py (verified by gateway/signatures/) -> provider-event.received.v1 -> payments/consumers/
                -> payments/handlers/settlement.py -> payments' outbox -> payment.completed.v1
The credit:     wallet/consumers.py -> wallet/store.py (wallet.post_transfers, one call a batch) -> wallet's outbox -> balance.changed.v1
Money out:      gateway/api/{refunds,withdrawals}.py -> payments/handlers/ (a row says what comes next; payments/sagas.py resumes it)
                -> payments/ledger.py -> reserve-funds.v1 -> wallet/consumers.py -> payments/providers/ -> settle-hold.v1 or release-hold.v1
The open page:  notifier/consumers.py -> notifier/hub.py -> notifier/sockets.py -> frame -> gateway/pages/widget/ -> the page's script
The form:       gateway/pages/views/ -> the same command as gateway/api/ gives (gateway/depositing.py, withdrawing.py, refunding.py …)

shared/contracts/topology.py names every message, exchange and queue between them. No service imports another.
"""
