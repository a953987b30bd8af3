"""The panels as a Grafana dashboard, with grafana-foundation-sdk."""

from itertools import count
from typing import TypeAlias

from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

from watchtower.dashboards.panels import Look, Query, Shown
from watchtower.dashboards.rows import ROWS

_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_STATES = {"0": ("quiet", "green"), "1": ("pending", "yellow"), "2": ("firing", "red"), "3": ("firing", "red")}
Panel: TypeAlias = stat.Panel | timeseries.Panel | statetimeline.Panel


def model_dashboard() -> str:
    """The JSON of the dashboard that shows one model."""
    made = (
        builder.Dashboard("Watchtower: a model")
        .uid("watchtower-model")
        .description("Traffic, latency, errors, drift, alerts and rollbacks of one model that Watchtower watches.")
        .tags(["watchtower", "machine-learning"])
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("10s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(builder.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("model", "Model", "label_values(watchtower_predictions_total, model)"))
        .with_variable(_statistic())
        .annotation(_version_changes())
    )
    numbers = count(1)
    for row in ROWS:
        made = made.with_row(builder.Row(row.title).id(next(numbers)))
        for shown in row.panels:
            made = made.with_panel(_panel(shown).id(next(numbers)))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _choice(name: str, label: str, query: str) -> builder.QueryVariable:
    """A variable that Prometheus fills."""
    chosen = builder.QueryVariable(name).label(label).datasource(_SOURCE).query({"query": query, "refId": name})
    return chosen.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


def _statistic() -> builder.QueryVariable:
    """Which statistics the drift panels draw; all of them at first."""
    chosen = _choice("statistic", "Statistic", 'label_values(watchtower_drift_score{model="$model"}, statistic)')
    return chosen.multi(True).include_all(True).all_value(".+")  # noqa: FBT003  its API


def _version_changes() -> builder.AnnotationQuery:
    """A line where another version becomes live."""
    expr = 'watchtower_live_version_info{model="$model"} unless (watchtower_live_version_info{model="$model"} offset 1m)'
    drawn = builder.AnnotationQuery().name("Version changes").datasource(_SOURCE).enable(True).icon_color("purple")  # noqa: FBT003  its API
    return drawn.expr(expr)


def _panel(shown: Shown) -> Panel:
    """One panel of the look that is asked for."""
    match shown.look:
        case Look.STAT:
            panel: Panel = _stat(shown)
        case Look.STATES:
            panel = _states()
        case Look.CURVES | Look.STACKED:
            panel = _curves(shown)
    for number, query in enumerate(shown.queries):
        panel = panel.with_target(_target(query, chr(ord("A") + number), instant=shown.look is Look.STAT))
    return panel.title(shown.title).description(shown.about).datasource(_SOURCE).unit(shown.unit).span(shown.width).height(4 if shown.look is Look.STAT else 8)


def _target(query: Query, ref: str, *, instant: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref).datasource(_SOURCE)
    return target.instant() if instant else target.range()


def _stat(shown: Shown) -> stat.Panel:
    """The newest number, or the series' name where that is the answer."""
    panel = stat.Panel().graph_mode(common.BigValueGraphMode.NONE).reduce_options(common_builder.ReduceDataOptions().calcs(["lastNotNull"]))
    steps = [model.Threshold(value=None, color="green" if shown.warn else "text")]
    if shown.warn is not None:
        steps.append(model.Threshold(value=shown.warn, color="red"))
    panel = panel.thresholds(builder.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    name_only = shown.queries[0].legend == "{{version}}"
    many = not name_only and shown.queries[0].legend.startswith("{{")
    mode = common.BigValueTextMode.NAME if name_only else common.BigValueTextMode.VALUE_AND_NAME if many else common.BigValueTextMode.VALUE
    return panel.text_mode(mode).decimals(0 if many else 2) if not name_only else panel.text_mode(mode)


def _states() -> statetimeline.Panel:
    """Words and colours instead of numbers."""
    words = {value: model.ValueMappingResult(text=text, color=color, index=int(value)) for value, (text, color) in _STATES.items()}
    panel = statetimeline.Panel().mappings([model.ValueMap(options=words)]).merge_values(True).fill_opacity(70)  # noqa: FBT003  its API
    return panel.show_value(common.VisibilityMode.NEVER).row_height(0.8).legend(common_builder.VizLegendOptions().show_legend(False))  # noqa: FBT003  its API


def _curves(shown: Shown) -> timeseries.Panel:
    """Lines over time."""
    legend = common_builder.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST)  # noqa: FBT003  its API
    legend = legend.placement(common.LegendPlacement.BOTTOM)
    panel = timeseries.Panel().legend(legend).line_width(1).show_points(common.VisibilityMode.NEVER)
    panel = panel.tooltip(common_builder.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    low, high = shown.bounds
    panel = panel if low is None else panel.min(low)
    panel = panel if high is None else panel.max(high)
    if shown.logarithmic:
        panel = panel.scale_distribution(common_builder.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10))
    if shown.look is Look.STACKED:
        panel = panel.fill_opacity(25).stacking(common_builder.StackingConfig().mode(common.StackingMode.NORMAL))
    return panel
