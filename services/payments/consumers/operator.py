"""An operator's questions."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.operator import Operator
from shared.contracts.operator import FiguresView, GetFigures, ListSeries, ListStuck, SeriesView, StuckView
from shared.contracts.payment_commands import Refused
from shared.delivery.server import of


def operator_questions(operator: Operator) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetFigures))
        async def on_get_figures(query: GetFigures) -> FiguresView | Refused:
            return await operator.figures(query)

        @queries(filter=of(ListSeries))
        async def on_list_series(query: ListSeries) -> SeriesView | Refused:
            return await operator.series(query)

        @queries(filter=of(ListStuck))
        async def on_list_stuck(query: ListStuck) -> StuckView | Refused:
            return await operator.stuck(query)

    return register
