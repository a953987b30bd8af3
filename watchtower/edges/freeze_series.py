"""`watchtower_frozen`: whether somebody froze actions, asked at each scrape."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class FreezeSeries(Collector):
    """One series a model, 1 where nothing may be switched; *ask* gives them, None where the store is away (then there are none)."""

    def __init__(self, ask: Callable[[], Mapping[str, bool] | None]) -> None:
        """To be registered once."""
        self._ask = ask

    def describe(self) -> Iterator[Metric]:
        """Its name, without asking."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """As it stands now."""
        family = self._family()
        for model, frozen in sorted((self._ask() or {}).items()):
            family.add_metric([model], float(frozen))
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily("watchtower_frozen", "1 where actions are frozen: nothing is switched.", labels=["model"])
