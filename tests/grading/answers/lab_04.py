"""Right and wrong answers to lab 04: the examiner is tested with both."""

from __future__ import annotations

import numpy as np

from labkit.evasion import mail_rules, spam_weights, spend_edits
from labkit.thieves import steal_natural
from labkit.thieves.equation import steal_equations


def _weights(api, pool, rng, budget=None):
    return spam_weights(steal_natural(api, pool, budget=budget or int(api.left), rng=rng, kind="linear").surrogate)


def evade_greedy(api, pool, mails, max_edits, rng):
    weights, rules = _weights(api, pool, rng), mail_rules(api.model())
    edited = mails.copy()
    gain = np.zeros_like(edited)
    gain[:, rules.words] = np.where(edited[:, rules.words] < rules.high[rules.words], -weights[rules.words], 0)
    gain[:, rules.style] = weights[rules.style] * edited[:, rules.style]
    for mail, worth in zip(edited, gain, strict=True):
        for j in np.argsort(-worth)[:max_edits]:
            if worth[j] > 0:
                mail[j] = mail[j] + 1 if j in rules.words else 0
    return edited


def evade_with_the_exact_copy(api, pool, mails, max_edits, rng):
    """97 rows in place of 400, and the same words for every mail: lab 02's theft."""
    return spend_edits(
        spam_weights(steal_equations(api, start=mails[0] * 0)), mails, mail_rules(api.model()), max_edits
    )


def evade_with_best_words_only(api, pool, mails, max_edits, rng):
    """Lists out, no style edits: the copy's best open words for each mail."""
    weights, rules = _weights(api, pool, rng), mail_rules(api.model())
    out = []
    for mail in mails.tolist():
        best = sorted((j for j in rules.words.tolist() if mail[j] < 10), key=lambda j: weights[j])[:max_edits]
        out.append([value + (j in best) for j, value in enumerate(mail)])
    return out


def evade_unchanged(api, pool, mails, max_edits, rng):
    api.predict(pool[:10])
    return mails


def evade_at_random(api, pool, mails, max_edits, rng):
    rules = mail_rules(api.model())
    edited = mails.copy()
    for mail in edited:
        mail[rng.permutation(rules.words[mail[rules.words] < 9])[:max_edits]] += 1
    return edited


def evade_with_worst_words(api, pool, mails, max_edits, rng):
    return spend_edits(-_weights(api, pool, rng), mails, mail_rules(api.model()), max_edits)


def evade_with_one_edit_too_many(api, pool, mails, max_edits, rng):
    return spend_edits(_weights(api, pool, rng), mails, mail_rules(api.model()), max_edits + 1)


def evade_by_gutting_the_mail(api, pool, mails, max_edits, rng):
    weights = _weights(api, pool, rng)
    edited = mails.copy()
    edited[:, np.argsort(-weights)[:max_edits]] = 0
    return edited


def evade_by_stuffing_one_word(api, pool, mails, max_edits, rng):
    weights, rules = _weights(api, pool, rng), mail_rules(api.model())
    edited = mails.copy()
    edited[:, rules.words[weights[rules.words].argmin()]] += max_edits
    return np.minimum(edited, rules.high)


def evade_by_trying_on_the_real_filter(api, pool, mails, max_edits, rng):
    weights, rules = _weights(api, pool, rng, budget=200), mail_rules(api.model())
    edited = spend_edits(weights, mails, rules, max_edits)
    return np.where((api.labels(edited) == 0)[:, None], edited, edited)


def evade_over_budget(api, pool, mails, max_edits, rng):
    return spend_edits(_weights(api, pool, rng, budget=len(pool)), mails, mail_rules(api.model()), max_edits)


def count_loss(case):
    left = case["cost_to_train"] - case["setup"]
    price = case["price_per_row"]
    single = case["asset_value"] * case["exposure"] + case["response"]
    annual = single / case["years_between_thefts"]
    worth = {c["name"]: annual - single / c["years_between_thefts"] - c["yearly_cost"] for c in case["controls"]}
    best = max(worth, key=worth.get, default=None)
    return {
        "cost_to_steal": case["setup"] + case["rows"] * price,
        "break_even_rows": 0 if left <= 0 else left / price if price else None,
        "single_loss": single,
        "annual_loss": annual,
        "best_control": best if best is not None and worth[best] > 0 else None,
    }


def count_loss_with_a_loop(case):
    out = {"cost_to_steal": case["setup"], "best_control": None}
    out["cost_to_steal"] += case["rows"] * case["price_per_row"]
    try:
        out["break_even_rows"] = max(0.0, (case["cost_to_train"] - case["setup"]) / case["price_per_row"])
    except ZeroDivisionError:
        out["break_even_rows"] = float("inf")
    out["single_loss"] = np.float64(case["response"] + case["exposure"] * case["asset_value"])
    rate = 1 / case["years_between_thefts"]
    out["annual_loss"] = out["single_loss"] * rate
    top = 0.0
    for control in case["controls"]:
        net = out["single_loss"] * (rate - 1 / control["years_between_thefts"]) - control["yearly_cost"]
        if net > top:
            top, out["best_control"] = net, control["name"]
    return out


