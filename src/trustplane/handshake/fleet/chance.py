"""How often chance alone does as much: the upper tail of the hypergeometric distribution, in logarithms.

Exact, so that it holds for the few failures of a small mesh too, where a chi-squared approximation promises more than
it keeps.
"""

from __future__ import annotations

from math import exp, inf, lgamma, log

_NEGLIGIBLE = 1e-18


def log_tail(population: int, marked: int, drawn: int, seen: int) -> float:
    """ln P(at least `seen` marked among `drawn` out of `population`, of which `marked` are).

    0 for what is no more than to be expected: nobody asks how little it surprises.
    """
    most = min(marked, drawn)
    if seen * population <= drawn * marked:
        return 0.0
    if seen > most:
        return -inf
    first = _log_chosen(marked, seen) + _log_chosen(population - marked, drawn - seen) - _log_chosen(population, drawn)
    total = term = 1.0
    for one in range(seen, most):
        term *= (marked - one) * (drawn - one) / ((one + 1) * (population - marked - drawn + one + 1))
        total += term
        if term < total * _NEGLIGIBLE:
            break
    return min(0.0, first + log(total))


def corrected(log_p: float, comparisons: int) -> float:
    """By Bonferroni: the chance that any of so many comparisons does as well."""
    return exp(min(0.0, log_p + log(max(1, comparisons))))


def _log_chosen(among: int, many: int) -> float:
    return lgamma(among + 1) - lgamma(many + 1) - lgamma(among - many + 1)
