"""What is told, in words that an operator wants at three in the morning."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from watchtower.nouns.alert import Alert, AlertChange, AlertState
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def span(length: timedelta) -> str:
    """A duration in its two largest units: ``1h 5m``, ``42s``; under a second ``0.4s``."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{seconds:.1f}s".replace("0.0s", "0s")
    left, parts = int(seconds), []
    for unit, size in _UNITS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join(parts[:2])


def moment(at: datetime) -> str:
    """``2026-11-20 10:00:05 UTC``."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def question(live: str, candidates: Sequence[str], *, canary: bool = False) -> str:
    """What a trial asks: ``would version 6 or 5 do better than live 7?``."""
    if canary:
        return f"does stable {' or '.join(candidates)} do better than canary {live}?"
    if not candidates:
        return f"no earlier healthy version than live {live} is known"
    return f"would version {' or '.join(candidates)} do better than live {live}?"


def numbers(alert: Alert) -> str:
    """``0.312 (p 1e-09)``; the reason where there is no score, "" where there is neither."""
    if alert.value is None:
        return alert.reason
    p = alert.p_adjusted if alert.p_adjusted is not None else alert.p_value
    return f"{alert.value:.4g}" + (f" (p {p:.1g})" if p is not None else "")


def transition(change: AlertChange, summary: str = "") -> str:
    """One line about an alert's transition: rule, subject, version, numbers, why, and the rule's own *summary*."""
    alert = change.alert
    verb = "fires" if alert.state is AlertState.FIRING else str(alert.state)
    parts = [f"{alert.id} {verb} on version {alert.version}", numbers(alert)]
    why = change.reason if change.reason and change.reason != alert.reason else ""
    text = ": ".join(part for part in parts if part) + (f" ({why})" if why else "")
    return f"{text}. {summary}" if summary and alert.state is AlertState.FIRING else text


def verdict(plan: Plan) -> str:
    """What a trial came to, and what follows."""
    said = f"verdict {plan.verdict}, {str(plan.diagnosis or '').replace('_', ' ')}"
    doing = f"Taking the traffic of canary {plan.live} away" if plan.canary else f"Going back from {plan.live} to {plan.candidate}"
    if plan.step is Step.SWITCHING:
        return f"{said}: {plan.reason}. {doing}"
    if plan.step is Step.AWAITING_APPROVAL:
        until = f" until {moment(plan.deadline)}" if plan.deadline is not None else ""
        return f"{said}: {plan.reason}. {doing} awaits approval{until} (watchtower approve {plan.incident})"
    return f"{said}: {plan.reason}. Nothing is switched, " + (f"canary {plan.live} stays" if plan.canary else f"{plan.live} stays live")


def summary(template: str, alert: Alert) -> str:
    """A rule's `summary:` for *alert*: a sandboxed Jinja text with model, subject, value, version, segment, rule.

    Where it cannot be rendered it is told as written.
    """
    if "{" not in template:
        return template
    from jinja2 import TemplateError  # noqa: PLC0415  only rules that have a summary pay for jinja2
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

    try:
        return SandboxedEnvironment().from_string(template).render(_names(alert))
    except (TemplateError, ArithmeticError, TypeError, ValueError):
        return template


def _names(alert: Alert) -> Mapping[str, object]:
    value = "no score" if alert.value is None else float(f"{alert.value:.4g}")
    return {"model": alert.id.model, "subject": alert.id.subject, "value": value, "version": alert.version, "segment": alert.id.segment, "rule": alert.id.rule}