def _changed(**changes):
    return lambda case: {**count_loss(case), **{key: make(case, count_loss(case)) for key, make in changes.items()}}


def advantage_by_thresholds(probabilities, truth, member):
    score = probabilities[np.arange(len(truth)), truth]
    return max((score[member] >= t).mean() - (score[~member] >= t).mean() for t in np.unique(score))


def advantage_by_distribution(probabilities, truth, member):
    """The same as a Kolmogorov-Smirnov distance, one-sided, on plain lists."""
    score = [row[k] for row, k in zip(probabilities.tolist(), truth.tolist(), strict=True)]
    ins, outs = (sorted(s for s, m in zip(score, member, strict=True) if m == side) for side in (True, False))
    gaps = [
        np.searchsorted(outs, t, "left") / len(outs) - np.searchsorted(ins, t, "left") / len(ins) for t in ins + outs
    ]
    return float(max(gaps))


def advantage_of_the_top(probabilities, truth, member):
    score = probabilities.max(axis=1)
    return max((score[member] >= t).mean() - (score[~member] >= t).mean() for t in np.unique(score))


def advantage_as_accuracy(probabilities, truth, member):
    score = probabilities[np.arange(len(truth)), truth]
    return max(((score >= t) == member).mean() for t in np.unique(score))


def advantage_at_one_half(probabilities, truth, member):
    score = probabilities[np.arange(len(truth)), truth]
    return (score[member] >= 0.5).mean() - (score[~member] >= 0.5).mean()


def advantage_in_means(probabilities, truth, member):
    score = probabilities[np.arange(len(truth)), truth]
    return score[member].mean() - score[~member].mean()


def advantage_swapped(probabilities, truth, member):
    return advantage_by_thresholds(probabilities, truth, ~member)


def accuse_by_quantile(shadow_confidence, shadow_member, confidence, max_false):
    return confidence > np.quantile(shadow_confidence[~shadow_member], 1 - max_false)


def accuse_by_counting(shadow_confidence, shadow_member, confidence, max_false):
    outsiders = sorted(shadow_confidence[~shadow_member].tolist(), reverse=True)
    limit = outsiders[int(max_false * len(outsiders))]
    return [int(c > limit) for c in confidence.tolist()]


def accuse_best_advantage(shadow_confidence, shadow_member, confidence, max_false):
    def gain(t):
        return (shadow_confidence[shadow_member] >= t).mean() - (shadow_confidence[~shadow_member] >= t).mean()

    return confidence >= max(np.unique(shadow_confidence), key=gain)


def accuse_the_top_of_the_list(shadow_confidence, shadow_member, confidence, max_false):
    return confidence > np.quantile(confidence, 1 - max_false)


def accuse_everybody(shadow_confidence, shadow_member, confidence, max_false):
    return np.ones(len(confidence), dtype=bool)


def accuse_nobody(shadow_confidence, shadow_member, confidence, max_false):
    return np.zeros(len(confidence), dtype=bool)


def accuse_with_all_shadow_rows(shadow_confidence, shadow_member, confidence, max_false):
    return confidence > np.quantile(shadow_confidence, 1 - max_false)


def sort_duties(incidents):
    out = []
    for one in incidents:
        personal = one["taken"] and one["trained_on_people"] and one["extraction_likely"]
        gdpr = personal and one["eu_people"] > 0
        california = personal and one["californians"] > 0 and not one["encrypted"]
        out.append({
            "id": one["id"],
            "personal_data": personal,
            "authority_hours": 72 - one["hours_known"] if gdpr and one["risk"] != "unlikely" else None,
            "tell_people": gdpr and one["risk"] == "high" and not one["encrypted"],
            "california_hours": 720 - one["hours_known"] if california else None,
            "ccpa_claim": california and not one["reasonable_security"],
        })  # fmt: skip

    def clock(duty):
        return min((duty[k] for k in ("authority_hours", "california_hours") if duty[k] is not None), default=9e9)

    return sorted(out, key=clock)


def sort_duties_by_rules(incidents):
    """Starts from "no duty" and adds, with floats, then a stable insertion."""
    queue = []
    for one in incidents:
        duty = {"id": one["id"], "personal_data": False, "authority_hours": None, "tell_people": False}
        duty |= {"california_hours": None, "ccpa_claim": False}
        clock = float("inf")
        if all(one[k] for k in ("taken", "trained_on_people", "extraction_likely")):
            duty["personal_data"] = True
            if one["eu_people"] and one["risk"] in ("some", "high"):
                clock = duty["authority_hours"] = 72.0 - one["hours_known"]
                duty["tell_people"] = one["risk"] == "high" and not one["encrypted"]
            if one["californians"] and not one["encrypted"]:
                duty["california_hours"] = 30 * 24.0 - one["hours_known"]
                duty["ccpa_claim"] = not one["reasonable_security"]
                clock = min(clock, duty["california_hours"])
        queue.append((clock, len(queue), duty))
    return [duty for _, _, duty in sorted(queue, key=lambda item: item[:2])]


def _each(change):
    return lambda incidents: [
        change(duty, one) for duty in sort_duties(incidents) for one in incidents if one["id"] == duty["id"]
    ]


RIGHT = {
    "04.1": {
        "greedy": evade_greedy,
        "exact copy, 97 rows": evade_with_the_exact_copy,
        "words only, lists": evade_with_best_words_only,
    },
    "04.2": {"plain": count_loss, "loop, infinite rows": count_loss_with_a_loop},
    "04.3": {"all thresholds": advantage_by_thresholds, "distributions": advantage_by_distribution},
    "04.4": {"quantile": accuse_by_quantile, "counting, a list": accuse_by_counting},
    "04.5": {"plain": sort_duties, "rule by rule": sort_duties_by_rules},
}
WRONG = {
    "04.1": {
        "sends them unchanged": (evade_unchanged, "No mail was changed"),
        "random words": (evade_at_random, "of your mails pass"),
        "the worst words": (evade_with_worst_words, "of your mails pass"),
        "one edit too many": (evade_with_one_edit_too_many, "6 edits"),
        "takes words out": (evade_by_gutting_the_mail, "cannot send that"),
        "stuffs one word": (evade_by_stuffing_one_word, "more than once"),
        "tries them on the real filter": (evade_by_trying_on_the_real_filter, "built from the mails"),
        "ignores the budget": (evade_over_budget, "over its query budget"),
        "returns half": (lambda api, pool, mails, max_edits, rng: mails[:30], "shape"),
    },
    "04.2": {
        "forgets the setup": (_changed(cost_to_steal=lambda c, r: c["rows"] * c["price_per_row"]), "cost_to_steal"),
        "divides by zero's stand-in": (
            _changed(break_even_rows=lambda c, r: (c["cost_to_train"] - c["setup"]) / (c["price_per_row"] or 1)),
            "break_even_rows",
        ),
        "forgets the response": (_changed(single_loss=lambda c, r: c["asset_value"] * c["exposure"]), "single_loss"),
        "multiplies by years": (
            _changed(annual_loss=lambda c, r: r["single_loss"] * c["years_between_thefts"]),
            "annual_loss",
        ),
        "cheapest control": (
            _changed(best_control=lambda c, r: min(c["controls"], key=lambda x: x["yearly_cost"])["name"]),
            "best_control",
        ),
        "always buys": (
            _changed(best_control=lambda c, r: max(c["controls"], key=lambda x: x["years_between_thefts"])["name"]),
            "best_control",
        ),
        "leaves one out": (lambda case: {"cost_to_steal": 1.0}, "lacks"),
    },
    "04.3": {
        "largest probability": (advantage_of_the_top, "measured right"),
        "accuracy of the guess": (advantage_as_accuracy, "measured right"),
        "one fixed threshold": (advantage_at_one_half, "measured right"),
        "difference of means": (advantage_in_means, "measured right"),
        "groups swapped": (advantage_swapped, "measured right"),
        "hard-coded": (lambda probabilities, truth, member: 0.5, "measured right"),
    },
    "04.4": {
        "best advantage, whatever it costs": (accuse_best_advantage, "outsiders are accused"),
        "peeks at the list": (accuse_the_top_of_the_list, "changes with the other candidates"),
        "everybody": (accuse_everybody, "outsiders are accused"),
        "nobody": (accuse_nobody, "members are found"),
        "members set the threshold": (accuse_with_all_shadow_rows, "members are found"),
        "returns confidences": (lambda s, m, confidence, f: confidence, "yes or no"),
    },
    "04.5": {
        "forgets to sort": (lambda incidents: sorted(sort_duties(incidents), key=lambda d: d["id"]), "order"),
        "no-record people too": (
            _each(lambda d, one: {**d, "personal_data": one["taken"] and one["trained_on_people"]}),
            "personal_data is wrong",
        ),
        "72 days": (
            _each(lambda d, one: {**d, "authority_hours": d["authority_hours"] and d["authority_hours"] + 71}),
            "authority_hours is wrong",
        ),
        "tells nobody": (_each(lambda d, one: {**d, "tell_people": False}), "tell_people is wrong"),
        "encryption forgotten": (
            _each(lambda d, one: {**d, "california_hours": 720 - one["hours_known"] if d["personal_data"] else None}),
            "california_hours is wrong",
        ),
        "every breach is a claim": (
            _each(lambda d, one: {**d, "ccpa_claim": d["california_hours"] is not None}),
            "ccpa_claim is wrong",
        ),
        "drops the quiet ones": (lambda incidents: sort_duties(incidents)[:5], "came out"),
    },
}
